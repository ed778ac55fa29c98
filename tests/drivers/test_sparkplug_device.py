"""The image of a Sparkplug device: what is told, what still holds, what never was a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sparkplug_device import AHEAD_MAX_MS, HISTORY_MAX_MS, DeviceImage
from drivers.sparkplug_payload import Metric, Quality
from drivers.sparkplug_session import Told
from drivers.sparkplug_topic import Kind, Topic, parse_topic, place_of, says_offline
from telemetry.profile import parse_profile

if TYPE_CHECKING:
    from drivers.sparkplug_device import Image

NOW_MS = 1_760_000_000_000
PROFILE = parse_profile(
    """
profile: small
kind: plc
manufacturer: Testers
models: [one]
name: {zh: 小, en: small}
axes: 0
firmware: any
sources: [{title: this test, grade: U}]
sparkplug: {}
points:
  count: {path: a/count.total, type: uint16, sentinels: [65535]}
  mode: {path: a/mode, type: string}
  again: {path: a/mode, type: string}
""",
    "small.yaml",
)
ALL = ("count", "mode", "again")


def count(value: int | None, **more: Any) -> Metric:
    arm = "" if value is None else "int_value"
    return Metric("a/count.total", datatype=6, arm=arm, value=value, **{"time_ms": NOW_MS, **more})


def mode(value: str, **more: Any) -> Metric:
    return Metric("a/mode", datatype=12, arm="string_value", value=value, **{"time_ms": NOW_MS, **more})


def take(image: DeviceImage, *metrics: Metric, **more: Any) -> list[Image]:
    return image.take(Told("e", "d", metrics, NOW_MS, **more), NOW_MS)


@pytest.fixture
def image() -> DeviceImage:
    image = DeviceImage(PROFILE)
    take(image, count(1), mode("auto"), is_birth=True)
    return image


def test_what_is_not_mentioned_still_holds(image: DeviceImage) -> None:
    (found,) = take(image, count(2))
    assert found.values == {"count": 2, "mode": "auto", "again": "auto"}
    assert (found.problems, found.source_ms, found.is_historical) == ((), NOW_MS, False)


def test_a_birth_begins_anew_and_tells_what_it_lacks(image: DeviceImage) -> None:
    (found,) = take(image, count(3), is_birth=True)
    assert found.values == {"count": 3}
    assert found.problems == ("missing: mode, again",)


def test_metrics_that_no_point_names_give_no_reading(image: DeviceImage) -> None:
    assert take(image, Metric("other", datatype=6, arm="int_value", value=1)) == []
    assert len(take(image, Metric("other"), is_birth=True)) == 1  # a birth is news in itself


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        (count(None, is_null=True), "count is null"),
        (count(5, is_null=True), "count is null"),
        (count(None), "count: there is no value"),
        (count(5, quality=Quality.BAD), "count is of bad quality"),
        (count(5, quality=Quality.STALE), "count is of stale quality"),
        (count(65_535), "count has no value"),
        (count(70_000), "count: 70000 does not fit UINT16"),
        (Metric("a/count.total", datatype=12, arm="string_value", value="5"), "count is a str, not uint16"),
        (Metric("a/count.total", datatype=16, arm="dataset_value"), "count: a data set is not supported"),
    ],
)
def test_what_is_no_value_takes_the_value_away(image: DeviceImage, metric: Metric, problem: str) -> None:
    (found,) = take(image, metric)
    assert "count" not in found.values
    assert found.problems[0].startswith(problem)
    (later,) = take(image, mode("manual"))
    assert later.problems[0].startswith(problem)  # until it is told anew
    (again,) = take(image, count(6))
    assert (again.values["count"], again.problems) == (6, ())


def test_the_past_never_touches_the_present(image: DeviceImage) -> None:
    old = [count(7, is_historical=True, time_ms=NOW_MS - ago) for ago in (1000, 3000, 2000)]
    *past, present = take(image, *old, mode("x", is_historical=True, time_ms=NOW_MS - 2000), mode("now"))
    assert [each.source_ms for each in past] == [NOW_MS - 3000, NOW_MS - 2000, NOW_MS - 1000]
    assert past[1].values == {"count": 7, "mode": "x", "again": "x"}
    assert all(each.is_historical for each in past)
    assert present.values == {"count": 1, "mode": "now", "again": "now"}


@pytest.mark.parametrize("time_ms", [None, 0, NOW_MS + 1, NOW_MS - HISTORY_MAX_MS - 1, 2**63])
def test_a_past_that_cannot_be_is_counted_and_dropped(image: DeviceImage, time_ms: int | None) -> None:
    assert take(image, count(7, is_historical=True, time_ms=time_ms)) == []
    assert image.history_refused == 1


@pytest.mark.parametrize("time_ms", [0, 2**63, NOW_MS + AHEAD_MAX_MS + 1])
def test_a_strange_time_is_no_time_and_a_doubt(image: DeviceImage, time_ms: int) -> None:
    (found,) = take(image, count(2, time_ms=time_ms))
    assert found.source_ms is None
    assert "a strange time" in found.problems[0]


def test_after_a_lost_message_the_reading_says_so(image: DeviceImage) -> None:
    image.clear()
    (found,) = take(image, count(2), is_doubtful=True)
    assert found.values == {"count": 2}
    assert found.problems == ("missing: mode, again", "a message before this one is missing")


def built(content: tuple[str, Any], **more: Any) -> Metric:
    """A metric as the decoder makes one: the value is of its field's kind."""
    return Metric(arm=content[0], value=content[1], **more)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            built,
            name=st.sampled_from(["a/count.total", "a/mode", "x"]),
            datatype=st.integers(0, 20),
            content=st.tuples(st.just("int_value"), st.integers(0, 70_000))
            | st.tuples(st.just("string_value"), st.text(max_size=3))
            | st.sampled_from([("dataset_value", None), ("", None)]),
            time_ms=st.none() | st.integers(0, 2**64 - 1),
            is_null=st.booleans(),
            is_historical=st.booleans(),
            quality=st.sampled_from([0, 192, 500, 7]),
        ),
        max_size=8,
    )
)
def test_whatever_is_told_only_good_values_of_their_type_come_out(metrics: list[Metric]) -> None:
    for found in take(DeviceImage(PROFILE), *metrics, is_birth=True):
        for name, value in found.values.items():
            assert type(value) is (int if name == "count" else str)
            assert name != "count" or 0 <= int(value) < 65_535


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("spBv1.0/G/NBIRTH/e", Topic("G", Kind.NBIRTH, "e")),
        ("spBv1.0/G/DDATA/e/d", Topic("G", Kind.DDATA, "e", "d")),
        ("spBv1.0/G/DDATA/e", None),
        ("spBv1.0/G/NDATA/e/d", None),
        ("spBv1.0/G/NCMD/e", None),
        ("spBv1.0/G/DDATA/e/d/x", None),
        ("spBv1.0/G/DDATA//d", None),
        ("spAv1.0/G/NBIRTH/e", None),
        ("spBv1.0/STATE/H", None),
        ("", None),
        ("spBv1.0/G/NBIRTH/" + "e" * 600, None),
    ],
)
def test_topics(text: str, topic: Topic | None) -> None:
    assert parse_topic(text) == topic


def test_places() -> None:
    assert place_of("e/d", "device") == ("e", "d")
    assert place_of("e", "node") == ("e", "")
    for name, level in (("e", "device"), ("e/d", "node"), ("e/", "device"), ("/d", "device"), ("", "node"), ("e/d/x", "device"), ("e+/d", "device")):  # fmt: skip
        with pytest.raises(ValueError, match="topic_name is written"):
            place_of(name, level)


def test_only_a_plain_no_says_offline() -> None:
    assert says_offline(b'{"online":false,"timestamp":1}')
    for data in (b'{"online":true}', b'{"online":0}', b"OFFLINE", b"[]", b"\xff", b"[" * 100_000, b"{}"):
        assert not says_offline(data)
