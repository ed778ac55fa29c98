"""Messages that tell only an increase: counted once each, whatever is delivered how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.delta import IDS_MAX, DeltaTotals, totals_of
from drivers.driver import Endpoint
from drivers.json_payload import MESSAGE_ID_CHARS_MAX, PayloadMap
from drivers.mqtt_client import Delivery
from drivers.mqtt_json import MqttJson
from drivers.quarantine import HEAD_BYTES, KEPT_MAX, Quarantine
from telemetry.errors import BadReply, ConfigError
from telemetry.profile import parse_profile
from telemetry.reading import Quality

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import DeviceSpec
    from telemetry.clock import Clock
    from telemetry.profile import Profile

TEXT = """
profile: press
kind: plc
manufacturer: Testers
models: [one]
name: {zh: 压机, en: press}
axes: 0
firmware: any
sources: [{title: this test, grade: U}]
mqtt: {topic: press/+/parts, MQTT}
points:
  parts: {path: made, type: uint32, metric: parts, rate_max: 600, delta: true}
  mode: {path: mode, type: int16}
"""


def make(mqtt: str = "message_id: head.id") -> Profile:
    return parse_profile(TEXT.replace("MQTT", mqtt), "press.yaml")


def nothing() -> None:
    """An acknowledgement that goes nowhere."""


def totals() -> DeltaTotals:
    return DeltaTotals(("c", "u", "d"), ("parts",))


def test_increases_become_totals_and_each_message_counts_once() -> None:
    found = totals()
    assert found.take("1", {"parts": 3, "mode": 1}, is_repeated=False) == {"parts": 3, "mode": 1}
    assert found.take("2", {"parts": 4}, is_repeated=False) == {"parts": 7}
    assert found.take("1", {"parts": 3}, is_repeated=True) is None
    assert found.take("2", {"parts": 4}, is_repeated=False) is None
    assert found.take("3", {"mode": 2}, is_repeated=False) == {"mode": 2}
    assert found.take("4", {"parts": 1}, is_repeated=False) == {"parts": 8}


def test_what_may_have_been_counted_is_not_counted() -> None:
    with pytest.raises(BadReply, match="delivered again"):
        totals().take("1", {"parts": 3}, is_repeated=True)
    with pytest.raises(BadReply, match="below 0"):
        totals().take("1", {"parts": -3}, is_repeated=False)


def test_the_ids_remembered_are_bounded() -> None:
    found = totals()
    for number in range(IDS_MAX + 5):
        found.take(str(number), {"parts": 1}, is_repeated=False)
    assert len(found._ids) == IDS_MAX
    assert found.take(str(IDS_MAX), {"parts": 1}, is_repeated=False) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60))
def test_the_total_is_never_more_than_what_was_made(messages: list[tuple[int, bool]]) -> None:
    found, seen, total = totals(), set(), 0
    for number, is_repeated in messages:
        try:
            values = found.take(str(number), {"parts": number}, is_repeated=is_repeated)
        except BadReply:
            continue
        if values is not None:
            seen.add(number)
            total = int(values["parts"])
    assert total == sum(seen)


def test_a_delta_without_a_message_id_is_refused() -> None:
    for mqtt in ("timestamp: t, timestamp_unit: ms", "interval_s: 1"):
        with pytest.raises(ConfigError, match="name the message_id under mqtt, or push totals"):
            make(mqtt)
    with pytest.raises(ConfigError, match="only a counter of whole numbers is a delta"):
        parse_profile(TEXT.replace("metric: parts", "metric: power_w").replace("MQTT", "message_id: i"), "p")
    assert make().points["parts"].delta


@pytest.mark.parametrize(
    "data",
    [b'{"made":1}', b'{"made":1,"head":{"id":""}}', b'{"made":1,"head":{"id":1.5}}', b'{"head":{"id":true}}',
     b'{"head":{"id":"%s"}}' % (b"x" * (MESSAGE_ID_CHARS_MAX + 1))],
)  # fmt: skip
def test_a_message_without_its_id_is_no_value(data: bytes) -> None:
    with pytest.raises(BadReply, match="message id"):
        PayloadMap(make()).decode(data)


def test_a_number_and_a_text_are_two_ids() -> None:
    read = PayloadMap(make()).decode
    assert read(b'{"head":{"id":1}}').message_id != read(b'{"head":{"id":"1"}}').message_id


def test_totals_outlive_a_connection_and_a_repeated_message_is_acknowledged_and_dropped(
    clock: Clock, make_spec: Callable[..., DeviceSpec]
) -> None:
    totals_of.cache_clear()
    endpoint = Endpoint("mqtt://h", (make_spec(make(), "p1"),), client_id="g")

    def push(driver: MqttJson, number: int, made: int, *, is_repeated: bool = False) -> list[object]:
        data = b'{"head":{"id":%d},"made":%d,"mode":1}' % (number, made)
        delivery = Delivery("press/p1/parts", data, is_retained=False, ack=nothing, is_repeated=is_repeated)
        return [reading.values.get("parts") for reading in driver._readings_of(delivery)[-1:]]

    first, second = MqttJson(endpoint, clock), MqttJson(endpoint, clock)
    assert push(first, 1, 5) == [5]
    assert push(second, 2, 2) == [7]
    assert push(second, 1, 5, is_repeated=True) == []
    assert second.repeated == 1
    (unknown,) = second._readings_of(
        Delivery("press/p1/parts", b'{"head":{"id":9},"made":1}', False, nothing, is_repeated=True)
    )
    assert (unknown.quality, unknown.values) == (Quality.BAD, {})
    assert second.quarantine.counts == {"p1": 1}
    totals_of.cache_clear()


def test_a_quarantine_counts_all_keeps_heads_of_some_and_logs_each_reason_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = Quarantine()
    for number in range(100):
        found.add("r1", "t\n", f"a payload of {number} bytes", b"x" * 5000, number)
    found.add("r1", "t", "not JSON", b"\n{", 7)
    assert found.counts == {"r1": 101}
    assert len(found.kept) == KEPT_MAX
    assert (len(found.kept[0].head), found.kept[0].size, found.kept[0].topic) == (HEAD_BYTES, 5000, "t?")
    assert len(caplog.records) == 2
    assert all("\n" not in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("unit", "stamp", "source_ms"),
    [
        ("us", b"1650006388943999", 1_650_006_388_943),
        ("ns", b"1650006388943999999", 1_650_006_388_943),
        ("iso8601", b'"2022-04-15T07:06:28.943Z"', 1_650_006_388_943),
        ("iso8601", b'"2022-04-15T15:06:28.943999+08:00"', 1_650_006_388_943),
        ("us", b"1650006388943", None),
        ("iso8601", b'"2022-04-15T15:06:28"', None),
        ("iso8601", b'"yesterday"', None),
        ("iso8601", b"1650006388943", None),
        ("iso8601", b'"0001-01-01T00:00:00+14:00"', None),
        ("iso8601", b'"2022-04-15T15:06:28.943999+08:00                              "', None),
    ],
)
def test_times_are_read_in_the_declared_unit_only(unit: str, stamp: bytes, source_ms: int | None) -> None:
    read = PayloadMap(make(f"message_id: head.id, timestamp: t, timestamp_unit: {unit}")).decode
    data = b'{"head":{"id":1},"t":%s}' % stamp
    if source_ms is None:
        with pytest.raises(BadReply, match="timestamp"):
            read(data)
    else:
        assert read(data).source_ms == source_ms
