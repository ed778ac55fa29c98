from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from drivers.modbus_pdu import Function, IdentityRequest, ReadRequest
from drivers.rtu_frame import FRAME_MAX, PENDING_MAX, ReplyReader, crc16, frame, reply_length
from telemetry.errors import BadReply, Refused

MANY = 5_000 if os.environ.get("MFL_ALL") else 300
READ = ReadRequest(1, Function.READ_HOLDING_REGISTERS, 0, 2)
COILS = ReadRequest(1, Function.READ_COILS, 0x0300, 24)
GOOD = frame(bytes.fromhex("01 03 04 0007 0008"))


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        ("02 07", "02 07 41 12"),  # Modbus over Serial Line V1.02, 6.2.2, the worked example
        ("01 03 00 00 00 02", "01 03 00 00 00 02 c4 0b"),
        ("", "ff ff"),
    ],
)
def test_the_checksum_of_known_frames(body: str, whole: str) -> None:
    assert frame(bytes.fromhex(body)) == bytes.fromhex(whole)


@given(st.binary(max_size=FRAME_MAX))
def test_the_checksum_is_that_of_another_implementation(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@given(st.binary(min_size=1, max_size=40), st.data())
def test_any_one_flipped_bit_is_seen(data: bytes, draw: st.DataObject) -> None:
    whole = bytearray(frame(data))
    at = draw.draw(st.integers(0, 8 * len(whole) - 1))
    whole[at // 8] ^= 1 << at % 8
    assert frame(bytes(whole[:-2])) != bytes(whole)


@pytest.mark.parametrize(
    ("begun", "length"),
    [
        ("", None),
        ("01", None),
        ("01 03", None),
        ("01 03 04", 9),
        ("01 01 01", 6),
        ("01 83", 5),
        ("01 ab", 5),
        ("01 2b 0e 01 01 00 00", None),
        ("01 2b 0e 01 01 00 00 00", 10),
        ("01 2b 0e 01 01 00 00 01", None),
        ("01 2b 0e 01 01 00 00 01 00 03", 15),
    ],
)
def test_how_long_a_reply_will_be(begun: str, length: int | None) -> None:
    assert reply_length(bytes.fromhex(begun)) == length


@pytest.mark.parametrize(
    "begun",
    ["01 06 00", "01 00", "01 2b 0d", "01 2b 0e 01 01 00 00 02 00 f0" + 240 * "20" + "01 f0"],
    ids=["a write", "function 0", "another MEI", "endless objects"],
)
def test_what_cannot_be_a_reply_is_said_at_once(begun: str) -> None:
    with pytest.raises(BadReply):
        reply_length(bytes.fromhex(begun))


def oracle(request: ReadRequest, data: bytes) -> bytes | None:
    """Whether these bytes, all of them, are the answer to the request: by another implementation's checksum."""
    echo = request.body + FramerRTU.compute_CRC(request.body).to_bytes(2, "big")
    while data.startswith(echo):
        data = data[len(echo) :]
    size = 5 if data[1:2] == bytes([request.function | 0x80]) else 5 + request.payload_bytes
    body, check = data[: size - 2], data[size - 2 : size]
    if len(data) < size or body[0] != request.unit or FramerRTU.compute_CRC(body).to_bytes(2, "big") != check:
        return None
    if size > 5 and (body[1], body[2]) != (request.function, request.payload_bytes):
        return None
    rest = data[size:]
    return body[1:] if not rest or (rest in {data[:size], echo} or data.startswith(rest)) else None


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """An answer with each of its fields true, off by one, extreme or arbitrary, and things put around and into it."""
    unit = draw(st.sampled_from([1, 1, 1, 1, 0, 2, 255]))
    function = draw(st.sampled_from([3, 3, 3, 3, 0x83, 1, 4, 6, 43, 0x84]))
    count = draw(st.sampled_from([4, 4, 4, 0, 2, 3, 5, 8, 255]))
    values = draw(st.binary(min_size=4, max_size=4) | st.binary(max_size=12))
    body = bytes([unit, function]) + (values[:1] if function & 0x80 else bytes([count]) + values)
    whole = frame(body) if draw(st.integers(0, 4)) else body + draw(st.binary(min_size=2, max_size=2))
    before = draw(st.sampled_from([b"", b"", b"", frame(READ.body), b"\x01", b"\x00"]))
    behind = draw(st.sampled_from([b"", b"", b"", whole, b"\x01", whole[:2], frame(READ.body), b"\xff\xff"]))
    return before + whole + behind


def heard(request: ReadRequest, data: bytes, cuts: list[int]) -> bytes | None:
    reader = ReplyReader(request)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    try:
        for start, end in pairwise(places):
            pdu = reader.feed(data[start:end])
            if pdu is not None:
                return pdu
    except BadReply:
        return None
    return None


@settings(max_examples=MANY)
@given(replies() | st.binary(max_size=80))
@example(GOOD)
@example(frame(READ.body) + GOOD)
def test_no_frame_is_taken_that_the_oracle_does_not_take(data: bytes) -> None:
    pdu = heard(READ, data, [])
    assert pdu == oracle(READ, data)
    if pdu is not None and pdu[0] & 0x80:
        with pytest.raises(Refused):
            READ.payload(pdu)
    elif pdu is not None:
        assert len(READ.payload(pdu)) == 4


@settings(max_examples=MANY)
@given(replies(), st.lists(st.integers(0, 100), max_size=4))
def test_in_pieces_nothing_is_taken_that_the_first_frame_is_not(data: bytes, cuts: list[int]) -> None:
    """What stands behind the frame may come too late to be seen; all before it may not."""
    pdu = heard(READ, data, cuts)
    if pdu is not None:
        assert any(oracle(READ, data[:end]) == pdu for end in range(len(data) + 1))


@settings(max_examples=MANY)
@given(st.lists(st.binary(max_size=60), max_size=60), st.sampled_from([READ, COILS, IdentityRequest(1)]))
def test_whatever_comes_is_an_answer_or_a_bad_reply_and_is_bounded(
    pieces: list[bytes], request_: ReadRequest | IdentityRequest
) -> None:
    reader = ReplyReader(request_, noise=(b"\xfe\xfe", b"ping"), late=frozenset({2, 3}))
    for piece in pieces:
        try:
            if reader.feed(piece) is not None:
                return
        except BadReply:
            return
        assert reader.begun <= PENDING_MAX


def test_late_frames_of_other_units_are_stepped_over_only_when_they_are_whole() -> None:
    late = frame(bytes.fromhex("02 03 02 0001"))
    reader = ReplyReader(READ, late={2})
    assert reader.feed(late[:4]) is None
    assert reader.feed(late[4:] + GOOD) == GOOD[1:-2]
    assert reader.late_frames == 1
    with pytest.raises(BadReply, match="checksum"):
        ReplyReader(READ, late={2}).feed(late[:-1] + b"\x00" + GOOD)
