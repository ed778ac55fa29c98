"""Can DuckDB read a day's files while the store runs, and only those?"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import duckdb
import pytest

from store.query import connect, register_files

if TYPE_CHECKING:
    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer

NOW = 1_514_822_400_000


def test_a_day_is_one_view_of_exact_integers(store: EmbeddedStore, sealer: Sealer) -> None:
    big = sealer.seal(sealer.row("r1", 1, cycles_raw=2**63 - 1), sealer.row("r2", 1, bad=3))
    store.write_many([(big, NOW)])
    store.apply()
    store.write_many([(batch, NOW) for batch in sealer.batches(2)])
    store.apply()
    with connect() as connection:
        register_files(connection, "machine", store.files(date(2018, 1, 1), "machine"))
        query = "SELECT count(*), max(cycles_raw), sum(bad), count(DISTINCT leaf) FROM machine"
        assert connection.execute(query).fetchone() == (6, 2**63 - 1, 3, 3)
        types = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE machine)").fetchall())
    assert types["cycles_inc"] == types["time_ms"] == types["leaf"] == "BIGINT"
    assert (types["state"], types["late"], types["quarantined"]) == ("VARCHAR", "BOOLEAN", "BOOLEAN")


def test_a_quote_in_a_path_stays_in_the_path(store: EmbeddedStore, sealer: Sealer) -> None:
    store.write_many([(batch, NOW) for batch in sealer.batches(1)])
    store.apply()
    (path,) = store.files(date(2018, 1, 1), "machine")
    odd = path.with_name("it's.parquet")
    odd.write_bytes(path.read_bytes())
    with connect() as connection:
        register_files(connection, "machine", [odd])
        assert connection.execute("SELECT count(*) FROM machine").fetchone() == (2,)


def test_nothing_is_installed_from_outside() -> None:
    with connect() as connection, pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM 'http://127.0.0.1:9/x.parquet'")
