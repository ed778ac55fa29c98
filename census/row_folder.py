"""How is a city folder read that holds rows in place of sealed batches? As a store's day files, with nothing to verify."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from store.segments import RowFiles
from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from store.enrolment import Event

ROWS_FILE = "rows.json"
_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class RowFolder:
    """A folder's rows under the events of its papers: what the census asks of a store. It has no log, and so no root."""

    files_there: RowFiles
    log: tuple[Event, ...]
    leaves: int

    def days(self, measurement: str) -> list[date]:
        """List the days that have rows."""
        return self.files_there.days(measurement)

    def files(self, day: date, measurement: str) -> list[Path]:
        """List a day's files."""
        return [segment.path for segment in self.files_there.segments(measurement, day)]

    def events(self) -> Sequence[Event]:
        """List the enrolments, and then persons' words on epochs."""
        return self.log

    def apply(self) -> None:
        """Do nothing: the files are all there is."""

    def log_size(self) -> int:
        """Count the leaves that the rows name, and the events."""
        return self.leaves

    def root_hash(self, size: int | None = None) -> str:  # noqa: ARG002 - the store's own signature
        """Give no root: nothing was hashed."""
        return ""


@dataclass(frozen=True, slots=True)
class RowsTold:
    """What rows.json says: how many leaves the rows' log would have, when the last of them was received, who was refused."""

    log_size: int
    last_received_ms: int
    refused: dict[str, int]


def holds_rows(folder: Path) -> bool:
    """Tell whether a city folder holds rows in place of sealed batches."""
    return (folder / ROWS_FILE).is_file()


def read_rows_told(folder: Path) -> RowsTold:
    """Read rows.json; ConfigError when it is not what docs/city-folder.md describes."""
    try:
        values = json.loads((folder / ROWS_FILE).read_bytes()[:_BYTES_MAX])
        told = RowsTold(
            int(values["log_size"]),
            int(values["last_received_ms"]),
            {str(name): int(count) for name, count in values.get("refused", {}).items()},
        )
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        hint = "log_size and last_received_ms are whole numbers (docs/city-folder.md)"
        raise ConfigError([Problem(ROWS_FILE, 0, 0, "", f"cannot be read: {error}", hint)]) from None
    return told


def _check_files(folder: Path) -> None:
    """ConfigError with every file of rows that is none, or when there is no file at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    problems, files = [], sorted((folder / "rows").rglob("*.parquet"))
    for path in files:
        try:
            date.fromisoformat(path.parent.name.removeprefix("day="))
            pq.read_metadata(path)
        except (pa.ArrowException, OSError, ValueError) as error:
            name, told = path.relative_to(folder).as_posix(), str(error).splitlines()[0]
            problems.append(Problem(name, 0, 0, "", f"holds no rows: {told}", "write the folder again"))
    if not files:
        problems.append(Problem("rows", 0, 0, "", f"holds no rows, though {ROWS_FILE} is there"))
    if problems:
        raise ConfigError(problems)


def row_folder(folder: Path, enrolments: Sequence[Event], explained: Sequence[Event]) -> RowFolder:
    """Open a folder's rows; enrolments take the first leaves, persons' words those behind all batches."""
    told = read_rows_told(folder)
    _check_files(folder)
    first = [replace(event, leaf=leaf) for leaf, event in enumerate(enrolments)]
    last = [replace(event, leaf=told.log_size + number) for number, event in enumerate(explained)]
    return RowFolder(RowFiles(folder / "rows"), (*first, *last), told.log_size + len(last))
