"""In which order do the SQL templates make evidence of rows? One fold, whatever engine runs it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from census.epochs import EpochSeen, epoch_problems, judge_epochs, silent_keys
from census.evidence import (
    CounterDay,
    DeviceDay,
    Epoch,
    Evidence,
    GatewayDay,
    GaugeDay,
    Identity,
    Increments,
    Usage,
    UsageLooks,
)
from census.gaps import gap_problems, judge_gaps
from census.sql import template
from census.templates import ALL_PRESENT, CARRY_COLUMNS, Present, machine_parts, sql_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from census.enrolments import Span
    from census.epochs import EpochKey
    from census.gaps import Gap
    from census.templates import Dialect

_STEP_FIELDS, _SUM_FIELDS, _GAUGE_FIELDS = 4, 6, 5
"""Columns a counter has in step_day.sql, and a counter and a gauge in device_day.sql."""
_FIRST_STEP, _FIRST_SUM, _PATTERN = 5, 30, 27
"""Where the counters' columns begin in step_day.sql and in device_day.sql, and that one's pattern."""
_HOURS = struct.Struct("<48i")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows bear witness: leaves below `log_size`, times before `as_of_ms`, enrolled spans, unsigned or not.

    A person's word stands for the `explained` epochs; others beyond `epoch_breaks_max` breaks a quarter bear none (None: all do).
    """

    log_size: int
    as_of_ms: int
    enrolled: Mapping[str, Sequence[Span]]
    unsigned: bool = False
    explained: frozenset[EpochKey] = frozenset()
    epoch_breaks_max: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that are read at once: the sub-query that gives them, and which counters and gauges are in them."""

    source: str
    present: Present = ALL_PRESENT


class EvidenceEngine(Protocol):
    """What runs the one evidence SQL over the day files: tables by name, rows in pieces that come oldest first.

    Whoever cuts rows into pieces keeps a device's day whole, so that what comes out does not depend on the cut.
    """

    @property
    def dialect(self) -> Dialect:
        """The words in which its SQL differs."""
        ...

    def pieces(self, measurement: str, until_day: int) -> Iterator[Piece]:
        """Give the rows of a measurement up to a day (ordinal, inclusive), in pieces that can be held."""
        ...

    def load(self, name: str, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]) -> None:
        """Make a table of rows held here."""
        ...

    def make(self, name: str, select: str) -> None:
        """Make a table of what a query gives, in place of one of that name."""
        ...

    def add(self, name: str, select: str) -> None:
        """Add what a query gives to a table, which need not be there yet."""
        ...

    def drop(self, *names: str) -> None:
        """Forget tables that are no longer needed."""
        ...

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """Give what a query gives."""
        ...


USAGE_WORK_MIN = 30
"""Work (requests or CPU seconds) of a day below which rounding hides what chance does."""
USAGE_DAYS_MIN = 14
"""Days of such work from which on a customer is compared with others."""


class Fold:
    """One pass over all days; what outlives a piece rests in the engine's tables."""

    def __init__(self, engine: EvidenceEngine, scope: Scope, until_day: int) -> None:
        self._engine = engine
        self._until_day = until_day
        self._scope = scope
        self._epochs: dict[str, tuple[Epoch, ...]] = {}
        self._gaps: dict[str, tuple[Gap, ...]] = {}
        self._words = {
            "heard": template("trusted"),
            "row_day": sql_day("r.time_ms"),
            "batch_day": sql_day("sealed_ms"),
            "log_size": str(scope.log_size),
            "as_of_ms": str(scope.as_of_ms),
            "unsigned": str(scope.unsigned).lower(),
            "usage_work_min": str(USAGE_WORK_MIN),
            "usage_days_min": str(USAGE_DAYS_MIN),
        }
        spans = [(gateway, start, end) for gateway, found in scope.enrolled.items() for start, end in found]
        for name, columns in TABLES.items():
            engine.load(name, columns, spans if name == "enrolled" else [])

    def evidence(self) -> Evidence:
        """Read everything once; the answer does not depend on the order in which rows arrived."""
        engine = self._engine
        for piece in self._pieces("batch"):
            engine.make("some_batches", self._sql("some_batches", piece))
            for name in ("broken", "chain_end", "batch_day", "epoch_seen"):
                engine.add(name, template(name))
        engine.add("broken", self._sql("broken_ends"))
        self._judge_epochs()
        self._gaps = judge_gaps(engine.rows(self._sql("missing")), self._epochs)
        self._add("identity", "identity_heard", "identity")
        engine.make("life", self._sql("life"))
        self._add("heartbeat", "heartbeat_day", "heartbeat")
        self._add("cloud_usage", "usage_day", "usage")
        device_days = self._device_days()
        profiles = engine.rows("SELECT DISTINCT profile FROM profile_seen WHERE profile IS NOT NULL")
        return Evidence(
            device_days=device_days,
            identities=self._identities(),
            gateway_days=self._gateway_days(),
            usage=self._usage(),
            gaps=self._gaps,
            profiles=tuple(sorted(row[0] for row in profiles)),
            problems=tuple(self._problems()),
        )

    def _sql(self, name: str, piece: Piece | None = None) -> str:
        """Write a template: first the rows it reads, then every word, then the engine's dialect."""
        sql = template(name)
        for word, text in self._words.items():
            sql = sql.replace("{" + word + "}", text)
        if piece is not None:
            sql = sql.replace("{source}", piece.source)
            for word, text in machine_parts(piece.present).items():
                sql = sql.replace("{" + word + "}", text)
        return self._engine.dialect.write(sql)

    def _pieces(self, measurement: str) -> Iterator[Piece]:
        yield from self._engine.pieces(measurement, self._until_day)

    def _add(self, measurement: str, table: str, name: str) -> None:
        for piece in self._pieces(measurement):
            self._engine.add(table, self._sql(name, piece))

    def _judge_epochs(self) -> None:
        """Learn which epochs are silent, before any row of theirs is read."""
        self._add("epoch", "epoch_told", "epoch")
        seen = [EpochSeen(*row) for row in self._engine.rows(self._sql("epoch_read"))]
        self._epochs = judge_epochs(seen, self._scope.explained, self._scope.epoch_breaks_max)
        self._engine.load("silenced", TABLES["silenced"], silent_keys(self._epochs))

    def _device_days(self) -> dict[tuple[str, str], tuple[DeviceDay, ...]]:
        engine = self._engine
        found: dict[tuple[str, str], list[DeviceDay]] = {}
        for piece in self._pieces("machine"):
            engine.make("lived", self._sql("lived", piece))
            engine.add("profile_seen", "SELECT DISTINCT profile FROM lived")
            for day in self._days_of(piece):
                found.setdefault((day.gateway, day.device), []).append(day)
            engine.drop("lived", "steps")
        return {key: tuple(sorted(found[key], key=_place)) for key in sorted(found)}

    def _days_of(self, piece: Piece) -> Iterator[DeviceDay]:
        engine, present = self._engine, piece.present
        engine.make("steps", self._sql("steps", piece))
        steps = {row[:4]: row for row in engine.rows(self._sql("step_day", piece))}
        engine.make("carry", self._sql("carry", piece))
        increments = {row[:4]: Increments(*row[4:]) for row in engine.rows(self._sql("increments", piece))}
        hours = {row[:4]: _HOURS.pack(*row[4:]) for row in engine.rows(self._sql("hours", piece))}
        for row in engine.rows(self._sql("device_day", piece)):
            step = steps.get(row[:4])
            pattern = f"{row[_PATTERN]:x}.{row[_PATTERN + 1]:x}" if row[_PATTERN + 2] else ""
            values: list[Any] = [
                *row[:22],
                step[4] if step else 0,
                *row[22:_PATTERN],
                pattern,
                row[_PATTERN + 2],
            ]
            values += [_counters(row, step, present) if step else {}, _gauges(row, present)]
            values += [increments.get(row[:4], Increments()), hours.get(row[:4], b"")]
            yield DeviceDay(*values)

    def _identities(self) -> dict[tuple[str, str], tuple[Identity, ...]]:
        identities: dict[tuple[str, str], list[Identity]] = {}
        for row in self._engine.rows(self._sql("identity_read")):
            identities.setdefault((row[0], row[1]), []).append(Identity(*row))
        return {key: tuple(sorted(identities[key], key=_telling)) for key in sorted(identities)}

    def _gateway_days(self) -> dict[str, tuple[GatewayDay, ...]]:
        gateway_days: dict[str, list[GatewayDay]] = {}
        named = {(gateway, one.epoch): one for gateway, found in self._epochs.items() for one in found}
        for gateway, day, good, broken, heartbeats, epochs in self._engine.rows(self._sql("gateway_read")):
            sealed = tuple(named[gateway, epoch] for epoch in epochs or () if (gateway, epoch) in named)
            gateway_days.setdefault(gateway, []).append(GatewayDay(day, good, broken, heartbeats, sealed))
        return {gateway: tuple(found) for gateway, found in gateway_days.items()}

    def _usage(self) -> dict[str, tuple[Usage, ...]]:
        from census.usage_chance import find_alike, worked

        usage: dict[str, list[Usage]] = {}
        alike = find_alike([worked(*row) for row in self._engine.rows(self._sql("usage_work"))])
        for row in self._engine.rows(self._sql("usage_read")):
            services = [word.split("=", 1) for word in row[8]]
            values: list[Any] = [
                *row[:3],
                tuple(row[3] or ()),
                *row[4:8],
                tuple(status for _, status in services),
                *row[9:11],
                tuple(service for service, _ in services),
                replace(UsageLooks(*row[11:]), alike=alike.get((row[0], row[1], row[2]))),
            ]
            usage.setdefault(row[0], []).append(Usage(*values))
        return {enterprise: tuple(found) for enterprise, found in usage.items()}

    def _problems(self) -> list[str]:
        rows = self._engine.rows("SELECT gateway, reason, count(*) FROM broken GROUP BY gateway, reason")
        words = {
            "link": "do not name their predecessor's hash",
            "unsynced": "were sealed by an unsynchronised clock",
        }
        return [
            f"gateway {gateway}: {count} batches {words[reason]}; their rows bear no witness"
            for gateway, reason, count in sorted(rows)
        ] + [*epoch_problems(self._epochs), *gap_problems(self._gaps)]


TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "enrolled": (("gateway", "VARCHAR"), ("from_ms", "BIGINT"), ("until_ms", "BIGINT")),
    "broken": (
        ("gateway", "VARCHAR"),
        ("epoch", "VARCHAR"),
        ("seq", "BIGINT"),
        ("day", "INTEGER"),
        ("is_enrolled", "BOOLEAN"),
        ("reason", "VARCHAR"),
    ),
    "chain_end": (
        ("gateway", "VARCHAR"),
        ("epoch", "VARCHAR"),
        ("seq", "BIGINT"),
        ("prev", "VARCHAR"),
        ("hash", "VARCHAR"),
        ("day", "INTEGER"),
        ("is_enrolled", "BOOLEAN"),
        ("sealed_ms", "BIGINT"),
        ("is_start", "BOOLEAN"),
    ),
    "batch_day": (("gateway", "VARCHAR"), ("epoch", "VARCHAR"), ("day", "INTEGER"), ("batches", "BIGINT")),
    "epoch_seen": (
        ("gateway", "VARCHAR"),
        ("epoch", "VARCHAR"),
        ("sealed_ms", "BIGINT"),
        ("received_ms", "BIGINT"),
        ("leaf", "BIGINT"),
    ),
    "epoch_told": (
        ("gateway", "VARCHAR"),
        ("epoch", "VARCHAR"),
        ("time_ms", "BIGINT"),
        ("leaf", "BIGINT"),
        ("reason", "VARCHAR"),
        ("previous", "VARCHAR"),
        ("previous_seq", "BIGINT"),
    ),
    "silenced": (("gateway", "VARCHAR"), ("epoch", "VARCHAR")),
    "identity_heard": (
        *((name, "VARCHAR") for name in ("gateway", "device", "manufacturer", "model", "serial", "kind")),
        ("axes", "BIGINT"),
        ("source", "VARCHAR"),
        ("time_ms", "BIGINT"),
        ("leaf", "BIGINT"),
        ("received_ms", "BIGINT"),
        ("signed", "BOOLEAN"),
    ),
    "carry": CARRY_COLUMNS,
    "usage_day": (
        ("day", "INTEGER"),
        *((name, "VARCHAR") for name in ("enterprise", "provider", "gateway", "service", "status", "since")),
        ("active", "BOOLEAN"),
        *(
            (name, "BIGINT")
            for name in ("leaf", "active_users", "requests", "storage_mb", "cpu_s", "billed_fen")
        ),
    ),
    "heartbeat_day": (("gateway", "VARCHAR"), ("day", "INTEGER"), ("heartbeats", "BIGINT")),
    "profile_seen": (("profile", "VARCHAR"),),
}
"""The tables that outlive a piece, with their columns in the order of the queries that fill them."""


def _place(day: DeviceDay) -> tuple[int, int]:
    return day.day, day.life


def _telling(one: Identity) -> tuple[Any, ...]:
    words = (one.manufacturer, one.model, one.serial, one.kind)
    return one.life, words, one.axes is None, one.axes or 0, one.source, one.first_ms


def _counters(row: tuple[Any, ...], step: tuple[Any, ...], present: Present) -> dict[str, CounterDay]:
    """Read the counters side by side; one that was not heard on the day has nulls."""
    counters = {}
    for number, name in enumerate(present.counters):
        first, last, falls, unheard = step[_FIRST_STEP + number * _STEP_FIELDS :][:_STEP_FIELDS]
        if last is None:
            continue
        inc, rate, resets, rollovers, unexplained, odd = row[_FIRST_SUM + number * _SUM_FIELDS :][
            :_SUM_FIELDS
        ]
        counters[name] = CounterDay(
            inc, first, last, rate, resets, rollovers, unexplained + falls, unheard_inc=unheard, odd=odd
        )
    return counters


def _gauges(row: tuple[Any, ...], present: Present) -> dict[str, GaugeDay]:
    gauges = {}
    for number, name in enumerate(present.gauges):
        start = _FIRST_SUM + len(present.counters) * _SUM_FIELDS + number * _GAUGE_FIELDS
        if row[start] is not None:
            values = row[start : start + _GAUGE_FIELDS]
            gauges[name] = GaugeDay(*(int(value or 0) for value in values))
    return gauges
