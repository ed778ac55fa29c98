"""Which of a gateway's epochs bear witness? A break is let stand once in a while; more of them need a person's word. Pure.

An epoch is one chain of batches. A new one hides whatever was not yet sent of the old one, so breaks are counted by calendar
quarter at +08:00. Every epoch is a break but the gateway's earliest one that names none before it: what later ones say of
themselves changes nothing, for whoever breaks chains on purpose would call each new one the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from census.calendar import day_of, write_day
from census.evidence import Epoch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

EpochKey = tuple[str, str]
"""(gateway, epoch)."""
REASONS = frozenset({"first", "outbox_lost", "replaced", "conflict", "key_changed"})
"""What a gateway may say (DESIGN section 5); another word of its own is not repeated to a reader."""


@dataclass(frozen=True, slots=True)
class EpochSeen:
    """What the log holds of one epoch: when it began (UTC ms), and what its first batch says of it (empty: nothing)."""

    gateway: str
    epoch: str
    began_ms: int
    leaf: int
    reason: str
    previous: str
    previous_seq: int | None


def judge_epochs(
    seen: Iterable[EpochSeen], explained: Collection[EpochKey], breaks_max: int | None
) -> dict[str, tuple[Epoch, ...]]:
    """Give each gateway's epochs, oldest first; beyond `breaks_max` unexplained breaks a quarter they are silent.

    With None no break silences anything, as where rows are folded under no policy.
    """
    found: dict[str, list[EpochSeen]] = {}
    for one in seen:
        found.setdefault(one.gateway, []).append(one)
    return {gateway: tuple(_judged(found[gateway], explained, breaks_max)) for gateway in sorted(found)}


def _judged(
    seen: list[EpochSeen], explained: Collection[EpochKey], breaks_max: int | None
) -> Iterable[Epoch]:
    unexplained: dict[tuple[int, int], int] = {}
    for place, one in enumerate(sorted(seen, key=lambda one: (one.began_ms, one.leaf, one.epoch))):
        is_break = place > 0 or bool(one.previous) or one.reason not in {"", "first"}
        is_explained = (one.gateway, one.epoch) in explained
        is_silent = False
        if is_break and not is_explained:
            quarter = _quarter(one.began_ms)
            unexplained[quarter] = unexplained.get(quarter, 0) + 1
            is_silent = breaks_max is not None and unexplained[quarter] > breaks_max
        yield Epoch(
            one.epoch,
            one.began_ms,
            one.leaf,
            one.reason,
            one.previous,
            one.previous_seq,
            is_break=is_break,
            is_explained=is_explained,
            is_silent=is_silent,
        )


def _quarter(time_ms: int) -> tuple[int, int]:
    day = date.fromordinal(day_of(time_ms))
    return day.year, (day.month - 1) // 3


def silent_keys(epochs: Mapping[str, tuple[Epoch, ...]]) -> list[EpochKey]:
    """List the epochs whose rows bear no witness."""
    return [(gateway, one.epoch) for gateway, found in epochs.items() for one in found if one.is_silent]


def epoch_problems(epochs: Mapping[str, tuple[Epoch, ...]]) -> list[str]:
    """Say, a line a gateway, which epochs wait for a person's word."""
    problems = []
    for gateway, found in epochs.items():
        silent = [one for one in found if one.is_silent]
        if silent:
            first, more = silent[0], f" and {len(silent) - 1} later ones" if silent[1:] else ""
            problems.append(
                f"gateway {gateway}: epoch {first.epoch} of {write_day(day_of(first.began_ms))}"
                f" ({first.reason if first.reason in REASONS else 'no known reason'}){more}: more breaks of the chain in a quarter than are let stand; their"
                f" rows bear no witness until somebody who knows says why: {way_out(gateway, first.epoch)}"
            )
    return problems


def way_out(gateway: str, epoch: str) -> str:
    """Write the command that explains an epoch."""
    return f"mfl store explain-epoch {gateway} {epoch}"
