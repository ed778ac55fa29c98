"""What is kept of one device of a Modbus line? Its reads, its identity, its silence, and how fast it may be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers.modbus_holes import NOTHING
from drivers.modbus_plan import identity_points, polled_points
from drivers.modbus_reads import Reads, compile_reads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.driver import DeviceSpec
    from drivers.modbus_holes import HoleBook
    from drivers.modbus_reads import Read
    from telemetry.reading import RawValue

REST_MAX = 15
"""Turns a silent unit is left out at most: on a shared line each of its timeouts is time the others wait."""


@dataclass(slots=True)
class Target:
    """One device of the endpoint: its requests, compiled, and what is known of it on this line."""

    spec: DeviceSpec
    unit: int
    pause_s: float
    in_flight: int
    reads: Reads
    identity_reads: tuple[Read, ...]
    asks_fc43: bool
    answered_s: float = float("-inf")
    """When it last answered, or failed to; the loop's time."""
    identity_due_ms: int | None = None
    identity_failed: bool = False
    """Whether asking who it is last cost the connection: then a new connection does not ask before it is due."""
    identity: Mapping[str, RawValue] = field(default_factory=dict)
    unanswered: int | None = None
    """Polls in a row without an answer (a refusal is one); None before its first poll."""
    rest: int = 0
    """Turns it is still left out, because it did not answer and the line is not its own."""

    def note(self, *, answered: bool, shares_line: bool) -> None:
        """Keep count of silence; on a shared line rest it for 0, 1, 3, 7, then REST_MAX turns."""
        self.unanswered = 0 if answered else (self.unanswered or 0) + 1
        if self.unanswered and shares_line:
            self.rest = min(2 ** (self.unanswered - 1) - 1, REST_MAX)


def make_target(spec: DeviceSpec, holes: HoleBook | None, now_ms: int) -> Target:
    """Prepare a device. ValueError: its profile is of another protocol, or names a point that no read fits."""
    profile, modbus = spec.profile, spec.profile.modbus
    if modbus is None:
        raise ValueError(f"{spec.device}: {profile.profile} is not heard over Modbus")
    unit = modbus.unit if spec.unit is None else spec.unit
    learned = NOTHING if holes is None else holes.of(spec.device, spec.profile_id)
    return Target(
        spec=spec,
        unit=unit,
        pause_s=modbus.pause_ms / 1000,
        in_flight=1 if modbus.pause_ms else modbus.in_flight,
        reads=Reads(profile, unit, polled_points(profile), learned, now_ms),
        identity_reads=compile_reads(profile, unit, identity_points(profile)),
        asks_fc43=profile.identity.fc43,
    )
