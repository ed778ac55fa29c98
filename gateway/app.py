"""How do the parts make a gateway? One task group: drivers → journal → windows → sealed batches → store.

A kill at any moment loses nothing that was accepted: the journal is folded again at the next start (DESIGN section 2).
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from drivers import DRIVERS
from gateway.account import take_account
from gateway.ballast import Ballast
from gateway.influx_sink import InfluxSink
from gateway.intake import Intake
from gateway.journal import Journal
from gateway.journal_records import Header
from gateway.keys import load_private_key
from gateway.metrics import serve_metrics
from gateway.outbox import Outbox
from gateway.profile_shelf import ProfileShelf
from gateway.replay import Replayer, find_leftovers
from gateway.sealer import Sealer
from gateway.supervise import LineState, supervise
from gateway.uplink import Uplink
from telemetry.clock import ClockState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drivers.driver import Driver, Endpoint
    from gateway.account import Account
    from gateway.config import Site
    from telemetry.clock import Clock
    from telemetry.sink import Sink

GRACE_POLLS = 2
"""Poll intervals to wait after a window's end: until then the next good reading may still tell its last state (DESIGN section 4)."""
TICK_S = 0.5
"""How often the clock, the disk and the windows are looked at."""
DRAIN_S = 5.0
"""What the uplink is given at the end of a run."""
FINISH_S = 15.0
"""What a disk is given to take the last rows; those it refuses stay in the journal for the next start."""
WIDE_WINDOW_MS = 900_000
WIDEN_AT, NARROW_AT = 0.8, 0.6
"""Shares of the disk bound at which windows widen to 15 minutes, and at which they narrow again."""

logger = logging.getLogger(__name__)


class Gateway:
    """One running gateway: the parts, and the loop that closes windows."""

    def __init__(self, site: Site, clock: Clock, outbox: Outbox, ballast: Ballast, run: str) -> None:
        self.site = site
        self.clock = clock
        self.outbox = outbox
        self.lines = {endpoint.url: LineState() for endpoint in site.endpoints}
        self.started_mono_ms = clock.mono_ms()
        header = Header(clock.boot, clock.state())
        self._directory = site.state_dir / "journal"
        self.journal = Journal(self._directory, run=run, header=header, bytes_max=site.limits.journal_bytes)
        self.intake = Intake(site.gateway, site.devices(), self.journal, clock, site.window_ms)
        self.sealer = Sealer(
            site=site,
            clock=clock,
            intake=self.intake,
            journal=self.journal,
            outbox=outbox,
            sealed=self._on_sealed,
        )
        self.uplink: Uplink | None = None
        self._ballast = ballast
        self._shelf = ProfileShelf(site.state_dir / "profiles")
        self._stop = asyncio.Event()
        self.tick_s = TICK_S
        slowest_ms = max(spec.poll_interval_ms for spec in site.devices())
        self._grace_ms = min(GRACE_POLLS * slowest_ms, site.window_ms)

    def _on_sealed(self) -> None:
        if self.uplink is not None:
            self.uplink.wake()

    def adopt_leftovers(self) -> list[str]:
        """Finish what a kill interrupted: remove consumed segments, account for the others; before any driver runs."""
        gone = [name for name in sorted(self.outbox.consumed) if (self._directory / name).exists()]
        self.journal.recall(gone)
        self.journal.remove(gone)
        self._shelf.keep(self.site.profile_texts)
        names = []
        for run in find_leftovers(self._directory):
            for item in run:
                size = item.path.stat().st_size
                self.journal.adopt(item.path.name, item.readings + item.lost, size, item.deliveries)
                names.append(item.path.name)
        if self._is_clock_trusted():
            self._begin_folding()
        return names

    async def run(self, leftovers: list[str]) -> None:
        """Wait for a trusted clock, seal what was left over, then close windows until `stop`.

        Ended by `stop` and not by cancelling: a seal under way is always finished.
        """
        while not self._is_clock_trusted():
            if await self._stopped_within(self.tick_s):
                return
        offset_ms = self.clock.wall_ms() - self.clock.mono_ms()
        is_synced = self.clock.state() is ClockState.SYNCED
        self._begin_folding()
        await self._replay(leftovers)
        own = [name for name in await self.journal.apart() if name not in leftovers]
        await self._replay(own, offset_ms if is_synced else None)
        while not self._stop.is_set():
            await self.tick()
            await self._stopped_within(self.tick_s)

    def _begin_folding(self) -> None:
        """From here on readings are journalled and folded; what was journalled only is folded from disk."""
        if not self.intake.is_folding:
            self.journal.set_apart()
            self.intake.begin_run(self.clock.wall_ms())
            self.intake.is_folding = True

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stop.set()

    def _is_clock_trusted(self) -> bool:
        waited_ms = self.clock.mono_ms() - self.started_mono_ms
        return self.clock.state() is ClockState.SYNCED or waited_ms >= self.site.clock_wait_s * 1000

    async def _replay(self, names: list[str], offset_ms: int | None = None) -> None:
        """Fold segments from disk and seal them; with `offset_ms` they are dated anew by their monotonic time."""
        specs = self.site.devices()
        current = {spec.profile_id: spec.profile for spec in specs}
        replayer = Replayer(
            gateway=self.site.gateway,
            window_ms=self.site.window_ms,
            specs={spec.device: spec for spec in specs},
            profile_of=lambda profile_id: current.get(profile_id) or self._shelf.find(profile_id),
            fallback_ms=self.clock.wall_ms(),
            offset_ms=offset_ms,
        )
        for run in await asyncio.to_thread(find_leftovers, self._directory, names):
            replayed = await asyncio.to_thread(replayer.replay, run)
            logger.info(
                "event=replayed segments=%d rows=%d lost=%d", len(run), len(replayed.rows), replayed.lost
            )
            while not await self.sealer.seal_replayed(replayed):
                if await self._stopped_within(self.tick_s):
                    return

    async def tick(self) -> None:
        """Look at clock, disk and windows once; seal what has ended."""
        intake = self.intake
        intake.watch_clock()
        self._watch_disk()
        now_ms = self.clock.wall_ms()
        ended_ms = (now_ms - self._grace_ms) // intake.window_ms * intake.window_ms
        if self.journal.has_retired or ended_ms > intake.watermark_ms or self.sealer.is_pending:
            await self.sealer.seal(max(ended_ms, intake.watermark_ms))

    def account(self) -> Account:
        """Tell where every reading is."""
        return take_account(self.journal, self.outbox)

    def _watch_disk(self) -> None:
        limits = self.site.limits
        share = self.outbox.size / limits.outbox_bytes
        intake = self.intake
        # While rows are pending the reserve stays free for them; readings wait until it can be kept again.
        has_room = not self.sealer.is_pending and self._ballast.keep()
        intake.refuse_reason = "outbox_full" if share >= 1 else "" if has_room else "disk_full"
        is_wide = intake.window_ms > self.site.window_ms
        now_ms = self.clock.wall_ms()
        if not is_wide and share >= WIDEN_AT and self.site.window_ms < WIDE_WINDOW_MS:
            logger.warning("event=windows_widened share=%.2f", share)
            intake.break_run(now_ms, now_ms, WIDE_WINDOW_MS)
        elif is_wide and share <= NARROW_AT:
            logger.warning("event=windows_narrowed share=%.2f", share)
            intake.break_run(now_ms, now_ms, self.site.window_ms)

    async def finish(self) -> None:
        """End the run: the open windows are sealed short. A disk that refuses leaves them in the journal."""
        await self.journal.sync()
        if self.intake.is_folding:
            await self.sealer.seal(None)
        await self.journal.close()


async def run_gateway(
    site: Site,
    clock: Clock,
    stop: asyncio.Event,
    *,
    sink: Sink | None = None,
    drivers: Mapping[str, Callable[[Endpoint, Clock], Driver]] = DRIVERS,
    chance: random.Random | None = None,
    names: Callable[[int], str] = secrets.token_hex,
    tick_s: float | None = None,
    made: Callable[[Gateway], None] = lambda _: None,
) -> None:
    """Run a gateway until `stop` is set; everything accepted is sealed, and pushed if the store takes it in time.

    ConfigError for a key file that cannot be used, Locked when another process runs on the same state. `sink` and
    `drivers` default to the site's store and the installed drivers; `chance` spreads reconnects; `names` makes the
    ids of runs and epochs from a number of random bytes; `made` is told of the gateway before it hears anything.
    """
    key = load_private_key(site.key_file)
    ballast = Ballast(site.state_dir / "ballast")
    outbox = Outbox.open(
        site.state_dir / "outbox", site.gateway, key, make_room=ballast.drop, new_epoch=lambda: names(16)
    )
    try:
        ballast.keep()
        gateway = Gateway(site, clock, outbox, ballast, names(4))
        gateway.tick_s = tick_s or gateway.tick_s
        made(gateway)
        async with AsyncExitStack() as stack:
            if sink is None:
                sink = await stack.enter_async_context(InfluxSink(site.store, clock))
            await _run(gateway, sink, stop, drivers, chance or random.Random(secrets.randbits(64)))
    finally:
        outbox.close()


async def _run(
    gateway: Gateway,
    sink: Sink,
    stop: asyncio.Event,
    drivers: Mapping[str, Callable[[Endpoint, Clock], Driver]],
    chance: random.Random,
) -> None:
    site, clock = gateway.site, gateway.clock
    leftovers = gateway.adopt_leftovers()
    uplink = Uplink(
        gateway.outbox, sink, clock, chance, gateway.sealer.seal_time, fresh_ms=2 * site.window_ms
    )
    gateway.uplink = uplink
    logger.info(
        "event=started gateway=%s endpoints=%d devices=%d",
        site.gateway,
        len(site.endpoints),
        len(site.devices()),
    )
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                supervise(
                    endpoint,
                    make_driver=_driver(drivers, endpoint),
                    accept=gateway.intake.accept,
                    clock=clock,
                    chance=chance,
                    line=gateway.lines[endpoint.url],
                ),
                name=f"supervise {endpoint.url}",
            )
            for endpoint in site.endpoints
        ]
        windows = group.create_task(gateway.run(leftovers), name="windows")
        flusher = group.create_task(gateway.journal.run(), name="journal")
        pusher = group.create_task(uplink.run(), name="uplink")
        if site.metrics_port:
            tasks.append(group.create_task(serve_metrics(gateway, site.metrics_port), name="metrics"))
        await stop.wait()
        await _sync_once(gateway)
        await _end(tasks)
        await _end([pusher])
        await _finish(gateway, windows)
        await _end([flusher])
        await _last_push(uplink)
    logger.info("event=stopped gateway=%s", site.gateway)


def _driver(
    drivers: Mapping[str, Callable[[Endpoint, Clock], Driver]], endpoint: Endpoint
) -> Callable[[Endpoint, Clock], Driver]:
    return drivers[endpoint.url.partition("://")[0]]


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _sync_once(gateway: Gateway) -> None:
    """Let acks go out while their lines still stand, so that little is said again after the start."""
    try:
        async with asyncio.timeout(DRAIN_S):
            await gateway.journal.sync()
    except TimeoutError:
        logger.warning("event=journal_not_synced wait_s=%.0f", DRAIN_S)


async def _finish(gateway: Gateway, windows: asyncio.Task[None]) -> None:
    """Let a seal under way end, then seal the open windows; one that hangs on the disk is left, never begun twice."""
    gateway.stop()
    try:
        async with asyncio.timeout(FINISH_S):
            await windows
            await gateway.finish()
    except TimeoutError:
        logger.error("event=not_finished wait_s=%.0f", FINISH_S)  # noqa: TRY400


async def _last_push(uplink: Uplink) -> None:
    try:
        async with asyncio.timeout(DRAIN_S):
            await uplink.drain()
    except TimeoutError:
        logger.info("event=push_unfinished wait_s=%.0f", DRAIN_S)
