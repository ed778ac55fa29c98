"""Does fresh data come in time, and is a store that fails left in peace? Pure checks of what the link saw, in virtual time.

**Fresh.** Calm weather: no fault comes any more, but the backlog is large and the store may take only so many batches a
window. From the first batch that the store takes in calm on, every batch sealed later is stored at most two windows after it
was sealed. Until that first one an honest gateway may owe a backoff, a Retry-After of ten minutes, or a start; from then on
it owes none of them: what it was told to wait in calm is a fraction of a window. Times are the link's and the monotonic clock's of
the boot, so no step of a wall clock moves them. A batch that is never stored is `check_balance`'s.

**In peace.** Within one life of the process, at most six tries that fail begin in any minute (DESIGN section 6). A restart by a
kill begins anew; a success between the failures does not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WINDOWS_MAX = 2.0
"""Windows that fresh data may be late while a backlog drains (issue 4)."""
TRIES_A_MINUTE_MAX = 6
MINUTE_S = 60.0
CLOCK_S = 0.001
"""The gateway measures its minute in whole milliseconds."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch that the store took for the first time, in seconds of virtual time."""

    sealed_s: float
    stored_s: float


@dataclass(frozen=True, slots=True)
class FailedTry:
    """A try that ended without the store's yes; `life` numbers the process that made it."""

    began_s: float
    life: int


def fresh_delays(deliveries: Sequence[Delivery], calm_s: float, window_s: float) -> list[float]:
    """Give how late, in windows, each batch was that was sealed after the first one stored in calm, from `calm_s` on."""
    first_s = min((item.stored_s for item in deliveries if item.stored_s >= calm_s), default=None)
    if first_s is None:
        return []
    return [(item.stored_s - item.sealed_s) / window_s for item in deliveries if item.sealed_s >= first_s]


def check_fresh(delays: Sequence[float]) -> Iterable[str]:
    """See that fresh data was at most two windows late."""
    late = [delay for delay in delays if delay > WINDOWS_MAX]
    if late:
        yield f"pace: {len(late)} of {len(delays)} fresh batches late, the worst by {max(late):.1f} windows"


def busiest_minute(tries: Iterable[FailedTry]) -> int:
    """Give the most failed tries that one process began in any minute; the tries are in the order of their beginning."""
    most = 0
    recent: deque[FailedTry] = deque()
    for item in tries:
        while recent and (
            recent[0].life != item.life or recent[0].began_s <= item.began_s - MINUTE_S + CLOCK_S
        ):
            recent.popleft()
        recent.append(item)
        most = max(most, len(recent))
    return most


def check_tries(most: int) -> Iterable[str]:
    """See that a store that fails is not hammered."""
    if most > TRIES_A_MINUTE_MAX:
        yield f"pace: {most} failing tries within a minute, at most {TRIES_A_MINUTE_MAX}"
