"""Are copies found whatever was done to them, and do honest fleets with one rhythm match nobody, over many seeds?"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from census.pairs import find_shared
from census.residuals import residuals_of
from census.shared import PairLimits, Shared
from tests.census.samples import device_day

if TYPE_CHECKING:
    from census.evidence import DeviceDay, DeviceKey

Series = NDArray[np.int64]
LIMITS = PairLimits(
    strength_percent=40,
    sigmas=8,
    replay_strength_percent=60,
    replay_certain_percent=75,
    replay_sigmas=8,
    lag_d=21,
    line_lag_h=2,
    days_min=3,
)
FIRST = 736_331
SEEDS = range(12) if os.environ.get("MFL_ALL") else range(3)


def fleet(seed: int, robots: int, days: int) -> Series:
    """Honest robots of one town: the same shifts, weekends, holiday, season and daily demand; a rota over a fortnight."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    hour, weekday, week = hours % 24, hours // 24 % 7, hours // 168
    town = (1 + 0.2 * np.sin(hours / len(hours) * 3)) * np.repeat(rng.normal(1, 0.1, days), 24)
    is_holiday = (hours // 24 >= 20) & (hours // 24 < 25)
    told = []
    for robot in range(robots):
        start = 6 + robot % 4
        on = (hour >= start) & (hour < start + 9 + robot % 2) & (weekday < 6) & ~is_holiday
        rota = 1 + 0.25 * (robot % 3 > 0) * np.where(week % 2, 1, -1) * np.sin(hour)
        habit = 1 + 0.15 * np.sin(hour + 2 * weekday + robot)
        chance = np.clip(rng.normal(1, 0.2, len(hours)), 0.05, None) * (rng.random(len(hours)) > 0.03)
        told.append(np.rint(rng.uniform(20, 400) * on * rota * habit * town * chance))
    return np.array(told).astype(np.int64)


def shifted(series: Series, lag_h: int, scale: float, noise: float, seed: int) -> Series:
    moved = np.zeros(len(series))
    moved[lag_h:] = series[: len(series) - lag_h]
    rough = np.random.default_rng([seed, lag_h]).normal(1, noise, len(series))
    return np.rint(moved * scale * np.clip(rough, 0.1, None)).astype(np.int64)


def days_of(fleet: list[Series], *, per_gateway: int = 5) -> dict[DeviceKey, tuple[DeviceDay, ...]]:
    found = {}
    for number, series in enumerate(fleet):
        key = (f"g{number // per_gateway:03}", f"d{number:03}")
        found[key] = tuple(
            device_day(
                FIRST + day,
                gateway=key[0],
                device=key[1],
                hours=struct.pack("<48i", *[0] * 24, *series[24 * day : 24 * day + 24].tolist()),
            )
            for day in range(len(series) // 24)
        )
    return found


def shared(fleet: list[Series]) -> list[Shared]:
    return find_shared(days_of(fleet), LIMITS)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_honest_fleet_with_one_rhythm_matches_nobody(seed: int) -> None:
    assert shared(list(fleet(seed, 60, 45))) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_copies_shifted_scaled_and_noisy_are_found_at_their_lag(seed: int) -> None:
    town = list(fleet(seed, 30, 70))
    told = [(1, 0.5, 0.2), (5, 2.0, 0.1), (30, 0.7, 0.05), (72, 1.3, 0.1), (168, 1.0, 0.2), (480, 1.5, 0.1)]
    clones = [shifted(town[5 * place], *spec, seed) for place, spec in enumerate(told)]
    found = {(one.mine[1], one.theirs[1]): one for one in shared(town + clones)}
    assert sorted(found) == [(f"d{30 + place:03}", f"d{5 * place:03}") for place in range(len(told))]
    for place, (lag_h, _, _) in enumerate(told):
        one = found[f"d{30 + place:03}", f"d{5 * place:03}"]
        assert one.lag_h == lag_h
        assert one.strength >= LIMITS.strength_percent
        assert len(one.days) > 20


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1])
def test_a_replay_of_its_own_earlier_weeks_is_found(noise: float) -> None:
    town = list(fleet(5, 12, 63))
    replayed = town[4].copy()
    replayed[5 * 168 : 9 * 168] = replayed[168 : 5 * 168]
    rough = np.random.default_rng(11).normal(1, noise, 4 * 168)
    replayed[5 * 168 :] = np.rint(replayed[5 * 168 :] * rough).astype(np.int64)
    town[4] = replayed
    (one,) = shared(town)
    assert (one.mine, one.theirs, one.lag_h) == (("g000", "d004"), ("g000", "d004"), 4 * 168)
    assert {day - FIRST for day in one.days} <= set(range(5 * 7, 9 * 7))
    assert len(one.days) >= 14


def test_a_copy_of_part_of_the_time_is_found() -> None:
    *town, part = fleet(3, 21, 126)
    part[28 * 24 : 63 * 24] = shifted(town[7], 24, 1.2, 0.05, 3)[28 * 24 : 63 * 24]
    (one,) = shared([*town, part])
    assert (one.mine[1], one.theirs[1], one.lag_h) == ("d020", "d007", 24)
    assert {day - FIRST for day in one.days} <= set(range(22, 70))


def test_stations_of_one_line_go_together_and_are_no_copies() -> None:
    town = list(fleet(2, 10, 45))
    station = shifted(town[0], 1, 1.0, 0.05, 2)
    assert find_shared(days_of([town[0], station, *town[1:]]), LIMITS) == []
    (one,) = find_shared(days_of([town[0], *town[1:5], station, *town[5:]]), LIMITS)
    assert one.lag_h == 1


def test_too_little_to_compare_is_no_answer() -> None:
    assert find_shared({}, LIMITS) == []
    assert find_shared(days_of(list(fleet(1, 1, 45))), LIMITS) == []
    assert find_shared(days_of(list(fleet(1, 5, 3))), LIMITS) == []
    assert find_shared({("g", "d"): (device_day(FIRST),)}, LIMITS) == []


def test_the_order_of_devices_and_days_does_not_matter() -> None:
    town = list(fleet(4, 8, 45))
    days = days_of([*town, shifted(town[3], 30, 1.4, 0.1, 4)])
    turned = {key: tuple(reversed(days[key])) for key in reversed(days)}
    assert find_shared(turned, LIMITS) == find_shared(days, LIMITS) != []


def test_a_rhythm_alone_leaves_no_residual() -> None:
    steady = np.tile(np.repeat([0, 90, 120, 0], 6), 42).astype(np.int64)
    rest = residuals_of(days_of([steady]), 36)
    assert rest.values.shape == (1, 42 * 24)
    assert np.abs(rest.values).max() <= 1


def test_seconds_running_speak_where_no_counter_grows() -> None:
    town = list(fleet(6, 6, 45))
    days = days_of([*town, shifted(town[0], 30, 1.0, 0.05, 6)])
    for key, found in days.items():
        days[key] = tuple(
            device_day(day.day, gateway=key[0], device=key[1], hours=day.hours[96:] + bytes(96))
            for day in found
        )
    (one,) = find_shared(days, LIMITS)
    assert (one.mine[1], one.lag_h) == ("d006", 30)


def template(seed: int, days: int, noise: float) -> Series:
    """One honest week told over and over, with noise on each hour."""
    week = fleet(seed, 1, 14)[0][:168]
    told = np.tile(week, days // 7 + 1)[: days * 24]
    return np.rint(told * np.random.default_rng([seed, 1]).normal(1, noise, len(told))).astype(np.int64)


@pytest.mark.parametrize("noise", [0.03, 0.05])
def test_one_week_told_for_ever_with_noise_is_found(noise: float) -> None:
    town = list(fleet(5, 6, 63))
    (one,) = shared([*town, template(8, 63, noise)])
    assert (one.mine, one.theirs) == (("g001", "d006"), ("g001", "d006"))
    assert one.lag_h % 168 == 0
    assert one.strength >= 75


def metronome(seed: int, days: int) -> Series:
    """Constant cycles with fixed stops of the day and the week, and rare stops by chance."""
    rng = np.random.default_rng([seed, 2])
    hours = np.arange(days * 24)
    hour, weekday = hours % 24, hours // 24 % 7
    on = (hour >= 6) & (hour < 22) & (weekday < 6)
    share = np.where(hour == 10, 0.75, 1.0) * np.where((hour == 15) & (weekday == 4), 0.4, 1.0)
    share *= np.where(rng.random(len(hours)) < 0.04, rng.random(len(hours)), 1.0)
    made = np.floor(np.cumsum(on * share * 3600 / rng.uniform(8, 60)))
    grown: Series = np.diff(made, prepend=0).astype(np.int64)
    return grown


def test_constant_cycles_with_rare_stops_repeat_themselves_honestly() -> None:
    assert shared([metronome(seed, 84) for seed in range(30)]) == []


def test_a_fixed_event_of_the_week_is_no_template() -> None:
    town = fleet(9, 8, 84).copy()
    for robot, series in enumerate(town):
        weeks = series.reshape(-1, 168)
        for slot in range(24 * (robot % 5) + 8, 168, 31):
            weeks[:, slot] //= 3
    assert shared(list(town)) == []


def test_a_line_with_two_gateways_of_one_workshop_is_one_place() -> None:
    town = list(fleet(2, 10, 45))
    days = days_of([*town, shifted(town[0], 1, 1.0, 0.05, 2)])
    assert [one.lag_h for one in find_shared(days, LIMITS)] == [1]
    assert find_shared(days, LIMITS, {"g000": ("firm", "hall"), "g002": ("firm", "hall")}) == []


def test_a_loop_of_any_length_is_found() -> None:
    town = list(fleet(5, 6, 63))
    loop = town[3][: 9 * 24]
    town[3] = np.tile(loop, 8)[: 63 * 24]
    (one,) = shared(town)
    assert (one.mine, one.theirs, one.lag_h % (9 * 24)) == (("g000", "d003"), ("g000", "d003"), 0)
