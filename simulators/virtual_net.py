"""What can lie between a gateway and its store? A link that is cut, slow, one-way, or says things twice and out of order."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from telemetry.seal import Batch

TIMEOUT_S = 15.0
"""What the client waits for an answer."""
RETRY_AFTER_S = 600.0
TRIES_A_MINUTE_MAX = 7
"""Tries in any minute while nothing gets through: six (DESIGN section 6), and the fresh batch that woke the uplink."""
COPIES_MAX = 20


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
    at_arrival: Callable[[], None] | None = None
    """Called once, when the next batch arrives: for faults in the middle of a drain."""
    offered: int = 0
    arrived: int = 0
    in_flight: int = 0
    events: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _copies: list[Batch] = field(default_factory=list)
    _failures: deque[float] = field(default_factory=deque)

    async def write(self, batch: Batch) -> Answer:
        """Carry one batch to the store, and its answer back, as the weather allows."""
        self.offered += 1
        self.in_flight += 1
        if self.in_flight > 1:
            self.problems.append("two batches in flight at once")
        try:
            answer = await self._carry(batch)
        finally:
            self.in_flight -= 1
        self._watch(answer)
        return answer

    async def _carry(self, batch: Batch) -> Answer:
        weather = self.weather
        if weather is Weather.PARTITION:
            await asyncio.sleep(TIMEOUT_S)
            return Answer(AnswerKind.UNAVAILABLE, "no answer")
        if weather is Weather.BUSY:
            await asyncio.sleep(0.05)
            return Answer(AnswerKind.UNAVAILABLE, "HTTP 503", RETRY_AFTER_S)
        await asyncio.sleep(self.chance.uniform(5, 14) if weather is Weather.SLOW else 0.02)
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
        if answer.kind not in {AnswerKind.STORED, AnswerKind.UNAVAILABLE}:
            self.problems.append(f"the store answered {answer.kind}: {answer.detail}")
        return answer

    async def flush(self) -> None:
        """Let the copies under way arrive."""
        while self._copies:
            self.events["reorder"] += 1
            await self._put(self._copies.pop())

    def _watch(self, answer: Answer) -> None:
        """See that what fails is not hammered: at most so many tries in any minute."""
        now_s = self.time_s()
        if answer.kind is not AnswerKind.UNAVAILABLE:
            self._failures.clear()
            return
        self._failures.append(now_s)
        while self._failures[0] <= now_s - 60:
            self._failures.popleft()
        if len(self._failures) > TRIES_A_MINUTE_MAX:
            self.problems.append(f"{len(self._failures)} failing tries within a minute")
