"""How long until the next try? Decorrelated jitter, so that a thousand gateways do not come back as one.

Each wait is drawn between the floor and three times the last one, up to the ceiling ("Exponential Backoff and
Jitter", AWS Architecture Blog, 2015). Chance is an argument.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

TRIES_A_MINUTE = 6
"""Most tries in any minute, whatever the draws: brokers and stores ban what knocks more often."""
RETRY_AFTER_MAX_S = 600.0
"""Longest wish of a store that is obeyed: ten minutes."""


class Backoff:
    """Waits of one line that fails."""

    def __init__(self, chance: random.Random, floor_s: float = 1.0, ceiling_s: float = 60.0) -> None:
        self._chance = chance
        self._floor_s = floor_s
        self._ceiling_s = ceiling_s
        self._last_s = floor_s
        self._tries: deque[int] = deque(maxlen=TRIES_A_MINUTE)

    def reset(self) -> None:
        """Forget the growth, after the line was good for a while; the tries of this minute still count."""
        self._last_s = self._floor_s

    def wait_s(self, now_ms: int) -> float:
        """Draw the wait after a failure at `now_ms` (monotonic)."""
        wait = self._chance.uniform(self._floor_s, 3 * self._last_s)
        wait = self._last_s = min(self._ceiling_s, wait)
        return max(wait, self.charge_s(now_ms))

    def charge_s(self, now_ms: int) -> float:
        """Count a try that failed for what was said and not for the line: it waits only when it is the sixth of a minute."""
        self._tries.append(now_ms)
        if len(self._tries) < TRIES_A_MINUTE:
            return 0.0
        # The next try waits until the first of the six is a minute old.
        return max(0.0, (self._tries[0] + 60_000 - now_ms) / 1000)
