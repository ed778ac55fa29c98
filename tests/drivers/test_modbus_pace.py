"""How fast a device is asked: requests in flight, pauses, scan rates, and holes kept over connections."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from drivers.modbus_holes import HoleBook
from drivers.modbus_poller import ModbusPoller
from drivers.modbus_tcp import ModbusTcp
from simulators.modbus_device import ModbusDeviceServer
from simulators.virtual_time import BoxClock, run_virtually
from telemetry.reading import Quality, Reading, ReadingKind
from tests.drivers.virtual_wire import GAP_S, joined, registers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drivers.driver import DeviceSpec, Endpoint
    from drivers.rtu_line import RtuLine
    from simulators.virtual_time import VirtualLoop
    from telemetry.clock import Clock
    from telemetry.profile import Profile

    Hear = Callable[..., object]

BLOCKS = "".join(f"  p{at}: {{table: holding, address: {100 * at}, type: uint16}}\n" for at in range(5))


def polls(readings: list[Reading]) -> list[Reading]:
    return [reading for reading in readings if reading.kind is ReadingKind.POLL]


@pytest.mark.wall
@pytest.mark.parametrize(("in_flight", "batches"), [(1, [1, 1, 1, 1, 1]), (3, [3, 2]), (16, [5])])
def test_requests_in_flight_are_as_many_as_the_profile_says_and_answers_find_theirs_in_any_order(
    in_flight: int,
    batches: list[int],
    make_profile: Callable[..., Profile],
    make_spec: Callable[..., DeviceSpec],
    listen: Hear,
) -> None:
    """The server waits until as many requests are there as it expects at once, and answers the last one first."""
    pieces: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for size in batches:
            requests = [await reader.readexactly(12) for _ in range(size)]
            with pytest.raises(TimeoutError):  # one more would be one too many
                await asyncio.wait_for(reader.readexactly(1), 0.05)
            pieces.append(size)
            for request in reversed(requests):
                value = int.from_bytes(request[8:10], "big") + 1
                writer.write(request[:4] + bytes.fromhex("0005 01 03 02") + value.to_bytes(2, "big"))
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def main() -> list[Reading]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            spec = make_spec(make_profile(BLOCKS, f"{{in_flight: {in_flight}}}"), interval_ms=3_600_000)
            readings, lost = await listen(url, spec, count=1, timeout_ms=5000)  # type: ignore[misc]
            await asyncio.sleep(0)
        assert not lost
        return polls(readings)

    (reading,) = asyncio.run(main())
    assert reading.values == {f"p{at}": 100 * at + 1 for at in range(5)}
    assert pieces == batches


@pytest.mark.wall
def test_one_bad_answer_of_many_in_flight_is_one_bad_reading(
    make_profile: Callable[..., Profile], make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(5):
            request = await reader.readexactly(12)
            writer.write(request[:4] + (b"\0\5\1\3\2\0\7" if at != 3 else b"\0\5\2\3\2\0\7"))
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def main() -> tuple[list[Reading], str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            spec = make_spec(make_profile(BLOCKS, "{in_flight: 16}"))
            heard = await listen(url, spec, count=9, timeout_ms=5000)  # type: ignore[misc]
            await asyncio.sleep(0)
        return heard  # type: ignore[no-any-return]

    (reading,), lost = asyncio.run(main())
    assert (reading.quality, reading.values) == (Quality.BAD, {})
    assert "unit 2" in reading.reason
    assert lost


def virtual_sends(
    profile: Profile,
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
    until_s: float,
) -> list[tuple[float, int]]:
    """(Time, address) of what one device is asked on an RTU line, each answer taking 10 ms."""

    async def main(loop: VirtualLoop) -> list[tuple[float, int]]:
        sent: list[tuple[float, int]] = []

        def device(request: bytes) -> Iterable[tuple[float, bytes]]:
            sent.append((loop.time(), int.from_bytes(request[2:4], "big")))
            return [(0.01, registers(request))]

        async def opener() -> RtuLine:
            return joined(device)[0]

        endpoint = make_endpoint("rtu+tcp://h:1", make_spec(profile, interval_ms=1000), timeout_ms=1000)
        async with ModbusPoller(endpoint, BoxClock(loop.time, 0).clock(), opener) as driver:
            async for _ in driver:
                if loop.time() > until_s:
                    break
        return sent

    return run_virtually(main)


def test_a_device_is_given_its_pause_between_an_answer_and_the_next_request(
    make_profile: Callable[..., Profile],
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    sent = virtual_sends(make_profile(BLOCKS, "{pause_ms: 100}"), make_spec, make_endpoint, 2.5)
    first = [at_s - sent[0][0] for at_s, _ in sent[:5]]
    assert first == pytest.approx([0.11 * at for at in range(5)])
    assert sent[5][0] - sent[0][0] == pytest.approx(1.0, abs=0.06)  # the grid is kept


def test_a_line_has_one_request_in_flight_whatever_the_profile_says(
    make_profile: Callable[..., Profile],
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    sent = virtual_sends(make_profile(BLOCKS, "{in_flight: 8}"), make_spec, make_endpoint, 0.5)
    steps = [later - before for (before, _), (later, _) in pairwise(sent[:5])]
    assert steps == pytest.approx([0.01 + GAP_S] * 4)


def test_slow_points_are_read_with_each_nth_poll_only(
    make_profile: Callable[..., Profile],
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    points = BLOCKS.replace("address: 400, type: uint16", "address: 400, type: uint16, every: 5")
    sent = virtual_sends(make_profile(points), make_spec, make_endpoint, 20.5)
    assert [address for _, address in sent].count(0) == 22
    assert [address for _, address in sent].count(400) == 5


@pytest.mark.wall
def test_a_hole_is_learnt_at_a_foreign_server_told_and_not_asked_by_the_next_connection(
    make_profile: Callable[..., Profile],
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
    hear: Hear,
    clock: Clock,
) -> None:
    profile = make_profile(
        "".join(f"  p{at}: {{table: holding, address: {at}, type: uint16}}\n" for at in range(8))
    )
    book = HoleBook()

    async def connect(until: Callable[[Reading], bool]) -> tuple[list[Reading], int]:
        async with ModbusDeviceServer(profile) as server:
            server.refuse("p5")
            for at in range(8):
                server.set(f"p{at}", 40 + at)
            endpoint = replace(make_endpoint(server.url, make_spec(profile), timeout_ms=3000), holes=book)
            async with ModbusTcp(endpoint, clock) as driver:
                readings, lost = await hear(driver, until=until)  # type: ignore[misc]
        assert not lost
        return polls(readings), server.requests[3]

    def settled(reading: Reading) -> bool:
        return len(reading.values) == 7 and "left out" in reading.reason

    readings, _ = asyncio.run(connect(settled))
    expected = {f"p{at}": 40 + at for at in range(8)}
    for reading in readings:  # at every step on the way each value stands under its own name
        assert reading.values.items() <= expected.items()
    assert book.count() == {"d1": 1}
    (first,), asked = asyncio.run(connect(lambda _: True))
    assert (first.quality, asked) == (Quality.UNCERTAIN, 2)
    assert first.reason == "left out, as refused before: holding 5-5"
    assert first.values == {name: value for name, value in expected.items() if name != "p5"}
