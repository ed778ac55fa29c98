"""What happens in one storm? A seed's gateway and store, its faults one after another, calm, and the checks."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.storm_checks import (
    Evidence,
    check_balance,
    check_chain,
    check_counters,
    check_files,
    check_rows,
    check_verified,
    declared_lost,
    read_evidence,
    stored_readings,
)
from simulators.storm_faults import FAULTS, OUTAGE, Faults
from simulators.storm_hosts import JOURNAL_BYTES, OUTBOX_BYTES, GatewayHost, Settings, StoreHost, write_key
from simulators.storm_pace import Delivery, busiest_minute, check_fresh, check_tries, fresh_delays
from simulators.storm_world import World
from simulators.virtual_box import Box
from simulators.virtual_net import Link
from simulators.virtual_os import standing_on
from simulators.virtual_time import BoxClock, VirtualLoop, run_virtually

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.account import Account
    from gateway.app import Gateway
    from store.embedded import EmbeddedStore

START_MS = 1_522_594_800_000
"""2018-04-01 23:00 at +08:00: every storm passes a midnight."""
OUTAGE_EVERY = 20
"""One seed in that many has the three days without a store."""
BACKLOG_EVERY = 10
"""One seed in that many has a backlog that is drained into a metered store; so have those of the outage."""
FAULTS_MIN, FAULTS_MAX = 6, 12
APPLY_SHARE = 0.25
"""How often a look at the books goes with making row files; each is five Parquet files to write and to read again."""
DRAIN_S = 12 * 3600.0
"""What calm weather is given to empty the outbox."""
SLACK_BYTES = 4_200_000
"""A bound may be passed by one outbox segment, or by one group of readings."""


@dataclass(slots=True)
class Outcome:
    """What one seed showed."""

    seed: int
    problems: list[str] = field(default_factory=list)
    accepted: int = 0
    delivered: int = 0
    batches: int = 0
    duplicates: int = 0
    """Batches that arrived and were in the store already."""
    declared: int = 0
    """Accepted readings lost to rot, and declared."""
    fresh: int = 0
    """Batches sealed in calm and looked at for their delay."""
    delay_max: float = 0.0
    """Largest delay of one of them, in windows."""
    tries_max: int = 0
    """Most failing tries in any minute."""
    faults: Counter[str] = field(default_factory=Counter)
    hours: float = 0.0

    @property
    def lost(self) -> int:
        """Violations that speak of a loss."""
        return count_lost(self.problems)

    @property
    def double(self) -> int:
        """Violations that speak of something twice."""
        return count_double(self.problems)


def count_lost(problems: Sequence[str]) -> int:
    """Count the violations that speak of a loss."""
    return sum("lost" in problem or "lacking" in problem for problem in problems)


def count_double(problems: Sequence[str]) -> int:
    """Count the violations that speak of something twice."""
    return sum("double" in problem or "excess" in problem for problem in problems)


class Storm:
    """One seed."""

    def __init__(self, seed: int, folder: Path, loop: VirtualLoop) -> None:
        self.chance = random.Random(seed)
        self.outcome = Outcome(seed)
        self.is_long = seed % OUTAGE_EVERY == OUTAGE_EVERY - 1
        start_ms = START_MS + self.chance.randrange(3_500_000)
        self.loop = loop
        self.boxes = (self._box(folder / "gateway"), self._box(folder / "store"))
        store_clock = BoxClock(loop.time, start_ms)
        self.store = StoreHost(self.boxes[1], store_clock, self._own())
        self.link = Link(self.store, self._own(), loop.time)
        self.world = World(self._own())
        clock = BoxClock(loop.time, start_ms)
        settings = Settings(3_600_000, 600_000, tick_s=300.0) if self.is_long else Settings()
        key_file = folder / "g1.key"
        write_key(key_file)
        self.gateway = GatewayHost(
            self.boxes[0], clock, self.world, self.link, self._own(), key_file, settings
        )
        self.link.life = lambda: self.gateway.starts
        self.accounts: list[Account] = []
        self.calm_s = 0.0

    def _own(self) -> random.Random:
        return random.Random(self.chance.getrandbits(64))

    def _box(self, root: Path) -> Box:
        return Box(root, self._own())

    async def run(self) -> None:
        """Let it blow, then let it calm down."""
        self.store.start()
        async with asyncio.TaskGroup() as group:
            faults = Faults(self.gateway, self.store, self.link, self.chance, group, self._made)
            await faults.ensure_up()
            watch = group.create_task(self._watch(), name="watch")
            await asyncio.sleep(self.chance.uniform(30, 200))
            for kind in self._plan():
                await faults.run(kind)
                await asyncio.sleep(self.chance.uniform(1, 400 if not self.is_long else 1200))
            if self.outcome.seed % BACKLOG_EVERY == BACKLOG_EVERY // 2:
                await faults.make_backlog()
            await self._calm(faults)
            watch.cancel()
        self.outcome.faults = faults.counts + self.link.events
        self.outcome.problems += (
            faults.problems + self.gateway.problems + self.store.problems + self.link.problems
        )
        self._settle(may_lose=faults.flipped)

    def _plan(self) -> list[str]:
        kinds = [kind for kind in FAULTS if not (self.is_long and kind == "config_change")]
        count = self.chance.randint(FAULTS_MIN, FAULTS_MAX) if not self.is_long else 4
        plan = [self.chance.choice(kinds) for _ in range(count)]
        if self.is_long:
            plan.insert(2, OUTAGE)
        return plan

    def _made(self, gateway: Gateway) -> None:
        """See, whenever a gateway has started, that all it ever acknowledged is still in its books."""

        def look() -> None:
            if self.gateway.gateway is gateway and not self.boxes[0].is_dead:
                self._look(gateway)

        self.loop.call_soon(look)

    def _look(self, gateway: Gateway) -> None:
        account = gateway.account()
        acked = sum(self.world.acked.values())
        if not account.holds:
            self._violated(f"the account does not hold: {account}")
        if account.accepted < acked:
            self._violated(f"lost: {acked} readings acknowledged, {account.accepted} in the gateway's books")
        if (
            gateway.outbox.size > OUTBOX_BYTES + SLACK_BYTES
            or gateway.journal.size > JOURNAL_BYTES + SLACK_BYTES
        ):
            self._violated(f"a bound is passed: {gateway.outbox.size} {gateway.journal.size} bytes")

    def _violated(self, problem: str) -> None:
        if len(self.outcome.problems) < 20:
            self.outcome.problems.append(problem)

    async def _watch(self) -> None:
        """Look at the books every now and then, and let the store make its row files."""
        while True:
            await asyncio.sleep(self.chance.uniform(20, 600) * (10 if self.is_long else 1))
            gateway = self.gateway.gateway
            if gateway is not None and not self.boxes[0].is_dead and gateway.intake.is_folding:
                self._look(gateway)
            if self.chance.random() < APPLY_SHARE:
                self.store.apply()

    async def _calm(self, faults: Faults) -> None:
        """Wait until everything accepted is stored, then stop well; copies under way arrive last."""
        self.calm_s = self.loop.time()
        while self.loop.time() < self.calm_s + DRAIN_S:
            await asyncio.sleep(300 if self.is_long else 30)
            await faults.ensure_up()
            gateway = self.gateway.gateway
            if gateway is not None and gateway.intake.is_folding and not gateway.outbox.stat().batches:
                break
        self.link.gap_s = 0.0
        last = self.gateway.gateway
        await self.gateway.stop()
        if last is not None:
            self.accounts.append(last.account())
        await faults.ensure_up()
        await asyncio.sleep(10)
        last = self.gateway.gateway
        await self.gateway.stop()
        if last is not None:
            self.accounts.append(last.account())
        await self.link.flush()
        self.store.apply()

    def _settle(self, *, may_lose: bool) -> None:
        """Compare everything with everything."""
        outcome, store = self.outcome, self.store.store
        outcome.hours = self.loop.time() / 3600
        if store is None or not self.accounts:
            self._violated("a process could not be kept up in calm weather")
            return
        evidence = read_evidence(store.directory)
        account = self.accounts[-1]
        outcome.problems += check_chain(evidence, may_break=may_lose)
        outcome.problems += check_balance(evidence, account, self.world, may_lose=may_lose)
        outcome.problems += check_counters(evidence, self.world, may_lose=may_lose)
        outcome.problems += check_rows(evidence)
        outcome.problems += check_files(evidence, store)
        self._check_pace()
        self._count(evidence, account)
        if outcome.seed % 10 == 0:
            outcome.problems += check_verified(store.directory)
            self._rebuild(store, evidence)
        store.close()

    def _check_pace(self) -> None:
        """See that fresh data came in time in calm, and that no failing store was hammered."""
        outcome, clock = self.outcome, self.gateway.clock
        # In calm nothing boots: what bears an older boot's name was sealed before, or speaks of then.
        boot = clock.clock().boot
        deliveries = [
            Delivery(clock.booted_s + (seal.mono_ms - 1) / 1000, stored_s)
            for seal, stored_s in self.link.stored
            if seal.boot == boot
        ]
        delays = fresh_delays(deliveries, self.calm_s, self.gateway.settings.window_ms / 1000)
        outcome.fresh, outcome.delay_max = len(delays), round(max(delays, default=0.0), 3)
        outcome.tries_max = busiest_minute(self.link.failures)
        outcome.problems += [*check_fresh(delays), *check_tries(outcome.tries_max)]

    def _count(self, evidence: Evidence, account: Account) -> None:
        self.outcome.accepted = account.accepted
        self.outcome.delivered = sum(stored_readings(evidence).values())
        self.outcome.declared = sum(declared_lost(evidence).values())
        self.outcome.batches = len(evidence.batches)
        self.outcome.duplicates = max(0, self.link.arrived - len(evidence.batches))

    def _rebuild(self, store: EmbeddedStore, evidence: Evidence) -> None:
        """Make everything derived anew: it is the same."""
        store.rebuild()
        self.outcome.problems += [f"rebuilt: {problem}" for problem in check_files(evidence, store)]


def run_seed(seed: int, folder: Path) -> Outcome:
    """Run one storm in an empty folder."""
    chance = random.Random(~seed)

    def delay_s() -> float:
        draw = chance.random()
        return 0.0 if draw < 0.5 else 0.001 if draw < 0.9 else chance.uniform(0.005, 0.3)

    outcome: list[Outcome] = []

    async def work(loop: VirtualLoop) -> None:
        storm = Storm(seed, folder, loop)
        outcome.append(storm.outcome)
        with standing_on(storm.boxes):
            await storm.run()

    try:
        run_virtually(work, delay_s)
    except Exception as error:  # noqa: BLE001 - whatever ends a storm is a finding
        outcome[0].problems.append(f"the storm ended early: {error!r}")
    return outcome[0]
