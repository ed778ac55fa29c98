"""What every driver promises, asked of each: one suite, run over all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Protocol

import pytest

from drivers import DRIVERS
from drivers.profiles import load_profile
from simulators.broker import LocalBroker
from simulators.modbus_device import ModbusDeviceServer
from simulators.mqtt_device import MqttDevice
from simulators.sparkplug_node import SparkplugNode, golden_values
from telemetry.errors import Disconnected
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from drivers.driver import DeviceSpec, Driver, Endpoint
    from telemetry.clock import Clock
    from telemetry.reading import Heard, Reading

pytestmark = pytest.mark.wall
PATIENCE_S = 20.0
SCHEMES = ["tcp", "rtu+tcp", "mqtt", "spb"]
POLLED = {"tcp", "rtu+tcp"}
PROFILES = {
    "tcp": "ufactory_xarm6",
    "rtu+tcp": "ufactory_xarm6",
    "mqtt": "kuka_krc4_neuron",
    "spb": "opc40010_sparkplug",
}
COUNTERS = {"tcp": "counter", "rtu+tcp": "counter", "mqtt": "cycles", "spb": "cycles"}
NAMES = {"spb": "e1/d1"}
OPTIONS = {"spb": "?group=G&host_id=H&primary=1"}


class Peer(Protocol):
    """The device at the other end, be it asked or publishing."""

    @property
    def url(self) -> str: ...

    async def say(self, cycles: int) -> None: ...

    async def say_nonsense(self) -> None: ...


class ModbusPeer:
    def __init__(self, server: ModbusDeviceServer) -> None:
        self._server = server
        self.url = server.url

    async def say(self, cycles: int) -> None:
        self._server.set("counter", cycles)
        for name in load_profile(PROFILES["tcp"]).profile.points:
            self._server.refuse(name, code=0)

    async def say_nonsense(self) -> None:
        for name in load_profile(PROFILES["tcp"]).profile.points:
            self._server.refuse(name)


class MqttPeer:
    def __init__(self, device: MqttDevice, url: str, clock: Clock) -> None:
        self._device, self._clock = device, clock
        self.url = url

    async def say(self, cycles: int) -> None:
        for name, point in load_profile(PROFILES["mqtt"]).profile.points.items():
            self._device.set(name, point.golden[0].value)
        self._device.set("cycles", cycles)
        await self._device.publish(self._clock.wall_ms())

    async def say_nonsense(self) -> None:
        await self._device.publish_raw(b"{")


class SparkplugPeer:
    def __init__(self, node: SparkplugNode, url: str, clock: Clock) -> None:
        self._node, self._clock = node, clock
        self.url = url

    async def say(self, cycles: int) -> None:
        for name, value in golden_values(load_profile(PROFILES["spb"]).profile).items():
            self._node.set(name, value)
        self._node.set("cycles", cycles)
        await self._node.birth(self._clock.wall_ms())

    async def say_nonsense(self) -> None:
        await self._node.publish_raw("DDATA", b"\xff")


@contextlib.asynccontextmanager
async def peer_of(scheme: str, clock: Clock) -> AsyncIterator[Peer]:
    profile = load_profile(PROFILES[scheme]).profile
    if scheme in POLLED:
        async with ModbusDeviceServer(profile, rtu=scheme != "tcp") as server:
            yield ModbusPeer(server)
    elif scheme == "spb":
        async with LocalBroker() as broker, SparkplugNode(profile, broker.url, "G", NAMES[scheme]) as node:
            yield SparkplugPeer(node, broker.url.replace("mqtt:", "spb:"), clock)
    else:
        async with LocalBroker() as broker, MqttDevice(profile, broker.url, "d1") as device:
            yield MqttPeer(device, broker.url, clock)


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_driver(
    scheme: str,
    clock: Clock,
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
) -> Callable[[str], Driver]:
    def make(url: str) -> Driver:
        spec = make_spec(PROFILES[scheme], topic_name=NAMES.get(scheme))
        return DRIVERS[scheme](make_endpoint(url + OPTIONS.get(scheme, ""), spec, timeout_ms=3000), clock)

    return make


async def first(driver: Driver, wanted: Callable[[Reading], bool]) -> tuple[Heard, Reading]:
    async with asyncio.timeout(PATIENCE_S):
        async for heard in driver:
            for reading in heard.readings:
                if wanted(reading):
                    return heard, reading
            if heard.ack is not None:
                heard.ack()
    raise AssertionError("the driver ended without a word")


def is_news(reading: Reading) -> bool:
    return reading.kind is not ReadingKind.IDENTITY


def is_identity(reading: Reading) -> bool:
    return reading.kind is ReadingKind.IDENTITY


def test_nobody_there_is_disconnected_at_once(scheme: str, make_driver: Callable[[str], Driver]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}"

        async def main() -> None:
            with pytest.raises(Disconnected, match=r"127\.0\.0\.1"):
                async with asyncio.timeout(PATIENCE_S), make_driver(url):
                    pass

        asyncio.run(main())


def test_a_host_that_does_not_exist_is_disconnected(
    scheme: str, make_driver: Callable[[str], Driver]
) -> None:
    async def main() -> None:
        with pytest.raises(Disconnected):
            async with asyncio.timeout(PATIENCE_S), make_driver(f"{scheme}://nowhere.invalid:1"):
                pass

    asyncio.run(main())


def test_a_reading_says_whose_it_is_and_when_it_was_heard(
    scheme: str, make_driver: Callable[[str], Driver], clock: Clock
) -> None:
    async def main() -> None:
        async with peer_of(scheme, clock) as peer, make_driver(peer.url) as driver:
            before_wall, before_mono = clock.wall_ms(), clock.mono_ms()
            await peer.say(17)
            _, reading = await first(driver, is_news)
            assert reading.device == "d1"
            assert reading.profile == load_profile(PROFILES[scheme]).profile_id
            assert reading.kind is (ReadingKind.POLL if scheme in POLLED else ReadingKind.PUSH)
            assert before_wall <= reading.received_ms <= clock.wall_ms()
            assert before_mono <= reading.mono_ms <= clock.mono_ms()
            assert (reading.quality, reading.reason) == (Quality.GOOD, "")
            assert reading.values[COUNTERS[scheme]] == 17
            assert reading.values.keys() <= load_profile(PROFILES[scheme]).profile.points.keys()

    asyncio.run(main())


def test_identity_is_told_and_names_its_endpoint(
    scheme: str, make_driver: Callable[[str], Driver], clock: Clock
) -> None:
    async def main() -> None:
        async with peer_of(scheme, clock) as peer, make_driver(peer.url) as driver:
            await peer.say(1)
            _, reading = await first(driver, is_identity)
            assert reading.values["kind"] == "robot"
            assert reading.values["axes"] == 6
            assert str(reading.values["endpoint"]).startswith(peer.url)
            assert reading.values["source"] in {"register", "fc43", "birth", "declared"}

    asyncio.run(main())


def test_no_answer_is_a_bad_reading_with_a_reason_and_no_values(
    scheme: str, make_driver: Callable[[str], Driver], clock: Clock
) -> None:
    async def main() -> None:
        async with peer_of(scheme, clock) as peer, make_driver(peer.url) as driver:
            await peer.say_nonsense()
            _, bad = await first(driver, is_news)
            assert (bad.quality, bad.values) == (Quality.BAD, {})
            assert bad.reason
            await peer.say(2)  # and the device is heard again over the same line
            _, good = await first(
                driver, lambda reading: reading.quality is Quality.GOOD and is_news(reading)
            )
            assert good.values[COUNTERS[scheme]] == 2

    asyncio.run(main())


def test_an_acknowledgement_may_be_called_once_and_again(
    scheme: str, make_driver: Callable[[str], Driver], clock: Clock
) -> None:
    async def main() -> None:
        async with peer_of(scheme, clock) as peer, make_driver(peer.url) as driver:
            await peer.say(3)
            heard, _ = await first(driver, is_news)
            assert (heard.ack is None) == (scheme in POLLED)  # a poll is asked again; a push is not
            for _ in range(2):
                if heard.ack is not None:
                    heard.ack()

    asyncio.run(main())


def is_ours(task: asyncio.Task[object]) -> bool:
    """Whether a task runs a driver's code, or that of the library beneath it; the broker's own are not meant."""
    frames = task.get_stack(limit=1)
    return any(
        part in frame.f_code.co_filename
        for frame in frames
        for part in ("/drivers/mo", "/drivers/rtu", "/drivers/mq", "/drivers/sp", "aiomqtt")
    )


def test_stopping_in_the_middle_is_clean(
    scheme: str, make_driver: Callable[[str], Driver], clock: Clock
) -> None:
    """A cancelled listener leaves no socket and no task behind (warnings are errors, and debug mode tells)."""

    async def main() -> None:
        async with peer_of(scheme, clock) as peer:
            before = asyncio.all_tasks()
            entered, heard_one = asyncio.Event(), asyncio.Event()

            async def listen() -> None:
                async with make_driver(peer.url) as driver:
                    entered.set()
                    async for _ in driver:
                        heard_one.set()

            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                task = group.create_task(listen())
                await entered.wait()
                await peer.say(1)
                await heard_one.wait()
                task.cancel()
            left = {task for task in asyncio.all_tasks() - before if is_ours(task)}
            if left:  # cancelled, and not yet through
                _, pending = await asyncio.wait(left, timeout=PATIENCE_S)
                assert not pending

    asyncio.run(main(), debug=True)


def test_a_driver_that_was_never_entered_is_not_connected(
    scheme: str, make_driver: Callable[[str], Driver]
) -> None:
    async def main() -> None:
        driver = make_driver(f"{scheme}://127.0.0.1:9")
        await driver.__aexit__(None, None, None)
        with pytest.raises(Disconnected, match="not connected"):
            await first(driver, is_news)

    asyncio.run(main())
