"""How does a Spark cluster fold day files? The same SQL in one piece, spread over the devices, on files that all workers see.

For data that does not fit one machine; on one machine DuckDB is six times as fast (docs/reference/performance.md). A worker
that dies takes nothing with it: Spark reads its share again from the files, and the evidence is equal to the bit.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from census.engine import fold_evidence
from census.fold import Piece
from census.store_files import held_columns
from census.templates import ALL_PRESENT, MEASUREMENT_COLUMNS, Dialect, Present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from census.evidence import Evidence
    from census.fold import Scope
    from census.store_files import DayFiles

SPARK = Dialect(div="div", wide="DECIMAL(38, 0)", last_known="last_value({x}, true)")
_TYPES = {"VARCHAR": "STRING"}


@contextmanager
def spark_engine(
    store: DayFiles, master: str, settings: Mapping[str, str] | None = None
) -> Iterator[SparkEngine]:
    """Open a session on a master (`local[2]`, `spark://host:7077`); ModuleNotFoundError without the extra `spark`."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).appName("mfl-census")
    chosen = {
        # The fold's times are whole milliseconds and its sums whole numbers; overflow must fail, not wrap.
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    } | dict(settings or {})
    for name, value in chosen.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        yield SparkEngine(session, store)
    finally:
        session.stop()


def spark_gather(
    master: str, settings: Mapping[str, str] | None = None
) -> Callable[[DayFiles, Scope], Evidence]:
    """Give what folds a store's day files on a master."""

    def gather(store: DayFiles, scope: Scope) -> Evidence:
        with spark_engine(store, master, settings) as engine:
            return fold_evidence(engine, scope)

    return gather


class SparkEngine:
    """The evidence engine on a cluster: tables are views, computed where their rows are when they are asked for."""

    dialect = SPARK

    def __init__(self, session: SparkSession, store: DayFiles) -> None:
        self._session = session
        self._store = store
        self._tables: dict[str, DataFrame] = {}

    def load(self, name: str, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]) -> None:
        """Make a view of rows sent along with the query."""
        self._show(name, self._session.createDataFrame(list(rows), _shape(columns)))

    def make(self, name: str, select: str) -> None:
        """Make a view of a query."""
        self.drop(name)
        # Kept where it was computed, to be read more than once; what a dead worker held is computed again.
        self._show(name, self._session.sql(select).persist())

    def add(self, name: str, select: str) -> None:
        """Add a query's rows to a view, by the order of its columns."""
        found = self._session.sql(select).persist()
        known = self._tables.get(name)
        self._show(name, found if known is None else known.union(found))

    def drop(self, *names: str) -> None:
        """Forget views."""
        for name in names:
            frame = self._tables.pop(name, None)
            if frame is not None:
                frame.unpersist()
                self._session.catalog.dropTempView(name)

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """Run a query on the cluster and collect its answer: evidence is small, a row a device and day."""
        return [tuple(row) for row in self._session.sql(select).collect()]

    def pieces(self, measurement: str, until_day: int) -> Iterator[Piece]:
        """Give all days as one piece."""
        files = [
            str(path)
            for day in sorted(self._store.days(measurement))
            if day.toordinal() <= until_day
            for path in self._store.files(day, measurement)
        ]
        if files:
            columns = MEASUREMENT_COLUMNS[measurement]
            # The schema is given, so files without a column show nulls, and directories named day=... add none.
            reader = self._session.read.schema(_shape(columns)).option("recursiveFileLookup", "true")
            reader.parquet(*files).createOrReplaceTempView(f"{measurement}_rows")
            names = ", ".join(f"`{name}`" for name, _ in columns)
            present = Present.of(held_columns(files)) if measurement == "machine" else ALL_PRESENT
            yield Piece(f"SELECT {names} FROM {measurement}_rows", present)  # noqa: S608 - names are ours

    def _show(self, name: str, frame: DataFrame) -> None:
        self._tables[name] = frame
        frame.createOrReplaceTempView(name)


def _shape(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"`{name}` {_TYPES.get(kind, kind)}" for name, kind in columns)
