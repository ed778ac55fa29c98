"""Which batch goes to the store next, and what does its answer mean? Newest first, then the backlog, oldest first.

What is sealed now stays ahead of the backlog until the store has it, for two windows at most; every fourth offer is the
backlog's oldest whatever is fresh, so that a slow store comes to its end too. One batch in flight. Every answer of DESIGN section 5
has its consequence here; nothing is forgotten without a 204. A store that refuses batch after batch is doubted (decision 0019):
the backlog is kept, and one batch a backoff interval is offered until one is stored.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.backoff import RETRY_AFTER_MAX_S, Backoff
from gateway.http_answer import ForeignAnswer
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection

    from gateway.outbox import Outbox
    from telemetry.clock import Clock
    from telemetry.seal import SealTime
    from telemetry.sink import Sink

PAUSE_S = 60.0
"""Shortest pause after 401 or 403: a person must act, hammering does not help."""
HOLD_MS = 3_600_000
"""How long a batch that the store calls too large, or refuses while there is no room for dead letters, is passed over: an hour."""
DEAD_IN_A_ROW = 3
"""Batches refused as invalid in a row that become dead letters; with more, it is the store that is doubted, not the batches."""
RESEAL_MS = 600_000
"""Shortest time between two new epochs: a store that answers 409 to everything must not be fed epochs."""
DISK_WAIT_S = 10.0
"""How long a disk that refuses is left alone."""
FRESH_MS = 120_000
"""How long a batch counts as fresh when nobody says: two windows of the default length."""
FRESH_MAX = 64
"""Fresh batches remembered: a window of 1,000 devices seals one or two, so this is many windows."""
FRESH_IN_A_ROW = 3
"""Fresh batches offered in a row before the backlog has its turn."""
IDLE_S = 15.0
"""How long a quiet uplink waits before it looks again; what is sealed wakes it, only a hold that ends does not."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class UplinkState:
    """What the metrics tell of the store. `is_up`: it stored the last batch offered; nothing else counts as up."""

    is_up: bool = False
    is_doubted: bool = False
    """Whether it refuses batch after batch as invalid, so that none becomes a dead letter any more."""
    answers: dict[str, int] = field(default_factory=dict)
    foreign: dict[int, int] = field(default_factory=dict)
    """HTTP status → answers since start that were not the store's."""
    last_detail: str = ""
    last_stored_ms: int | None = None


class Uplink:
    """Pushes an outbox into a sink until cancelled."""

    def __init__(
        self,
        outbox: Outbox,
        sink: Sink,
        clock: Clock,
        chance: random.Random,
        seal_time: Callable[[], SealTime],
        *,
        fresh_ms: int = FRESH_MS,
    ) -> None:
        self._outbox = outbox
        self._sink = sink
        self._clock = clock
        self._seal_time = seal_time
        self._backoff = Backoff(chance)
        self._wake = asyncio.Event()
        self._fresh_ms = fresh_ms
        self._newest_seen = outbox.newest
        """Batches sealed later than this are fresh."""
        self._fresh: dict[int, int] = {}
        """Fresh batches, oldest first → monotonic ms until which they are."""
        self._in_a_row = 0
        self._conflicting: set[int] = set()
        self._reseal_from_ms = clock.mono_ms()
        self._held: dict[int, int] = {}
        """Batches the store will not take → monotonic ms until which they are passed over."""
        self._refused_in_a_row = 0
        self._doubted: set[int] = set()
        """Batches refused while the store is doubted; each is offered again when all others were."""
        self.state = UplinkState()

    def wake(self) -> None:
        """Say that a batch was sealed."""
        self._wake.set()

    async def run(self) -> None:
        """Push for ever; waits are bounded by IDLE_S, the backoff and RETRY_AFTER_MAX_S."""
        while True:
            self._wake.clear()
            wait_s = await self.step()
            if wait_s is None:
                await asyncio.to_thread(self._outbox.flush)
                wait_s = IDLE_S
                await self._idle(wait_s)
            elif wait_s > 0:
                await asyncio.sleep(wait_s)

    async def drain(self) -> None:
        """Push until nothing is left or the store stops taking; for the end of a run."""
        while await self.step() == 0:
            pass
        await asyncio.to_thread(self._outbox.flush)

    async def _idle(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def step(self) -> float | None:
        """Offer one batch. Gives the wait until the next (s), None when there is nothing to offer."""
        index = await asyncio.to_thread(self._choose)
        if index is None:
            return await self._reseal()
        batch = await asyncio.to_thread(self._outbox.batch, index)
        if batch is None:
            return 0.0
        answer = await self._sink.write(batch)
        try:
            return await asyncio.to_thread(self._settle, index, answer)
        except OSError as error:
            logger.error("event=answer_not_kept index=%d error=%s", index, error.strerror)  # noqa: TRY400
            return DISK_WAIT_S

    def _choose(self) -> int | None:
        now_ms = self._clock.mono_ms()
        self._held = {index: until for index, until in self._held.items() if until > now_ms}
        skip = self._conflicting | self._held.keys()
        index = self._pick(now_ms, skip | self._doubted)
        if index is None and self._doubted:
            self._doubted.clear()
            index = self._pick(now_ms, skip)
        return index

    def _pick(self, now_ms: int, skip: Collection[int]) -> int | None:
        fresh = self._next_fresh(now_ms, skip)
        if fresh is not None and self._in_a_row < FRESH_IN_A_ROW:
            self._in_a_row += 1
            return fresh
        self._in_a_row = 0
        return self._outbox.next_unsent(skip)

    def _next_fresh(self, now_ms: int, skip: Collection[int]) -> int | None:
        """Give the newest batch that is fresh and not done with."""
        newest = self._outbox.newest
        for index in range(max(self._newest_seen + 1, newest - FRESH_MAX + 1), newest + 1):
            self._fresh[index] = now_ms + self._fresh_ms
        self._newest_seen = newest
        self._fresh = {
            index: until
            for index, until in list(self._fresh.items())[-FRESH_MAX:]
            if until > now_ms and not self._outbox.is_done(index)
        }
        return next((index for index in reversed(self._fresh) if index not in skip), None)

    def _settle(self, index: int, answer: Answer) -> float:
        self._count(answer)
        if answer.kind is not AnswerKind.STORED:
            self._tell(index, answer)
        if answer.kind is AnswerKind.STORED:
            self._outbox.ack(index)
            self.state.last_stored_ms, self.state.last_detail = self._clock.wall_ms(), ""
            self._backoff.reset()
            self._trust()
        elif answer.kind is AnswerKind.INVALID:
            return self._refused(index, answer)
        elif answer.kind is AnswerKind.CONFLICT:
            self._conflicting.add(index)
        elif answer.kind is AnswerKind.TOO_LARGE:
            return self._pass_over(index)
        else:
            return self._pause(answer)
        return 0.0

    def _count(self, answer: Answer) -> None:
        state = self.state
        state.answers[answer.kind] = state.answers.get(answer.kind, 0) + 1
        if isinstance(answer, ForeignAnswer):
            state.foreign[answer.status] = state.foreign.get(answer.status, 0) + 1
        state.is_up = answer.kind is AnswerKind.STORED

    def _refused(self, index: int, answer: Answer) -> float:
        """Take a refusal as the batch's fault, unless the store refuses all: then it is kept."""
        self._refused_in_a_row += 1
        if self._refused_in_a_row <= DEAD_IN_A_ROW:
            if self._outbox.dead_letter(index, answer.detail):
                return self._backoff.charge_s(self._clock.mono_ms())
            return self._pass_over(index)
        if not self.state.is_doubted:
            logger.error(
                "event=store_doubted refused=%d: no more dead letters until a batch is stored; mend the store or store.url, "
                "then mfl gateway buffer retry offers the dead letters again",
                self._refused_in_a_row,
            )
        self.state.is_doubted = True
        self._doubted.add(index)
        return self._pause(answer)

    def _trust(self) -> None:
        """Believe the store's refusals again: it has stored a batch."""
        self._refused_in_a_row = 0
        self._doubted.clear()
        self.state.is_doubted = False

    def _pass_over(self, index: int) -> float:
        now_ms = self._clock.mono_ms()
        self._held[index] = now_ms + HOLD_MS
        return self._backoff.charge_s(now_ms)

    def _pause(self, answer: Answer) -> float:
        wait_s = self._backoff.wait_s(self._clock.mono_ms())
        if answer.kind is AnswerKind.FORBIDDEN:
            wait_s = max(wait_s, PAUSE_S)
        if answer.retry_after_s is not None:
            wait_s = max(wait_s, min(answer.retry_after_s, RETRY_AFTER_MAX_S))
        return wait_s

    def _tell(self, index: int, answer: Answer) -> None:
        """Log what a person must know; the same words again are only counted."""
        is_new = answer.detail != self.state.last_detail
        self.state.last_detail = answer.detail
        level = logging.WARNING if answer.kind is AnswerKind.UNAVAILABLE else logging.ERROR
        if is_new:
            logger.log(
                level, "event=store_answer kind=%s index=%d detail=%s", answer.kind, index, answer.detail
            )

    async def _reseal(self) -> float | None:
        """Seal anew what conflicts, once all else is offered: so what the store already had is not sealed twice."""
        now_ms = self._clock.mono_ms()
        if not self._conflicting or now_ms < self._reseal_from_ms:
            return None
        self._reseal_from_ms = now_ms + RESEAL_MS
        indices = sorted(self._conflicting)
        try:
            done = await asyncio.to_thread(self._outbox.conflict, indices, self._seal_time())
        except OSError as error:
            logger.error("event=not_resealed error=%s", error.strerror)  # noqa: TRY400
            return DISK_WAIT_S
        self._conflicting.difference_update(indices)
        return 0.0 if done else None
