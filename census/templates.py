"""Which columns do the SQL templates name? Lists written from the wire vocabulary, so that a new metric needs no SQL.

The text is SQL that DuckDB and Spark both read, but for the words of a Dialect.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from census.calendar import DAY_MS, HOUR_MS, day_of
from census.counter_sql import (
    SUM_MAX,
    carried_counter,
    counter_steps,
    counter_sums,
    cut,
    joined_counter,
    lived_counter,
    lived_odd,
    peaked_counter,
    placed_counter,
)
from telemetry.metrics import COUNTERS, GAUGES, METRICS
from telemetry.schema import MEASUREMENTS

_LAST_KNOWN = re.compile(r"\{last_known:(\w+)\}")
_STORE_COLUMNS = (
    ("time_ms", "BIGINT"),
    ("epoch", "VARCHAR"),
    ("seq", "BIGINT"),
    ("leaf", "BIGINT"),
    ("received_ms", "BIGINT"),
    ("grade", "VARCHAR"),
    ("quarantined", "BOOLEAN"),
)
_TYPES: dict[type, str] = {int: "BIGINT", str: "VARCHAR", bool: "BOOLEAN"}
_SQUARE_MAX = 10**15
_STATES = ("running_ms", "ready_ms", "paused_ms", "fault_ms", "off_ms")
_TIMES = (*_STATES, "unknown_ms", "window_ms")
_POLLED = ("readings", "bad", "polls_due", "polls_ok")
_EVENTS = ("starts", "changes", "boots")
PERIODS = 24
"""Periods, in active windows, at which a day's increments are compared with themselves."""
_PRIME = 2_147_483_629
"""Row patterns are digests modulo a prime below 2^31, twice: products stay within 64 bits in every engine."""
_WORK = ("cycles", "parts", "moves", "energy_wh", "run_s")
"""Counters that tell how much was done, the most telling first."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words in which two engines differ: whole division, an integer of 128 bits, the last value that is not null."""

    div: str
    wide: str
    last_known: str

    def write(self, sql: str) -> str:
        """Put the words in."""
        sql = sql.replace("{div}", self.div).replace("{wide}", self.wide)
        return _LAST_KNOWN.sub(lambda found: self.last_known.replace("{x}", found[1]), sql)


@dataclass(frozen=True, slots=True)
class Present:
    """Which counters and gauges the rows at hand have at all; the others cost nothing."""

    counters: tuple[str, ...] = COUNTERS
    gauges: tuple[str, ...] = GAUGES
    stepped: tuple[str, ...] = COUNTERS
    """Counters of which a reset, a rollover or an unexplained step was declared."""
    astray: tuple[str, ...] = COUNTERS
    """Counters of which a reading was set aside."""

    @classmethod
    def of(cls, columns: frozenset[str]) -> Present:
        """Find what is there by the columns that hold any value."""
        return cls(
            tuple(name for name in COUNTERS if f"{name}_raw" in columns),
            tuple(name for name in GAUGES if f"{name}_n" in columns),
            tuple(
                name
                for name in COUNTERS
                if columns & {f"{name}_{event}" for event in ("resets", "rollovers", "unexplained")}
            ),
            tuple(name for name in COUNTERS if f"{name}_odd" in columns),
        )


ALL_PRESENT = Present()

# Read by no template; a day of machine rows is wide, and every column costs.
_UNREAD = frozenset(["state", "quality"])


def _columns(name: str) -> tuple[tuple[str, str], ...]:
    known = MEASUREMENTS[name]
    labels = tuple((label, "VARCHAR") for label in known.tags)
    fields = tuple((field, _TYPES[kind]) for field, kind in known.fields.items() if field not in _UNREAD)
    return labels + fields + _STORE_COLUMNS


MEASUREMENT_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    **{name: _columns(name) for name in MEASUREMENTS},
    "batch": (
        ("gateway", "VARCHAR"),
        ("epoch", "VARCHAR"),
        ("seq", "BIGINT"),
        ("leaf", "BIGINT"),
        ("count", "BIGINT"),
        ("prev", "VARCHAR"),
        ("hash", "VARCHAR"),
        ("sealed_ms", "BIGINT"),
        ("received_ms", "BIGINT"),
        ("clock_state", "VARCHAR"),
        ("boot", "VARCHAR"),
        ("mono_ms", "BIGINT"),
    ),
}
"""Columns and SQL types of every measurement the census reads."""


def sql_day(column: str) -> str:
    """Write the day's ordinal at +08:00 of a column of UTC ms."""
    return f"CAST(({column} + {8 * HOUR_MS}) {{div}} {DAY_MS} + {day_of(0)} AS INTEGER)"


def _sum(field: str) -> str:
    return f"CAST(coalesce(sum({field}), 0) AS BIGINT) AS {field}"


def _digest(number: int, fields: tuple[str, ...]) -> str:
    """Write a digest of numbers modulo the prime: multipliers below 2^27 come from SHA-256 of their names."""
    terms = []
    for field in fields:
        factor = int.from_bytes(hashlib.sha256(f"{number}:{field}".encode()).digest()[:4], "big") >> 5
        terms.append(f"(coalesce({field}, 0) % {_PRIME}) * {factor}")
    return f"((({' + '.join(terms)}) % {_PRIME}) + {_PRIME}) % {_PRIME}" if terms else "0"


def _lived_gauge(name: str) -> str:
    there = f"CASE WHEN {name}_n > 0 AND NOT coalesce(h.late, false) THEN"
    limits = {"n": (SUM_MAX, 0), "sq": (_SQUARE_MAX, 0)} | dict.fromkeys(
        ("sum", "min", "max"), (SUM_MAX, -SUM_MAX)
    )
    if not METRICS[name].squared:
        del limits["sq"]
    return ", ".join(
        f"{there} {cut(f'{name}_{part}', most, least)} END AS {name}_{part}"
        for part, (most, least) in limits.items()
    )


def _gauge_day(name: str) -> str:
    squares = f"CAST(sum({name}_sq) AS BIGINT)" if METRICS[name].squared else "0"
    whole = f"CAST(sum({name}_n) AS BIGINT), CAST(sum({name}_sum) AS BIGINT)"
    return f"{whole}, min({name}_min), max({name}_max), {squares}"


CARRY_COLUMNS: tuple[tuple[str, str], ...] = (
    ("gateway", "VARCHAR"),
    ("device", "VARCHAR"),
    ("life", "INTEGER"),
    *((f"{name}_{part}", "BIGINT") for name in COUNTERS for part in ("raw", "peak")),
)
"""What a counter's baseline is between runs over some days: its last value, and the most heard in its generation."""


def _list(parts: list[str]) -> str:
    """Write the parts behind a comma each, or nothing."""
    return "".join(f",\n       {part}" for part in parts if part)


@cache
def machine_parts(present: Present) -> dict[str, str]:
    """Write the parts of the machine templates that list columns."""
    return _lived_parts(present) | _counter_parts(present) | _day_parts(present)


def _lived_parts(present: Present) -> dict[str, str]:
    grown = tuple(f"{name}_inc" for name in present.counters)
    metrics = ("running_ms", *grown, *(f"{name}_sum" for name in present.gauges))
    known = " + ".join(f"coalesce(h.{name}, 0)" for name in _STATES)
    possible = " AND ".join(
        f"coalesce(h.{name}, 0) BETWEEN 0 AND {DAY_MS}" for name in (*_STATES, "unknown_ms")
    )
    work = ", ".join(f"{name}_inc" for name in _WORK if name in present.counters)
    return {
        "cut": ", ".join(f"{cut(f'h.{name}')} AS {name}" for name in _TIMES + _POLLED + _EVENTS),
        "lived_counters": _list(
            [
                lived_counter(name, present.counters, is_stepped=name in present.stepped)
                for name in present.counters
            ]
            + [lived_odd(name) for name in present.counters if name in present.astray]
        ),
        "lived_gauges": _list([_lived_gauge(name) for name in present.gauges]),
        "is_grown": " OR ".join(f"coalesce({name}, 0) <> 0" for name in grown) or "false",
        "is_alive": " OR ".join(f"coalesce({name}, 0) <> 0" for name in metrics),
        "mark_1": _digest(1, metrics),
        "mark_2": _digest(2, metrics),
        "grown_1": _digest(3, grown),
        "grown_2": _digest(4, grown),
        "possible": f"{possible} AND (coalesce(h.late, false) OR {known} <= coalesce(h.window_ms, 0))",
        "work": f"coalesce({work}, 0)" if work else "0",
        "day_ms": str(DAY_MS),
        "hour_ms": str(HOUR_MS),
        "offset_ms": str(8 * HOUR_MS),
    }


def _counter_parts(present: Present) -> dict[str, str]:
    there, stepped, astray = present.counters, present.stepped, present.astray
    return {
        "carry_counters": _list([joined_counter(name, there, stepped, is_carry=True) for name in COUNTERS]),
        "row_counters": _list([joined_counter(name, there, stepped, is_carry=False) for name in COUNTERS]),
        "placed_counters": _list([placed_counter(name, is_stepped=name in stepped) for name in there]),
        "peaked_counters": _list([peaked_counter(name, is_stepped=name in stepped) for name in there]),
        "counter_steps": _list([counter_steps(name, is_stepped=name in stepped) for name in there]),
        "counter_sums": _list(
            [counter_sums(name, is_stepped=name in stepped, is_astray=name in astray) for name in there]
        ),
        "carried_counters": _list(
            [carried_counter(name, is_there=name in there, is_stepped=name in stepped) for name in COUNTERS]
        ),
    }


def _day_parts(present: Present) -> dict[str, str]:
    lags = range(1, PERIODS + 1)
    return {
        "prime": str(_PRIME),
        "sums": ", ".join(_sum(name) for name in _POLLED),
        "states": ", ".join(_sum(name) for name in _STATES),
        "events": ", ".join(_sum(name) for name in _EVENTS),
        "known": " + ".join(_STATES),
        "gauge_days": _list([_gauge_day(name) for name in present.gauges]),
        "lags": ", ".join(f"lag(grown, {lag}) OVER place AS back_{lag}" for lag in lags),
        "repeats": ", ".join(
            f"sum(CASE WHEN grown = back_{lag} THEN 1 ELSE 0 END) AS repeat_{lag}" for lag in lags
        ),
        "best": f"greatest({', '.join(f'repeat_{lag}' for lag in lags)})",
        "period": "CASE best " + " ".join(f"WHEN repeat_{lag} THEN {lag}" for lag in lags) + " END",
        "run_hours": ", ".join(_hour(hour, "running_s") for hour in range(24)),
        "work_hours": ", ".join(_hour(hour, "work") for hour in range(24)),
    }


def _hour(hour: int, column: str) -> str:
    return f"CAST(coalesce(sum(CASE WHEN hour = {hour} THEN {column} END), 0) AS BIGINT)"
