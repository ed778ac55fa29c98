"""How does a row's counter become a day's count? The SQL of one counter, written once for each of the vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

COUNTER_MAX = 2**53
"""A counter beyond this is no count of anything; such a row's counter is left out, so that no sum overflows."""
SUM_MAX = 10**12
_GENERATION = 2**54
"""Above any counter: a counter's generation times this, plus its value, grows with the generation first."""
_EVENTS = ("resets", "rollovers", "unexplained")


def cut(field: str, most: int = SUM_MAX, least: int = 0) -> str:
    """Write a number cut to what a day can hold: a lying gateway may send any 64-bit number, and no sum may overflow."""
    return f"least(greatest(coalesce({field}, 0), {least}), {most})"


def lived_counter(name: str, counters: Collection[str], *, is_stepped: bool) -> str:
    """Write one counter of one row: null when it is not there, out of range, or in a late row.

    A rollover is believed only when no other counter of the row was reset, fell or went astray with it: a bare
    threshold took two real resets for wraps (facts/store.md, surprise 1). Where it is not believed, nothing grew.
    Where a row tells of no reset, rollover or fall it grew by no more than its raw values did: what they do not bear does
    not count.
    """
    there = (
        f"CASE WHEN NOT coalesce(h.late, false) AND {name}_raw BETWEEN 0 AND {COUNTER_MAX}"
        f" AND coalesce({name}_from, 0) BETWEEN 0 AND {COUNTER_MAX} THEN"
    )
    claimed = cut(f"{name}_inc", COUNTER_MAX)
    borne = f"least({claimed}, greatest({name}_raw - coalesce({name}_from, {name}_raw), 0))"
    rate = f"{cut(f'{name}_step_max')} * 1000000 {{div}} {name}_step_ms"
    columns = {"raw": f"{name}_raw", "from": f"{name}_from"}
    if is_stepped:
        astray = _is_astray(name, counters)
        resets, rollovers, unexplained = (cut(f"{name}_{event}") for event in _EVENTS)
        even = f"{resets} + {rollovers} + {unexplained} = 0"
        columns |= {
            "inc": f"CASE WHEN {astray} THEN 0 WHEN {even} THEN {borne} ELSE {claimed} END",
            "rate": f"CASE WHEN {name}_step_ms > 0 AND NOT {astray} THEN {rate} END",
            "resets": resets,
            "rollovers": f"CASE WHEN {astray} THEN 0 ELSE {rollovers} END",
            "unexplained": f"{unexplained} + CASE WHEN {astray} THEN {rollovers} ELSE 0 END",
            "again": f"CASE WHEN {resets} + {rollovers} > 0 THEN 1 ELSE 0 END",
        }
    else:
        columns |= {"inc": borne, "rate": f"CASE WHEN {name}_step_ms > 0 THEN {rate} END"}
    return ", ".join(f"{there} {value} END AS {name}_{column}" for column, value in columns.items())


def lived_odd(name: str) -> str:
    """Write how many readings of one counter a row says were set aside, whether or not a good one is beside them."""
    return f"CASE WHEN NOT coalesce(h.late, false) THEN {cut(f'{name}_odd')} END AS {name}_odd"


def _is_astray(name: str, counters: Collection[str]) -> str:
    others = [
        f"coalesce({other}_resets, 0) + coalesce({other}_unexplained, 0) > 0"
        f" OR ({other}_raw < {other}_from AND coalesce({other}_rollovers, 0) = 0)"
        for other in counters
        if other != name
    ]
    return f"(coalesce({name}_rollovers, 0) > 0 AND coalesce({' OR '.join(others) or 'false'}, false))"


def _fresh(name: str, counters: Collection[str], stepped: Collection[str]) -> list[str]:
    """Name what a row adds to the carried value and peak."""
    if name not in counters:
        return []
    return [f"{name}_{part}" for part in (("from", "again") if name in stepped else ("from",))]


def joined_counter(name: str, counters: Collection[str], stepped: Collection[str], *, is_carry: bool) -> str:
    """Write one counter's columns of a carry row, or of a row, in the same order and number."""
    fresh = _fresh(name, counters, stepped)
    if is_carry:
        return ", ".join(
            [f"{name}_raw", f"{name}_peak", *(f"CAST(NULL AS BIGINT) AS {column}" for column in fresh)]
        )
    if name not in counters:
        return f"CAST(NULL AS BIGINT) AS {name}_raw, CAST(NULL AS BIGINT) AS {name}_peak"
    return ", ".join([f"{name}_raw", f"{name}_raw AS {name}_peak", *fresh])


def placed_counter(name: str, *, is_stepped: bool) -> str:
    """Write what came before a row: the last value, and the most heard; or, when it began again, its generation."""
    before = f"{{last_known:{name}_raw}} OVER before AS {name}_before"
    if is_stepped:
        return f"{before}, sum({name}_again) OVER upto AS {name}_age"
    return f"{before}, max({name}_peak) OVER before AS {name}_over"


def peaked_counter(name: str, *, is_stepped: bool) -> str:
    """Write the most heard before a row in the generation that was the last before it."""
    if not is_stepped:
        return ""
    age = f"CAST(coalesce({name}_age, 0) AS {{wide}}) * {_GENERATION}"
    return f"CAST(max({age} + {name}_peak) OVER before - max({age}) OVER before AS BIGINT) AS {name}_over"


def _heard(name: str) -> str:
    return f"CASE WHEN {name}_raw IS NOT NULL THEN place END"


def counter_sums(name: str, *, is_stepped: bool, is_astray: bool) -> str:
    """Write what a day's rows tell of a counter by themselves: growth, fastest step, events, readings set aside.

    Growth and events are null when the counter was not heard.
    """
    events = [f"CAST(sum({name}_{event}) AS BIGINT)" if is_stepped else "0" for event in _EVENTS]
    odd = f"CAST(coalesce(sum({name}_odd), 0) AS BIGINT)" if is_astray else "0"
    return f"CAST(sum({name}_inc) AS BIGINT), coalesce(max({name}_rate), 0), {', '.join(events)}, {odd}"


def counter_steps(name: str, *, is_stepped: bool) -> str:
    """Write what a day's rows tell of a counter one after another: first and last value, falls, growth between rows.

    A row that starts below what was heard and ends above it told part of its growth a second time (a broker delivers
    again what a killed gateway had not acknowledged; one before decision 0015, or a foreign one, does not know it
    again): that part is taken off.
    """
    on_end = f" AND coalesce({name}_again, 0) = 0" if is_stepped else ""
    between = (
        f"CASE WHEN {name}_from > {name}_over OR ({name}_raw >= {name}_over{on_end})"
        f" THEN {name}_from - {name}_over ELSE 0 END"
    )
    return ", ".join(
        [
            f"min_by(coalesce({name}_from, {name}_raw), {_heard(name)})",
            f"max_by({name}_raw, {_heard(name)})",
            f"CAST(sum(CASE WHEN {name}_from < {name}_before THEN 1 ELSE 0 END) AS BIGINT)",
            f"CAST(coalesce(sum({between}), 0) AS BIGINT)",
        ]
    )


def carried_counter(name: str, *, is_there: bool, is_stepped: bool) -> str:
    """Write the counter's next carry: its last value, and the most heard in the generation of that."""
    if not is_there:
        return f"max({name}_raw) AS {name}_raw, max({name}_peak) AS {name}_peak"
    peak = f"greatest(coalesce({name}_over, 0), {name}_peak)"
    if is_stepped:
        peak = f"CASE WHEN {name}_again = 1 THEN {name}_peak ELSE {peak} END"
    return f"max_by({name}_raw, {_heard(name)}) AS {name}_raw, max_by({peak}, {_heard(name)}) AS {name}_peak"
