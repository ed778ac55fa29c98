"""`mfl simulate node`: a Sparkplug edge node of its own, heard by a gateway's driver."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from drivers.driver import DeviceSpec, Endpoint
from drivers.profiles import load_profile
from drivers.sparkplug_host import SparkplugHost
from gateway.cli import system_clock
from simulators.cli import simulate
from telemetry.reading import ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 30.0


@pytest.mark.wall
def test_a_node_of_its_own_is_heard_and_answers_a_rebirth_request(mosquitto: Callable[..., str]) -> None:
    loaded = load_profile("opc40010_sparkplug")
    url = mosquitto()
    command = [sys.executable, "-m", "mfl", "simulate", "node", "opc40010_sparkplug", "--broker", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        assert b"node1/device1" in process.stdout.readline()

        async def main() -> None:
            spec = DeviceSpec("r1", loaded.profile, loaded.profile_id, 1000, topic_name="node1/device1")
            endpoint = Endpoint(f"{url.replace('mqtt:', 'spb:')}?group=mfl", (spec,), timeout_ms=5000)
            async with SparkplugHost(endpoint, system_clock(assume_synced=True)) as host:
                async with asyncio.timeout(PATIENCE_S):
                    async for heard in host:  # its birth was missed: its data asks for one
                        kinds = [reading.kind for reading in heard.readings]
                        assert kinds == [ReadingKind.IDENTITY, ReadingKind.PUSH]
                        break

        try:
            asyncio.run(main())
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["jaka_zu"], "is not heard over Sparkplug"),
        (["opc40010_sparkplug", "--name", "e1"], "topic_name is written NODE/DEVICE"),
    ],
)
def test_a_node_that_cannot_be_is_a_usage_error(arguments: list[str], reason: str) -> None:
    result = CliRunner().invoke(simulate, ["node", *arguments])
    assert result.exit_code == 2
    assert reason in result.output
