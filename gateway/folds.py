"""Which window does each device's reading go into? One `WindowFold` a device, begun and ended together: a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.normalize import normalize
from gateway.window import WindowFold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.driver import DeviceSpec
    from telemetry.line import Row
    from telemetry.profile import Profile
    from telemetry.reading import Reading


class Folds:
    """The open windows of every device of a run."""

    def __init__(self, gateway: str, window_ms: int, run_start_ms: int) -> None:
        self._gateway = gateway
        self.window_ms = window_ms
        self.run_start_ms = run_start_ms
        self._folds: dict[str, tuple[WindowFold, Profile]] = {}
        self._last_ms = run_start_ms

    @classmethod
    def begin(cls, gateway: str, specs: Iterable[DeviceSpec], window_ms: int, run_start_ms: int) -> Folds:
        """Begin a run with every due device, so that a silent one has its rows too."""
        folds = cls(gateway, window_ms, run_start_ms)
        for spec in specs:
            folds.expect(spec.device, spec.profile, spec.profile_id, spec.poll_interval_ms)
        return folds

    def expect(self, device: str, profile: Profile, profile_id: str, poll_interval_ms: int) -> None:
        """Begin one device's windows."""
        fold = WindowFold(
            gateway=self._gateway,
            device=device,
            profile=profile,
            profile_id=profile_id,
            poll_interval_ms=poll_interval_ms,
            window_ms=self.window_ms,
            run_start_ms=self.run_start_ms,
        )
        self._folds[device] = (fold, profile)

    def knows(self, device: str) -> bool:
        """Tell whether a device is part of this run."""
        return device in self._folds

    @property
    def open_readings(self) -> int:
        """Readings folded into windows whose rows are not yet given."""
        return sum(fold.open_readings for fold, _ in self._folds.values())

    def add(self, reading: Reading, kept_ms: int = 0) -> list[Row]:
        """Fold one reading, kept in the journal segment of window `kept_ms`; gives the rows of the windows it closed."""
        fold, profile = self._folds[reading.device]
        sample = normalize(reading, profile)
        self._last_ms = max(self._last_ms, sample.at_ms)
        return fold.add(sample, kept_ms)

    def close_until(self, until_ms: int) -> list[Row]:
        """Give the rows of every window that ended by `until_ms`."""
        return [row for fold, _ in self._folds.values() for row in fold.close_until(until_ms)]

    def finish(self, now_ms: int) -> list[Row]:
        """End the run: all rows, the open windows short. A run ends after its last reading, whatever the clock says."""
        end_ms = max(now_ms, self._last_ms + 1)
        return [row for fold, _ in self._folds.values() for row in fold.finish(end_ms)]
