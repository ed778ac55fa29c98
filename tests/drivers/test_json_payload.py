from __future__ import annotations

import json
import math
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.json_payload import PAYLOAD_BYTES_MAX, PayloadMap
from drivers.profiles import load_profile
from simulators.mqtt_device import build_payload
from telemetry.errors import BadReply

PROFILE = load_profile("kuka_krc4_neuron").profile
MAP = PayloadMap(PROFILE)
AT_MS = 1_650_006_388_943
LONG = bool(os.environ.get("MFL_ALL"))
GOOD = {name: point.golden[0].value for name, point in PROFILE.points.items()}


def spelled(**changes: Any) -> bytes:
    root = build_payload(PROFILE, GOOD, AT_MS, "r1")
    root["values"] |= changes
    return json.dumps(root).encode()


def test_a_payload_as_neuron_publishes_it() -> None:
    payload = MAP.decode(spelled())
    assert payload.values == GOOD
    assert payload.source_ms == AT_MS
    assert payload.missing == ()


def test_what_neuron_could_not_read_is_missing_and_no_error() -> None:
    data = b'{"node":"r1","group":"robot","timestamp":1650006388943,"values":{"cycles":7,"serial":null,"kss_version":""},'
    payload = MAP.decode(data + b'"errors":{"pro_state":2014}}')
    assert payload.values == {"cycles": 7}
    assert {"pro_state", "serial", "kss_version"} <= set(payload.missing)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not strict JSON"),
        (b"{]", "not strict JSON"),
        (b'{"values":{"cycles":1}} x', "not strict JSON"),
        (b'{"values":{"cycles":1}}{}', "not strict JSON"),
        (b'{"values":{"cycles":1,"cycles":2}}', "given twice"),
        (b'{"values":{},"values":{"cycles":2}}', "given twice"),
        (b'{"errors":{"a":1,"a":2},"values":{}}', "given twice"),
        (b'{"values":{"current_a1":NaN}}', "not strict JSON"),
        (b'{"values":{"current_a1":Infinity}}', "not strict JSON"),
        (b'{"values":{"current_a1":-Infinity}}', "not strict JSON"),
        (b'{"values":{"current_a1":1e999}}', "not strict JSON"),
        (b'{"values":{"cycles":1e999}}', "not strict JSON"),
        (b'{"values":{"serial":"\xff"}}', "not strict JSON"),
        (b'\xef\xbb\xbf{"values":{}}', "not strict JSON"),
        (b"[" * 100_000, "nested beyond reason"),
        (b'{"values":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested beyond reason"),
        (b" " * (PAYLOAD_BYTES_MAX + 1), "at most"),
        (b"7", "not an object"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'{"timestamp":"1650006388943","values":{}}', "timestamp is a str"),
        (b'{"timestamp":true,"values":{}}', "timestamp is a bool"),
        (b'{"timestamp":null,"values":{}}', "timestamp is a NoneType"),
        (b'{"timestamp":1650006388943000,"values":{}}', "declared unit"),
        (b'{"timestamp":-1,"values":{}}', "declared unit"),
    ],
)
def test_nonsense_is_a_bad_reply(data: bytes, reason: str) -> None:
    with pytest.raises(BadReply, match=reason):
        MAP.decode(data)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("cycles", "7", "cycles is a str"),
        ("cycles", 7.0, "cycles is a float"),
        ("cycles", True, "cycles is a bool"),
        ("cycles", [7], "cycles is a list"),
        ("cycles", -1, "does not fit uint32"),
        ("cycles", 2**32, "does not fit uint32"),
        ("cycles", 10**400, "does not fit uint32"),
        ("error_number", 2**31, "does not fit int32"),
        ("drives_ready", 1, "drives_ready is a int"),
        ("drives_ready", "true", "drives_ready is a str"),
        ("serial", 778213, "serial is a int"),
        ("current_a1", "3.5", "joint_1_current is a str"),
        ("current_a1", False, "joint_1_current is a bool"),
        ("current_a1", 10**400, "does not fit a float"),
        ("current_a1", 2**53 + 1, "does not fit a float"),
    ],
)
def test_a_wrong_type_is_never_converted(name: str, value: object, reason: str) -> None:
    with pytest.raises(BadReply, match=reason):
        MAP.decode(spelled(**{name: value}))


def test_text_is_cleaned_and_cut() -> None:
    values = MAP.decode(spelled(serial="A\nB\u202e", pro_state="x" * 5000)).values
    assert values["serial"] == "A?B?"
    assert len(str(values["pro_state"])) == 256


def test_seconds_are_seconds() -> None:
    mqtt = PROFILE.mqtt
    assert mqtt is not None
    seconds = PayloadMap(PROFILE.model_copy(update={"mqtt": mqtt.model_copy(update={"timestamp_unit": "s"})}))
    assert seconds.decode(b'{"timestamp":1650006388.5}').source_ms == 1_650_006_388_500
    with pytest.raises(BadReply, match="declared unit"):
        seconds.decode(b'{"timestamp":1650006388943}')  # milliseconds in the place of seconds
    assert seconds.decode(b"{}").source_ms is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def oracle(name: str, value: object) -> bool:
    """Whether the standard library's reading of this value may become the point's value."""
    kind = PROFILE.points[name].type
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind == "float64":
        return math.isfinite(value) and float(value) == value
    low, high = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}[kind]
    return isinstance(value, int) and low <= value <= high


@settings(max_examples=5_000 if LONG else 300, deadline=None)
@given(st.sampled_from(sorted(PROFILE.points)), JSON)
def test_fuzzed_values_give_no_value_the_oracle_does_not(name: str, value: Any) -> None:
    path = str(PROFILE.points[name].path).removeprefix("values.")
    try:
        payload = MAP.decode(spelled(**{path: value}))
    except BadReply:
        assert value is not None
        assert not oracle(name, value)
        return
    if name in payload.values:
        assert oracle(name, value)
        assert payload.values[name] == value or isinstance(value, str)


@settings(max_examples=5_000 if LONG else 300, deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_a_payload_or_a_bad_reply(data: bytes) -> None:
    try:
        payload = MAP.decode(data)
    except BadReply:
        return
    assert isinstance(json.loads(data), dict)
    assert payload.values == {}
