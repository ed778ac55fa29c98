"""How does DuckDB fold day files? A few days, or a share of one big day's devices, at a time, with carry rows between.

Memory stays bounded whatever the period (a whole quarter in one query takes 12 GB): what outlives a piece are carry
rows (one a device and life), chain ends (two a gateway, epoch and day at most, when none is missing), epochs, identities, and
one usage row an enterprise, service and day.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from census.fold import Piece
from census.templates import MEASUREMENT_COLUMNS, Dialect, Present

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from census.store_files import DayFiles

MEMORY_LIMIT = "320MB"
"""What DuckDB may hold before it spills; with the process itself a day of 1.87 million rows stays under half a gigabyte."""
THREADS = 2
CHUNK_ROWS = 250_000
"""Rows read at once. Whole days are read together up to this many: planning a run costs a tenth of a second. A bigger day
is read in shares of its devices. What comes out does not depend on it."""
DUCKDB = Dialect(div="//", wide="HUGEINT", last_known="last_value({x} IGNORE NULLS)")


@contextmanager
def duck_engine(store: DayFiles) -> Iterator[DuckEngine]:
    """Open an engine over a store's day files; what it spills goes with it."""
    with tempfile.TemporaryDirectory(prefix="census-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "threads": THREADS,
            "temp_directory": spill,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(":memory:", config=config) as con:
            yield DuckEngine(con, store)


class DuckEngine:
    """The evidence engine inside this process."""

    dialect = DUCKDB

    def __init__(self, con: duckdb.DuckDBPyConnection, store: DayFiles) -> None:
        self._con = con
        self._store = store

    def load(self, name: str, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]) -> None:
        """Make a temporary table."""
        shape = ", ".join(f"{column} {kind}" for column, kind in columns)
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({shape})")
        if rows:
            marks = ", ".join("?" * len(columns))
            self._con.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)  # noqa: S608 - names are ours

    def make(self, name: str, select: str) -> None:
        """Make a temporary table of a query."""
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}")

    def add(self, name: str, select: str) -> None:
        """Insert what a query gives, by the order of its columns."""
        self._con.execute(f"INSERT INTO {name} {select}")

    def drop(self, *names: str) -> None:
        """Drop temporary tables."""
        for name in names:
            self._con.execute(f"DROP TABLE IF EXISTS {name}")

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """Run a query and fetch it."""
        found: list[tuple[Any, ...]] = self._con.execute(select).fetchall()
        return found

    def pieces(self, measurement: str, until_day: int) -> Iterator[Piece]:
        """Give whole days, as many at once as stay under CHUNK_ROWS; machine days that are bigger by devices."""
        chunk: list[Path] = []
        size = 0
        for day in sorted(self._store.days(measurement)):
            if day.toordinal() > until_day:
                break
            files = self._store.files(day, measurement)
            more = self._count(files)
            if chunk and size + more > CHUNK_ROWS:
                yield from self._cut(measurement, chunk, size)
                chunk, size = [], 0
            chunk, size = [*chunk, *files], size + more
        if chunk:
            yield from self._cut(measurement, chunk, size)

    def _count(self, files: Sequence[Path]) -> int:
        """Count the rows of files by their footers."""
        names = [str(path) for path in files]
        found = self._con.execute("SELECT sum(num_rows) FROM parquet_file_metadata($names)", {"names": names})
        return int((found.fetchone() or (0,))[0] or 0) if names else 0

    def _cut(self, measurement: str, files: Sequence[Path], size: int) -> Iterator[Piece]:
        """Give files as one piece, or, when a day of machines is too big, as pieces of some devices each."""
        if measurement != "machine":
            yield Piece(source_sql(measurement, files))
            return
        held = self._held(files)
        source = source_sql(measurement, files, held)
        present = Present.of(held)
        if size <= CHUNK_ROWS:
            yield Piece(source, present)
            return
        for low, high in self._shares(source):
            where = _between(low, high)
            yield Piece(f"SELECT * FROM ({source}) WHERE {where}", present)  # noqa: S608 - names are quoted

    def _held(self, files: Sequence[Path]) -> frozenset[str]:
        """Name the columns that hold any value, by the footers."""
        found = self._con.execute(
            "SELECT DISTINCT path_in_schema FROM parquet_metadata($names) "
            "WHERE coalesce(stats_null_count, 0) < num_values",
            {"names": [str(path) for path in files]},
        )
        return frozenset(row[0] for row in found.fetchall())

    def _shares(self, source: str) -> Iterator[tuple[_Key, _Key]]:
        """Cut the devices, in the order in which a compacted day is sorted, into ranges of similar size."""
        counts = self._con.execute(
            f"SELECT device, gateway, count(*) FROM ({source}) GROUP BY device, gateway ORDER BY device, gateway"  # noqa: S608
        ).fetchall()
        low: _Key | None = None
        size = 0
        for place, (device, gateway, count) in enumerate(counts):
            low = low or (device, gateway)
            size += count
            following = counts[place + 1][2] if place + 1 < len(counts) else CHUNK_ROWS
            if size + following > CHUNK_ROWS:
                yield low, (device, gateway)
                low, size = None, 0


_Key = tuple[str, str]


def _between(low: _Key, high: _Key) -> str:
    first, last, first_gateway, last_gateway = map(quoted, (low[0], high[0], low[1], high[1]))
    return (
        f"device >= {first} AND device <= {last} AND (device > {first} OR gateway >= {first_gateway})"
        f" AND (device < {last} OR gateway <= {last_gateway})"
    )


def quoted(text: str) -> str:
    """Write text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def source_sql(measurement: str, files: Sequence[Path], held: frozenset[str] | None = None) -> str:
    """Write the sub-query that reads files with every column there, typed, whatever the files hold.

    Columns not `held` are null without being read.
    """
    paths = ", ".join(quoted(str(path)) for path in files)
    columns = MEASUREMENT_COLUMNS[measurement]
    shape = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns)
    names = ", ".join(
        name if held is None or name in held else f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns
    )
    return (
        f"SELECT {names} FROM (SELECT {shape} WHERE false UNION ALL BY NAME "  # noqa: S608 - paths are quoted, names are ours
        f"SELECT * FROM read_parquet([{paths}], union_by_name=true))"
    )
