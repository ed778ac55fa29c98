"""Does a reading mean exactly what its profile says, and nothing where it says nothing?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.normalize import VALUE_MAX, identity_row, normalize
from telemetry.line import INT64_MAX, TEXT_MAX, encode_line
from telemetry.profile import Profile, parse_profile
from telemetry.reading import MachineState, Quality, Reading, ReadingKind
from telemetry.schema import MEASUREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import RawValue, Sample

HEAD = """\
profile: acme_r1
kind: robot
manufacturer: ACME
models: [R1]
name: {zh: 机器人, en: robot}
axes: 6
firmware: "5"
sources: [{title: Manual, grade: A}]
mqtt: {topic: a/+/b}
points:
"""


def profile_of(points: str, rest: str = "") -> Profile:
    return parse_profile(f"{HEAD}{points}{rest}", "acme_r1.yaml")


def point(extra: str) -> Profile:
    return profile_of(f"  x: {{path: x, type: float64, {extra}}}\n")


def reading(values: Mapping[str, RawValue], quality: Quality = Quality.GOOD, reason: str = "") -> Reading:
    return Reading("r1", ReadingKind.POLL, 5_000, 77, quality, values, "acme_r1@0", 4_000, reason)


def value_of(profile: Profile, raw: RawValue) -> tuple[Mapping[str, int], Quality]:
    sample = normalize(reading({"x": raw}), profile)
    return {**sample.counters, **sample.gauges}, sample.quality


@pytest.mark.parametrize(
    ("raw", "extra", "value"),
    [
        (7, "metric: power_w", 7),
        (7, "metric: power_w, multiply: 10", 70),
        (79, "metric: power_w, divide: 10", 7),
        (-71, "metric: power_w, divide: 10", -8),
        (3, "metric: power_w, multiply: 1000, divide: 3600", 0),
        (2**53 + 1, "metric: power_w, divide: 100000", 90071992547),
        (1.25, "metric: power_w, multiply: 1000", 1250),
        (0.1 + 0.2, "metric: power_w, multiply: 1000", 300),
        (7.6, "metric: power_w", 8),
        (-7.6, "metric: power_w", -8),
        (0, "metric: power_w", 0),
        (-0.0, "metric: power_w", 0),
    ],
)
def test_a_number_is_scaled_exactly(raw: RawValue, extra: str, value: int) -> None:
    values, quality = value_of(point(extra), raw)
    assert values == {"power_w": value}
    assert type(values["power_w"]) is int
    assert quality is Quality.GOOD


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9))
def test_a_scaled_counter_stays_monotone(raw: int, more: int, multiply: int, divide: int) -> None:
    profile = point(f"metric: cycles, rate_max: 20, multiply: {multiply}, divide: {divide}")
    before, after = value_of(profile, raw)[0], value_of(profile, raw + more)[0]
    if before and after:
        assert before["cycles"] <= after["cycles"]
        assert before["cycles"] == raw * multiply // divide


@pytest.mark.parametrize(
    ("raw", "extra"),
    [
        (65_535, "metric: power_w, sentinels: [65535]"),
        (65_535.0, "metric: power_w, sentinels: [65535]"),
        (-1, "metric: power_w, sentinels: [-1, 65535]"),
        (101, "metric: speed_percent, minimum: 0, maximum: 100"),
        (-1, "metric: speed_percent, minimum: 0, maximum: 100"),
        (10_001, "metric: power_w, divide: 100, maximum: 99"),
        (-1, "metric: cycles, rate_max: 20"),
        (-0.6, "metric: cycles, rate_max: 20"),
        (float("nan"), "metric: power_w"),
        (float("inf"), "metric: power_w"),
        (float("-inf"), "metric: power_w"),
        (1.7e308, "metric: power_w, multiply: 1000"),
        (True, "metric: power_w"),
        (False, "metric: cycles, rate_max: 20"),
        ("7", "metric: power_w"),
        ("", "metric: power_w"),
        (VALUE_MAX + 1, "metric: power_w"),
        (-VALUE_MAX - 1, "metric: power_w"),
        (2**64 - 1, "metric: cycles, rate_max: 20"),
        (10**400, "metric: cycles, rate_max: 20"),
        (VALUE_MAX, "metric: power_w, multiply: 2"),
    ],
)
def test_an_implausible_value_is_no_value_and_makes_the_sample_uncertain(raw: RawValue, extra: str) -> None:
    assert value_of(point(extra), raw) == ({}, Quality.UNCERTAIN)


@pytest.mark.parametrize("raw", [0, 100, VALUE_MAX])
def test_the_bounds_themselves_are_plausible(raw: int) -> None:
    assert value_of(point(f"metric: power_w, minimum: 0, maximum: {VALUE_MAX}"), raw)[1] is Quality.GOOD


def test_a_point_that_was_not_heard_is_absent_not_zero() -> None:
    profile = profile_of(
        "  c: {path: c, type: int64, metric: cycles, rate_max: 20}\n  p: {path: p, type: int32, metric: power_w}\n"
    )
    sample = normalize(reading({"p": 5}), profile)
    assert (sample.counters, sample.gauges, sample.quality) == ({}, {"power_w": 5}, Quality.UNCERTAIN)


def test_one_bad_point_does_not_take_the_others_with_it() -> None:
    profile = profile_of(
        "  c: {path: c, type: int64, metric: cycles, rate_max: 20}\n  p: {path: p, type: int32, metric: power_w}\n"
    )
    sample = normalize(reading({"c": 9, "p": float("nan")}), profile)
    assert (sample.counters, sample.gauges, sample.quality) == ({"cycles": 9}, {}, Quality.UNCERTAIN)


def test_a_bad_reading_has_no_values_whatever_it_carries() -> None:
    sample = normalize(reading({"x": 5}, Quality.BAD, "timeout"), point("metric: power_w"))
    assert (sample.counters, sample.gauges, sample.boot_clock) == ({}, {}, None)
    assert (sample.quality, sample.state, sample.reason) == (Quality.BAD, MachineState.UNKNOWN, "timeout")


def test_an_uncertain_reading_stays_uncertain() -> None:
    assert (
        normalize(reading({"x": 5}, Quality.UNCERTAIN), point("metric: power_w")).quality is Quality.UNCERTAIN
    )


def test_a_sample_is_dated_by_when_it_was_received_not_by_what_the_device_says() -> None:
    assert normalize(reading({"x": 5}), point("metric: power_w")).at_ms == 5_000


def joints(metric: str, *values: int) -> int:
    lines = "".join(f"  j{n}: {{path: j{n}, type: int32, metric: {metric}}}\n" for n in range(len(values)))
    sample = normalize(reading({f"j{n}": value for n, value in enumerate(values)}), profile_of(lines))
    return sample.gauges[metric]


def test_several_joints_give_their_largest_current_whatever_its_sign() -> None:
    assert joints("joint_current_ma", 10, -5_000, 300) == 5_000
    assert joints("joint_speed_mdeg_s", -7, -3) == 7
    assert joints("joint_current_ma", -5) == 5, "motion against the positive direction is motion"


def test_several_temperatures_give_the_highest() -> None:
    assert joints("temperature_mc", -5_000, 3_000) == 3_000
    assert joints("temperature_mc", -5_000, -3_000) == -3_000


STATES = """\
states:
  - {state: fault, point: alarm, equals: [true]}
  - {state: running, point: mode, equals: [2, "auto"]}
  - {state: "off", point: mode, equals: [0]}
  - {state: ready, point: mode, differs: [0, 2]}
boot_clock: up
"""
MODES = profile_of(
    "  mode: {path: m, type: int32, sentinels: [65535]}\n  alarm: {path: a, type: bool}\n"
    "  up: {path: u, type: float64, sentinels: [-1]}\n",
    STATES,
)


def sample_of(**values: RawValue) -> Sample:
    return normalize(reading(values), MODES)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"alarm": False, "mode": 2}, "running"),
        ({"alarm": False, "mode": "auto"}, "running"),
        ({"alarm": False, "mode": 0}, "off"),
        ({"alarm": False, "mode": 7}, "ready"),
        ({"alarm": True, "mode": 2}, "fault"),
        ({"alarm": True}, "fault"),
        ({"mode": 2}, "unknown"),
        ({"alarm": False}, "unknown"),
        ({}, "unknown"),
        ({"alarm": False, "mode": float("nan")}, "unknown"),
        ({"alarm": False, "mode": 65_535}, "unknown"),
    ],
)
def test_the_first_rule_that_holds_decides_and_silence_decides_nothing(
    values: dict[str, RawValue], state: str
) -> None:
    assert sample_of(**values).state == state


def test_without_a_rule_that_holds_the_state_is_unknown() -> None:
    assert normalize(reading({"x": 1}), point("metric: power_w")).state is MachineState.UNKNOWN
    rule = "states: [{state: running, point: x, equals: [1]}]\n"
    assert normalize(reading({"x": 2}), profile_of("  x: {path: x, type: int32}\n", rule)).state == "unknown"


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [(5, 5), (5.9, 5), (0, 0), (-1, None), (True, None), ("5", None), (float("nan"), None)],
)
def test_the_devices_clock_is_a_number_or_nothing(raw: RawValue, seconds: int | None) -> None:
    assert sample_of(up=raw).boot_clock == seconds


def test_two_profiles_of_one_name_do_not_share_a_normalizer() -> None:
    for multiply in range(1, 270):
        profile = point(f"metric: power_w, multiply: {multiply}")
        assert value_of(profile, 1)[0] == {"power_w": multiply}


RAW = st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=5))


@given(
    st.dictionaries(st.sampled_from(["c", "g", "t", "s"]), RAW), st.integers(1, 10**6), st.integers(1, 10**6)
)
def test_whatever_a_device_says_no_value_leaves_its_bounds(
    values: dict[str, RawValue], multiply: int, divide: int
) -> None:
    scale = f"multiply: {multiply}, divide: {divide}"
    profile = profile_of(
        f"  c: {{path: c, type: int64, metric: energy_wh, rate_max: 9, {scale}}}\n"
        f"  g: {{path: g, type: float64, metric: power_w, {scale}}}\n"
        f"  t: {{path: t, type: float64, metric: joint_current_ma, {scale}}}\n"
        "  s: {path: s, type: int32}\n",
        "states: [{state: running, point: s, differs: [0]}]\nboot_clock: s\n",
    )
    sample = normalize(reading(values), profile)
    assert all(type(value) is int and 0 <= value <= VALUE_MAX for value in sample.counters.values())
    assert all(type(value) is int and abs(value) <= VALUE_MAX for value in sample.gauges.values())
    missing = 3 - len(sample.counters) - len(sample.gauges)
    assert (sample.quality is Quality.GOOD) == (missing == 0)


HOSTILE = {
    "newline": ("A\nmachine,gateway=g2 cycles_raw=9i 0", "A?machine,gateway=g2 cycles_raw=9i 0"),
    "carriage return and NUL": ("A\r\x00B", "A??B"),
    "bidi": ("\u202eEvil\u2066", "?Evil?"),
    "surrogate": ("A\ud800", "A?"),
    "10 KB": ("x" * 10_240, "x" * TEXT_MAX),
    "formula": ("=cmd|'/c calc'!A1", "=cmd|'/c calc'!A1"),
    "quotes and commas": ('"a",b=1i 5\\', '"a",b=1i 5\\'),
    "padding": ("  ABC  ", "ABC"),
    "markup": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    "Chinese": ("机器人 𠮷", "机器人 𠮷"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_fits_the_wire(name: str) -> None:
    said, written = HOSTILE[name]
    row = identity_row("gw-1", reading({"serial": said}))
    assert row.fields["serial"] == written
    line = encode_line(row.measurement, row.tags, row.fields, 0)
    assert len(line.splitlines()) == 1


def test_an_identity_row_is_what_the_device_told_of_itself() -> None:
    said: dict[str, RawValue] = {"manufacturer": "ACME", "serial": 12_345, "axes": 6, "source": "fc43"}
    row = identity_row("gw-1", reading(said))
    assert (row.measurement, row.tags, row.time_ms) == (
        "identity",
        {"gateway": "gw-1", "device": "r1"},
        5_000,
    )
    assert row.fields == {"manufacturer": "ACME", "serial": "12345", "axes": 6, "source": "fc43"}


@pytest.mark.parametrize(
    "said",
    [
        {"colour": "red"},
        {"axes": "6"},
        {"axes": 6.0},
        {"axes": True},
        {"axes": INT64_MAX + 1},
        {"serial": ""},
        {"serial": "   "},
        {"gateway": "gw-2"},
    ],
)
def test_unknown_fields_wrong_types_and_empty_text_are_left_out(said: dict[str, RawValue]) -> None:
    assert identity_row("gw-1", reading(said)).fields == {"source": "declared"}


@given(st.dictionaries(st.sampled_from([*MEASUREMENTS["identity"].fields, "other"]), RAW))
def test_every_identity_row_can_be_written_and_is_typed(values: dict[str, RawValue]) -> None:
    row = identity_row("gw-1", reading(values))
    encode_line(row.measurement, row.tags, row.fields, row.time_ms)
    known = MEASUREMENTS["identity"].fields
    assert all(type(value) is known[name] for name, value in row.fields.items())
