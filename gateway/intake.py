"""What happens to each thing heard? It is journalled, which accepts it, and then folded into its window.

Nothing here waits. A refused reading is counted and never acknowledged; an unknown device is dropped and counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from gateway.folds import Folds
from gateway.journal import JournalFull
from gateway.losses import Refusals
from gateway.normalize import identity_row
from telemetry.errors import Disconnected
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drivers.driver import DeviceSpec, Endpoint
    from gateway.journal import Journal
    from telemetry.clock import Clock
    from telemetry.line import Row
    from telemetry.reading import Heard, Reading

IDENTITY_AGAIN_MS = 86_400_000
"""An identity that did not change is told again once a day, however often a line is lost and found."""

logger = logging.getLogger(__name__)


class Intake:
    """One gateway's readings on their way from the drivers to closed rows."""

    def __init__(
        self, gateway: str, specs: Iterable[DeviceSpec], journal: Journal, clock: Clock, window_ms: int
    ) -> None:
        self._gateway = gateway
        self._specs = {spec.device: spec for spec in specs}
        self._journal = journal
        self._clock = clock
        self.window_ms = window_ms
        now_ms = clock.wall_ms()
        self.folds = Folds.begin(gateway, self._specs.values(), window_ms, now_ms)
        self.is_folding = False
        """False while the clock is not trusted: readings are journalled only."""
        self.refuse_reason = ""
        """Why nothing may be accepted now (`outbox_full`); empty when all is well."""
        self.watermark_ms = now_ms - now_ms % window_ms
        """Start of the oldest window not yet closed: earlier readings are journalled there."""
        self.ready: list[tuple[int, Row]] = []
        """Rows closed and not yet sealed, with the window whose segment holds their readings."""
        self.refusals = Refusals.none()
        self.polls: Counter[str] = Counter()
        self.bad_polls: Counter[str] = Counter()
        """Readings heard since start, and the bad ones among them, by device."""
        self.last_good_ms: dict[str, int] = {}
        self.foreign = self.refused_total = 0
        self.redelivered = 0
        """Messages delivered again and known."""
        self._known: dict[str, frozenset[str]] = {}
        """Endpoint → the devices that may speak through it."""
        self._identities: dict[str, tuple[dict[str, object], int]] = {}
        self._wall_ms, self._offset_ms = now_ms, now_ms - clock.mono_ms()

    def accept(self, endpoint: Endpoint, heard: Heard) -> None:
        """Take what one driver heard; its ack is called once all of it is durable, never if any was refused.

        Disconnected when a message was refused that will be delivered again on the next connection, and on no other: the
        line must end, lest the broker wait for ever for the ack and later messages overtake this one.
        """
        self.watch_clock()
        known = self._known.get(endpoint.url)
        if known is None:
            known = self._known[endpoint.url] = frozenset(spec.device for spec in endpoint.devices)
        readings = [reading for reading in heard.readings if reading.device in known]
        self.foreign += len(heard.readings) - len(readings)
        is_known = heard.is_repeated and heard.message in self._journal.deliveries
        if is_known:
            self.redelivered += 1
            # What a device says of itself is no count: it may be the first that this process hears of it.
            readings = [reading for reading in readings if reading.kind is ReadingKind.IDENTITY]
        if readings:
            self._take(heard, readings)
        elif heard.ack is not None and is_known:
            self._journal.ack_synced(heard.ack)  # the first copy may still wait for its sync
        elif heard.ack is not None:
            heard.ack()

    def _take(self, heard: Heard, readings: list[Reading]) -> None:
        groups: dict[int, list[Reading]] = {}
        for reading in readings:
            groups.setdefault(self._window(reading.received_ms), []).append(reading)
        for number, (window_ms, group) in enumerate(sorted(groups.items()), start=1):
            is_whole = number == len(groups)
            try:
                self._append(window_ms, group, *((heard.ack, heard.message) if is_whole else ()))
            except JournalFull as refusal:
                self._refuse(
                    [late for _, rest in sorted(groups.items())[number - 1 :] for late in rest], str(refusal)
                )
                if heard.message:
                    raise Disconnected(f"a message was refused: {refusal}") from None
                return
            if self.is_folding:
                self._fold(window_ms, group)

    def _append(
        self,
        window_ms: int,
        readings: list[Reading],
        ack: Callable[[], None] | None = None,
        message: bytes = b"",
    ) -> None:
        if self.refuse_reason:
            raise JournalFull(self.refuse_reason)
        self._journal.append(window_ms, readings, ack, message)

    def _window(self, at_ms: int) -> int:
        return max(at_ms - at_ms % self.window_ms, self.watermark_ms)

    def _refuse(self, readings: list[Reading], reason: str) -> None:
        for reading in readings:
            if reading.kind is not ReadingKind.IDENTITY:
                self.refused_total += 1
                self.refusals.add(reading.device, reason, reading.received_ms)

    def _fold(self, window_ms: int, readings: list[Reading]) -> None:
        for reading in readings:
            self.polls[reading.device] += 1
            if reading.quality is Quality.BAD:
                self.bad_polls[reading.device] += 1
            else:
                self.last_good_ms[reading.device] = reading.received_ms
            if reading.kind is ReadingKind.IDENTITY:
                self._tell_identity(window_ms, reading)
            else:
                for row in self.folds.add(reading, window_ms):
                    # A late row's readings lie in this segment, any other row's in the segment of its own window.
                    kept_ms = window_ms if row.fields["late"] else self._window(row.time_ms)
                    self.ready.append((kept_ms, row))

    def _tell_identity(self, window_ms: int, reading: Reading) -> None:
        told: dict[str, object] = dict(reading.values)
        known = self._identities.get(reading.device)
        if known is not None and known[0] == told and 0 <= reading.received_ms - known[1] < IDENTITY_AGAIN_MS:
            return
        self._identities[reading.device] = (told, reading.received_ms)
        self.ready.append((window_ms, identity_row(self._gateway, reading)))

    def watch_clock(self) -> None:
        """See a step of the wall clock of a window or more: the run ends before it and another begins after it."""
        wall_ms, mono_ms = self._clock.wall_ms(), self._clock.mono_ms()
        step_ms = wall_ms - mono_ms - self._offset_ms
        if abs(step_ms) >= self.window_ms:
            logger.warning("event=clock_stepped step_ms=%d", step_ms)
            self.break_run(wall_ms - step_ms, wall_ms)
        self._wall_ms, self._offset_ms = wall_ms, wall_ms - mono_ms

    def break_run(self, end_ms: int, start_ms: int, window_ms: int | None = None) -> None:
        """End the run's windows at `end_ms` and begin new ones at `start_ms`, perhaps of another length."""
        if self.is_folding:
            self.ready += [(0, row) for row in self.folds.finish(end_ms)]
            self.ready = [(0, row) for _, row in self.ready]
            self._journal.retire()
        self.begin_run(start_ms, window_ms)

    def begin_run(self, start_ms: int, window_ms: int | None = None) -> None:
        """Begin empty windows at a moment."""
        self.window_ms = window_ms or self.window_ms
        self.folds = Folds.begin(self._gateway, self._specs.values(), self.window_ms, start_ms)
        self.watermark_ms = start_ms - start_ms % self.window_ms

    def take(self, until_ms: int | None, now_ms: int) -> tuple[list[Row], list[str]]:
        """Close what ended by `until_ms` (None: everything, at `now_ms`); gives the rows and the segments they use up."""
        closed = self.folds.finish(now_ms) if until_ms is None else self.folds.close_until(until_ms)
        rows = [row for window_ms, row in self.ready if until_ms is None or window_ms < until_ms] + closed
        self.ready = [] if until_ms is None else [item for item in self.ready if item[0] >= until_ms]
        names = self._journal.names_before(until_ms)
        if until_ms is not None:
            self.watermark_ms = max(self.watermark_ms, until_ms)
        return rows, names
