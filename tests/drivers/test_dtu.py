"""Modems that dial in: known by their registration, several units behind one, several on one port, strays sent away."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from drivers import DRIVERS, dtu_port
from drivers.modbus_url import parse_modbus_url
from simulators.virtual_time import run_virtually
from telemetry.errors import Disconnected
from telemetry.reading import Quality, ReadingKind
from tests.drivers.virtual_wire import joined, registers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from drivers.driver import DeviceSpec, Driver, Endpoint
    from simulators.virtual_time import VirtualLoop
    from telemetry.clock import Clock
    from telemetry.profile import Profile
    from telemetry.reading import Reading

    Hear = Callable[..., object]

pytestmark = pytest.mark.wall
PATIENCE_S = 20.0
NAME, OTHER_NAME, HEARTBEAT = b"WZ-0001", b"WZ-0002", b"\xfe\xfe\x00ping"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def make_driver(
    port: int,
    clock: Clock,
    make_profile: Callable[..., Profile],
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
) -> Callable[..., Driver]:
    def make(registration: bytes = NAME, *, heartbeat: bytes = HEARTBEAT, units: int = 1) -> Driver:
        profile = make_profile("  n: {table: holding, address: 0, type: uint16}")
        specs = [make_spec(profile, f"d{unit}", unit=unit) for unit in range(1, units + 1)]
        options = [f"{key}={value.hex()}" for key, value in (("registration", registration), ("heartbeat", heartbeat)) if value]  # fmt: skip
        return DRIVERS["dtu"](make_endpoint(f"dtu://127.0.0.1:{port}?{'&'.join(options)}", *specs), clock)

    return make


class Modem:
    """A DTU: says who it is, lets its heartbeat be heard between and before the frames, and answers for its units."""

    def __init__(self, port: int, name: bytes, first: int = 7, heartbeat: bytes = HEARTBEAT) -> None:
        self._port, self._name, self._first, self._heartbeat = port, name, first, heartbeat
        self.requests = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(OSError):
                    return await asyncio.open_connection("127.0.0.1", self._port)
                await asyncio.sleep(0.01)

    async def run(self, answers: int | None = None) -> None:
        reader, writer = await self.connect()
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                writer.write(self._name[:3])
                await writer.drain()
                writer.write(self._name[3:] + self._heartbeat)
                while answers is None or self.requests < answers:
                    request = await reader.readexactly(8)
                    self.requests += 1
                    writer.write(self._heartbeat + registers(request, self._first + request[0]))
                    writer.write(self._heartbeat)
        finally:
            await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def calling(*modems: Modem) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(modem.run()) for modem in modems]
        yield
        for task in tasks:
            task.cancel()


def polls(readings: list[Reading]) -> list[Reading]:
    return [reading for reading in readings if reading.kind is ReadingKind.POLL]


def test_several_units_behind_one_modem(port: int, make_driver: Callable[..., Driver], hear: Hear) -> None:
    async def main() -> list[Reading]:
        async with calling(Modem(port, NAME)), make_driver(units=3) as driver:
            readings, lost = await hear(driver, 12)  # type: ignore[misc]
        assert not lost
        return polls(readings)

    heard = asyncio.run(main())
    assert {reading.quality for reading in heard} == {Quality.GOOD}
    assert {(reading.device, reading.values["n"]) for reading in heard} == {("d1", 8), ("d2", 9), ("d3", 10)}


def test_two_modems_share_a_port_and_are_never_confused(
    port: int, make_driver: Callable[..., Driver], hear: Hear
) -> None:
    async def main() -> list[set[object]]:
        modems = Modem(port, OTHER_NAME, first=500), Modem(port, NAME, first=100)
        async with calling(*modems), contextlib.AsyncExitStack() as stack:
            drivers = await asyncio.gather(
                *(stack.enter_async_context(make_driver(name)) for name in (NAME, OTHER_NAME))
            )
            heard = await asyncio.gather(*(hear(driver, 5) for driver in drivers))  # type: ignore[call-overload]
        return [{reading.values["n"] for reading in polls(readings)} for readings, _ in heard]

    assert asyncio.run(main()) == [{101}, {501}]


def test_a_modem_that_calls_again_is_heard_on_its_new_call(
    port: int, make_driver: Callable[..., Driver], hear: Hear
) -> None:
    """The port stays open while the line is lost; the driver does not end."""

    async def main() -> list[Reading]:
        first, second = Modem(port, NAME, first=10), Modem(port, NAME, first=20)

        async def calls() -> None:
            await first.run(answers=3)
            await second.run()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(calls())
            async with make_driver() as driver:
                readings, lost = await hear(driver, until=lambda reading: reading.values.get("n") == 21)  # type: ignore[misc]
            task.cancel()
        assert not lost
        return polls(readings)

    heard = asyncio.run(main())
    assert [reading.values["n"] for reading in heard if reading.values] == [11] * 3 + [21]


def test_a_second_call_replaces_a_dead_first(
    port: int, make_driver: Callable[..., Driver], hear: Hear
) -> None:
    """A modem that lost its network leaves a connection that looks alive and says nothing."""

    async def main() -> list[Reading]:
        dead = Modem(port, NAME)

        async with asyncio.TaskGroup() as group:

            async def call_dead() -> asyncio.StreamWriter:
                _, writer = await dead.connect()
                writer.write(NAME)
                await writer.drain()
                return writer

            dying = group.create_task(call_dead())
            async with make_driver() as driver:
                writer = await dying
                task = group.create_task(Modem(port, NAME, first=20).run())
                readings, lost = await hear(driver, until=lambda reading: reading.values.get("n") == 21)  # type: ignore[misc]
            task.cancel()
            await hang_up(writer)
        assert not lost
        return polls(readings)

    heard = asyncio.run(main())
    assert {reading.values.get("n", 21) for reading in heard} == {21}


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"WZ-0009", b"WZ-000", b""])
def test_strays_are_sent_away(
    said: bytes, port: int, make_driver: Callable[..., Driver], hear: Hear, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_still_tell = NAME.startswith(said)
    monkeypatch.setattr(dtu_port, "REGISTER_S", 0.2 if may_still_tell else 10 * PATIENCE_S)

    async def stray() -> bytes:
        reader, writer = await Modem(port, NAME).connect()
        writer.write(said)
        answer = b""
        with contextlib.suppress(OSError):
            answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        await hang_up(writer)
        return answer

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            sent_away = group.create_task(stray())
            task = group.create_task(_after(sent_away, Modem(port, NAME)))
            async with make_driver() as driver:
                readings, _ = await hear(driver, 3)  # type: ignore[misc]
            task.cancel()
        assert await sent_away == b""
        assert {reading.quality for reading in polls(readings)} == {Quality.GOOD}

    asyncio.run(main())


async def _after(task: asyncio.Task[bytes], modem: Modem) -> None:
    await task
    await modem.run()


def test_callers_who_say_nothing_are_bounded(
    port: int, make_driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtu_port, "CALLERS_MAX", 3)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:

            async def listen() -> None:
                async with make_driver():
                    pass

            task = group.create_task(listen())
            ends = [await Modem(port, NAME).connect() for _ in range(4)]
            reader, _ = ends[-1]
            with contextlib.suppress(OSError):
                assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
            task.cancel()
            for _, writer in ends:
                await hang_up(writer)

    asyncio.run(main())


def test_without_a_registration_the_first_call_is_taken(
    port: int, make_driver: Callable[..., Driver], hear: Hear
) -> None:
    async def main() -> list[Reading]:
        async with calling(Modem(port, b"", heartbeat=b"")), make_driver(b"", heartbeat=b"") as driver:
            readings, _ = await hear(driver, 3)  # type: ignore[misc]
        return polls(readings)

    assert {reading.values["n"] for reading in asyncio.run(main())} == {8}


def test_nobody_calls_and_a_port_that_is_taken_are_disconnected(
    port: int, make_driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtu_port, "CALL_WAIT_S", 0.1)

    async def enter() -> None:
        async with make_driver():
            pass

    with pytest.raises(Disconnected, match="no DTU has called"):
        asyncio.run(enter())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(Disconnected, match=f"dtu://127.0.0.1:{port}"):
            asyncio.run(enter())


def test_a_driver_that_was_never_entered_is_not_listening(make_driver: Callable[..., Driver]) -> None:
    async def main() -> None:
        driver = make_driver()
        await driver.__aexit__(None, None, None)
        with pytest.raises(Disconnected):
            async for _ in driver:
                pass

    asyncio.run(main())


def test_the_older_of_two_calls_is_dropped_at_once() -> None:
    async def main(_: VirtualLoop) -> None:
        seat = dtu_port.Seat(parse_modbus_url("dtu://127.0.0.1:9"), 1.0)
        older, newer = joined(lambda _: [])[0], joined(lambda _: [])[0]
        seat.take(older)
        assert await seat.next_line() is older
        seat.take(newer)
        assert (older.is_lost, newer.is_lost, seat.replaced) == (True, False, 1)
        assert await seat.next_line() is newer
        newer.drop()

    run_virtually(main)
