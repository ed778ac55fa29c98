"""How do day files become evidence? DuckDB runs the SQL templates over a few days at a time, with carry rows between.

Memory stays bounded whatever the period (a whole quarter in one query takes 12 GB): what outlives a run are
carry rows (one a counter and device), chain ends (two a gateway, epoch and day at most, when none is missing),
identities, and one usage row an enterprise, service and day.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import duckdb

from census.calendar import day_of
from census.evidence import CounterDay, DeviceDay, Evidence, GatewayDay, Identity, Usage
from census.sql import template
from census.templates import MEASUREMENT_COLUMNS, machine_parts, sql_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from census.enrolments import Span

log = logging.getLogger(__name__)
MEMORY_LIMIT = "2GB"
"""A day of 1.85 million rows needs half a gigabyte; four times that is room, and DuckDB spills beyond."""
THREADS = 2
CHUNK_ROWS = 400_000
"""Whole days are read together up to this many rows: planning a day costs a tenth of a second, so small days share a
run; a day of 1,300 robots by the minute has 1.9 million and is read alone. What comes out does not depend on it."""


class DayFiles(Protocol):
    """What the census asks of a store for rows: the days a measurement has, and a day's immutable Parquet files."""

    def days(self, measurement: str) -> list[date]:
        """List the days, at the store's offset, that have rows."""
        ...

    def files(self, day: date, measurement: str) -> list[Path]:
        """List a day's files."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows bear witness: leaves below `log_size`, times before `as_of_ms`, enrolled spans, unsigned or not."""

    log_size: int
    as_of_ms: int
    enrolled: Mapping[str, Sequence[Span]]
    unsigned: bool = False


def gather_evidence(store: DayFiles, scope: Scope) -> Evidence:
    """Run every day's files through the SQL; the answer does not depend on the order in which rows arrived."""
    with tempfile.TemporaryDirectory(prefix="census-") as spill, _connect(spill) as con:
        return _Run(con, store, scope).evidence()


def _connect(spill: str) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": THREADS,
        "temp_directory": spill,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    return duckdb.connect(":memory:", config=config)


def source_sql(measurement: str, files: Sequence[Path]) -> str:
    """Write the sub-query that reads files with every column there, typed, whatever the files hold."""
    paths = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    columns = MEASUREMENT_COLUMNS[measurement]
    shape = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns)
    names = ", ".join(name for name, _ in columns)
    return (
        f"SELECT {names} FROM (SELECT {shape} WHERE false UNION ALL BY NAME "  # noqa: S608 - paths are quoted, names are ours
        f"SELECT * FROM read_parquet([{paths}], union_by_name=true))"
    )


class _Run:
    """One pass over all days; holds the connection whose temporary tables outlive a day."""

    def __init__(self, con: duckdb.DuckDBPyConnection, store: DayFiles, scope: Scope) -> None:
        self.con = con
        self.store = store
        self.scope = scope
        self.con.execute(template("tables"))
        spans = [(gateway, start, end) for gateway, found in scope.enrolled.items() for start, end in found]
        if spans:
            self.con.executemany("INSERT INTO enrolled VALUES (?, ?, ?)", spans)

    def evidence(self) -> Evidence:
        self._fold("batch", "chain")
        self._run(template("chain_ends"))
        self._fold("identity", "identity")
        self._run(template("identity_lives"))
        self._fold("heartbeat", "heartbeat")
        self._fold("cloud_usage", "usage")
        device_days = self._device_days()
        identities: dict[tuple[str, str], list[Identity]] = {}
        for row in self._run(template("identity_read")).fetchall():
            identities.setdefault((row[0], row[1]), []).append(Identity(*row))
        gateway_days: dict[str, list[GatewayDay]] = {}
        for gateway, *counts in self._run(template("gateway_read")).fetchall():
            gateway_days.setdefault(gateway, []).append(GatewayDay(*counts))
        return Evidence(
            device_days=device_days,
            identities={key: tuple(found) for key, found in identities.items()},
            gateway_days={gateway: tuple(found) for gateway, found in gateway_days.items()},
            usage=self._usage(),
            profiles=tuple(
                row[0]
                for row in self._run(
                    "SELECT DISTINCT profile FROM profile_seen WHERE profile IS NOT NULL ORDER BY 1"
                ).fetchall()
            ),
            problems=tuple(self._problems()),
        )

    def _run(self, sql: str) -> Any:
        """Run a template's statements, giving each the parameters that it names."""
        values = {
            "log_size": self.scope.log_size,
            "as_of_ms": self.scope.as_of_ms,
            "unsigned": self.scope.unsigned,
        }
        for statement in self.con.extract_statements(sql):
            self.con.execute(statement, {name: values[name] for name in statement.named_parameters})
        return self.con

    def _chunks(self, measurement: str) -> Iterator[list[Path]]:
        """Give the days' files, oldest first: whole days, as many at once as stay under CHUNK_ROWS."""
        last = day_of(self.scope.as_of_ms - 1)
        chunk: list[Path] = []
        size = 0
        for day in sorted(self.store.days(measurement)):
            if day.toordinal() > last:
                break
            files = self.store.files(day, measurement)
            more = self._rows(files)
            if chunk and size + more > CHUNK_ROWS:
                yield chunk
                chunk, size = [], 0
            chunk, size = [*chunk, *files], size + more
        if chunk:
            yield chunk

    def _rows(self, files: Sequence[Path]) -> int:
        """Count the rows of files by their footers."""
        names = [str(path) for path in files]
        found = self.con.execute("SELECT sum(num_rows) FROM parquet_file_metadata($names)", {"names": names})
        return int((found.fetchone() or (0,))[0] or 0) if names else 0

    def _over(self, measurement: str, sql: str) -> Iterator[Any]:
        """Run a template over all days, oldest first; gives the cursor of each run's last statement."""
        sql = sql.replace("{heard}", template("trusted")).replace("{row_day}", sql_day("r.time_ms"))
        sql = sql.replace("{batch_day}", sql_day("sealed_ms"))
        for files in self._chunks(measurement):
            yield self._run(sql.replace("{source}", source_sql(measurement, files)))

    def _fold(self, measurement: str, name: str) -> None:
        for _ in self._over(measurement, template(name)):
            pass

    def _device_days(self) -> dict[tuple[str, str], tuple[DeviceDay, ...]]:
        sql = template("machine")
        for name, text in machine_parts().items():
            sql = sql.replace("{" + name + "}", text)
        found: dict[tuple[str, str], list[DeviceDay]] = {}
        for cursor in self._over("machine", sql):
            rows = cursor.fetchall()
            counters = self._counters()
            for row in rows:
                values: list[Any] = [*row, counters.get(row[:4], {})]
                found.setdefault((row[1], row[2]), []).append(DeviceDay(*values))
        return {key: tuple(days) for key, days in found.items()}

    def _counters(self) -> dict[tuple[int, str, str, int], dict[str, CounterDay]]:
        counters: dict[tuple[int, str, str, int], dict[str, CounterDay]] = {}
        for row in self._run("FROM counter_day").fetchall():
            counters.setdefault(row[:4], {})[row[4]] = CounterDay(*row[5:])
        return counters

    def _usage(self) -> dict[str, tuple[Usage, ...]]:
        usage: dict[str, list[Usage]] = {}
        for row in self._run(template("usage_read")).fetchall():
            values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in row]
            one = Usage(*values)
            usage.setdefault(one.enterprise, []).append(one)
        return {enterprise: tuple(found) for enterprise, found in usage.items()}

    def _problems(self) -> list[str]:
        rows = self._run("SELECT gateway, reason, count(*) FROM broken GROUP BY ALL ORDER BY ALL").fetchall()
        words = {
            "link": "do not name their predecessor's hash",
            "unsynced": "were sealed by an unsynchronised clock",
        }
        return [
            f"gateway {gateway}: {count} batches {words[reason]}; their rows bear no witness"
            for gateway, reason, count in rows
        ]
