"""A gateway with a gigabyte of backlog starts at once, in little memory, without reading the backlog."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.keys import load_private_key
from gateway.outbox import Outbox
from gateway.outbox_records import Record
from gateway.outbox_segments import SEGMENT_BYTES
from telemetry.line import Row
from telemetry.seal import SealTime, next_place, seal_batch
from tests.e2e.conftest import GATEWAY
from tests.e2e.figures import FIGURES, Figure
from tests.e2e.working import look, until

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG_BYTES = 1_000_000_000
RSS_MOST_KB = 150_000
START_MOST_S = 2.0
"""What is promised on an idle machine; printed, not asserted, for a busy one is slower."""
READ_MOST = 6 * SEGMENT_BYTES
"""Bytes of backlog that a start may read: the last segment to recover, the first and last to offer."""
ROWS = 2_200
START_MS = 1_522_512_000_000


def build(state: Path, key_file: Path, size: int) -> tuple[int, int]:
    """Fill an outbox as a long outage would; gives its batches and readings. Records go in unsynced but for the last."""
    outbox = Outbox.open(state / "outbox", GATEWAY, load_private_key(key_file))
    batches = 0
    place, index, before = outbox.place, 1, 0
    while outbox.size < size:
        at_ms = START_MS + batches * 60_000
        rows = [
            Row(
                "machine", {"device": f"r{number}", "gateway": GATEWAY},
                {"readings": 60, "window_ms": 60_000, "running_ms": 30_000 + number, "profile": "p@0123456789ab" * 16},
                at_ms,
            )
            for number in range(ROWS)
        ]  # fmt: skip
        batch = seal_batch(rows, place, SealTime(at_ms + 60_000, at_ms, "boot-0"), outbox._key)
        place = next_place(batch)
        outbox._segments.append(Record(index, before, 0, (60 * ROWS,), (batch.data,)))
        batches, index, before = batches + 1, index + 1, before + 60 * ROWS
    cursor = outbox._cursor
    cursor.index, cursor.rowed, cursor.seq, cursor.prev, cursor.birth = (
        index,
        before,
        place.seq,
        place.prev,
        None,
    )
    outbox._save()
    outbox.close()
    return batches, before


def memory_kb(pid: int) -> int:
    """Give a process's highest resident size."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def read_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().split("rchar:")[1].split()[0])


async def start(plant: Any) -> tuple[float, int, int]:
    """Start the gateway; gives the seconds until it answers, its memory, and what it has read."""
    begin = time.monotonic()
    await plant.start_gateway()
    seconds = time.monotonic() - begin
    pid = plant.gateway._process.pid
    return seconds, memory_kb(pid), read_bytes(pid)


@pytest.mark.long
@pytest.mark.wall
def test_a_gigabyte_of_backlog(make_plant: Callable[..., Any]) -> None:
    async def run() -> None:
        async with make_plant() as plant:
            bare_s, bare_kb, bare_read = await start(plant)
            await plant.gateway.kill()
            for path in sorted(plant.state_home.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
            batches, readings = build(plant.state_home, plant.folder / "gateway.key", BACKLOG_BYTES)
            segments = len(list((plant.state_home / "outbox").glob("*.seg")))
            os.sync()
            seconds, memory, read = await start(plant)
            told = await look(plant)
            assert told["buffered"] >= readings
            await plant.start_store()

            async def delivered() -> bool:
                return (await look(plant))["delivered_total"] >= 20 * 60 * ROWS

            await until(delivered, "twenty batches are delivered")
            most = memory_kb(plant.gateway._process.pid)
            FIGURES.append(
                Figure(
                    f"start with {BACKLOG_BYTES / 1e9:.0f} GB in {segments} segments",
                    readings, (await look(plant))["delivered_total"], 0, 0, 0,
                    f"ready after {seconds:.2f} s (bare {bare_s:.2f} s, promised {START_MOST_S:.0f} s), {memory / 1000:.0f} MB "
                    f"(bare {bare_kb / 1000:.0f} MB), {most / 1000:.0f} MB while draining, "
                    f"{max(0, read - bare_read) / 1e6:.1f} MB of backlog read; {batches} batches",
                )
            )  # fmt: skip
            assert read - bare_read <= READ_MOST
            assert most <= RSS_MOST_KB
            await plant.gateway.kill()
            (plant.state_home / "outbox" / "cursor.json").unlink()
            _, without_cursor, _ = await start(plant)
            assert without_cursor <= RSS_MOST_KB

    asyncio.run(run())
