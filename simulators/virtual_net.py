"""What can lie between a gateway and its store? A link that is cut, slow, one-way, or says things twice and out of order."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from simulators.storm_pace import MINUTE_S, FailedTry
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from telemetry.seal import Batch, Seal

TIMEOUT_S = 15.0
"""What the client waits for an answer."""
RETRY_AFTER_S = 600.0
REFUSED_S = 0.02
"""How soon a connection is refused, or an answer comes, on a good line."""
COPIES_MAX = 20
HAMMERED = 30
"""Failures within a minute from which the far end drops what comes: no honest gateway sees it, and a storm's cost stays bounded."""


class Weather(StrEnum):
    """How the link is just now."""

    FAIR = "fair"
    PARTITION = "partition"
    ONE_WAY = "answer_lost"
    SLOW = "slow_store"
    BUSY = "busy_store"


class Receiver(Protocol):
    """What stands at the link's far end."""

    async def put(self, batch: Batch) -> Answer:
        """Take a batch, or say that nobody is there."""
        ...


@dataclass(slots=True)
class Link:
    """A `Sink` over an unreliable network."""

    store: Receiver
    chance: random.Random
    time_s: Callable[[], float]
    weather: Weather = Weather.FAIR
    doubles: float = 0.0
    """Share of batches that arrive twice."""
    late: float = 0.0
    """Share of batches of which a copy arrives again later, behind others."""
    refuses: bool = False
    """Whether a partition shows as connections refused at once, not as silence."""
    gap_s: float = 0.0
    """A metered store takes one batch in that many seconds, and answers 429 with Retry-After in between."""
    life: Callable[[], int] = lambda: 0
    """Which process speaks, by number."""
    at_arrival: Callable[[], None] | None = None
    """Called once, when the next batch arrives: for faults in the middle of a drain."""
    offered: int = 0
    arrived: int = 0
    in_flight: int = 0
    events: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    failures: list[FailedTry] = field(default_factory=list)
    stored: list[tuple[Seal, float]] = field(default_factory=list)
    """Seals in the order in which the store first took them, and when (s)."""
    _keys: set[tuple[str, int]] = field(default_factory=set)
    _copies: list[Batch] = field(default_factory=list)
    _taken_s: float = -math.inf

    async def write(self, batch: Batch) -> Answer:
        """Carry one batch to the store, and its answer back, as the weather allows."""
        began = FailedTry(self.time_s(), self.life())
        self.offered += 1
        self.in_flight += 1
        if self.in_flight > 1:
            self.problems.append("two batches in flight at once")
        try:
            answer = await self._carry(batch)
        finally:
            self.in_flight -= 1
        if answer.kind is AnswerKind.UNAVAILABLE:
            self.failures.append(began)
        return answer

    def _is_hammered(self) -> bool:
        recent = self.failures[-HAMMERED:]
        return len(recent) == HAMMERED and recent[0].began_s > self.time_s() - MINUTE_S

    async def _carry(self, batch: Batch) -> Answer:
        weather = self.weather
        if self._is_hammered():
            await asyncio.sleep(TIMEOUT_S)
            return Answer(AnswerKind.UNAVAILABLE, "no answer")
        if weather is Weather.PARTITION:
            await asyncio.sleep(REFUSED_S if self.refuses else TIMEOUT_S)
            return Answer(AnswerKind.UNAVAILABLE, "no answer")
        if weather is Weather.BUSY:
            await asyncio.sleep(0.05)
            return Answer(AnswerKind.UNAVAILABLE, "HTTP 503", RETRY_AFTER_S)
        await asyncio.sleep(self.chance.uniform(5, 14) if weather is Weather.SLOW else REFUSED_S)
        wait_s = self._taken_s + self.gap_s - self.time_s()
        if wait_s > 0:
            return Answer(AnswerKind.UNAVAILABLE, "HTTP 429", math.ceil(wait_s))
        answer = await self._put(batch)
        if self.chance.random() < self.doubles:
            self.events["duplicate"] += 1
            answer = await self._put(batch)
        if self.chance.random() < self.late and len(self._copies) < COPIES_MAX:
            self._copies.append(batch)
        if self._copies and self.chance.random() < self.late:
            self.events["reorder"] += 1
            await self._put(self._copies.pop(self.chance.randrange(len(self._copies))))
        if weather is Weather.ONE_WAY:
            await asyncio.sleep(TIMEOUT_S)
            return Answer(AnswerKind.UNAVAILABLE, "no answer")
        return answer

    async def _put(self, batch: Batch) -> Answer:
        self.arrived += 1
        hook, self.at_arrival = self.at_arrival, None
        if hook is not None:
            hook()
        answer = await self.store.put(batch)
        if answer.kind is AnswerKind.STORED:
            self._note(batch.seal)
        elif answer.kind is not AnswerKind.UNAVAILABLE:
            self.problems.append(f"the store answered {answer.kind}: {answer.detail}")
        return answer

    async def flush(self) -> None:
        """Let the copies under way arrive."""
        while self._copies:
            self.events["reorder"] += 1
            await self._put(self._copies.pop())

    def _note(self, seal: Seal) -> None:
        self._taken_s = self.time_s()
        key = (seal.epoch, seal.seq)
        if key not in self._keys:
            self._keys.add(key)
            self.stored.append((seal, self._taken_s))
