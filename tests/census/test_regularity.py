"""Is a script's rhythm found under its jitter, and honest work never taken for one?"""

from __future__ import annotations

import random
import struct

import pytest

from census.evidence import CounterDay, DeviceDay
from census.policy import load_policy
from census.regularity import Rhythm, find_rhythms
from census.rules.not_scripted import not_scripted
from tests.census.samples import FIRST, claim, device_day, robot_evidence

POLICY = load_policy("wenzhou-2018").policy
ONE = ("gw1", "r1")


def day(number: int, grown: list[int], ran_s: list[int] | None = None) -> DeviceDay:
    ran = [3600 if count else 0 for count in grown] if ran_s is None else ran_s
    total = sum(grown)
    return device_day(
        FIRST + number,
        sum(ran) / 3600,
        hours=struct.pack("<48i", *ran, *grown),
        counters={"cycles": CounterDay(total, 0, total, 1, 0, 0, 0, 0)},
    )


def scripted(rng: random.Random, period: int, jitter: float, days: int) -> list[DeviceDay]:
    """A table of rates gone through over and over, with jitter on each hour."""
    table = [rng.uniform(0.7, 1.3) for _ in range(period)]
    base = rng.randint(60, 400)
    made = []
    for number in range(days):
        grown = [0] * 24
        for hour in range(6, 22):
            grown[hour] = round(
                base * table[(number * 24 + hour) % period] * rng.uniform(1 - jitter, 1 + jitter)
            )
        made.append(day(number, grown))
    return made


def honest(rng: random.Random, days: int, drift: float) -> list[DeviceDay]:
    """A product a day, a rate that drifts over the shift, stops now and then."""
    made = []
    for number in range(days):
        rate, grown, ran = rng.uniform(50, 300), [0] * 24, [0] * 24
        for hour in range(rng.randint(6, 8), rng.randint(17, 22)):
            rate *= rng.uniform(1 - drift, 1 + drift)
            ran[hour] = 3600 if rng.random() < 0.7 else rng.randint(0, 3600)
            grown[hour] = round(rate * ran[hour] / 3600 * rng.uniform(0.95, 1.05))
        made.append(day(number, grown, ran))
    return made


def job_shop(rng: random.Random, days: int, changes: int) -> list[DeviceDay]:
    """Even work, short full hours between stops, and on a few days another product from some hour on."""
    made = []
    changing = set(rng.sample(range(days), changes))
    for number in range(days):
        rate, grown, ran = 200.0, [0] * 24, [0] * 24
        turn = rng.randint(10, 14) if number in changing else 24
        for hour in range(7, 18):
            if hour == turn:
                rate *= rng.choice((0.65, 1.5))
            ran[hour] = 3600 if rng.random() < 0.6 else rng.randint(600, 2000)
            grown[hour] = round(rate * ran[hour] / 3600 * rng.uniform(0.99, 1.01))
        made.append(day(number, grown, ran))
    return made


def is_refuted(days: list[DeviceDay]) -> bool:
    rhythm = find_rhythms({ONE: days}).get(ONE)
    evidence = robot_evidence(days, rhythms=(rhythm,) if rhythm else ())
    return not_scripted(claim(), evidence, POLICY).answer == "contradicts"


@pytest.mark.parametrize("jitter", [0.0, 0.03, 0.06])
@pytest.mark.parametrize("period", [2, 3, 5, 7, 8])
def test_a_period_is_found_under_jitter(period: int, jitter: float) -> None:
    found = [
        is_refuted(scripted(random.Random(f"{period}/{seed}"), period, jitter, 30)) for seed in range(10)
    ]
    # A table drawn nearly flat is as good as constant, and is not this test's.
    assert sum(found) >= 8


@pytest.mark.parametrize("drift", [0.0, 0.02, 0.1])
def test_honest_work_has_no_rhythm(drift: float) -> None:
    refuted = [is_refuted(honest(random.Random(f"{drift}/{seed}"), 45, drift)) for seed in range(100)]
    assert not any(refuted)


@pytest.mark.parametrize("changes", [1, 4, 8])
def test_products_that_change_on_some_days_are_no_rhythm(changes: int) -> None:
    refuted = [
        is_refuted(job_shop(random.Random(f"shop/{changes}/{seed}"), 45, changes)) for seed in range(60)
    ]
    assert not any(refuted)


def metronome(rng: random.Random, days: int) -> list[DeviceDay]:
    """Constant cycles, full hours, a count more or less, a stop now and then: honest, and equal after any hours."""
    made = []
    for number in range(days):
        grown = [
            300 + (rng.random() < 0.1) - (rng.random() < 0.1) if 7 <= hour < 23 else 0 for hour in range(24)
        ]
        for _ in range(rng.randint(0, 2)):
            grown[rng.randint(7, 22)] = rng.randint(100, 290)
        made.append(day(number, grown))
    return made


@pytest.mark.parametrize("period", [97, 101, 168, 336])
def test_a_long_table_gone_through_again_is_found(period: int) -> None:
    rng = random.Random(period)
    table = [rng.randint(100, 300) for _ in range(period)]
    days = [
        day(number, [table[(number * 24 + hour) % period] if 6 <= hour < 22 else 0 for hour in range(24)])
        for number in range(60)
    ]
    assert is_refuted(days)


def test_constant_cycles_are_no_script() -> None:
    assert not any(is_refuted(metronome(random.Random(f"metronome/{seed}"), 45)) for seed in range(30))


def test_every_devices_rhythm_is_its_own() -> None:
    rng = random.Random(4)
    fleet = {
        ("gw1", "script"): scripted(rng, 4, 0.03, 30),
        ("gw1", "none"): [device_day(FIRST)],
        ("gw1", "honest"): honest(rng, 30, 0.02),
    }
    found = find_rhythms(fleet)
    assert found["gw1", "script"].period_h in {4, 8}
    assert found["gw1", "script"].strength > 60 > found["gw1", "honest"].strength
    assert ("gw1", "none") not in found
    alone = find_rhythms({("gw1", "script"): fleet["gw1", "script"]})
    assert alone["gw1", "script"] == found["gw1", "script"]


def test_too_few_hours_have_no_rhythm() -> None:
    assert find_rhythms({ONE: scripted(random.Random(1), 4, 0.0, 2)}) == {}
    assert find_rhythms({}) == {}
    assert isinstance(find_rhythms({ONE: scripted(random.Random(1), 4, 0.0, 9)})[ONE], Rhythm)
