"""Which columns do the SQL templates name? Lists written from the wire vocabulary, so that a new metric needs no SQL."""

from __future__ import annotations

from functools import cache

from census.calendar import DAY_MS, HOUR_MS, day_of
from telemetry.metrics import COUNTERS, GAUGES
from telemetry.schema import MEASUREMENTS

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
COUNTER_MAX = 2**53
"""A counter beyond this is no count of anything; such a row's counter is left out, so that no sum overflows."""
_SUM_MAX = 10**12
_STATES = ("running_ms", "ready_ms", "paused_ms", "fault_ms", "off_ms")


# Read by no template; a day of machine rows is wide, and every column costs.
_UNREAD = frozenset(
    [f"{name}_odd" for name in COUNTERS]
    + [f"{name}_{suffix}" for name in GAUGES for suffix in ("n", "min", "max", "sq")]
    + ["state", "quality"]
)


def _columns(name: str) -> tuple[tuple[str, str], ...]:
    known = MEASUREMENTS[name]
    labels = tuple((label, "VARCHAR") for label in known.tags)
    fields = tuple((field, _TYPES[kind]) for field, kind in known.fields.items() if field not in _UNREAD)
    return labels + fields + _STORE_COLUMNS


MEASUREMENT_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    **{name: _columns(name) for name in MEASUREMENTS if name != "epoch"},
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
    return f"CAST(({column} + {8 * HOUR_MS}) // {DAY_MS} + {day_of(0)} AS INTEGER)"


def _sum(field: str) -> str:
    # A lying gateway may send any 64-bit number; what no day can hold is cut, so that no sum overflows.
    return f"CAST(coalesce(sum(least(greatest({field}, 0), {_SUM_MAX})), 0) AS BIGINT) AS {field}"


def _counter(name: str) -> str:
    def bounded(suffix: str, most: int) -> str:
        return f"least(greatest(coalesce({name}_{suffix}, 0), 0), {most})"

    return (
        f"UNION ALL SELECT gateway, device, life, day, '{name}', time_ms, leaf, {name}_from, {name}_raw, {name}_raw, "  # noqa: S608 - metric names are ours
        f"{bounded('inc', COUNTER_MAX)}, {bounded('step_max', _SUM_MAX)}, {bounded('step_ms', _SUM_MAX)}, "
        f"{bounded('resets', _SUM_MAX)}, {bounded('rollovers', _SUM_MAX)}, {bounded('unexplained', _SUM_MAX)}, false "
        f"FROM lived WHERE NOT is_late AND {name}_raw BETWEEN 0 AND {COUNTER_MAX} "
        f"AND coalesce({name}_from, 0) BETWEEN 0 AND {COUNTER_MAX}"
    )


@cache
def machine_parts() -> dict[str, str]:
    """Write the parts of machine.sql that list columns."""
    metrics = [f"{name}_inc" for name in COUNTERS] + [f"{name}_sum" for name in GAUGES]
    pattern = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in ("running_ms", *metrics))
    known = " + ".join(f"coalesce({name}, 0)" for name in _STATES)
    dropped = {f"{name}_sum" for name in GAUGES} | {"late", "epoch", "seq", "quarantined"}
    kept = [name for name, _ in MEASUREMENT_COLUMNS["machine"] if name not in dropped]
    return {
        "kept": ", ".join(f"h.{name}" for name in (*kept, "day")),
        "any_metric": " OR ".join(f"coalesce({name}, 0) <> 0" for name in metrics),
        "pattern": f"concat_ws('|', {pattern})",
        "counters": "\n  ".join(_counter(name) for name in COUNTERS),
        "sums": ", ".join(_sum(name) for name in ("readings", "bad", "polls_due", "polls_ok")),
        "possible": " AND ".join(
            f"coalesce({name}, 0) BETWEEN 0 AND 86400000" for name in (*_STATES, "unknown_ms")
        )
        + f" AND (coalesce(h.late, false) OR {known} <= coalesce(h.window_ms, 0))",
        "states": ", ".join(_sum(name) for name in _STATES),
        "known": known,
        "events": ", ".join(_sum(name) for name in ("starts", "changes", "boots")),
    }
