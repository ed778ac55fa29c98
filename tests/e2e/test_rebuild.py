"""Rows made anew from the log give identical evidence, whatever the order and lateness in which batches came."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from telemetry.sink import AnswerKind
from tests.e2e.evidence import DAY_MS, POLL_MS, START_MS, Line, days_of, gather, open_store, said

if TYPE_CHECKING:
    from pathlib import Path

    from census.evidence import Evidence
    from telemetry.seal import Batch

DAYS = 4


def chain(line: Line) -> list[tuple[int, Batch]]:
    """Batches of several days with the day's hours of work, each with the moment it was sealed."""
    batches = []
    for day in range(DAYS):
        for hour in (8, 16, 23):
            start = START_MS + day * DAY_MS + hour * 3_600_000 + 3_300_000
            count = (day * 3 + hour) * 100
            rows = line.fold([said(start + n * POLL_MS, count + n) for n in range(60)])
            sealed_ms = start + 60 * POLL_MS
            batches.append((sealed_ms, line.seal(rows, sealed_ms)))
    return batches


def figures(evidence: Evidence) -> object:
    """Everything that does not name a leaf or a receipt: those tell the order of arrival."""
    return [
        (
            day.day,
            day.rows,
            day.readings,
            day.running_ms,
            day.pattern,
            day.hours,
            day.counters,
            day.increments,
        )
        for day in days_of(evidence)
    ]


def test_rebuilding_and_compacting_change_no_evidence(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    line = Line(store)
    batches = chain(line)
    late = batches.pop(4)
    random.Random(3).shuffle(batches)
    for sealed_ms, batch in batches[:7]:
        assert store.write_many([(batch, sealed_ms + DAY_MS)])[0].kind is AnswerKind.STORED
    store.apply()
    for day in store.days("machine"):
        store.compact(day)
    for sealed_ms, batch in batches[7:]:
        store.write_many([(batch, sealed_ms + DAY_MS)])
    gather(store)
    store.write_many([(late[1], START_MS + 20 * DAY_MS)])
    before = gather(store)
    root = store.root_hash()
    store.rebuild()
    assert gather(store) == before
    store.compact_closed()
    assert gather(store) == before
    assert store.root_hash() == root
    store.close()
    for path in sorted((tmp_path / "store" / "rows").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (tmp_path / "store" / "index.sqlite").unlink()
    again = open_store(tmp_path)
    assert gather(again) == before
    assert again.root_hash() == root
    again.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_arrival_changes_no_figure(tmp_path: Path, seed: int) -> None:
    """Late and out of order, days compacted in between: their days are sealed again, and the carry moves on."""
    told = []
    for name, chance in (("straight", None), ("shuffled", random.Random(seed))):
        store = open_store(tmp_path / name)
        batches = chain(Line(store))
        if chance is not None:
            chance.shuffle(batches)
        for number, (sealed_ms, batch) in enumerate(batches):
            store.write_many([(batch, sealed_ms + 10 * DAY_MS)])
            store.write_many([(batch, sealed_ms + 11 * DAY_MS)])  # and once more
            if chance is not None and number % 3 == 0:
                store.apply()
                for day in store.days("machine"):
                    store.compact(day)
        told.append(figures(gather(store)))
        store.close()
    assert told[0] == told[1]
    assert len(told[0]) == DAYS + 1  # type: ignore[arg-type]
