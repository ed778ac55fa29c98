"""How do a big city's rows become day files? Day by day, and in a day some devices at a time, so that memory stays bounded."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from simulators.history import day_start_ms, epoch_row
from simulators.rows.gateway import GatewayRows, Watched
from simulators.rows.plan import plan_batches
from simulators.rows.spoken import spoken
from simulators.rows.tables import OFFSET_MS, Block, rows_table, table_of
from simulators.usage import ProviderReport
from store.columns import day_number, schema_of
from store.segments import RowFiles, day_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from simulators.rows.plan import DayBatches, Plan
    from simulators.world import World, WorldSpec
    from telemetry.line import Row

PART_ROWS = 245_000
"""Rows of machines made and written at once: a row group, as compaction makes them."""
GIVE_UP_S = 600.0
"""A part is made in a second or two; whoever waits this long waits for nobody."""
WINDOW_DIVIDES_S = 28_800
"""Windows that divide 8 hours begin anew at local midnight, so that a day can be folded by itself."""
POLL_MIN_S = 5
"""A device's polls lag by up to 4.1 s of its own."""
_SORT_FIRST = {"cloud_usage": "enterprise", "identity": "device"}


def check_spec(spec: WorldSpec) -> None:
    """ValueError for a city whose days cannot be folded one by one."""
    if WINDOW_DIVIDES_S % spec.window_s or spec.poll_s < POLL_MIN_S or 2 * spec.poll_s > spec.window_s:
        raise ValueError(
            f"rows without seals need a window that divides 8 h and holds two polls of {POLL_MIN_S} s or more, "
            f"not one of {spec.window_s} s: take another window, or sealed rows"
        )


def write_rows(world: World, folder: Path, progress: Callable[[int, int], None]) -> tuple[Plan, int]:
    """Write a world's rows under a folder, in the layout of a store's compacted days; gives their plan and number.

    `progress(day, rows)` tells how far. ValueError for a window or a profile that only the gateway's own code can do.
    """
    check_spec(world.spec)
    for name in sorted({device.profile for device in world.devices}):
        spoken(name)
    writer = _Writer(world, RowFiles(folder))
    for day in range(world.spec.days):
        writer.day(day)
        progress(day + 1, writer.rows)
    writer.end()
    return writer.plan, writer.rows


class _Writer:
    """A world's rows on their way into day files; what belongs to a later day waits for it."""

    def __init__(self, world: World, files: RowFiles) -> None:
        spec = world.spec
        self.plan = plan_batches(world)
        self.rows = 0
        self._files = files
        self._last_day = spec.days - 1
        self._leaves = self.plan.store_days()
        self._homes = {
            gateway.gateway: GatewayRows(gateway, spec, self.plan)
            for gateway in world.gateways
            if gateway.kind == "edge" and gateway.enrolled
        }
        self._watched = [
            Watched.of(device, self._homes[device.gateway])
            for device in sorted(world.devices, key=lambda device: device.device)
            if device.gateway in self._homes
        ]
        self._reports = {
            gateway.gateway: ProviderReport(gateway, world.enterprises, spec.seed, spec.days)
            for gateway in world.gateways
            if gateway.kind == "provider"
        }
        self._waiting: dict[tuple[str, int], list[pa.Table]] = defaultdict(list)
        self._heartbeats: dict[int, list[Block]] = defaultdict(list)

    def day(self, day: int) -> None:
        """Make a world's day, and write the store's day of that number, which is whole then."""
        store_day = day_number(day_start_ms(day), OFFSET_MS)
        self._write_machines(day, store_day)
        rows: list[tuple[Row, DayBatches]] = []
        for name in sorted(self._homes):
            rows += self._told_by(self._homes[name], day)
        self._wait(rows)
        for name, report in self._reports.items():
            self._wait(self._used(name, report, day))
        self._wait_for_batches(day)
        self._write_others(store_day)

    def end(self) -> None:
        """Write the days that some gateway's clock, or a day's last seals, ran ahead to."""
        for store_day in sorted({number for one in self._watched for number in one.waiting}):
            self._write_machines(self._last_day, store_day)
        later = [*self._heartbeats, *(number for _, number in self._waiting)]
        self._write_others(max(later, default=0))

    def _write_machines(self, day: int, store_day: int) -> None:
        parts = _ahead(self._machine_parts(day, store_day))
        first = next(parts, None)
        if first is None:
            return

        def tables() -> Iterator[pa.Table]:
            yield first
            yield from parts

        leaves = self._leaves[store_day]
        self._files.write("machine", day_date(store_day), leaves, tables(), is_compacted=True)

    def _machine_parts(self, day: int, store_day: int) -> Iterator[pa.Table]:
        """Give a day's rows by device, some devices at a time."""
        waiting: list[Block] = []
        size = 0
        for one in self._watched:
            blocks = one.day(day, store_day)
            more = sum(block.size for block in blocks)
            if not more:
                continue
            if len(blocks) > 1:
                blocks = self._merged(blocks)
            waiting += blocks
            size += more
            if size >= PART_ROWS:
                self.rows += size
                yield table_of("machine", waiting)
                waiting, size = [], 0
        if waiting:
            self.rows += size
            yield table_of("machine", waiting)

    def _told_by(self, home: GatewayRows, day: int) -> list[tuple[Row, DayBatches]]:
        """Take in a gateway's heartbeats; gives its identities and epochs."""
        told, home.identities = home.identities, []
        for number, batches in home.untold(day):
            told += [(row, batches) for row in home.epochs(number)]
            for store_day, block in home.heartbeats(number, batches).items():
                self._heartbeats[store_day].append(block)
        return told

    def _used(self, name: str, report: ProviderReport, day: int) -> list[tuple[Row, DayBatches]]:
        """Give a provider's rows of a day."""
        batches = self.plan.batches.get((name, day))
        if batches is None:
            return []
        rows = report.rows(day, day_start_ms(day))
        if batches.first_seq == 1:
            rows.append(epoch_row(name, day_start_ms(day)))
        return [(row, batches) for row in rows]

    def _wait(self, rows: list[tuple[Row, DayBatches]]) -> None:
        by_name: dict[str, list[tuple[Row, DayBatches]]] = defaultdict(list)
        for row, batches in rows:
            by_name[row.measurement].append((row, batches))
        for name, found in by_name.items():
            for store_day, table in rows_table(name, found).items():
                self._waiting[name, store_day].append(table)

    def _wait_for_batches(self, day: int) -> None:
        """Let the day's batches wait for the day on which they were sealed."""
        found = [line for item in self.plan.on(day) for line in item.lines()]
        if found:
            store_day = day_number(day_start_ms(day + 1), OFFSET_MS)
            self._waiting["batch", store_day].append(pa.Table.from_pylist(found, schema_of("batch")))

    def _write_others(self, until: int) -> None:
        """Write what waits for days up to this one, all but the machines' rows."""
        for store_day in sorted(number for number in self._heartbeats if number <= until):
            blocks = self._heartbeats.pop(store_day)
            self._waiting["heartbeat", store_day].append(table_of("heartbeat", blocks))
        for name, store_day in sorted(key for key in self._waiting if key[1] <= until):
            table = pa.concat_tables(self._waiting.pop((name, store_day)))
            order = [
                (_SORT_FIRST.get(name, "gateway"), "ascending"),
                ("time_ms", "ascending"),
                ("leaf", "ascending"),
            ]
            leaves = table.column("leaf").to_numpy()
            self._files.write(
                name,
                day_date(store_day),
                (int(leaves.min()), int(leaves.max())),
                [table.sort_by(order)],
                is_compacted=True,
            )
            self.rows += table.num_rows if name != "batch" else 0

    @staticmethod
    def _merged(blocks: list[Block]) -> list[Block]:
        """Put blocks of a device in one order: cut them where the others' rows lie between."""
        cuts = [
            (int(block.columns["time_ms"][place]), int(block.columns["leaf"][place]), number, place)
            for number, block in enumerate(blocks)
            for place in range(block.size)
        ]
        found: list[tuple[int, list[int]]] = []
        for _, _, number, place in sorted(cuts):
            if not found or found[-1][0] != number:
                found.append((number, []))
            found[-1][1].append(place)
        return [blocks[number].chosen(np.array(places)) for number, places in found]


def _ahead(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Make the next part while this one is written: writing leaves the interpreter free."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result(GIVE_UP_S)) is not None:
            coming = pool.submit(next, parts, None)
            yield part
