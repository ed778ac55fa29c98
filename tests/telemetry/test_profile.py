"""Does a profile file that cannot be right say so, in words that help?"""

from __future__ import annotations

import hashlib
import re

import pytest

from telemetry.errors import ConfigError, Problem
from telemetry.profile import Kind, Point, Profile, parse_profile, profile_digest
from telemetry.reading import MachineState

HEAD = """\
profile: acme_r1
kind: robot
manufacturer: ACME
models: [R1]
name: {zh: 六轴机器人, en: six-axis robot}
axes: 6
firmware: "5.0"
sources: [{title: Manual, grade: A}]
"""
GOOD = f"""{HEAD}modbus: {{port: 502, unit: 1}}
points:
  state: {{table: input, address: 0, type: uint16}}
  cycles: {{table: holding, address: 100, type: uint32, metric: cycles, rate_max: 20, modulus: 4294967296}}
  serial: {{table: holding, address: 200, type: string, length: 8}}
  uptime: {{table: holding, address: 220, type: uint32}}
states:
  - {{state: running, point: state, equals: [1, 2]}}
  - {{state: "off", point: state, equals: [0]}}
  - {{state: fault, point: state, differs: [0, 1, 2]}}
identity: {{serial: serial, fc43: true}}
boot_clock: uptime
"""


def problems(text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse_profile(text, "acme_r1.yaml")
    return caught.value.problems


def with_points(points: str, protocol: str = "modbus: {}") -> str:
    return f"{HEAD}{protocol}\npoints:\n{points}"


def test_a_whole_profile_is_read() -> None:
    profile = parse_profile(GOOD, "acme_r1.yaml")
    assert profile.kind is Kind.ROBOT
    assert profile.points["cycles"].metric == "cycles"
    assert [rule.state for rule in profile.states] == [
        MachineState.RUNNING,
        MachineState.OFF,
        MachineState.FAULT,
    ]
    assert profile.modbus is not None
    assert (profile.modbus.order, profile.modbus.max_registers, profile.modbus.gap_max) == ("ABCD", 125, 0)
    assert list(profile.counters()) == ["cycles"]


def test_its_counters_are_given_by_metric_not_by_point_name() -> None:
    text = with_points(
        "  a: {table: input, address: 0, type: uint32, metric: parts, rate_max: 9}\n"
        "  b: {table: input, address: 2, type: uint16, metric: power_w}\n"
    )
    assert {metric: point.address for metric, point in parse_profile(text, "f").counters().items()} == {
        "parts": 0
    }


@pytest.mark.parametrize(
    ("kind", "length", "words"),
    [
        ("bool", 0, 1),
        ("int16", 0, 1),
        ("uint32", 0, 2),
        ("float32", 0, 2),
        ("int64", 0, 4),
        ("float64", 0, 4),
        ("string", 7, 7),
    ],
)
def test_a_point_knows_how_many_registers_it_takes(kind: str, length: int, words: int) -> None:
    point = Point.model_validate({"table": "holding", "address": 0, "type": kind, "length": length})
    assert point.words == words


BAD_POINTS = {
    "{type: int16}": "either table and address (Modbus) or path (MQTT)",
    "{table: input, address: 1, path: a.b, type: int16}": "either table and address (Modbus) or path (MQTT)",
    "{table: input, type: int16}": "a point with a table needs its address",
    "{table: coil, address: 1, type: uint16}": "a coil or discrete input is a bool",
    "{table: discrete, address: 1, type: uint16}": "a coil or discrete input is a bool",
    "{table: input, address: 1, type: string}": "a string in registers needs its length",
    "{table: input, address: 1, type: uint16, bit: 3}": "a bit of a register is a bool",
    "{table: input, address: 65535, type: uint32}": "a point ends beyond address 65535",
    "{table: input, address: 1, type: int16, minimum: 5, maximum: 4}": "minimum is greater than maximum",
    "{table: input, address: 1, type: uint16, metric: cycle, rate_max: 1}": "unknown metric 'cycle'; one of cycle_time_ms, cycles,",
    "{table: coil, address: 1, type: bool, metric: cycles, rate_max: 1}": "a metric is a number",
    "{table: input, address: 1, type: string, length: 2, metric: power_w}": "a metric is a number",
    "{table: input, address: 1, type: uint16, metric: cycles}": "a counter needs rate_max",
    "{table: input, address: 1, type: uint16, metric: cycles, rate_max: 0}": "greater than or equal to 1",
    "{table: input, address: 1, type: uint16, modulus: 1}": "greater than or equal to 2",
    "{table: input, address: 1, type: uint16, divide: 0}": "greater than or equal to 1",
    "{table: input, address: 1, type: uint16, multiply: 0.1}": "valid integer",
    "{table: input, address: 65536, type: uint16}": "less than or equal to 65535",
    "{table: input, address: -1, type: uint16}": "greater than or equal to 0",
    "{table: input, address: 40001.5, type: uint16}": "valid integer",
    "{table: input, address: 1, type: uint16, bit: 16}": "less than or equal to 15",
    "{table: inputs, address: 1, type: uint16}": "'coil', 'discrete', 'input' or 'holding'",
    "{table: input, address: 1, type: int8}": "Input should be",
    "{table: input, address: 1, type: int16, order: ABDC}": "'ABCD', 'CDAB', 'BADC' or 'DCBA'",
    "{table: input, address: 1, type: int16, metrc: power_w}": "is not a known key",
}


@pytest.mark.parametrize("point", BAD_POINTS)
def test_a_point_that_cannot_be_is_refused_at_its_place(point: str) -> None:
    found = problems(with_points(f"  good: {{table: input, address: 9, type: int16}}\n  bad: {point}\n"))
    assert len(found) == 1
    assert BAD_POINTS[point] in found[0].message
    assert (found[0].file, found[0].line) == ("acme_r1.yaml", 12)
    assert found[0].key.startswith("points.bad")


BAD_PROFILES = {
    "neither protocol": (GOOD.replace("modbus: {port: 502, unit: 1}\n", ""), "either modbus or mqtt"),
    "both protocols": (GOOD + "mqtt: {topic: a/+/b}\n", "either modbus or mqtt"),
    "MQTT point in Modbus": (
        with_points("  a: {path: x, type: int16}\n"),
        "point a does not belong to this protocol",
    ),
    "Modbus point in MQTT": (
        with_points("  a: {table: input, address: 0, type: int16}\n", "mqtt: {topic: a/+/b}"),
        "point a does not belong to this protocol",
    ),
    "state of no point": (
        GOOD.replace("point: state, equals: [0]", "point: stat, equals: [0]"),
        "names the point 'stat'",
    ),
    "serial of no point": (GOOD.replace("serial: serial", "serial: sn"), "names the point 'sn'"),
    "boot clock of no point": (GOOD.replace("boot_clock: uptime", "boot_clock: up"), "names the point 'up'"),
    "state rule with both": (
        GOOD.replace("equals: [0]", "equals: [0], differs: [1]"),
        "a state rule has either equals or differs",
    ),
    "state rule with neither": (
        GOOD.replace(", equals: [0]", ""),
        "a state rule has either equals or differs",
    ),
    "unknown state": (GOOD.replace("state: running", "state: runing"), "Input should be 'running', 'ready'"),
    "YAML's own off": (GOOD.replace('"off"', "false"), "Input should be"),
    "overlap": (
        with_points(
            "  a: {table: input, address: 0, type: uint32}\n  b: {table: input, address: 1, type: int16}\n"
        ),
        "points a and b overlap at input 1",
    ),
    "overlap with a string": (
        with_points(
            "  a: {table: input, address: 4, type: int16}\n  b: {table: input, address: 0, type: string, length: 5}\n"
        ),
        "points a and b overlap at input 4",
    ),
    "word over its bits": (
        with_points(
            "  a: {table: input, address: 0, type: bool, bit: 1}\n  b: {table: input, address: 0, type: int16}\n"
        ),
        "points a and b overlap at input 0",
    ),
    "bit in a word": (
        with_points(
            "  a: {table: input, address: 0, type: int16}\n  b: {table: input, address: 0, type: bool, bit: 1}\n"
        ),
        "points a and b overlap at input 0",
    ),
    "counter twice": (
        with_points(
            "  a: {table: input, address: 0, type: int16, metric: parts, rate_max: 1}\n"
            "  b: {table: input, address: 1, type: int16, metric: parts, rate_max: 1}\n"
        ),
        "two points give the counter parts",
    ),
    "no points": (with_points("  {}\n"), "at least 1 item"),
    "no sources": (GOOD.replace("[{title: Manual, grade: A}]", "[]"), "at least 1 item"),
    "unknown kind": (GOOD.replace("kind: robot", "kind: robots"), "'robot', 'plc' or 'meter'"),
    "bad name": (GOOD.replace("profile: acme_r1", "profile: Acme-R1"), "should match pattern"),
    "bad point name": (GOOD.replace("  state: {", "  State: {"), "should match pattern"),
    "name in one language": (GOOD.replace(", en: six-axis robot", ""), "is missing"),
    "too many registers": (GOOD.replace("unit: 1}", "max_registers: 126}"), "less than or equal to 125"),
    "unit beyond Modbus": (GOOD.replace("unit: 1}", "unit: 248}"), "less than or equal to 247"),
    "firmware as a number": (GOOD.replace('"5.0"', "5.0"), "Input should be a valid string, not 5.0"),
}


@pytest.mark.parametrize("name", BAD_PROFILES)
def test_a_profile_that_cannot_be_is_refused(name: str) -> None:
    text, message = BAD_PROFILES[name]
    assert text != GOOD
    assert any(message in problem.message for problem in problems(text)), problems(text)


def test_bits_of_one_register_do_not_overlap() -> None:
    text = with_points(
        "  a: {table: input, address: 0, type: bool, bit: 0}\n"
        "  b: {table: input, address: 0, type: bool, bit: 1}\n"
        "  c: {table: holding, address: 0, type: int16}\n"
    )
    assert len(parse_profile(text, "f").points) == 3


def test_the_suggestion_names_the_known_key() -> None:
    (problem,) = problems(GOOD.replace("rate_max: 20", "rate_mx: 20, rate_max: 20"))
    assert problem.hint == "did you mean 'rate_max'?"
    assert re.search(r"^acme_r1\.yaml:12:\d+: points\.cycles\.rate_mx: ", str(problem))


def test_a_golden_example_keeps_its_types() -> None:
    text = with_points(
        "  a: {path: x.y, type: float64, golden: [{json: 1.5, value: 1.5}, {json: true, value: true}, {json: x, value: 7}]}\n",
        "mqtt: {topic: a/+/b}",
    )
    golden = parse_profile(text, "f").points["a"].golden
    assert [(one.json_value, one.value) for one in golden] == [(1.5, 1.5), (True, True), ("x", 7)]
    assert [type(one.value) for one in golden] == [float, bool, int]


def test_the_digest_names_the_exact_text() -> None:
    digest = profile_digest("acme_r1", GOOD)
    assert digest == f"acme_r1@{hashlib.sha256(GOOD.encode()).hexdigest()[:12]}"
    assert profile_digest("acme_r1", GOOD + "\n") != digest
    assert profile_digest("acme_r1", "") == "acme_r1@e3b0c44298fc"


def test_a_profile_is_a_value() -> None:
    assert parse_profile(GOOD, "a") == parse_profile(GOOD, "b")
    assert isinstance(parse_profile(GOOD, "a"), Profile)
