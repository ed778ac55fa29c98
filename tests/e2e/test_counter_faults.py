"""Faults D1 to D8 of counters and devices, from what the device said to the evidence: named after what peers reported.

D1-D3 of single steps stand in tests/telemetry/test_counter.py; here they and the rest pass through the whole path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry.errors import ConfigError
from telemetry.profile import parse_profile
from tests.e2e.evidence import (
    DAY_MS,
    MINUTE,
    POLL_MS,
    PROFILE_TEXT,
    START_MS,
    Line,
    days_of,
    gather,
    identified,
    open_store,
    said,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from census.evidence import CounterDay
    from store.embedded import EmbeddedStore
    from telemetry.reading import Reading

HOUR = 60 * MINUTE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def steady(
    first: int, polls: int, *, start_ms: int = START_MS, each: int = 1, device: str = "r1"
) -> list[Reading]:
    """A device that finishes `each` cycles a poll."""
    return [said(start_ms + n * POLL_MS, first + n * each, device=device) for n in range(polls)]


def cycles_of(store: EmbeddedStore, readings: Sequence[Reading]) -> CounterDay:
    Line(store).tell(readings)
    (day,) = days_of(gather(store))
    return day.counters["cycles"]


def test_d1_a_reset_without_evidence_is_unexplained_and_never_negative(store: EmbeddedStore) -> None:
    """luuuis/hass_wibeee#191: a reset of 438,816 wiped 400 kWh."""
    before = steady(438_000, 30)
    after = steady(0, 60, start_ms=before[-1].received_ms + POLL_MS)
    counter = cycles_of(store, before + after)
    assert counter.unexplained == 1
    assert 29 + 50 <= counter.inc + counter.unheard_inc <= 29 + 60
    assert counter.last == 59


def test_d2_a_glitch_to_zero_books_no_lifetime_total(store: EmbeddedStore) -> None:
    """evcc-io/evcc#30267: more than 100 GW, for one low reading."""
    readings = steady(7_000_000, 20)
    readings[10] = said(readings[10].received_ms, 0)
    counter = cycles_of(store, readings)
    assert (counter.inc, counter.unexplained, counter.last) == (19, 0, 7_000_019)


def test_d3_words_in_the_wrong_order_are_no_production(store: EmbeddedStore) -> None:
    """A 32-bit counter whose words change places leaps by 65,536 a cycle."""
    counter = cycles_of(store, [said(START_MS + n * POLL_MS, n << 16) for n in range(30)])
    assert counter.inc + counter.unheard_inc == 0


@pytest.mark.parametrize("leap", [10_000, 2**31, 2**32 - 1 - 5_019])
def test_d4_an_impossible_leap_is_not_counted(store: EmbeddedStore, leap: int) -> None:
    """60 cycles a minute is what this arm can do; traktore-org/sem-community#782 booked 15.5 MWh in a day."""
    readings = steady(5_000, 20)
    readings[10] = said(readings[10].received_ms, 5_010 + leap)
    counter = cycles_of(store, readings)
    assert (counter.inc, counter.last) == (19, 5_019)


def test_d4_a_leap_that_stays_is_unexplained_and_counting_goes_on(store: EmbeddedStore) -> None:
    before = steady(5_000, 10)
    after = steady(90_000, 30, start_ms=before[-1].received_ms + POLL_MS)
    counter = cycles_of(store, before + after)
    assert counter.unexplained == 1
    assert counter.inc + counter.unheard_inc < 60
    assert counter.last == 90_029


def test_d5_a_replaced_controller_opens_a_life_of_its_own(store: EmbeddedStore) -> None:
    """The serial changes on the same address: no step is counted across, and no robot is counted twice."""
    old = [identified(START_MS, "A1"), *steady(880_000, 60)]
    change_ms = START_MS + 20 * MINUTE
    new = [identified(change_ms, "B2"), *steady(3, 60, start_ms=change_ms + POLL_MS)]
    line = Line(store)
    line.tell(old)
    line.tell(new)
    evidence = gather(store)
    lives = {day.life: day.counters["cycles"] for day in days_of(evidence)}
    assert len(lives) == 2
    assert [counter.inc + counter.unheard_inc for _, counter in sorted(lives.items())] == [59, 59]
    assert {identity.serial for identity in evidence.identities["g1", "r1"]} == {"A1", "B2"}


def test_d5_a_reboot_with_a_kept_counter_changes_nothing(store: EmbeddedStore) -> None:
    before = [identified(START_MS, "A1"), *steady(100, 30)]
    silent = [said(START_MS + (30 + n) * POLL_MS, None) for n in range(12)]
    again_ms = START_MS + 42 * POLL_MS
    after = [identified(again_ms, "A1"), *steady(129, 30, start_ms=again_ms)]
    line = Line(store)
    line.tell([*before, *silent, *after])
    (day,) = days_of(gather(store))
    assert (day.life, day.bad) == (days_of(gather(store))[0].life, 12)
    assert day.counters["cycles"].inc + day.counters["cycles"].unheard_inc == 58


def test_d6_a_stuck_value_works_nothing(store: EmbeddedStore) -> None:
    """A simulator left on, a frozen controller: `running` all day, and nothing ever grows or moves."""
    Line(store).tell([said(START_MS + n * MINUTE, 4711, 815) for n in range(300)])
    (day,) = days_of(gather(store))
    assert day.readings == 300
    assert day.counters["cycles"].inc == day.counters["energy_wh"].inc == 0
    assert day.increments.active == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("metric: cycles, rate_max: 60", "metric: cycles"),
        ("metric: energy_wh", "metric: energy_kwh"),
        ("type: uint32, metric: cycles", "type: uint33, metric: cycles"),
    ],
)
def test_d7_a_slip_in_a_profile_is_refused_not_guessed(wrong: str, words: str) -> None:
    """No rate bound, no such metric, no such type: an error with its line, before anything is counted."""
    with pytest.raises(ConfigError) as refusal:
        parse_profile(PROFILE_TEXT.replace(wrong, words), "test_arm.yaml")
    assert all(problem.line > 0 for problem in refusal.value.problems)


def test_d7_a_scale_a_thousand_times_too_large_is_impossible(store: EmbeddedStore) -> None:
    """Watt-hours read as kilowatt-hours: every step is above what the arm can draw, so nothing is counted."""
    counter = cycles_of_energy(store, [said(START_MS + n * POLL_MS, None, n * 5_000) for n in range(40)])
    assert counter.inc + counter.unheard_inc == 0


def cycles_of_energy(store: EmbeddedStore, readings: Sequence[Reading]) -> CounterDay:
    Line(store).tell(readings)
    (day,) = days_of(gather(store))
    return day.counters["energy_wh"]


def test_d8_two_gateways_on_one_robot_are_both_shown_under_one_serial(store: EmbeddedStore) -> None:
    """Two witnesses of the same machine: the serial says that it is one, and each keeps its own days."""
    for gateway, device in (("g1", "r1"), ("g2", "arm")):
        readings = [identified(START_MS, "A1", device=device), *steady(100, 60, device=device)]
        Line(store, gateway).tell(readings)
    evidence = gather(store, "g1", "g2")
    serials = {key: {item.serial for item in found} for key, found in evidence.identities.items()}
    assert serials == {("g1", "r1"): {"A1"}, ("g2", "arm"): {"A1"}}
    for key in serials:
        (day,) = evidence.device_days[key]
        assert day.counters["cycles"].inc == 59


def test_a_day_later_the_step_across_midnight_is_counted_once(store: EmbeddedStore) -> None:
    """home-assistant/core#101155 and its like: the last row before midnight and the first one after share no step twice."""
    start = START_MS + DAY_MS - 10 * MINUTE
    Line(store).tell([said(start + n * POLL_MS, 1_000 + n) for n in range(120)])
    days = days_of(gather(store))
    assert sum(day.counters["cycles"].inc + day.counters["cycles"].unheard_inc for day in days) == 119
    assert len(days) == 2
