from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus_decode import compile_block, swap_words
from drivers.modbus_plan import plan_reads
from drivers.profiles import load_profile
from simulators.modbus_device import encode_registers
from telemetry.line import clean
from telemetry.profile import Modbus, Point, Profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.reading import RawValue

BASE = load_profile("schneider_pm5110").profile
ORDERS = ["ABCD", "CDAB", "BADC", "DCBA"]
VALUES: dict[str, st.SearchStrategy[RawValue]] = {
    "bool": st.booleans(),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "bcd16": st.integers(0, 9999),
    "bcd32": st.integers(0, 99_999_999),
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text("ABCxyz019 节卡".replace(" ", ""), min_size=1, max_size=2),
}


def profile_of(points: dict[str, Point], gap_max: int = 10) -> Profile:
    return BASE.model_copy(update={"points": points, "modbus": Modbus(gap_max=gap_max)})


def payload_of(words: dict[int, int], start: int, count: int) -> bytes:
    return b"".join(words.get(start + n, 0xDEAD).to_bytes(2, "big") for n in range(count))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_block_decodes_what_a_foreign_encoder_wrote(data: st.DataObject) -> None:
    points: dict[str, Point] = {}
    words: dict[int, int] = {}
    expected: dict[str, RawValue] = {}
    at = 0
    for number in range(data.draw(st.integers(1, 8))):
        type_name, order = data.draw(st.sampled_from(sorted(VALUES))), data.draw(st.sampled_from(ORDERS))
        at += data.draw(st.integers(0, 3))
        length = 5 if type_name == "string" else 0
        point = Point(table="holding", address=at, type=type_name, order=order, length=length)  # type: ignore[arg-type]
        points[f"p{number}"] = point
        expected[f"p{number}"] = value = data.draw(VALUES[type_name])
        words |= dict(enumerate(encode_registers(point, value, order), start=at))
        at += point.words
    profile = profile_of(points)
    (block,) = plan_reads(profile, points)
    decoded = compile_block(block, profile)(payload_of(words, block.address, block.count))
    assert decoded == expected
    assert {name: type(value) for name, value in decoded.items()} == {
        name: type(value) for name, value in expected.items()
    }


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=40, max_size=40))
def test_any_bytes_decode_to_possible_values(payload: bytes) -> None:
    kinds = ["float32", "float64", "bool", "string", "int64", "uint16", "float32"]
    points, at = {}, 0
    for number, kind in enumerate(kinds):
        point = Point(table="input", address=at, type=kind, length=4 if kind == "string" else 0)  # type: ignore[arg-type]
        points[f"p{number}"] = point
        at += point.words
    profile = profile_of(points)
    (block,) = plan_reads(profile, points)
    for value in compile_block(block, profile)(payload[: 2 * block.count]).values():
        assert not isinstance(value, float) or math.isfinite(value)
        assert not isinstance(value, str) or value == clean(value) != ""


def test_the_four_byte_orders_of_one_value() -> None:
    points = {
        order: Point(table="holding", address=2 * n, type="uint32", order=order)  # type: ignore[arg-type]
        for n, order in enumerate(ORDERS)
    }
    profile = profile_of(points)
    (block,) = plan_reads(profile, points)
    payload = bytes.fromhex("01020304 03040102 02010403 04030201")
    assert compile_block(block, profile)(payload) == dict.fromkeys(ORDERS, 0x01020304)


def decode_one(point: Point, payload: str) -> dict[str, RawValue]:
    profile = profile_of({"p": point})
    (block,) = plan_reads(profile, {"p": point})
    return compile_block(block, profile)(bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("type_name", "sentinel", "payload"),
    [
        ("int16", 0x8000, "8000"),
        ("int16", -32768, "8000"),
        ("uint16", 0xFFFF, "FFFF"),
        ("uint32", 0xFFFFFFFF, "FFFFFFFF"),
        ("int64", -(2**63), "8000000000000000"),
        ("float32", -1, "BF800000"),
    ],
)
def test_a_sentinel_is_no_value(type_name: str, sentinel: int, payload: str) -> None:
    point = Point(table="holding", address=0, type=type_name, sentinels=(sentinel,))  # type: ignore[arg-type]
    assert decode_one(point, payload) == {}
    assert decode_one(point, "00" * (len(payload) // 2)) == {"p": 0}


@pytest.mark.parametrize("payload", ["7FC00000", "FF800000", "7F800000", "7FA00001"])
def test_not_a_number_is_no_value(payload: str) -> None:
    assert decode_one(Point(table="input", address=0, type="float32"), payload) == {}


@pytest.mark.parametrize("payload", ["0002", "FFFF", "0100"])
def test_a_flag_that_is_neither_is_no_value(payload: str) -> None:
    assert decode_one(Point(table="holding", address=0, type="bool"), payload) == {}


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"AB12\0\0\0\0", "AB12"),
        (b"AB12    ", "AB12"),
        (b"AB\0trash", "AB"),
        (b"A\nB\x7f\0\0\0\0", "A?B?"),
        ("节卡".encode() + b"\0\0", "节卡"),
        (b"\0\0\0\0\0\0\0\0", None),
        (b"        ", None),
        (b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe", None),
    ],
)
def test_text_is_stripped_cleaned_or_absent(payload: bytes, text: str | None) -> None:
    point = Point(table="holding", address=0, type="string", length=4)
    assert decode_one(point, payload.hex()) == ({"p": text} if text else {})


def test_text_of_swapped_bytes_and_never_of_swapped_words() -> None:
    plain, swapped = b"SN-42\0", swap_words(b"SN-42\0")
    for order, payload in [("ABCD", plain), ("CDAB", plain), ("BADC", swapped), ("DCBA", swapped)]:
        point = Point(table="holding", address=0, type="string", length=3, order=order)  # type: ignore[arg-type]
        assert decode_one(point, payload.hex()) == {"p": "SN-42"}


def test_bits_of_registers_in_any_order_and_of_bit_tables(make_profile: Callable[..., Profile]) -> None:
    profile = make_profile(
        "  b15: {table: holding, address: 1, type: bool, bit: 15}\n"
        "  b0: {table: holding, address: 1, type: bool, bit: 0}\n"
        "  n: {table: holding, address: 2, type: uint16}\n"
        "  c3: {table: coil, address: 3, type: bool}\n"
        "  c12: {table: coil, address: 12, type: bool}\n",
        "{gap_max: 10}",
    )
    coil, holding = plan_reads(profile, profile.points)
    assert compile_block(holding, profile)(bytes.fromhex("8000 0007")) == {"b15": True, "b0": False, "n": 7}
    # Coils 3..12: bit 0 of the first byte is coil 3, bit 1 of the second is coil 12.
    assert compile_block(coil, profile)(bytes.fromhex("01 02")) == {"c3": True, "c12": True}
    assert compile_block(coil, profile)(bytes.fromhex("FE FD")) == {"c3": False, "c12": False}
