"""What was accepted but never sealed? At start the journal's leftover segments are folded and become rows.

Each run of the gateway is folded by itself: from its first reading to its last, by the profiles of its own day.
"""

from __future__ import annotations

import heapq
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.folds import Folds
from gateway.journal import SUFFIX
from gateway.journal_records import Leftover, read_leftover
from gateway.losses import loss_row
from gateway.normalize import identity_row
from telemetry.clock import ClockState
from telemetry.reading import ReadingKind
from telemetry.seal import SealTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from drivers.driver import DeviceSpec
    from telemetry.line import Row
    from telemetry.profile import Profile
    from telemetry.reading import Reading

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Replayed:
    """One run's leftovers as rows: what they consumed, what was lost, and the time to seal them under."""

    names: list[str]
    rows: list[Row] = field(default_factory=list)
    lost: int = 0
    own_time: SealTime | None = None
    """Set when the run's clock was never synchronised: its rows are sealed under its own boot, to be dated later."""


@dataclass(frozen=True, slots=True)
class Replayer:
    """Folds leftovers. `profile_of` gives the profile of an id, None when nobody has it any more."""

    gateway: str
    window_ms: int
    specs: Mapping[str, DeviceSpec]
    profile_of: Callable[[str], Profile | None]
    fallback_ms: int
    """When a loss of unknown time is dated."""
    offset_ms: int | None = None
    """Wall less monotonic time, to date readings anew that were heard before the clock was right."""

    def replay(self, leftovers: list[Leftover]) -> Replayed:
        """Fold one run's segments, in the order their readings were heard."""
        result = Replayed([item.path.name for item in leftovers])
        folds: Folds | None = None
        gone: dict[str, list[int]] = {}
        last: Reading | None = None
        for reading in _all(leftovers, self.offset_ms):
            last = reading
            if folds is None:
                folds = Folds(self.gateway, self.window_ms, reading.received_ms)
            if reading.kind is ReadingKind.IDENTITY:
                result.rows.append(identity_row(self.gateway, reading))
            elif self._ready(folds, reading):
                result.rows += folds.add(reading)
            else:
                gone.setdefault(reading.device, []).append(reading.received_ms)
        if folds is not None and last is not None:
            result.rows += folds.finish(last.received_ms)
        for device, times in gone.items():
            result.lost += len(times)
            result.rows.append(self._loss(device, "profile_gone", len(times), min(times), max(times)))
        rotten = sum(item.lost for item in leftovers)
        if rotten:
            at_ms = last.received_ms if last else self.fallback_ms
            result.lost += rotten
            result.rows.append(self._loss(self.gateway, "journal_rotten", rotten, at_ms, at_ms))
        if self.offset_ms is None:
            result.own_time = _own_time(leftovers, last)
        return result

    def _ready(self, folds: Folds, reading: Reading) -> bool:
        if folds.knows(reading.device):
            return True
        profile = self.profile_of(reading.profile)
        if profile is None:
            return False
        spec = self.specs.get(reading.device)
        folds.expect(reading.device, profile, reading.profile, spec.poll_interval_ms if spec else 1000)
        return True

    def _loss(self, device: str, reason: str, readings: int, from_ms: int, to_ms: int) -> Row:
        return loss_row(self.gateway, device, reason, from_ms=from_ms, to_ms=to_ms, readings=readings)


def _all(leftovers: list[Leftover], offset_ms: int | None) -> Iterator[Reading]:
    """Give a run's readings as they came: by monotonic time, for a wall clock that stepped back goes on in an older segment."""
    for reading in heapq.merge(*(item.heard() for item in leftovers), key=lambda reading: reading.mono_ms):
        yield reading if offset_ms is None else replace(reading, received_ms=reading.mono_ms + offset_ms)


def _own_time(leftovers: list[Leftover], last: Reading | None) -> SealTime | None:
    header = next((item.header for item in leftovers if item.header is not None), None)
    if header is None or last is None or header.clock_state is ClockState.SYNCED:
        return None
    return SealTime(last.received_ms, last.mono_ms, header.boot, ClockState.UNSYNCED)


def find_leftovers(directory: Path, names: Iterable[str] | None = None) -> list[list[Leftover]]:
    """Read the segments in a journal directory (or the named ones), one list a run, each in window order."""
    wanted = None if names is None else set(names)
    runs: dict[str, list[Leftover]] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        if wanted is not None and path.name not in wanted:
            continue
        parts = path.name.split("-")
        if len(parts) != 3 or not parts[0].isdigit() or not path.is_file() or path.is_symlink():
            logger.warning("event=journal_foreign_file name=%r", path.name[:100])
            continue
        runs.setdefault(parts[1], []).append(read_leftover(path))
    return list(runs.values())
