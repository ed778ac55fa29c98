"""At what pace is a device asked by hand, and what when its line goes? With a clock and a line that are not there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from drivers.modbus_plan import Block
from drivers.probe_line import SILENT_MAX, Asker
from telemetry.errors import BadReply, Disconnected

if TYPE_CHECKING:
    from drivers.modbus_pdu import IdentityRequest, ReadRequest


class _Line:
    """A line that answers every read with ones, or fails as it is told."""

    def __init__(self, faults: list[Exception]) -> None:
        self.faults = faults
        self.is_lost = False
        self.drains = False
        self.in_flight_max = 1

    async def exchange(self, request: ReadRequest | IdentityRequest) -> bytes:
        if self.faults:
            self.is_lost = True
            raise self.faults.pop(0)
        count = request.payload_bytes or 0
        return bytes([request.function, count]) + b"\0\1" * (count // 2)

    async def close(self) -> None:
        self.is_lost = True


class _Time:
    """A clock that only moves when somebody sleeps, or takes its time."""

    def __init__(self) -> None:
        self.now_ms = 5_000
        self.slept: list[float] = []

    def mono_ms(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now_ms += round(seconds * 1000)


def _asker(time: _Time, faults: list[Exception], dialled: list[_Line], interval_s: float = 1.0) -> Asker:
    async def open_line() -> _Line:
        dialled.append(_Line(faults))
        return dialled[-1]

    return Asker(open_line, 1, interval_s, time.mono_ms, time.sleep)


BLOCK = Block("holding", 10, 2, ("a",))


def test_a_device_is_asked_once_a_second_and_what_it_took_counts() -> None:
    async def main() -> list[float]:
        asker = _asker(time := _Time(), [], [])
        for busy_ms in (0, 300, 2_000):
            await asker.read(BLOCK)
            time.now_ms += busy_ms
        await asker.read(BLOCK)
        return time.slept

    assert asyncio.run(main()) == [1.0, 0.7]


def test_without_a_pace_nothing_is_waited_for() -> None:
    async def main() -> list[float]:
        asker = _asker(time := _Time(), [], [], interval_s=0)
        for _ in range(3):
            answer = await asker.read(BLOCK)
            assert answer.words == (1, 1)
        return time.slept

    assert asyncio.run(main()) == []


def test_a_lost_line_is_dialled_again_and_silence_is_counted() -> None:
    async def main() -> tuple[int, list[str], bool]:
        dialled: list[_Line] = []
        asker = _asker(_Time(), [BadReply("timeout"), Disconnected("gone")], dialled)
        said = [(await asker.read(BLOCK)).fault for _ in range(3)]
        return len(dialled), said, asker.is_silent

    assert asyncio.run(main()) == (3, ["timeout", "gone", ""], False)


def test_silence_in_a_row_ends_the_asking() -> None:
    async def main() -> bool:
        faults: list[Exception] = [BadReply("timeout") for _ in range(SILENT_MAX)]
        asker = _asker(_Time(), faults, [])
        for _ in range(SILENT_MAX):
            await asker.read(BLOCK)
        return asker.is_silent

    assert asyncio.run(main())
