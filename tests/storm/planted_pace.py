"""Which mistakes of pace must the storm find? Each as one production function replaced by what a careless hand would write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway import backoff, uplink
from tests.storm.planted_bugs import Plant

if TYPE_CHECKING:
    import pytest


def backlog_strictly_oldest_first(patch: pytest.MonkeyPatch) -> None:
    """What is sealed now waits until three days are drained."""
    patch.setattr(uplink.Uplink, "_next_fresh", lambda _self, _now_ms, _skip: None)


def no_wait_between_tries(patch: pytest.MonkeyPatch) -> None:
    """A store that does not say when is asked again at once."""
    patch.setattr(uplink.Uplink, "_pause", lambda _self, answer: answer.retry_after_s or 0.0)


def jitter_without_a_bound_a_minute(patch: pytest.MonkeyPatch) -> None:
    """Decorrelated jitter alone, as published: its short draws may follow one another."""
    real = backoff.Backoff.wait_s

    def wait_s(self: Any, now_ms: int) -> float:
        self._tries.clear()
        return real(self, now_ms)

    patch.setattr(backoff.Backoff, "wait_s", wait_s)


PLANTS = (
    Plant(backlog_strictly_oldest_first, 5),
    Plant(no_wait_between_tries, 1),
    Plant(jitter_without_a_bound_a_minute, 5),
)
