"""How do columns and rows become a store's tables? In the very schema that the store gives its day files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from simulators.rows.fold import QUALITIES
from simulators.rows.spoken import NULL
from simulators.rows.steps import STATES
from store.columns import FUTURE_MS, PAST_MS, day_number, schema_of
from store.settings import OFFSET_MINUTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.rows.draws import Whole
    from simulators.rows.fold import Columns
    from simulators.rows.plan import DayBatches
    from telemetry.line import Row

OFFSET_MS = OFFSET_MINUTES * 60_000
_WORDS = {"state": tuple(map(str, STATES)), "quality": QUALITIES}


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one measurement under the same tags, in columns of whole numbers; `texts` are the same in every row."""

    columns: Columns
    texts: dict[str, str]

    @property
    def size(self) -> int:
        """Rows."""
        return len(self.columns["time_ms"])

    def chosen(self, which: Whole) -> Block:
        """Give some of the rows, in the order given."""
        return Block({name: values[which] for name, values in self.columns.items()}, self.texts)


def placed(block: Block, batches: DayBatches, behind: Whole) -> dict[int, Block]:
    """Put rows in their batches: gives the store's day → rows, with the columns that say where they come from.

    Those that are `behind` (1, else 0) go into the batch after their time's.

    Rows that the store never had are left out. A row's day is that of its time, or, far from its receipt, that of
    its receipt, as the store quarantines it (store/columns.py).
    """
    columns = block.columns
    time_ms = columns["time_ms"]
    part = batches.part_of(time_ms, behind)
    if batches.wrong_h is not None:
        time_ms = time_ms + batches.wrong_h * 3_600_000
    np.add.at(batches.rows, part, 1)
    received_ms = batches.received_ms + part
    is_far = (time_ms < received_ms - PAST_MS) | (time_ms > received_ms + FUTURE_MS)
    day = np.where(is_far, received_ms, time_ms)
    day = (day + OFFSET_MS) // 86_400_000
    leaf = batches.leaves[part]
    whole = Block(
        columns
        | {
            "time_ms": time_ms,
            "seq": batches.first_seq + part,
            "leaf": leaf,
            "received_ms": received_ms,
            "quarantined": is_far.astype(np.int64),
        },
        block.texts | {"epoch": batches.epoch, "grade": "signed"},
    )
    if (day == day[0]).all() and (leaf >= 0).all():
        return {int(day[0]): whole}
    return {
        int(number): whole.chosen(np.flatnonzero((day == number) & (leaf >= 0)))
        for number in np.unique(day[leaf >= 0])
    }


def table_of(measurement: str, blocks: Sequence[Block]) -> pa.Table:
    """Make one table of blocks, one below another."""
    schema = schema_of(measurement)
    sizes = np.array([block.size for block in blocks])
    none = pa.nulls(int(sizes.sum()), pa.int64())
    names = {name for block in blocks for name in block.columns}
    arrays = []
    for item in schema:
        if item.name in names:
            values = np.concatenate(
                [
                    block.columns[item.name] if item.name in block.columns else np.full(block.size, NULL)
                    for block in blocks
                ]
            )
            arrays.append(_array(item, values))
        elif item.type == pa.string():
            arrays.append(_texts([block.texts.get(item.name) for block in blocks], sizes))
        else:
            arrays.append(none if item.type == pa.int64() else none.cast(item.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(item: pa.Field, values: Whole) -> pa.Array:
    """Make a column of whole numbers, of words by their number, or of truths."""
    is_none = values == NULL
    mask = is_none if is_none.any() else None
    if item.type == pa.bool_():
        return pa.array(values == 1, mask=mask)
    if item.type == pa.string():
        return _decoded(values.astype(np.int32), list(_WORDS[item.name]))
    return pa.array(values, mask=mask)


def _texts(words: list[str | None], sizes: Whole) -> pa.Array:
    places = {word: place for place, word in enumerate(dict.fromkeys(words))}
    return _decoded(np.repeat(np.array([places[word] for word in words], np.int32), sizes), list(places))


def _decoded(places: object, words: list[str] | list[str | None]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(places), pa.array(words, pa.string())).dictionary_decode()


def rows_table(measurement: str, rows: Sequence[tuple[Row, DayBatches]]) -> dict[int, pa.Table]:
    """Make tables, by the store's day, of rows that the gateway's own code wrote."""
    schema = schema_of(measurement)
    found: dict[int, list[dict[str, object]]] = {}
    for row, batches in rows:
        part = int(batches.part_of(np.array([row.time_ms]), np.zeros(1, np.int64))[0])
        leaf, received_ms = int(batches.leaves[part]), batches.received_ms + part
        batches.rows[part] += 1
        if leaf < 0:
            continue
        time_ms = row.time_ms + (batches.wrong_h or 0) * 3_600_000
        is_far = not received_ms - PAST_MS <= time_ms <= received_ms + FUTURE_MS
        values: dict[str, object] = {
            **row.tags,
            **row.fields,
            "time_ms": time_ms,
            "epoch": batches.epoch,
            "seq": batches.first_seq + part,
            "leaf": leaf,
            "received_ms": received_ms,
            "grade": "signed",
            "quarantined": is_far,
        }
        day = day_number(received_ms if is_far else time_ms, OFFSET_MS)
        found.setdefault(day, []).append(values)
    return {day: pa.Table.from_pylist(values, schema) for day, values in found.items()}
