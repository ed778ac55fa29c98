"""How are row files asked questions? With DuckDB in memory over a day's files; the store itself never needs it."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MEMORY = "2GB"
"""A day of 1,300 robots by the minute takes 0.5 GB; DuckDB spills to disk beyond this."""


def connect(*, threads: int = 2) -> Any:
    """Open a DuckDB of our own in memory, that reads no network and installs nothing."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": threads,
        "temp_directory": tempfile.gettempdir(),  # the default is the working directory, which may be read-only
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    return duckdb.connect(":memory:", config=config)


def register_files(connection: Any, name: str, files: Sequence[Path]) -> None:
    """Make files one view, columns matched by name; `name` is ours, never a client's."""
    paths = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    source = f"read_parquet([{paths}], union_by_name = true)"
    connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {source}")  # noqa: S608 - quoted above
