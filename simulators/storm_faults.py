"""What goes wrong in a storm? Each fault as something done to a running gateway and store, and undone again.

Every fault is a coroutine of `Faults`, named in FAULTS; a storm draws from them by its seed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.frames import scan_frames
from gateway.journal_records import decode_frame_record
from simulators.storm_world import PROFILES
from simulators.virtual_net import Weather

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from gateway.app import Gateway
    from simulators.storm_hosts import GatewayHost, StoreHost
    from simulators.virtual_box import Box
    from simulators.virtual_net import Link

FAULTS = (
    "gateway_kill",
    "gateway_kill_in_call",
    "drain_kill",
    "recovery_kill",
    "power_cut",
    "store_kill",
    "store_power_cut",
    "disk_full",
    "store_disk_full",
    "sync_error",
    "store_sync_error",
    "bit_flip",
    "partition",
    "answer_lost",
    "slow_store",
    "busy_store",
    "duplicate",
    "reorder",
    "clock_step",
    "unsynced_boot",
    "config_change",
    "index_lost",
)
OUTAGE = "outage_72h"
OUTAGE_S = 72 * 3600.0
SILENT_SHARE = 0.05
"""Share of the outage in which nothing answers; tries without a Retry-After are many and cost most of a seed."""
BACKLOG_WINDOWS = 16
"""Windows of a made backlog: at four batches a window it is drained after more than five, strictly in order far too late."""
TAKEN_A_WINDOW, TAKEN_AFTER_OUTAGE = 4, 15
"""Batches a metered store takes in a window: less than four would leave little for a backlog beside what is fresh; after the
outage 72 are to be drained in some five windows of an hour."""
RESUME_S = 5.0
"""How soon after room returns readings must be accepted again (issue 4)."""
LOOK_S = 1.0
"""How often a fault looks whether it has happened."""
SYNCS_MAX = 8
CALLS_MAX = 40
"""A kill falls on one of that many next calls that change the disk."""


@dataclass(slots=True)
class Faults:
    """The hands that do it, and how often each did."""

    gateway: GatewayHost
    store: StoreHost
    link: Link
    chance: random.Random
    group: asyncio.TaskGroup
    made: Callable[[Gateway], None]
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    flipped: bool = False
    """Whether bytes of the gateway rotted: only then may anything be lost, and must be declared."""

    async def run(self, kind: str) -> None:
        """Do one fault, and see that both processes live afterwards."""
        await getattr(self, kind)()
        await self.ensure_up()

    async def ensure_up(self) -> None:
        """Start what is down, as a supervisor of the operating system does; a full disk may refuse a start."""
        if self.store.store is None:
            self.store.start()
        if not self.gateway.is_up:
            await self.gateway.gone()
            self.gateway.start(self.group, self.made)
            await asyncio.sleep(0.5)

    async def gateway_kill(self) -> None:
        """Kill the gateway between two calls."""
        self.counts["gateway_kill"] += 1
        await self.gateway.kill()
        await self._rest()

    async def gateway_kill_in_call(self) -> None:
        """Kill the gateway in the middle of a call, its write perhaps half done."""
        if await self._die_in_call():
            self.counts["gateway_kill_in_call"] += 1

    async def drain_kill(self) -> None:
        """Kill the gateway in the middle of a call while a backlog drains."""
        self.link.weather = Weather.PARTITION
        await asyncio.sleep(self.chance.uniform(100, 400))
        box = self.gateway.box

        def arm() -> None:
            box.kill_at = box.calls + self.chance.randint(1, CALLS_MAX // 2)

        self.link.at_arrival, self.link.weather = arm, Weather.FAIR
        if await self._until(lambda: box.is_dead, 300):
            self.counts["drain_kill"] += 1
        self.link.at_arrival = box.kill_at = None
        if box.is_dead:
            await self.gateway.gone()

    async def recovery_kill(self) -> None:
        """Kill the gateway while it starts after a kill."""
        await self.gateway.kill()
        for _ in range(self.chance.randint(1, 3)):
            self.gateway.start(self.group, self.made)
            if await self._die_in_call(within_s=3.0):
                self.counts["recovery_kill"] += 1
            else:
                await self.gateway.kill()

    async def power_cut(self) -> None:
        """Cut the power in the middle of a call or between two; what was not synced is torn, reordered or gone."""
        draw = self.chance.random()
        if draw < 0.8:
            await self._die_in_call(before_sync=draw < 0.5)
        self.counts["torn"] += self.gateway.box.model.unsynced > 0
        self.counts["power_cut"] += 1
        await self.gateway.cut_power()
        await self._rest()

    async def store_kill(self) -> None:
        """Kill the store in the middle of a call."""
        if await self._store_dies_in_call():
            self.counts["store_kill"] += 1
        await self._rest()

    async def store_power_cut(self) -> None:
        """Cut the store's power."""
        await self._store_dies_in_call()
        self.counts["store_power_cut"] += 1
        self.store.cut_power()
        await self._rest()

    async def disk_full(self) -> None:
        """Fill the gateway's disk for some minutes; then there is room, and readings are accepted again."""
        box = self.gateway.box
        refused = box.refused
        box.free = self.chance.randint(0, 4_000)
        await self._until(lambda: box.refused > refused, 300)
        for _ in range(self.chance.randint(1, 6)):
            await self._rest(60)
            await self.ensure_up()
        box.free = None
        self.counts["disk_full"] += box.refused > refused
        await self.ensure_up()
        await asyncio.sleep(RESUME_S)
        gateway = self.gateway.gateway
        if gateway is not None and gateway.intake.refuse_reason == "disk_full":
            self.problems.append(f"readings are refused {RESUME_S:.0f} s after room returned")

    async def store_disk_full(self) -> None:
        """Fill the store's disk for a while."""
        box = self.store.box
        refused = box.refused
        box.free = self.chance.randint(0, 4_000)
        await self._until(lambda: box.refused > refused, 300)
        await self._rest(120)
        box.free = None
        self.counts["store_disk_full"] += box.refused > refused

    async def sync_error(self) -> None:
        """Fail the gateway's next syncs, what was unsynced being dropped; a power cut may show it."""
        await self._fail_syncs("sync_error", self.gateway.box)
        if self.chance.random() < 0.5:
            await self.power_cut()

    async def store_sync_error(self) -> None:
        """Fail the store's next syncs."""
        await self._fail_syncs("store_sync_error", self.store.box)

    async def _fail_syncs(self, kind: str, box: Box) -> None:
        refused = box.refused
        box.fail_syncs = self.chance.randint(1, 3)
        await self._until(lambda: box.fail_syncs == 0, 300)
        box.fail_syncs = 0
        self.counts[kind] += box.refused > refused

    async def bit_flip(self) -> None:
        """Turn a bit of the gateway's files while it is off."""
        await self.gateway.kill()
        with self.gateway.box.passed_by():
            if flip_bit(self.gateway.box.root / "state", self.chance):
                self.counts["bit_flip"] += 1
                self.flipped = True

    async def index_lost(self) -> None:
        """Let the store's index, which is derived, rot."""
        if self.store.store is not None:
            self.store.kill()
        path = self.store.box.root / "store" / "index.sqlite"
        with self.store.box.passed_by():
            if path.exists():
                data = bytearray(path.read_bytes())
                for _ in range(200):
                    data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
                path.write_bytes(
                    data[: self.chance.randrange(len(data))] if self.chance.random() < 0.5 else data
                )
                self.counts["index_lost"] += 1

    async def partition(self) -> None:
        """Let nothing through."""
        await self._weather(Weather.PARTITION)

    async def answer_lost(self) -> None:
        """Let batches arrive, and answers not."""
        await self._weather(Weather.ONE_WAY)

    async def slow_store(self) -> None:
        """Let answers take long."""
        await self._weather(Weather.SLOW)

    async def busy_store(self) -> None:
        """Answer 503 with Retry-After."""
        await self._weather(Weather.BUSY)

    async def _weather(self, weather: Weather) -> None:
        offered = self.link.offered
        self.link.weather = weather
        await self._until(lambda: self.link.offered > offered, 300)
        await self._rest(300)
        self.link.weather = Weather.FAIR
        self.counts[str(weather)] += self.link.offered > offered

    async def duplicate(self) -> None:
        """Let batches arrive twice."""
        self.link.doubles = self.chance.uniform(0.3, 1)
        await self._rest(400)
        self.link.doubles = 0.0

    async def reorder(self) -> None:
        """Let copies of batches arrive again behind later ones."""
        self.link.late = self.chance.uniform(0.3, 0.8)
        await self._rest(400)
        self.link.late = 0.0

    async def clock_step(self) -> None:
        """Let the gateway's wall clock step, and perhaps back."""
        steps = (500, 3_000, 45_000, 61_000, 900_000, 3_600_000, 86_400_000)
        step_ms = self.chance.choice(steps) * self.chance.choice((-1, 1))
        self.gateway.clock.error_ms += step_ms
        self.counts["clock_step"] += 1
        await self._rest(200)
        if self.chance.random() < 0.7:
            self.gateway.clock.error_ms -= step_ms

    async def unsynced_boot(self) -> None:
        """Let a box without a battery wake in 1970 after a power cut, until it is told the time."""
        await self.power_cut()
        clock = self.gateway.clock
        clock.error_ms, clock.synced = -clock.true_ms() + 3_600_000, False
        self.gateway.start(self.group, self.made)
        await self._rest(150)
        self.counts["unsynced_boot"] += 1
        if self.chance.random() < 0.4:
            await self.gateway.kill()
        clock.error_ms, clock.synced = 0, True

    async def config_change(self) -> None:
        """Stop well and start with another window, another version of the map, or a device less or more."""
        kinds: list[dict[str, object]] = [
            {"window_ms": self.chance.choice((60_000, 120_000, 300_000))},
            {"profile_id": self.chance.choice(list(PROFILES))},
            {"devices": self.chance.choice((("r1", "r2"), ("r1",), ("r2", "r1")))},
        ]
        with_backlog = self.chance.random() < 0.5
        if with_backlog:
            self.link.weather = Weather.PARTITION
            await self._rest(200)
        await self.gateway.stop()
        self.gateway.change(**self.chance.choice(kinds))
        self.counts["config_change"] += 1
        await self.ensure_up()
        self.link.weather = Weather.FAIR

    async def outage_72h(self) -> None:
        """Have the store away for three days: silent first, then answering 503."""
        self.counts[OUTAGE] += 1
        for weather, share in ((Weather.PARTITION, SILENT_SHARE), (Weather.BUSY, 1 - SILENT_SHARE)):
            self.link.weather = weather
            await asyncio.sleep(OUTAGE_S * share)
            await self.ensure_up()
        self._meter(TAKEN_AFTER_OUTAGE)

    async def make_backlog(self) -> None:
        """Let nobody answer for many windows; then the store takes few batches a window."""
        self.counts["metered_drain"] += 1
        self.link.weather, self.link.refuses = Weather.PARTITION, True
        await asyncio.sleep(BACKLOG_WINDOWS * self.gateway.settings.window_ms / 1000)
        await self.ensure_up()
        self.link.refuses = False
        self._meter(TAKEN_A_WINDOW)

    def _meter(self, batches: int) -> None:
        """Let the link be fair, and the store slow to take: so many batches a window, to the end of the backlog."""
        self.link.gap_s = self.gateway.settings.window_ms / 1000 / batches
        self.link.weather = Weather.FAIR

    async def _die_in_call(self, within_s: float = 120.0, *, before_sync: bool = False) -> bool:
        box = self.gateway.box
        if before_sync:
            box.kill_at_sync = self.chance.randrange(SYNCS_MAX)
        else:
            box.kill_at = box.calls + self.chance.randint(1, CALLS_MAX)
        has_died = await self._until(lambda: box.is_dead, within_s)
        box.kill_at = box.kill_at_sync = None
        if has_died:
            await self.gateway.gone()
        return has_died

    async def _store_dies_in_call(self) -> bool:
        box = self.store.box
        box.kill_at = box.calls + self.chance.randint(1, CALLS_MAX // 4)
        has_died = await self._until(lambda: self.store.store is None, 300)
        box.kill_at = None
        return has_died

    async def _until(self, claim: Callable[[], bool], within_s: float) -> bool:
        waited_s = 0.0
        while not claim() and waited_s < within_s:
            await asyncio.sleep(LOOK_S)
            waited_s += LOOK_S
        return claim()

    async def _rest(self, longest_s: float = 30.0) -> None:
        await asyncio.sleep(self.chance.uniform(0.05, longest_s))


def flip_bit(state: Path, chance: random.Random) -> bool:
    """Turn one bit of what a gateway keeps; of frames not the last: there, rot cannot be told from a torn tail.

    Of a journal's frames only what it itself knows to be durable, for the same reason.
    """
    states = (state / "outbox" / "cursor.json", state / "epoch.json")
    places = [(path, path.stat().st_size) for path in states if path.is_file() and path.stat().st_size]
    ends = {path: _durable_end(path.read_bytes()) for path in sorted(state.glob("journal/*.seg"))}
    places += [(path, end) for path, end in ends.items() if end]
    for path in sorted(state.glob("outbox/*.seg")):
        frames = scan_frames(path.read_bytes()).frames
        if len(frames) > 1:
            places.append((path, frames[-1].start))
    if not places:
        return False
    path, end = places[int(len(places) * chance.random() ** 0.7)]
    data = bytearray(path.read_bytes())
    data[chance.randrange(end)] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return True


def _durable_end(data: bytes) -> int:
    """Tell up to which byte a journal segment holds what one of its frames calls durable."""
    found = [
        (frame.end, record)
        for frame in scan_frames(data).frames
        if frame.start and (record := decode_frame_record(frame.payload)) is not None
    ]
    synced = max((record.synced for _, record in found), default=0)
    return max(
        (end for end, record in found if record.count and record.before + record.count <= synced), default=0
    )
