"""Does every state that a power cut may leave start again? A short run's calls cut at each one, and what is left started.

The run is recorded once, in virtual time; then, behind every single call that changed the disk, some of the states that may
be left are made, and the production code starts on them. What was acknowledged by then must be there, or on its way.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.outbox import Outbox
from gateway.packing import counted_readings
from gateway.replay import Replayer, find_leftovers
from simulators.storm_checks import check_files, check_verified, read_evidence
from simulators.storm_hosts import KEY, GatewayHost, StoreHost, write_key
from simulators.storm_world import GATEWAY, PROFILE_TEXT, World
from simulators.virtual_box import Box, write_image
from simulators.virtual_disk import DiskModel
from simulators.virtual_net import Link, Weather
from simulators.virtual_os import standing_on
from simulators.virtual_time import BoxClock, VirtualLoop, run_virtually
from store.embedded import EmbeddedStore
from telemetry.clock import Clock
from telemetry.errors import FactoryError
from telemetry.profile import parse_profile
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from simulators.virtual_disk import Operation
    from telemetry.profile import Profile
    from telemetry.seal import Batch

START_MS = 1_522_598_100_000
"""2018-04-01 23:55 at +08:00."""
RUN_S = 420.0
STORE_SHARE = 0.1
"""Share of the states that are the store's: its start costs ten times the gateway's."""


@dataclass(slots=True)
class Trace:
    """The calls that changed one disk, and what had been promised before each."""

    operations: list[Operation] = field(default_factory=list)
    promised: list[int] = field(default_factory=list)


@dataclass(slots=True)
class PowerTally:
    """How many states were started, and what was wrong with any."""

    states: int = 0
    calls: int = 0
    acknowledged: int = 0
    """Readings acknowledged before a cut, over all states of a gateway."""
    found: int = 0
    """Readings found in what was left; more than acknowledged, for some are kept whose acknowledgement was still to come."""
    answered: int = 0
    """Batches answered for before a cut, over all states of a store."""
    problems: list[str] = field(default_factory=list)

    def add(self, other: PowerTally) -> None:
        """Take another run's figures in."""
        self.states += other.states
        self.calls += other.calls
        self.acknowledged += other.acknowledged
        self.found += other.found
        self.answered += other.answered
        self.problems += other.problems


class _Noting(list["Operation"]):
    """A box's trace that notes, with every operation, what was promised before it."""

    def __init__(self, promised: Callable[[], int]) -> None:
        super().__init__()
        self.promised: list[int] = []
        self._ask = promised

    def append(self, operation: Operation) -> None:
        self.promised.append(self._ask())
        super().append(operation)

    def trace(self) -> Trace:
        return Trace(list(self), self.promised)


class _Told:
    """A store that remembers which batches it said to have stored."""

    def __init__(self, host: StoreHost) -> None:
        self._host = host
        self.keys: set[tuple[str, int]] = set()

    async def put(self, batch: Batch) -> Answer:
        answer = await self._host.put(batch)
        if answer.kind is AnswerKind.STORED:
            self.keys.add((batch.seal.epoch, batch.seal.seq))
        return answer


def record_run(seed: int, folder: Path) -> tuple[Trace, Trace, int]:
    """Run a gateway and a store for seven minutes, two of them apart; gives both traces and the readings said."""
    recorded: list[tuple[Trace, Trace, int]] = []

    async def work(loop: VirtualLoop) -> None:
        chance = random.Random(seed)
        boxes = (Box(folder / "gateway", chance), Box(folder / "store", chance))
        world = World(chance)
        host = StoreHost(boxes[1], BoxClock(loop.time, START_MS), chance)
        told = _Told(host)
        link = Link(told, chance, loop.time)
        write_key(folder / "g1.key")
        clock = BoxClock(loop.time, START_MS)
        gateway = GatewayHost(boxes[0], clock, world, link, chance, folder / "g1.key")
        notes = (_Noting(lambda: sum(world.acked.values())), _Noting(lambda: len(told.keys)))
        boxes[0].trace, boxes[1].trace = notes
        with standing_on(boxes):
            host.start()
            async with asyncio.TaskGroup() as group:
                gateway.start(group, lambda _: None)
                for weather in (Weather.FAIR, Weather.PARTITION, Weather.FAIR):
                    link.weather = weather
                    await asyncio.sleep(RUN_S / 3)
                    host.apply()
                await gateway.stop()
            if host.store is not None:
                host.store.close()
        recorded.append((notes[0].trace(), notes[1].trace(), sum(world.said.values())))

    run_virtually(work)
    return recorded[0]


def cut_everywhere(seed: int, states: int, folder: Path) -> PowerTally:
    """Make and start about so many states, spread evenly over the calls of one recorded run."""
    gateway, store, said = record_run(seed, folder / "run")
    profile = parse_profile(PROFILE_TEXT, "storm_arm.yaml")
    tally = PowerTally()
    store_states = int(states * STORE_SHARE)

    def start_gateway(place: Path, promised: int) -> Iterable[str]:
        tally.acknowledged += promised
        return gateway_problems(place, promised, said, profile, tally)

    def start_store(place: Path, promised: int) -> Iterable[str]:
        tally.answered += promised
        return store_problems(place, promised)

    place = folder / "state"
    for trace, share, start in (
        (gateway, states - store_states, start_gateway),
        (store, store_states, start_store),
    ):
        _cut(trace, share, seed=seed, place=place, start=start, tally=tally)
    return tally


def _cut(
    trace: Trace,
    states: int,
    *,
    seed: int,
    place: Path,
    start: Callable[[Path, int], Iterable[str]],
    tally: PowerTally,
) -> None:
    model, chance = DiskModel(), random.Random(seed)
    calls = len(trace.operations)
    tally.calls += calls
    for number, operation in enumerate(trace.operations):
        model.apply(operation)
        following = min(number + 1, calls - 1)
        for _ in range((number + 1) * states // calls - number * states // calls):
            tally.states += 1
            write_image(place, model.power_cut(chance))
            try:
                found = list(start(place, trace.promised[following]))
            except (OSError, ValueError, FactoryError) as error:
                found = [f"does not start: {error!r}"]
            tally.problems += [
                f"power cut, run {seed}, behind call {number} of {calls}: {problem}" for problem in found
            ]
            shutil.rmtree(place)


def gateway_problems(
    place: Path, acked: int, said: int, profile: Profile, tally: PowerTally
) -> Iterable[str]:
    """Start outbox and journal on what is left: everything acknowledged is in rows, sealed or folded again, once."""
    state = place / "state"
    outbox = Outbox.open(state / "outbox", GATEWAY, KEY)
    try:
        journal = state / "journal"
        for name in outbox.consumed:
            (journal / name).unlink(missing_ok=True)
        replayer = Replayer(GATEWAY, 60_000, {}, lambda _: profile, START_MS)
        replayed = [replayer.replay(run) for run in find_leftovers(journal)] if journal.is_dir() else []
        kept = outbox.accepted + sum(counted_readings(item.rows) for item in replayed)
        tally.found += kept
        if kept < acked:
            yield f"lost: {acked} readings acknowledged, {kept} found"
        if kept > said:
            yield f"double: {said} readings said, {kept} found"
        while (index := outbox.next_unsent()) is not None:
            if outbox.batch(index) is None:
                yield f"lost: batch {index} cannot be read"
            outbox.ack(index)
        stat = outbox.stat()
        if stat.buffered or stat.quarantined or stat.lost:
            yield f"the account does not close: {stat}"
    finally:
        outbox.close()


def store_problems(place: Path, stored: int) -> Iterable[str]:
    """Start the store on what is left, its index gone: every batch answered for is there, and its rows."""
    directory = place / "store"
    store = EmbeddedStore.open(directory, Clock(lambda: START_MS, lambda: 1, "boot"))
    try:
        store.apply()
        evidence = read_evidence(directory)
        keys = {(batch.seal.epoch, batch.seal.seq) for batch in evidence.batches}
        if len(keys) < stored:
            yield f"lost: {stored} batches answered for, {len(keys)} in the log"
        if len(keys) < len(evidence.batches):
            yield f"double: {len(evidence.batches)} batches, {len(keys)} keys"
        yield from check_files(evidence, store)
        yield from check_verified(directory)
    finally:
        store.close()
