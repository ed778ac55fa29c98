"""The broker is restarted and killed: what it acknowledged to a device reaches the store, through a persistent session."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from simulators.mqtt_device import MqttDevice
from tests.e2e.working import end, look, until_all_heard, until_delivered, wall_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 20.0
EACH = 40
"""Messages a burst."""
ROBOT = "robot-m"
CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {home}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 0
user root
"""
"""A broker that keeps what it acknowledged: with the default (every half hour) a kill loses all of it. `user` matters to
root only, who else would become `mosquitto`, which may not write here."""


class Broker:
    """A real Mosquitto whose sessions rest on disk."""

    def __init__(self, home: Path, binary: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._config = home / "mosquitto.conf"
        home.mkdir()
        self._config.write_text(CONFIG.format(port=self._port, home=home))
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._process = subprocess.Popen([self._binary, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self._port), 1):
                    return
            except OSError:
                assert time.monotonic() < deadline, "mosquitto does not listen"

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if binary is None:
        pytest.skip("no mosquitto binary: install the Debian package to run this test")
    broker = Broker(tmp_path / "broker", binary)
    broker.start()
    yield broker
    broker.end(signal.SIGKILL)


async def burst(plant: Any) -> int:
    """Finish one cycle and tell it again and again; gives how many messages the broker acknowledged."""
    async with MqttDevice(plant.arm, plant.broker_url, ROBOT) as device:
        plant.mqtt[ROBOT] = device
        plant.produce()
        for _ in range(EACH):
            await device.publish(wall_ms())
    return EACH


@pytest.mark.kill
@pytest.mark.wall
def test_what_a_broker_acknowledged_arrives(make_plant: Callable[..., Any], broker: Broker) -> None:
    async def run() -> None:
        async with make_plant(broker.url) as plant:
            await plant.start_store()
            await plant.start_gateway()
            await until_all_heard(plant, 1)
            before = dict(plant.counts)
            said = 0
            for number in (signal.SIGTERM, signal.SIGKILL):
                said += await burst(plant)
                broker.end(number)
                await look(plant)
                broker.start()
                await plant.gateway.kill()
                said += await burst(plant)
                broker.end(number)
                broker.start()
                await plant.start_gateway()

                await until_delivered(plant)
            async with MqttDevice(plant.arm, plant.broker_url, ROBOT) as device:
                plant.mqtt[ROBOT] = device
                plant.tell()
                account = await end(plant, before)
            plant.tell_figure(
                "broker stopped twice, SIGKILL twice",
                account,
                f"{said} messages acknowledged by the broker, {account.of_device[ROBOT]} heard",
            )
            assert account.of_device[ROBOT] >= said

    asyncio.run(run())
