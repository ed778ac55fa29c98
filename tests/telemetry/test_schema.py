"""Do the vocabulary of metrics and that of measurements agree, and are both frozen?"""

from __future__ import annotations

import re

import pytest

from telemetry.line import encode_line
from telemetry.metrics import COUNTERS, GAUGES, METRICS, MetricKind
from telemetry.reading import MachineState
from telemetry.schema import (
    COUNTER_SUFFIXES,
    GAUGE_SUFFIXES,
    MEASUREMENTS,
    SEAL_FIELDS,
    STATE_FIELDS,
)

EXAMPLES: dict[type, int | str | bool] = {int: 1, str: "x", bool: True}


def test_the_vocabulary_is_the_designs() -> None:
    assert COUNTERS == ("cycles", "parts", "rejects", "moves", "energy_wh", "power_on_s", "run_s")
    assert GAUGES == (
        "power_w",
        "joint_current_ma",
        "joint_speed_mdeg_s",
        "tcp_speed_mm_s",
        "temperature_mc",
        "speed_percent",
        "cycle_time_ms",
    )


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_has_its_columns(metric: object) -> None:
    name = next(name for name, known in METRICS.items() if known is metric)
    known = METRICS[name]
    suffixes = COUNTER_SUFFIXES if known.kind is MetricKind.COUNTER else GAUGE_SUFFIXES
    for suffix in suffixes:
        assert MEASUREMENTS["machine"].fields[f"{name}_{suffix}"] is int
    assert (f"{name}_sq" in MEASUREMENTS["machine"].fields) is known.squared


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_named_in_both_languages_and_has_its_unit_last(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert re.search(r"[\u4e00-\u9fff]", metric.zh)
    assert metric.en.isascii()
    assert metric.unit
    assert not (metric.kind is MetricKind.COUNTER and (metric.squared or metric.absolute))


def test_machine_has_no_column_that_nothing_names() -> None:
    expected = {"window_ms", "state", "quality", "profile", "late", *STATE_FIELDS}
    expected |= {"starts", "changes", "boots", "readings", "bad", "polls_due", "polls_ok", "cycle_time_ms_sq"}
    expected |= {f"{name}_{suffix}" for name in COUNTERS for suffix in COUNTER_SUFFIXES}
    expected |= {f"{name}_{suffix}" for name in GAUGES for suffix in GAUGE_SUFFIXES}
    assert set(MEASUREMENTS["machine"].fields) == expected


def test_there_is_a_time_for_every_state() -> None:
    assert STATE_FIELDS == ("running_ms", "ready_ms", "paused_ms", "fault_ms", "off_ms", "unknown_ms")
    assert {f"{state}_ms" for state in MachineState} == set(STATE_FIELDS)


def test_no_two_metrics_make_the_same_column() -> None:
    columns = [f"{name}_{suffix}" for name in COUNTERS for suffix in COUNTER_SUFFIXES]
    columns += [f"{name}_{suffix}" for name in GAUGES for suffix in (*GAUGE_SUFFIXES, "sq")]
    assert len(set(columns)) == len(columns)


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("machine", ("device", "gateway")),
        ("identity", ("device", "gateway")),
        ("heartbeat", ("gateway",)),
        ("loss", ("device", "gateway", "reason")),
        ("cloud_usage", ("enterprise", "gateway", "provider", "service")),
        ("epoch", ("gateway",)),
    ],
)
def test_tags_are_frozen_and_sorted(name: str, tags: tuple[str, ...]) -> None:
    assert MEASUREMENTS[name].tags == tags == tuple(sorted(tags))


def test_there_are_no_other_measurements_and_the_seal_is_not_one() -> None:
    assert set(MEASUREMENTS) == {"machine", "identity", "heartbeat", "loss", "cloud_usage", "epoch"}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_field_can_be_written(name: str) -> None:
    measurement = MEASUREMENTS[name]
    assert measurement.name == name
    fields = {key: EXAMPLES[wanted] for key, wanted in measurement.fields.items()}
    encode_line(name, dict.fromkeys(measurement.tags, "x"), fields, 0)
    assert not set(measurement.fields) & set(measurement.tags)


def test_the_seals_fields_are_the_designs() -> None:
    strings = {"epoch", "sha256", "prev", "clock_state", "boot", "sig"}
    assert set(SEAL_FIELDS) == {"v", "seq", "count", "sealed_ms", "mono_ms"} | strings
    assert {name for name, wanted in SEAL_FIELDS.items() if wanted is str} == strings
