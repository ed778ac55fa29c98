"""What does a gateway know of a store? That it takes a batch and gives an answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from telemetry.seal import Batch


class AnswerKind(StrEnum):
    """The store's answer as the decision it asks for (DESIGN section 5)."""

    STORED = "stored"
    """204: durable and counted once; forget it."""
    FORBIDDEN = "forbidden"
    """401, 403: unknown or revoked; keep, pause, alarm."""
    CONFLICT = "conflict"
    """409: this seq is taken by other bytes; open a new epoch and re-seal what is unsent."""
    INVALID = "invalid"
    """400, 422: the seal is wrong, our own bug; dead letter and a loss row."""
    TOO_LARGE = "too_large"
    """413: cannot happen by construction; alarm."""
    UNAVAILABLE = "unavailable"
    """429, 503, 507 or no answer: keep, and obey Retry-After."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a store said to a batch; `retry_after_s` is its wish, None when it had none."""

    kind: AnswerKind
    detail: str = ""
    retry_after_s: float | None = None


class Sink(Protocol):
    """Takes sealed batches. Returns an answer for every one and raises nothing for a store that is away."""

    async def write(self, batch: Batch) -> Answer:
        """Offer one batch; STORED only when it is durable."""
        ...
