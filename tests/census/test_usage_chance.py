"""Do two customers' days go together? Copies with noise or some days late do, honest ones of one city and season do not."""

from __future__ import annotations

import numpy as np
import pytest

from census.usage_chance import Alike, Worked, find_alike

DAYS = 80
FIRST = 736_695


def customers(seed: int, count: int = 60) -> list[Worked]:
    """Firms that share weekends, a holiday week, a season and a rush day; some grow, some began later."""
    rng = np.random.default_rng(seed)
    common = 1 + 0.1 * np.sin(np.arange(DAYS) / 20) + rng.normal(0, 0.05, DAYS)
    common[40:47] *= 0.1
    common[60] *= 1.8
    found = []
    for number in range(count):
        begun = 0 if number % 3 else int(rng.integers(1, 25))
        weekend = rng.choice([0.05, 0.4, 1.0])
        usual = rng.choice([60, 400, 20_000]) * np.where(np.arange(DAYS) % 7 >= 5, weekend, 1.0)
        growth = np.linspace(1, rng.choice([1.0, 1.0, 3.0]), DAYS)
        work = np.rint(usual * growth * common * rng.normal(1, rng.uniform(0.1, 0.25), DAYS).clip(0.2))
        found.append(customer(f"E{number:02}", begun, work))
    return found


def customer(name: str, begun: int, work: np.ndarray) -> Worked:
    told = work.astype(np.int64)
    days = np.flatnonzero((told >= 30) & (np.arange(DAYS) >= begun))
    return Worked(name, "p", "rep", FIRST + begun, FIRST + days, told[days])


def copied(source: Worked, name: str, *, late: int = 0, noise: float = 0.0, begun: int = 5) -> Worked:
    work = np.zeros(DAYS)
    work[source.days - FIRST] = source.work
    shifted = np.concatenate([np.zeros(late), work[: DAYS - late]])
    return customer(name, begun, np.rint(shifted * np.random.default_rng(9).normal(1, noise, DAYS)))


def is_told(alike: Alike | None) -> bool:
    return alike is not None and alike.percent >= 82 and alike.beyond >= 20


@pytest.mark.parametrize("seed", range(8))
def test_honest_customers_of_one_season_do_not_go_together(seed: int) -> None:
    found = find_alike(customers(seed))
    assert not [key for key, alike in found.items() if is_told(alike)]


@pytest.mark.parametrize(("late", "noise"), [(0, 0.03), (0, 0.05), (3, 0.0), (8, 0.0), (7, 0.02), (13, 0.0)])
def test_a_copy_is_told_with_its_source(late: int, noise: float) -> None:
    group = customers(1)
    source = group[1]
    found = find_alike([*group, copied(source, "X", late=late, noise=noise)])
    mine = found["X", "p", "rep"]
    assert (mine.other, mine.lag_d, mine.order) == (source.enterprise, late, 1)
    assert is_told(mine)
    theirs = found[source.enterprise, "p", "rep"]
    assert (theirs.other, theirs.lag_d, theirs.order) == ("X", -late, -1)


def test_of_two_that_began_the_same_day_neither_came_later() -> None:
    group = customers(2)
    source = group[1]
    found = find_alike([*group, copied(source, "X", noise=0.02, begun=0)])
    assert [found[name, "p", "rep"].order for name in ("X", source.enterprise)] == [0, 0]


def test_another_reporters_customers_are_not_compared() -> None:
    (one, two, *_) = customers(3)
    other = Worked("X", "q", "rep", one.begun, one.days, one.work)
    assert ("X", "q", "rep") not in find_alike([one, two, other])


def test_nothing_is_made_of_too_few_days_or_nobody() -> None:
    assert find_alike([]) == {}
    short = Worked("X", "p", "rep", FIRST, np.arange(FIRST, FIRST + 9), np.arange(100, 109))
    assert find_alike([short, Worked("Y", "p", "rep", FIRST, short.days, short.work)]) == {}
