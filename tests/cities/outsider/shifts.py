"""When is a machine manned? Rotas of small factories in 2018, minute by minute at +08:00."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

DAY = 1440
ROTAS = ("one", "two", "three", "alternating", "overtime", "batch", "rush")
WEEKS = ("five", "six", "every_other_saturday", "seven")
# First day, last day, of the state's arrangement; then the Saturdays and Sundays worked in exchange.
HOLIDAYS = [
    ("2017-12-30", "2018-01-01"),
    ("2018-02-15", "2018-02-21"),
    ("2018-04-05", "2018-04-07"),
    ("2018-04-29", "2018-05-01"),
    ("2018-06-16", "2018-06-18"),
    ("2018-09-22", "2018-09-24"),
    ("2018-10-01", "2018-10-07"),
]
EXCHANGED = {"2018-02-11", "2018-02-24", "2018-04-08", "2018-04-28", "2018-09-29", "2018-09-30"}


def dates_of(first: dt.date, days: int) -> list[dt.date]:
    return [first + dt.timedelta(days=day) for day in range(days)]


def holidays() -> set[dt.date]:
    rest: set[dt.date] = set()
    for first, last in HOLIDAYS:
        day, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
        while day <= end:
            rest.add(day)
            day += dt.timedelta(days=1)
    return rest


def open_days(rng: np.random.Generator, week: str, dates: list[dt.date]) -> Mask:
    """Tell on which days the factory works; small firms rest longer around Spring Festival."""
    before, after = int(rng.integers(0, 6)), int(rng.integers(0, 6))
    festival = {dt.date(2018, 2, 15) + dt.timedelta(days=day) for day in range(-before, 7 + after)}
    # In order: a set's own order changes from process to process, and with it what the seed draws.
    rest = festival | {day for day in sorted(holidays()) if week != "seven" or rng.random() < 0.7}
    parity = int(rng.integers(0, 2))
    made = []
    for day in dates:
        weekday = day.weekday()
        saturday = week in {"six", "seven"} or (
            week == "every_other_saturday" and day.isocalendar().week % 2 == parity
        )
        manned = weekday < 5 or (weekday == 5 and saturday) or (weekday == 6 and week == "seven")
        manned = manned or day.isoformat() in EXCHANGED
        made.append(manned and day not in rest and rng.random() > 0.015)
    return np.array(made, dtype=bool)


def spans_of(rota: str, rng: np.random.Generator, week_number: int, starts: int) -> list[tuple[int, int]]:
    """Give the manned spans of one day in minutes since midnight; a span may pass midnight."""
    if rota == "three":
        handover = int(rng.integers(5, 25))
        return [(0, 8 * 60 - handover), (8 * 60, 16 * 60 - handover), (16 * 60, DAY - handover)]
    if rota == "two":
        return [(360, 690), (720, 840), (840, 1080), (1110, 1320)]
    if rota == "alternating":
        return [(360, 690), (720, 840)] if week_number % 2 else [(840, 1080), (1110, 1320)]
    day = [(starts, starts + 210), (starts + 270, starts + 540)]
    if rota == "overtime" and rng.random() < 0.55:
        day.append((starts + 600, starts + 600 + int(rng.integers(60, 210))))
    return day


def batch_days(rng: np.random.Generator, days: int) -> Mask:
    """Some days of work, then some of rest, as orders come."""
    pattern: list[bool] = []
    while len(pattern) < days:
        pattern += [True] * int(rng.integers(3, 10)) + [False] * int(rng.integers(1, 5))
    return np.array(pattern[:days])


def crewed(rng: np.random.Generator, rota: str, week: str, dates: list[dt.date]) -> Mask:
    """Tell for each minute whether the machine has a crew."""
    days = len(dates)
    manned = np.zeros((days + 1) * DAY, dtype=bool)
    works = open_days(rng, week, dates)
    if rota == "batch":
        works &= batch_days(rng, days)
    rush = rng.random(days) < (0.15 if rota == "rush" else 0.0)
    base = {"batch": str(rng.choice(["one", "two", "three"])), "rush": "one"}.get(rota, rota)
    starts = int(rng.choice([450, 465, 480, 490, 510]))
    for number, day in enumerate(dates):
        if not works[number] and not (rush[number] and day.weekday() > 4):
            continue
        spans = spans_of(base, rng, day.isocalendar().week, starts)
        if rush[number]:
            spans.append((starts + 570, int(rng.integers(1260, 1500))))
        for first, last in spans:
            late, early = (int(value) for value in rng.integers(0, 9, 2))
            manned[number * DAY + first + late : number * DAY + last - early] = True
    return manned[: days * DAY]
