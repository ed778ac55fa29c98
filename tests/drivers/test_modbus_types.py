"""Binary coded decimal, numbers inside a register, offsets and scan rates: what a profile may say, and what it decodes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus_decode import compile_block
from drivers.modbus_plan import plan_reads
from drivers.profiles import load_profile
from gateway.normalize import normalize
from simulators.modbus_device import encode_registers
from telemetry.errors import ConfigError
from telemetry.profile import Point
from telemetry.reading import Quality, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.profile import Profile
    from telemetry.reading import RawValue

    MakeProfile = Callable[..., Profile]


def decoded(profile: Profile, *registers: int) -> dict[str, RawValue]:
    (block,) = plan_reads(profile, profile.points)
    payload = b"".join(word.to_bytes(2, "big") for word in registers)
    return compile_block(block, profile)(payload)


@pytest.mark.parametrize(
    ("kind", "order", "registers", "value"),
    [
        ("bcd16", "ABCD", (0x1234,), 1234),
        ("bcd16", "ABCD", (0x0000,), 0),
        ("bcd16", "ABCD", (0x9999,), 9999),
        ("bcd16", "BADC", (0x3412,), 1234),
        ("bcd32", "ABCD", (0x1234, 0x5678), 12345678),
        ("bcd32", "CDAB", (0x5678, 0x1234), 12345678),
        ("bcd32", "BADC", (0x3412, 0x7856), 12345678),
        ("bcd32", "DCBA", (0x7856, 0x3412), 12345678),
        ("bcd16", "ABCD", (0x12A4,), None),
        ("bcd16", "ABCD", (0xFFFF,), None),
        ("bcd32", "ABCD", (0x1234, 0xF678), None),
    ],
)
def test_binary_coded_decimal(
    kind: str, order: str, registers: tuple[int, ...], value: int | None, make_profile: MakeProfile
) -> None:
    profile = make_profile(f"  n: {{table: holding, address: 3, type: {kind}, order: {order}}}")
    assert decoded(profile, *registers) == ({} if value is None else {"n": value})


@given(st.integers(0, 99_999_999), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]))
def test_bcd_comes_back_from_another_encoder(value: int, order: str) -> None:
    point = Point(table="holding", address=0, type="bcd32", order=order)  # type: ignore[arg-type]
    profile = load_profile("schneider_pm5110").profile.model_copy(update={"points": {"n": point}})
    assert decoded(profile, *encode_registers(point, value, order)) == {"n": value}


@pytest.mark.parametrize("sentinel", [0x9999, 9999])
def test_a_sentinel_of_bcd_is_written_as_bits_or_as_number(sentinel: int, make_profile: MakeProfile) -> None:
    points = f"  n: {{table: holding, address: 0, type: bcd16, sentinels: [{sentinel}]}}"
    assert decoded(make_profile(points), 0x9999) == {}
    assert decoded(make_profile(points), 0x9998) == {"n": 9998}


def test_a_register_holds_numbers_and_flags_side_by_side(make_profile: MakeProfile) -> None:
    profile = make_profile("""
  mode: {table: holding, address: 4, type: uint16, bit: 0, width: 3}
  ready: {table: holding, address: 4, type: bool, bit: 3}
  step: {table: holding, address: 4, type: uint16, bit: 4, width: 8, sentinels: [255]}
  top: {table: holding, address: 4, type: uint16, bit: 12, width: 4}
  next: {table: holding, address: 5, type: uint16}
""")
    assert decoded(profile, 0b1010_0001_0110_1101, 9) == {
        "mode": 5, "ready": True, "step": 0x16, "top": 10, "next": 9,
    }  # fmt: skip
    assert "step" not in decoded(profile, 0x0FF0, 0)


def test_a_number_inside_a_swapped_register(make_profile: MakeProfile) -> None:
    profile = make_profile("  low: {table: input, address: 0, type: uint16, bit: 0, width: 8, order: BADC}\n")
    assert decoded(profile, 0x1234) == {"low": 0x12}


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ("{table: holding, address: 0, type: uint16, bit: 3}", "needs its width"),
        ("{table: holding, address: 0, type: uint16, width: 3}", "lowest `bit`"),
        ("{table: holding, address: 0, type: bool, bit: 1, width: 3}", "is a uint16"),
        ("{table: holding, address: 0, type: uint16, bit: 14, width: 3}", "beyond the register"),
        ("{table: coil, address: 0, type: bool, bit: 1, width: 1}", "is a uint16"),
        ("{table: holding, address: 0, type: bcd8}", "bcd"),
        ("{table: holding, address: 0, type: uint16, every: 0}", "greater than or equal to 1"),
        ("{table: holding, address: 0, type: uint16, offset: 5}", "needs a metric"),
        (
            "{table: holding, address: 0, type: uint32, metric: cycles, rate_max: 60, offset: 5}",
            "counter has no offset",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(point: str, words: str, make_profile: MakeProfile) -> None:
    with pytest.raises(ConfigError, match=words):
        make_profile(f"  n: {point}")


@pytest.mark.parametrize(
    ("kind", "raw", "millidegrees"),
    [("uint16", 0, -40_000), ("uint16", 65, 25_000), ("float32", 65.5, 25_500), ("int16", -5, -45_000)],
)
def test_an_offset_is_added_after_scaling(
    kind: str, raw: float, millidegrees: int, make_profile: MakeProfile
) -> None:
    """Temperature as J1939 and many drives give it: degrees with -40 for nought."""
    profile = make_profile(
        f"  t: {{table: holding, address: 0, type: {kind}, metric: temperature_mc, multiply: 1000, offset: -40000}}"
    )
    reading = Reading("d", ReadingKind.POLL, 1, 1, Quality.GOOD, {"t": raw}, "p")
    assert normalize(reading, profile).gauges == {"temperature_mc": millidegrees}
