"""A line without transaction numbers, in virtual time: nonsense, silence, noise and late answers never become a value."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from drivers.modbus_pdu import Function, IdentityRequest, ReadRequest
from drivers.rtu_frame import frame
from drivers.rtu_line import SETTLE_S
from simulators.virtual_time import run_virtually
from telemetry.errors import BadReply, Disconnected
from tests.drivers.virtual_wire import GAP_S, TIMEOUT_S, joined, registers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from drivers.rtu_line import RtuLine
    from simulators.virtual_time import VirtualLoop
    from tests.drivers.virtual_wire import Device, VirtualWire

READ = ReadRequest(1, Function.READ_HOLDING_REGISTERS, 0, 2)
OTHER = ReadRequest(2, Function.READ_HOLDING_REGISTERS, 0, 2)
GOOD = frame(bytes.fromhex("01 03 04 0007 0008"))
GOOD_PDU = GOOD[1:-2]
HEARTBEAT = b"\xfe\xfeHB"


def after(delay_s: float, *answers: bytes) -> Device:
    """A device that answers each request with the next of these; b"" is silence, the last is repeated."""
    left = list(answers)

    def device(_: bytes) -> Iterable[tuple[float, bytes]]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return [(delay_s, answer)] if answer else []

    return device


def on_line(
    device: Device, play: Callable[[RtuLine, VirtualWire], Awaitable[None]], noise: tuple[bytes, ...] = ()
) -> None:
    async def main(_: VirtualLoop) -> None:
        line, wire = joined(device, noise)
        await play(line, wire)
        await line.close()

    run_virtually(main)


NONSENSE: dict[str, tuple[bytes, str]] = {
    "silence": (b"", "timeout"),
    "half_a_frame_then_silence": (GOOD[:5], "timeout in the middle"),
    "a_wrong_checksum": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "checksum"),
    "a_flipped_bit_in_a_value": (GOOD[:4] + bytes([GOOD[4] ^ 1]) + GOOD[5:], "checksum"),
    "the_checksum_bytes_exchanged": (GOOD[:-2] + GOOD[:-3:-1], "checksum"),
    "a_valid_answer_of_another_unit": (frame(b"\x02" + GOOD_PDU), "unit 2"),
    "unit_0": (frame(b"\x00" + GOOD_PDU), "unit 0"),
    "unit_255": (frame(b"\xff" + GOOD_PDU), "unit 255"),
    "function_4_to_a_request_with_3": (frame(b"\x01\x04" + GOOD_PDU[1:]), "function 4"),
    "write_echo_to_a_read": (frame(bytes.fromhex("01 06 0000 0063")), "function 6"),
    "one_register_instead_of_two": (frame(bytes.fromhex("01 03 02 0007")), "2 bytes"),
    "five_registers_instead_of_two": (frame(b"\x01\x03\x0a" + bytes(10)), "10 bytes"),
    "no_registers": (frame(b"\x01\x03\x00"), "0 bytes"),
    "odd_byte_count": (frame(bytes.fromhex("01 03 03 0007 00")), "3 bytes"),
    "byte_count_beyond_the_frame": (frame(bytes.fromhex("01 03 08 0007 0008")), "8 bytes"),
    "junk_after_the_registers": (GOOD + b"\xff\xff", "after the answer"),
    "another_frame_after_the_answer": (GOOD + frame(bytes.fromhex("01 03 04 0000 0000")), "after the answer"),
    "a_byte_of_garbage_before_it": (b"\x00" + GOOD, "unit 0"),
    "its_own_unit_twice": (b"\x01" + GOOD, "function 1"),
    "exception_of_another_function": (frame(b"\x01\x84\x02"), "exception of function 4"),
    "exception_without_a_code": (frame(b"\x01\x83"), "timeout in the middle"),
    "unknown_function": (frame(b"\x01\x55" + GOOD_PDU[1:]), "function 85"),
    "an_identification": (frame(bytes.fromhex("01 2b 0e 01 01 00 00 00")), "function 43"),
    "a_modbus_tcp_answer": (bytes.fromhex("0001 0000 0007 01 03 04 0007 0008"), "unit 0"),
    "an_http_server": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "unit 72"),
    "nothing_but_our_own_echo": (frame(READ.body), "timeout"),
    "the_echo_and_then_another_unit": (frame(READ.body) + frame(b"\x02" + GOOD_PDU), "unit 2"),
    "a_flood": (b"\x01" * 5000, "more bytes"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_no_value_and_the_line_stays(case: str) -> None:
    answer, reason = NONSENSE[case]

    async def play(line: RtuLine, wire: VirtualWire) -> None:
        with pytest.raises(BadReply, match=reason):
            await line.exchange(READ)
        assert not line.is_lost
        assert len(wire.sent) == 1  # nothing is asked twice
        assert await line.exchange(OTHER) == GOOD_PDU  # and the others are heard

    on_line(after(0.01, answer, frame(b"\x02" + GOOD_PDU)), play)


@pytest.mark.parametrize("code", [1, 2, 6, 11, 0x77])
def test_an_exception_is_handed_on(code: int) -> None:
    async def play(line: RtuLine, _: VirtualWire) -> None:
        assert await line.exchange(READ) == bytes([0x83, code])

    on_line(after(0.01, frame(bytes([1, 0x83, code]))), play)


@pytest.mark.parametrize("piece", [1, 2, 5, 8])
def test_a_slow_answer_in_pieces_is_good(piece: int) -> None:
    pieces = [GOOD[at : at + piece] for at in range(0, len(GOOD), piece)]

    async def play(line: RtuLine, _: VirtualWire) -> None:
        assert await line.exchange(READ) == GOOD_PDU

    on_line(lambda _: [(0.02 * (at + 1), each) for at, each in enumerate(pieces)], play)


@pytest.mark.parametrize(
    "answer",
    [
        frame(READ.body) + GOOD,
        HEARTBEAT + GOOD,
        GOOD + HEARTBEAT,
        GOOD + HEARTBEAT[:2],
        GOOD + GOOD,
        GOOD + GOOD[:3],
        frame(READ.body) + HEARTBEAT + HEARTBEAT + GOOD,
    ],
    ids=["echo", "heartbeat", "then_heartbeat", "then_part_of_one", "twice", "twice_begun", "all_of_it"],
)
def test_what_is_known_not_to_be_an_answer_is_stepped_over(answer: bytes) -> None:
    async def play(line: RtuLine, _: VirtualWire) -> None:
        assert await line.exchange(READ) == GOOD_PDU

    on_line(after(0.01, answer), play, (HEARTBEAT,))


def test_the_echo_of_a_read_of_coils_can_be_an_answer_to_itself_and_is_not_taken() -> None:
    """Three bytes of coils from address 0x03xx: as an answer, the request is well-formed in every byte."""
    read = ReadRequest(1, Function.READ_COILS, 0x0300, 24)
    echo = frame(read.body)
    assert echo[2] == read.payload_bytes

    async def play(line: RtuLine, _: VirtualWire) -> None:
        with pytest.raises(BadReply, match="timeout"):
            await line.exchange(read)
        assert line.stepped_over == 1

    on_line(after(0.01, echo), play)


def test_an_identification_in_pieces_is_taken_whole() -> None:
    whole = frame(bytes.fromhex("01 2b 0e 01 01 00 00 02 00 03 414243 01 02 4445"))

    async def play(line: RtuLine, _: VirtualWire) -> None:
        assert await line.exchange(IdentityRequest(1)) == whole[1:-2]

    on_line(lambda _: [(0.01 * at, bytes([byte])) for at, byte in enumerate(whole, 1)], play)


def test_a_silent_unit_costs_the_others_one_timeout_and_no_more() -> None:
    async def play(line: RtuLine, wire: VirtualWire) -> None:
        with pytest.raises(BadReply, match="timeout"):
            await line.exchange(READ)
        assert await line.exchange(OTHER) == GOOD_PDU
        (asked_s, _), (next_s, _) = wire.sent
        assert next_s - asked_s == pytest.approx(TIMEOUT_S)

    on_line(after(0.01, b"", frame(b"\x02" + GOOD_PDU)), play)


def test_requests_keep_the_silent_interval() -> None:
    async def play(line: RtuLine, wire: VirtualWire) -> None:
        for _ in range(3):
            await line.exchange(READ)
        starts = [at_s for at_s, _ in wire.sent]
        assert [later - before for before, later in pairwise(starts)] == [pytest.approx(0.01 + GAP_S)] * 2

    on_line(after(0.01, GOOD), play)


def test_after_garbage_the_line_is_drained_until_it_is_quiet() -> None:
    babble = [(0.01 * at, b"\x99") for at in range(1, 60)]

    async def play(line: RtuLine, wire: VirtualWire) -> None:
        with pytest.raises(BadReply, match="unit 153"):
            await line.exchange(READ)
        assert await line.exchange(OTHER) == GOOD_PDU
        assert wire.sent[1][0] == pytest.approx(0.59 + SETTLE_S)
        assert line.strays == 58

    answers = iter([babble, [(0.01, frame(b"\x02" + GOOD_PDU))]])
    on_line(lambda _: next(answers), play)


def test_a_line_that_is_never_quiet_is_told_in_bounded_time() -> None:
    async def play(line: RtuLine, wire: VirtualWire) -> None:
        with pytest.raises(BadReply, match="unit 153"):
            await line.exchange(READ)
        with pytest.raises(BadReply, match="never quiet"):
            await line.exchange(OTHER)
        assert len(wire.sent) == 1
        assert asyncio.get_running_loop().time() < 5 * TIMEOUT_S

    on_line(lambda _: [(0.02 * at, b"\x99") for at in range(1, 1000)], play)


def test_a_late_answer_is_never_anothers() -> None:
    """The device answers each request 1.5 s late, in order: never a value, and never the one before's."""

    asked = 0

    def device(request: bytes) -> Iterable[tuple[float, bytes]]:
        nonlocal asked
        asked += 1
        return [(1.5, registers(request, 100 * asked))]

    async def play(line: RtuLine, _: VirtualWire) -> None:
        for _attempt in range(20):
            with pytest.raises(BadReply):
                await line.exchange(READ)

    on_line(device, play)


@pytest.mark.parametrize("late_s", [1.01, 1.2, 1.9, 2.01, 2.4, 3.3, 7.7])
def test_after_one_late_answer_only_true_values_come(late_s: float) -> None:
    """One answer is held up however long, as a device server's queue does: what comes next is right or nothing."""
    held_until_s = late_s
    asked = 0

    def device(request: bytes) -> Iterable[tuple[float, bytes]]:
        nonlocal asked
        asked += 1
        now_s = asyncio.get_running_loop().time()
        address = int.from_bytes(request[2:4], "big")
        return [(max(held_until_s - now_s, 0.01), registers(request, address + 1000 * asked))]

    async def play(line: RtuLine, _: VirtualWire) -> None:
        with pytest.raises(BadReply, match="timeout"):
            await line.exchange(READ)
        heard = 0
        for _attempt in range(12):
            try:
                pdu = await line.exchange(READ)
            except BadReply:
                continue
            assert (
                int.from_bytes(pdu[2:4], "big") == 1000 * asked
            )  # the answer to the last request, no earlier one
            heard += 1
        assert heard >= 4

    on_line(device, play)


def test_a_doubted_unit_is_asked_for_another_length_first() -> None:
    def device(request: bytes) -> Iterable[tuple[float, bytes]]:
        return [] if len(wire_of[0].sent) == 1 else [(0.01, registers(request))]

    wire_of: list[VirtualWire] = []

    async def play(line: RtuLine, wire: VirtualWire) -> None:
        wire_of.append(wire)
        with pytest.raises(BadReply):
            await line.exchange(READ)
        assert await line.exchange(READ) == GOOD_PDU
        counts = [int.from_bytes(request[4:6], "big") for request in wire.requests]
        assert counts == [2, 1, 2]
        assert wire.sent[1][0] == pytest.approx(2 * TIMEOUT_S)  # and not before a whole timeout of rest
        assert await line.exchange(READ) == GOOD_PDU
        assert len(wire.sent) == 4  # trusted again

    on_line(device, play)


def test_a_late_answer_of_one_unit_does_not_disturb_another() -> None:
    def device(request: bytes) -> Iterable[tuple[float, bytes]]:
        if request[0] == 1:
            return [(TIMEOUT_S + 0.02, GOOD)]
        return [(0.05, registers(request))]

    async def play(line: RtuLine, _: VirtualWire) -> None:
        with pytest.raises(BadReply, match="timeout"):
            await line.exchange(READ)
        assert await line.exchange(OTHER) == GOOD_PDU
        assert line.stepped_over == 1

    on_line(device, play)


def test_a_cancelled_request_leaves_no_answer_for_the_next() -> None:
    def device(request: bytes) -> Iterable[tuple[float, bytes]]:
        return [(0.5, registers(request, len(request) * 3 + int.from_bytes(request[4:6], "big")))]

    async def play(line: RtuLine, wire: VirtualWire) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await line.exchange(READ)
        assert len(await line.exchange(READ)) == len(GOOD_PDU)
        assert [int.from_bytes(request[4:6], "big") for request in wire.requests] == [2, 1, 2]

    on_line(device, play)


def test_a_closed_line_is_disconnected() -> None:
    async def play(line: RtuLine, wire: VirtualWire) -> None:
        asyncio.get_running_loop().call_later(0.1, wire.abort)
        with pytest.raises(Disconnected):
            await line.exchange(READ)
        with pytest.raises(Disconnected):
            await line.exchange(READ)
        assert line.is_lost

    on_line(after(0.01, b""), play)
