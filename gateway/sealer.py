"""When do closed windows become sealed batches? At every window's end plus a grace, in one order that survives a kill.

Journal synced → rows taken → record synced in the outbox → journal segments removed. A disk that refuses leaves the
rows pending: nothing more is closed until they are sealed.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.heartbeat import Buffer, Totals, heartbeat_row
from gateway.losses import loss_row, owed_row
from gateway.packing import counted_readings
from telemetry.seal import SealTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import Site
    from gateway.intake import Intake
    from gateway.journal import Journal
    from gateway.outbox import Outbox
    from gateway.replay import Replayed
    from telemetry.clock import Clock
    from telemetry.line import Row

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows taken from the folds and not yet sealed, with all that their record must say."""

    rows: tuple[Row, ...]
    names: tuple[str, ...]
    lost: int
    settles: tuple[str, ...]


class Sealer:
    """Turns an intake's closed windows into records of the outbox."""

    def __init__(
        self,
        *,
        site: Site,
        clock: Clock,
        intake: Intake,
        journal: Journal,
        outbox: Outbox,
        sealed: Callable[[], None],
    ) -> None:
        self._site = site
        self._clock = clock
        self._intake = intake
        self._journal = journal
        self._outbox = outbox
        self._sealed = sealed
        self._started_mono_ms = clock.mono_ms()
        self._pending: Pending | None = None
        self._busy = asyncio.Lock()
        self._complaint = ""

    @property
    def is_pending(self) -> bool:
        """Whether rows wait for a disk that refused them; a seal under way is none of that."""
        return self._pending is not None and bool(self._complaint)

    def seal_time(self) -> SealTime:
        """Tell now by both clocks."""
        clock = self._clock
        return SealTime(clock.wall_ms(), clock.mono_ms(), clock.boot, clock.state())

    async def seal(self, until_ms: int | None) -> bool:
        """Seal the windows that ended by `until_ms` (None: all, for the run ends now); False when the disk refuses."""
        async with self._busy:
            if self._pending is not None and not await self._write(self._pending):
                return False
            stat = await asyncio.to_thread(self._outbox.stat)
            await self._journal.sync_before(until_ms)
            # From here to the names nothing is awaited, so that rows and segments hold the same readings.
            self._pending = self._take(
                until_ms, stat.oldest_ms, stat.lost + stat.dead_lettered, stat.quarantined
            )
            return await self._write(self._pending)

    def _take(self, until_ms: int | None, oldest_ms: int | None, lost: int, quarantined: int) -> Pending:
        intake, gateway = self._intake, self._site.gateway
        now_ms = self._clock.wall_ms()
        start_ms = max(
            intake.folds.run_start_ms,
            (now_ms if until_ms is None else until_ms - 1) // intake.window_ms * intake.window_ms,
        )
        rows, names = intake.take(until_ms, now_ms)
        up = {row.tags["device"] for row in rows if row.measurement == "machine" and row.fields["polls_ok"]}
        owed = self._outbox.owed()
        rows += [owed_row(gateway, item, now_ms) for item in owed]
        rows += intake.refusals.rows(gateway)
        intake.refusals.clear()
        short = self._journal.count(names) - counted_readings(rows)
        if short:
            logger.error("event=account_differs short=%d", short)
        if short > 0:
            rows.append(
                loss_row(gateway, gateway, "unfolded", from_ms=start_ms, to_ms=now_ms, readings=short)
            )
        short = max(0, short)
        oldest_s = max(0, now_ms - oldest_ms) // 1000 if oldest_ms is not None else 0
        beat = heartbeat_row(
            gateway,
            self._clock,
            time_ms=start_ms,
            started_mono_ms=self._started_mono_ms,
            config=self._site.digest,
            buffer=Buffer(self._outbox.size + self._journal.size, oldest_s),
            totals=Totals(self._outbox.accepted + self._journal.readings, lost + short, quarantined),
            devices=(len(up), len(self._site.devices())),
        )
        return Pending((beat, *rows), tuple(names), short, tuple(item.key for item in owed))

    async def _write(self, pending: Pending) -> bool:
        return await self._append(pending, self.seal_time())

    async def _append(self, pending: Pending, time: SealTime) -> bool:
        try:
            await asyncio.to_thread(
                self._outbox.append,
                pending.rows,
                time,
                consumed=pending.names,
                lost=pending.lost,
                settles=pending.settles,
            )
        except OSError as error:
            if self._complaint != str(error):
                self._complaint = str(error)
                logger.error("event=not_sealed rows=%d error=%s", len(pending.rows), error.strerror)  # noqa: TRY400
            return False
        self._complaint = ""
        self._pending = None
        self._journal.remove(pending.names)
        self._sealed()
        return True

    async def seal_replayed(self, replayed: Replayed) -> bool:
        """Seal what an earlier run left; under its own boot when its clock was never right."""
        async with self._busy:
            if self._pending is not None and not await self._write(self._pending):
                return False
            pending = Pending(tuple(replayed.rows), tuple(replayed.names), replayed.lost, ())
            if not pending.rows:
                self._journal.remove(pending.names)
                return True
            return await self._append(pending, replayed.own_time or self.seal_time())
