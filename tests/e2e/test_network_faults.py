"""The network fails as networks do: a peer that vanishes, a partition, servers that stop and come back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from drivers.mqtt_client import KEEPALIVE_S
from tests.e2e.proxy import CHUNK, Proxy
from tests.e2e.working import at_work, end, look, until, until_all_heard, until_delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UP = "mfl_gateway_store_up"
LINE_UP = "mfl_gateway_endpoint_up"
HEARD = "mfl_gateway_device_readings_total"
AGAIN = "mfl_gateway_messages_redelivered_total"
ROBOT = "robot-m"
BROKER_LINE = "0"
"""The number of the broker's endpoint: the plant's site names it first."""
HOST, PEER = "198.18.77.1", "198.18.77.2"
"""Addresses for benchmarks of devices (RFC 2544): nobody's network."""
DETECT_MOST_S = 15.0


async def store_is(plant: Any, *, up: bool) -> bool:
    return bool((await plant.metric(UP)).get("") == int(up))


async def broker_line_is(plant: Any, *, up: bool) -> bool:
    return bool((await plant.metric(LINE_UP)).get(BROKER_LINE) == int(up))


async def begin(plant: Any) -> dict[str, int]:
    await plant.start_store()
    await plant.start_gateway()
    await until_all_heard(plant, 2)
    await until_delivered(plant)
    return dict(plant.counts)


class OneWay(Proxy):
    """A wire to a broker whose silence begins on the way there: acknowledgements vanish while messages still come.

    Once `is_mute`, nothing comes either; nor does the end of the broker's side, which closes what it does not hear.
    """

    is_mute = False

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Any, *, asks: bool
    ) -> None:
        while data := await reader.read(CHUNK):
            if not waiting.is_silent or not (asks or self.is_mute):
                writer.write(data)
                await writer.drain()
        if waiting.is_silent and not asks:
            await asyncio.Event().wait()  # until the gateway leaves the line, which cancels this
        raise ConnectionResetError("one side closed")


class Messages:
    """What a plant's publishing robot told its broker: tries, and those that the broker acknowledged."""

    def __init__(self, device: Any) -> None:
        self.tried = self.acked = 0
        self._publish = device.publish
        device.publish = self.publish

    async def publish(self, at_ms: int) -> None:
        self.tried += 1
        await self._publish(at_ms)
        self.acked += 1


async def lose_broker(plant: Any, line: OneWay) -> str:
    """Let the broker's line go silent, first for acknowledgements; tells how long it took to notice."""
    line.go_silent()
    before = (await plant.metric(HEARD))[ROBOT]

    async def hears_more() -> bool:
        return bool((await plant.metric(HEARD)).get(ROBOT, 0) >= before + 2)

    await until(hears_more, "messages are accepted whose acknowledgement is lost")
    line.is_mute = True
    noticed = await until(lambda: broker_line_is(plant, up=False), "the broker's silence is noticed")
    line.speak()
    back = await until(lambda: broker_line_is(plant, up=True), "the broker is heard again")
    await until(lambda: has_known(plant), "what was heard before is known again")
    return f"broker's noticed after {noticed:.1f} s, heard again after {back:.1f} s"


async def has_known(plant: Any) -> bool:
    return bool((await plant.metric(AGAIN)).get("", 0))


@pytest.mark.wall
def test_peers_that_vanish_are_noticed_and_left(
    make_plant: Callable[..., Any], mosquitto: Callable[..., str]
) -> None:
    """Half-open TCP to store and broker at once: the lines stand, nobody answers; and new ones work while the old never will."""

    async def run() -> None:
        url = mosquitto()
        async with make_plant(url, robots=1) as plant, OneWay(int(url.rpartition(":")[2])) as line:
            plant.broker_url = f"mqtt://127.0.0.1:{line.port}"
            plant.write_site()
            messages = Messages(plant.mqtt[ROBOT])
            await plant.start_store()
            await plant.start_gateway()
            await until(lambda: broker_line_is(plant, up=True), "the broker is heard")
            await until_all_heard(plant, 1)
            before = dict(plant.counts)
            async with at_work(plant), asyncio.TaskGroup() as group:
                broker = group.create_task(lose_broker(plant, line))
                await until_delivered(plant)
                assert await plant.proxy.until_asked(timeout_s=20)
                plant.proxy.go_silent()
                noticed = await until(lambda: store_is(plant, up=False), "the silence is noticed")
                plant.proxy.speak()
                back = await until_delivered(plant)
            account = await end(plant, before)
            plant.tell_figure(
                "half-open TCP",
                account,
                f"noticed after {noticed:.1f} s, delivering again after {back:.1f} s, {broker.result()}",
            )
            # A publication that was broken off at the end of the work may have arrived.
            assert messages.acked <= account.of_device[ROBOT] <= messages.tried
            assert plant.site()["store"]["timeout_s"] + 1 < DETECT_MOST_S
            assert 2 * KEEPALIVE_S + 1 <= DETECT_MOST_S

    asyncio.run(run())


def ip(*words: str, inside: str = "") -> None:
    prefix = ("ip", "netns", "exec", inside) if inside else ()
    subprocess.run([*prefix, "ip", *words], check=True, capture_output=True, timeout=10)


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network of its own, joined to ours by one cable."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and ip (Debian package iproute2)")
    name = f"mfl{os.getpid() % 100_000}"
    ours, theirs = f"{name}a", f"{name}b"
    try:
        ip("netns", "add", name)
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        ip("addr", "add", f"{HOST}/30", "dev", ours)
        ip("link", "set", ours, "up")
        ip("addr", "add", f"{PEER}/30", "dev", theirs, inside=name)
        ip("link", "set", theirs, "up", inside=name)
        ip("link", "set", "lo", "up", inside=name)
    except subprocess.CalledProcessError as error:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", name)
        pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
    yield name
    with contextlib.suppress(subprocess.CalledProcessError):
        ip("netns", "del", name)


@pytest.mark.wall
def test_a_partition_loses_nothing(make_plant: Callable[..., Any], namespace: str) -> None:
    """First only the answers vanish, so that every batch offered is stored and offered again; then the cable is cut."""

    async def run() -> None:
        async with make_plant(
            store_host=PEER, prefix=("ip", "netns", "exec", namespace), proxied=False
        ) as plant:
            before = await begin(plant)
            async with at_work(plant):
                ip("route", "add", "blackhole", f"{HOST}/32", inside=namespace)
                one_way = await until(lambda: store_is(plant, up=False), "the partition is noticed")
                ip("route", "del", "blackhole", f"{HOST}/32", inside=namespace)
                await until_delivered(plant)
                ip("link", "set", f"{namespace}b", "down", inside=namespace)
                cut = await until(lambda: store_is(plant, up=False), "the cut is noticed")
                ip("link", "set", f"{namespace}b", "up", inside=namespace)
                await until_delivered(plant)
            answers = await plant.metric("mfl_gateway_store_answers_total")
            account = await end(plant, before)
            account.again = answers["unavailable"]
            plant.tell_figure(
                "partition in a network namespace",
                account,
                f"answers lost noticed after {one_way:.1f} s, cable cut after {cut:.1f} s",
            )
            assert answers["unavailable"] >= 2

    asyncio.run(run())


@pytest.mark.wall
def test_a_store_that_is_stopped_and_started_again(make_plant: Callable[..., Any]) -> None:
    async def run() -> None:
        async with make_plant() as plant:
            before = await begin(plant)
            async with at_work(plant):
                assert await plant.store.stop() == 0

                async def waits() -> bool:
                    return bool((await plant.metric("mfl_gateway_outbox_batches")).get("", 0) >= 4)

                await until(waits, "four batches wait")
                told = await look(plant)
                await plant.start_store()
                back = await until_delivered(plant, told["buffered"])
            account = await end(plant, before)
            plant.tell_figure(
                "store stopped and started",
                account,
                f"{told['buffered']} readings waited, delivered after {back:.1f} s",
            )

    asyncio.run(run())
