"""Do index and row files say what the log says? Checks what was made from the log against it; changes nothing.

What is wrong here is made anew from the log by 'mfl store rebuild'; but where the index knows more leaves than the log has,
it is the log that has lost them, and only a copy brings them back.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from store.applier import read_applied
from store.frames import Damage, Found
from store.index import Index, read_entry
from store.leaf_row import IndexDamage
from store.log import Located, Place
from store.segments import RowFiles
from telemetry.errors import SealError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.index import Entry
    from store.log import EvidenceLog

WAY_OUT = "run 'mfl store rebuild'"


def check_derived(directory: Path, log: EvidenceLog) -> Iterator[str]:
    """Give everything in a store's index and row files that is not as the log has it."""
    if (directory / "index.sqlite").exists():
        yield from _check_index(directory / "index.sqlite", log)
    if (directory / "rows").is_dir():
        yield from _check_rows(directory / "rows")


def _check_index(path: Path, log: EvidenceLog) -> Iterator[str]:
    """Compare each whole frame with its rows; a store at work may write on meanwhile, so only what is indexed counts."""
    index = Index.copy(path, log)
    with contextlib.closing(index):
        size, batches = index.size, 0
        is_whole, end = True, 0
        for segment, item in log.walk():
            if isinstance(item, Damage):
                is_whole = False
                continue
            end = max(end, item.frame.leaf + 1)
            if item.frame.leaf < size:
                found = _entry(segment, item)
                batches += found is not None and found.batch is not None
                if found is not None and not _agrees(index, found):
                    yield f"index.sqlite: leaf {found.leaf} is not as the log has it; {WAY_OUT}"
        if size == 0 and end:
            yield f"index.sqlite: is damaged or empty; {WAY_OUT}"
        elif end < size:
            yield f"index.sqlite: knows {size} leaves, the log ends at {end}: the log has lost some; restore it from a copy"
        elif is_whole and index.batch_count() != batches:
            yield f"index.sqlite: has {index.batch_count()} batches, the log {batches}; {WAY_OUT}"


def _entry(segment: int, found: Found) -> Entry | None:
    """Give a frame's entry; None for a batch that is none, which the walk of the log tells."""
    try:
        return read_entry(Located(found.frame, Place(segment, found.offset, found.length)))
    except SealError:
        return None


def _agrees(index: Index, entry: Entry) -> bool:
    try:
        is_found = entry.batch is None or index.find(entry.batch) == entry.located.place
        return is_found and index.row(entry.leaf) == entry.row()
    except IndexDamage:
        return False


def _check_rows(directory: Path) -> Iterator[str]:
    if read_applied(directory) is None:
        yield f"rows/applied.json: is damaged; {WAY_OUT}"
    files = RowFiles(directory)
    for measurement in files.measurements():
        for day in files.days(measurement):
            for segment in files.segments(measurement, day):
                name = segment.path.relative_to(directory.parent)
                try:
                    if not segment.is_whole:
                        yield f"{name}: is damaged; {WAY_OUT}"
                except FileNotFoundError:
                    continue  # merged away by the process that has the store open
                except OSError as error:
                    yield f"{name}: {error.strerror}"
