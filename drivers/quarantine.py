"""What was sent that could not be understood? Counted for ever, the latest kept by their heads, each new reason logged."""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass

from telemetry.line import clean

HEAD_BYTES = 1_024
"""Of each payload; enough to see what it was meant to be."""
KEPT_MAX = 32
"""Payloads kept, a connection: 32 KB."""
REASONS_MAX = 256
"""Different (sender, reason) pairs logged one by one; a sender that varies its nonsense is then only counted."""
_LOGGED_BYTES = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One payload that was no reading: when (UTC ms), on which topic, why, its length and its first bytes."""

    received_ms: int
    topic: str
    reason: str
    size: int
    head: bytes


class Quarantine:
    """What one connection could not use."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """By device (or what else names the sender)."""
        self.kept: deque[Quarantined] = deque(maxlen=KEPT_MAX)
        self._told: set[tuple[str, str]] = set()

    def add(self, sender: str, topic: str, reason: str, payload: bytes, received_ms: int) -> None:
        """Take one payload."""
        self.counts[sender] += 1
        self.kept.append(
            Quarantined(received_ms, clean(topic), clean(reason), len(payload), payload[:HEAD_BYTES])
        )
        kind = (sender, "".join(sign for sign in reason if not sign.isdigit()))
        if kind in self._told or len(self._told) >= REASONS_MAX:
            return
        self._told.add(kind)
        head = payload[:_LOGGED_BYTES].hex(" ")
        _log.warning("event=quarantined device=%s reason=%s head=%s", sender, clean(reason), head)
