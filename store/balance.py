"""Does what gateways say they accepted equal what is here? The account of DESIGN section 2.1, checked from outside.

Heartbeats carry `accepted_total` over the outbox's life, so per gateway: accepted = stored + declared lost + on the way.
More stored than accepted is a reading counted twice. What stays on the way for many heartbeats is missing for good.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from telemetry.line import Line
    from telemetry.seal import Batch

SETTLED_AFTER = 16
"""Heartbeats after which a reading is no longer merely open: the widest window (15 minutes) has then been sealed."""
WAITING_MAX = 10_000
"""Batches of an epoch held behind a gap; with more, the epoch's missing readings are not told."""
_SAME_ACCOUNT = {"conflict", "key_changed"}
"""Reasons under which a new epoch goes on with the old outbox and its totals."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One gateway's account, in readings. `missing_most` bounds what is missing for good; None when gaps hide it.

    `gone` were on the way when an earlier outbox was lost or replaced; `breaks` are the reasons its epochs gave.
    """

    gateway: str
    accepted: int
    stored: int
    lost: int
    on_the_way: int
    gone: int
    missing_most: int | None
    breaks: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Tell whether no reading is here twice."""
        return self.on_the_way >= 0 and self.gone >= 0

    def __str__(self) -> str:
        text = (
            f"{self.gateway}: accepted {self.accepted} = stored {self.stored} + lost {self.lost} "
            f"+ on the way {self.on_the_way}"
        )
        if self.gone:
            text += f" + gone with an earlier outbox {self.gone}"
        if self.missing_most:
            text += f"; at most {self.missing_most} of them missing for {SETTLED_AFTER} heartbeats"
        return text + (f"; chain broken for: {', '.join(self.breaks)}" if self.breaks else "")


@dataclass(slots=True)
class _Epoch:
    """One epoch's sums. `told` are (accepted, rows and losses up to there) of its last heartbeats without a gap before."""

    stored: int = 0
    lost: int = 0
    accepted: int | None = None
    reason: str = ""
    previous: str = ""
    seq: int = 0
    before: int = 0
    waiting: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    is_hidden: bool = False
    told: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SETTLED_AFTER))

    def follow(self, seq: int, readings: int, accepted: int | None) -> None:
        """Take a batch's place in the chain, as soon as all before it are here."""
        if len(self.waiting) >= WAITING_MAX:
            self.is_hidden = True
            return
        self.waiting[seq] = (readings, accepted)
        while self.seq + 1 in self.waiting:
            self.seq += 1
            readings, accepted = self.waiting.pop(self.seq)
            self.before += readings
            if accepted is not None:
                self.told.append((accepted, self.before))


class Balance:
    """The accounts of all gateways of a log; takes every batch once, in any order."""

    def __init__(self) -> None:
        self._epochs: dict[str, dict[str, _Epoch]] = {}

    def add(self, batch: Batch, lines: Sequence[Line]) -> None:
        """Take in one batch with its decoded lines."""
        seal = batch.seal
        epoch = self._epochs.setdefault(seal.gateway, {}).setdefault(seal.epoch, _Epoch())
        stored = lost = 0
        accepted = None
        for line in lines:
            if line.measurement == "machine":
                stored += int(line.fields.get("readings", 0))
            elif line.measurement == "loss":
                lost += int(line.fields.get("readings", 0))
            elif line.measurement == "heartbeat" and "accepted_total" in line.fields:
                accepted = int(line.fields["accepted_total"])
            elif line.measurement == "epoch":
                epoch.reason = str(line.fields.get("reason", ""))
                epoch.previous = str(line.fields.get("previous", ""))
        epoch.stored += stored
        epoch.lost += lost
        if accepted is not None:
            epoch.accepted = max(accepted, epoch.accepted or 0)
        epoch.follow(seal.seq, stored + lost, accepted)

    def settle(self) -> Iterator[Settlement]:
        """Give every gateway's account that ever told its totals; providers have none."""
        for gateway, epochs in sorted(self._epochs.items()):
            lives = _lives(epochs)
            if any(epoch.accepted is not None for epoch in epochs.values()):
                yield _settle(gateway, lives)


def _lives(epochs: dict[str, _Epoch]) -> list[list[_Epoch]]:
    """Part a gateway's epochs into the lives of its outboxes, in the order they came; totals begin anew in each."""
    lives: dict[str, list[_Epoch]] = {}
    for name, epoch in epochs.items():
        root, seen = name, {name}
        while epochs[root].reason in _SAME_ACCOUNT and (before := epochs[root].previous) in epochs:
            if before in seen:
                break
            seen.add(before)
            root = before
        lives.setdefault(root, []).append(epoch)
    return list(lives.values())


def _settle(gateway: str, lives: list[list[_Epoch]]) -> Settlement:
    epochs = [epoch for life in lives for epoch in life]
    rests = [_rest(life) for life in lives]
    return Settlement(
        gateway=gateway,
        accepted=sum(_accepted(life) for life in lives),
        stored=sum(epoch.stored for epoch in epochs),
        lost=sum(epoch.lost for epoch in epochs),
        on_the_way=rests[-1],
        gone=sum(rests[:-1]),
        missing_most=_missing(lives[-1]),
        breaks=tuple(epoch.reason for epoch in epochs if epoch.reason not in ("", "first")),
    )


def _accepted(life: list[_Epoch]) -> int:
    return max(epoch.accepted or 0 for epoch in life)


def _rest(life: list[_Epoch]) -> int:
    return _accepted(life) - sum(epoch.stored + epoch.lost for epoch in life)


def _missing(life: list[_Epoch]) -> int | None:
    """Bound what is missing: the least that was on the way at any of the last heartbeats that have all before them."""
    last = max(life, key=lambda epoch: epoch.accepted or 0)
    if last.is_hidden or last.waiting or len(last.told) < SETTLED_AFTER:
        return None
    earlier = sum(epoch.stored + epoch.lost for epoch in life if epoch is not last)
    return max(0, min(accepted - before for accepted, before in last.told) - earlier)
