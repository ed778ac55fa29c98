"""What do messages that tell only an increase add up to? Each counted once, by its message id. Pure.

A counter must be a total to be evidence. Where a device pushes increases, its profile names a message id; the ids of the
last `IDS_MAX` messages are remembered, and the sum of what was counted once is the total. The sum begins at 0 with the
process and lives as long; a message that the broker delivers again and that is not remembered is not counted, for it may
have been: too little can happen at a restart, too much cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from telemetry.errors import BadReply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import RawValue

IDS_MAX = 10_000
"""Message ids remembered, a device: an hour and more at two messages a second; a broker repeats its in-flight 20."""
DEVICES_MAX = 1_000
TOTAL_MODULUS = 1 << 53
"""Totals stay exact wherever they are read."""


@dataclass(slots=True)
class DeltaTotals:
    """One device's running totals; `owner` is its session, address and name."""

    owner: tuple[str, str, str]
    names: tuple[str, ...]
    _totals: dict[str, int] = field(default_factory=dict)
    _ids: dict[str, None] = field(default_factory=dict)

    def take(
        self, message_id: str, values: Mapping[str, RawValue], *, is_repeated: bool
    ) -> dict[str, RawValue] | None:
        """Give the values with totals in the place of increases; None when the message was counted before.

        BadReply: an increase below 0, or a message delivered again that is not remembered.
        """
        if message_id in self._ids:
            return None
        if is_repeated:
            raise BadReply("delivered again, and it is not known whether it was counted before")
        steps = {name: int(values[name]) for name in self.names if name in values}
        if any(step < 0 for step in steps.values()):
            raise BadReply("an increase below 0")
        self._ids[message_id] = None
        if len(self._ids) > IDS_MAX:
            del self._ids[next(iter(self._ids))]
        for name, step in steps.items():
            self._totals[name] = (self._totals.get(name, 0) + step) % TOTAL_MODULUS
        return {**values, **{name: self._totals[name] for name in steps}}


@lru_cache(maxsize=DEVICES_MAX)
def totals_of(owner: tuple[str, str, str], names: tuple[str, ...]) -> DeltaTotals:
    """Give a device's totals, the same ones after every reconnection."""
    return DeltaTotals(owner, names)
