"""What was not kept, and why? Losses become rows, so that a gap is declared and never silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.outbox_records import Owed
from telemetry.errors import SealError
from telemetry.line import FieldValue, Row, clean
from telemetry.seal import NS_PER_MS, read_lines

if TYPE_CHECKING:
    from telemetry.seal import Batch


def loss_row(
    gateway: str, device: str, reason: str, *, from_ms: int, to_ms: int, readings: int, polls: int = 0
) -> Row:
    """Write one `loss` row, at its first moment. `readings` were accepted and lost; `polls` were never accepted.

    A loss of the gateway as a whole names the gateway itself as the device.
    """
    fields: dict[str, FieldValue] = {"from_ms": from_ms, "to_ms": to_ms, "readings": readings, "polls": polls}
    return Row("loss", {"device": device, "gateway": gateway, "reason": clean(reason)}, fields, from_ms)


def owed_row(gateway: str, owed: Owed, now_ms: int) -> Row:
    """Write the row of a loss among sealed batches; one whose time is not known is dated now."""
    from_ms, to_ms = owed.from_ms or now_ms, owed.to_ms or now_ms
    return loss_row(gateway, owed.device, owed.reason, from_ms=from_ms, to_ms=to_ms, readings=owed.readings)


def batch_readings(batch: Batch) -> int:
    """Count the device readings in a sealed batch; SealError when its lines are not what its seal says."""
    return sum(
        int(line.fields.get("readings", 0)) for line in read_lines(batch) if line.measurement == "machine"
    )


def dead_letter_losses(batch: Batch, index: int = 0) -> list[Owed]:
    """Say per device what a dead letter held; each reason names its seq and hash, so that the file can be found.

    `index` is its number in the outbox: a batch offered again and refused again is a second loss.
    """
    seal = batch.seal
    reason = f"dead_letter seq={seal.seq} sha256={batch.hash}"
    key = f"d{index}:{seal.epoch}:{seal.seq}"
    whole = [Owed(key, seal.gateway, reason, seal.sealed_ms, seal.sealed_ms, 0)]
    try:
        lines = [line for line in read_lines(batch) if line.measurement == "machine"]
    except SealError:
        return whole
    per_device: dict[str, Owed] = {}
    for line in lines:
        device, start = line.tags["device"], line.time_ns // NS_PER_MS
        end, readings = start + int(line.fields.get("window_ms", 0)), int(line.fields.get("readings", 0))
        known = per_device.get(device)
        if known is not None:
            start, end = min(start, known.from_ms), max(end, known.to_ms)
            readings += known.readings
        per_device[device] = Owed(f"{key}:{device}", device, reason, start, end, readings)
    return list(per_device.values()) or whole


@dataclass(slots=True)
class Refusals:
    """Polls that were answered while the gateway had no room: counted a device, told once a window."""

    _open: dict[tuple[str, str], list[int]]

    @classmethod
    def none(cls) -> Refusals:
        """Begin with nothing refused."""
        return cls({})

    def add(self, device: str, reason: str, at_ms: int) -> None:
        """Count one refused reading. Bounded by the site's devices times a handful of reasons."""
        known = self._open.get((device, reason))
        if known is None:
            self._open[device, reason] = [at_ms, at_ms, 1]
            return
        known[0], known[1], known[2] = min(known[0], at_ms), max(known[1], at_ms), known[2] + 1

    def rows(self, gateway: str) -> list[Row]:
        """Give the rows owed so far, without forgetting them."""
        return [
            loss_row(gateway, device, reason, from_ms=first, to_ms=last, readings=0, polls=polls)
            for (device, reason), (first, last, polls) in sorted(self._open.items())
        ]

    def clear(self) -> None:
        """Forget what has been sealed."""
        self._open.clear()

    @property
    def polls(self) -> int:
        """Polls refused and not yet told."""
        return sum(polls for _, _, polls in self._open.values())
