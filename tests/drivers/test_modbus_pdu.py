from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus_pdu import TABLE_FUNCTIONS, Frame, FrameReader, Function, IdentityRequest, ReadRequest
from telemetry.errors import BadReply, Refused

MORE = 15 if os.environ.get("MFL_ALL") else 1
# Worked examples of the Modbus Application Protocol V1.1b3, sections 6.1-6.4 and 6.21.
EXAMPLES = [
    (ReadRequest(1, Function.READ_COILS, 0x13, 0x13), "01 00 13 00 13", "01 03 CD 6B 05", "CD 6B 05"),
    (
        ReadRequest(1, Function.READ_DISCRETE_INPUTS, 0xC4, 0x16),
        "02 00 C4 00 16",
        "02 03 AC DB 35",
        "AC DB 35",
    ),
    (
        ReadRequest(1, Function.READ_HOLDING_REGISTERS, 0x6B, 3),
        "03 00 6B 00 03",
        "03 06 02 2B 00 00 00 64",
        "02 2B 00 00 00 64",
    ),
    (ReadRequest(1, Function.READ_INPUT_REGISTERS, 8, 1), "04 00 08 00 01", "04 02 00 0A", "00 0A"),
]
IDENTIFICATION = (
    bytes.fromhex("2B 0E 01 01 00 00 03")
    + b"\x00\x16Company identification"
    + b"\x01\x0fProduct code XX"
    + b"\x02\x05V2.11"
)
READ = ReadRequest(17, Function.READ_HOLDING_REGISTERS, 0, 2)


@pytest.mark.parametrize(("request_", "pdu", "reply", "payload"), EXAMPLES)
def test_worked_examples_of_the_specification(
    request_: ReadRequest, pdu: str, reply: str, payload: str
) -> None:
    adu = request_.encode(0x1501)
    assert adu == bytes.fromhex("15 01 00 00 00 06 01" + pdu)
    assert request_.payload(bytes.fromhex(reply)) == bytes.fromhex(payload)


def test_worked_example_of_the_xarm_manual() -> None:
    request = ReadRequest(1, Function.READ_HOLDING_REGISTERS, 3, 2)
    assert request.encode(1) == bytes.fromhex("00 01 00 00 00 06 01 03 00 03 00 02")
    (frame,) = FrameReader().feed(bytes.fromhex("00 01 00 00 00 07 01 03 04 00 05 00 06"))
    assert frame == Frame(1, 1, bytes.fromhex("03 04 00 05 00 06"))
    assert request.payload(frame.pdu) == bytes.fromhex("00 05 00 06")


def test_worked_example_of_read_device_identification() -> None:
    request = IdentityRequest(1, 1, 0)
    assert request.encode(7) == bytes.fromhex("00 07 00 00 00 05 01 2B 0E 01 00")
    part = request.part(IDENTIFICATION)
    assert part.objects == {0: b"Company identification", 1: b"Product code XX", 2: b"V2.11"}
    assert part.next_object is None


def test_identification_in_two_parts_names_the_next_object() -> None:
    # The specification's second example: object 2 is cut off and asked for next.
    first = bytes.fromhex("2B 0E 01 01 FF 02 02") + b"\x00\x02AB\x01\x02CD"
    part = IdentityRequest(1).part(first)
    assert part.objects == {0: b"AB", 1: b"CD"}
    assert part.next_object == 2


@pytest.mark.parametrize(
    "pdu",
    [
        "2B 0E 01 01 FF 00 01 00 01 41",  # more follows, but from the same object again
        "2B 0E 01 01 FF 05 00",  # more follows, and nothing came
        "2B 0E 02 01 00 00 01 00 01 41",  # another read code
        "2B 0E 01 01 01 00 01 00 01 41",  # a strange 'more follows'
        "2B 0D 01 01 00 00 01 00 01 41",  # another MEI type
        "2B 0E 01 01 00 00 01 00 02 41",  # an object past the end
        "2B 0E 01 01 00 00 02 00 01 41",  # an object less than said
        "2B 0E 01 01 00 00 01 00 01 41 00",  # a byte more than said
        "2B 0E 01 01 00 00 02 00 01 41 00 01 41",  # an object twice
        "2B 0E 01 01 00 00",  # cut off
        "2B",
        "03 04 00 05 00 06",
        "83 02",  # an exception of another function
    ],
)
def test_no_identification_out_of_nonsense(pdu: str) -> None:
    with pytest.raises(BadReply):
        IdentityRequest(1).part(bytes.fromhex(pdu))


@pytest.mark.parametrize(
    ("pdu", "reason"),
    [
        ("04 04 00 01 00 02", "function 4"),
        ("06 00 00 00 63", "function 6"),
        ("55 04 00 01 00 02", "function 85"),
        ("03 02 00 01", "2 bytes"),
        ("03 0A 00 01 00 02 00 03 00 04 00 05", "10 bytes"),
        ("03 00", "0 bytes"),
        ("03 03 00 01 00", "3 bytes"),
        ("03 08 00 01 00 02", "8 bytes"),
        ("03 04 00 01 00", "holds 3 bytes"),
        ("03 04 00 01 00 02 FF", "holds 5 bytes"),
        ("03", "no bytes"),
        ("84 02", "exception of function 4"),
        ("83", "exactly one code"),
        ("83 02 00", "exactly one code"),
    ],
)
def test_no_value_out_of_nonsense(pdu: str, reason: str) -> None:
    with pytest.raises(BadReply, match=reason):
        READ.payload(bytes.fromhex(pdu))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "illegal function"),
        (2, "illegal data address"),
        (11, "gateway target"),
        (0x77, "unknown exception"),
    ],
)
def test_a_refusal_keeps_its_code(code: int, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        READ.payload(bytes([0x83, code]))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("unit", "function", "address", "count"),
    [
        (1, Function.READ_COILS, 0, 2001),
        (1, Function.READ_HOLDING_REGISTERS, 0, 126),
        (1, Function.READ_HOLDING_REGISTERS, 0, 0),
        (1, Function.READ_HOLDING_REGISTERS, 65535, 2),
        (1, Function.READ_HOLDING_REGISTERS, -1, 2),
        (248, Function.READ_HOLDING_REGISTERS, 0, 1),
        (1, Function.READ_IDENTIFICATION, 0, 1),
    ],
)
def test_an_impossible_request_cannot_be_made(
    unit: int, function: Function, address: int, count: int
) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        ReadRequest(unit, function, address, count)


def test_only_reading_can_be_spelled() -> None:
    assert {int(function) for function in Function} == {1, 2, 3, 4, 43}
    with pytest.raises(ValueError, match="5"):
        ReadRequest(1, 5, 0, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no read device id"):
        IdentityRequest(1, 5)


FRAMES = [
    Frame(7, 1, b"\x03\x04\x00\x05\x00\x06"),
    Frame(8, 255, b"\x83\x02"),
    Frame(65535, 0, b"\x01\x01\xff"),
]


def spelled(frame: Frame) -> bytes:
    head = frame.transaction.to_bytes(2, "big") + b"\0\0" + (len(frame.pdu) + 1).to_bytes(2, "big")
    return head + bytes([frame.unit]) + frame.pdu


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_fed_whole_byte_by_byte_and_with_trailing_bytes(frame: Frame) -> None:
    data = spelled(frame)
    assert FrameReader().feed(data) == [frame]
    reader = FrameReader()
    assert [found for byte in data for found in reader.feed(bytes([byte]))] == [frame]
    reader = FrameReader()
    assert reader.feed(data + data[:5]) == [frame]
    assert reader.feed(data[5:]) == [frame]


@settings(max_examples=150 * MORE, deadline=None)
@given(st.lists(st.sampled_from(FRAMES), max_size=5), st.lists(st.integers(1, 30), max_size=40))
def test_frames_do_not_depend_on_the_pieces(frames: list[Frame], sizes: list[int]) -> None:
    data = b"".join(spelled(frame) for frame in frames)
    reader, found, at = FrameReader(), [], 0
    for size in sizes:
        found += reader.feed(data[at : at + size])
        at += size
    found += reader.feed(data[at:])
    assert found == frames


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("00 01 00 01 00 07 01 03 04 00 05 00 06", "protocol identifier 1"),
        ("00 01 00 02 00 07 01 03 04 00 05 00 06", "protocol identifier 2"),
        ("00 01 00 00 00 00 01 03", "length of 0"),
        ("00 01 00 00 00 01 01 03", "length of 1"),
        ("00 01 00 00 00 02 01 83", "length of 2"),
        ("00 01 00 00 00 FF 01 03", "length of 255"),
        ("00 01 00 00 FF FF 01 03", "length of 65535"),
        (b"HTTP/1.1 400 Bad Request".hex(), "HTTP server"),
        (b"HTTP/1".hex(), "HTTP server"),
    ],
)
def test_a_stream_that_is_not_modbus_stays_refused(data: str, reason: str) -> None:
    reader = FrameReader()
    with pytest.raises(BadReply, match=reason):
        reader.feed(bytes.fromhex(data))
    with pytest.raises(BadReply, match=reason):
        reader.feed(spelled(FRAMES[0]))


@settings(max_examples=300 * MORE, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_give_frames_or_a_bad_reply(data: bytes) -> None:
    try:
        frames = FrameReader().feed(data)
    except BadReply:
        return
    assert (
        b"".join(spelled(frame) for frame in frames) == data[: sum(len(spelled(frame)) for frame in frames)]
    )


def oracle(pdu: bytes, function: int, size: int) -> bytes | None:
    """The only PDU that is a true answer, written out by hand."""
    return pdu[2:] if pdu == bytes([function, size]) + pdu[2:] and len(pdu) == size + 2 else None


@settings(max_examples=400 * MORE, deadline=None)
@given(
    st.sampled_from(sorted(TABLE_FUNCTIONS.values())),
    st.integers(1, 12),
    st.one_of(
        st.binary(min_size=1, max_size=30),
        st.tuples(st.integers(0, 255), st.integers(0, 26), st.binary(max_size=26)).map(
            lambda parts: bytes([parts[0], parts[1]]) + parts[2]
        ),
    ),
)
def test_fuzzed_replies_give_no_value_the_oracle_does_not(function: Function, count: int, pdu: bytes) -> None:
    request = ReadRequest(1, function, 0, count)
    try:
        payload = request.payload(pdu)
    except (BadReply, Refused):
        assert oracle(pdu, function, request.payload_bytes) is None
    else:
        assert payload == oracle(pdu, function, request.payload_bytes)


@settings(max_examples=200 * MORE, deadline=None)
@given(st.binary(min_size=1, max_size=40).map(lambda tail: bytes.fromhex("2B 0E 01 01") + tail))
def test_fuzzed_identifications_are_walked_within_their_frame(pdu: bytes) -> None:
    try:
        part = IdentityRequest(1).part(pdu)
    except BadReply:
        return
    assert 7 + sum(2 + len(raw) for raw in part.objects.values()) == len(pdu)
