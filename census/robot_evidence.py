"""What is there to be known about one claimed robot? Its bindings, days, identities, rivals and papers. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from census.calendar import HOUR_MS, day_start_ms
from census.compare import find_copies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from census.compare import Copy
    from census.evidence import DeviceDay, DeviceKey, Evidence, Identity
    from census.ledger import Binding, InvoiceLine, Ledger, Replacement, RobotClaim
    from census.policy import Policy

OPEN_MS = 9_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Rival:
    """Another claim on the same serial or the same device. `first_received_ms` is None when it was never heard."""

    robot: str
    first_received_ms: int | None


@dataclass(frozen=True, slots=True)
class RobotEvidence:
    """All that the rules ask about one claim.

    `days` are credited: inside a binding, in a life whose serial is not another's. `all_days` are all days of the bound
    devices in such lives, binding or not: no work is credited from them, but first work before the claim is seen.
    """

    bindings: tuple[Binding, ...] = ()
    days: tuple[DeviceDay, ...] = ()
    all_days: tuple[DeviceDay, ...] = ()
    identities: tuple[Identity, ...] = ()
    elsewhere: tuple[Identity, ...] = ()
    serials: frozenset[str] = frozenset()
    gateway_days_before: int = 0
    copies: tuple[Copy, ...] = ()
    rivals: tuple[Rival, ...] = ()
    invoices: tuple[InvoiceLine, ...] = ()
    first_received_ms: int | None = None


def normal_serial(serial: str) -> str:
    """Spell a serial for comparison: capitals, no blanks or dashes."""
    return "".join(serial.upper().split()).replace("-", "")


class RobotIndex:
    """The ledger and the evidence, arranged so that a claim's share is found at once."""

    def __init__(self, ledger: Ledger, evidence: Evidence, policy: Policy) -> None:
        self.evidence = evidence
        self.bindings: dict[str, list[Binding]] = {}
        for binding in ledger.bindings:
            self.bindings.setdefault(binding.robot, []).append(binding)
        self.replacements: dict[str, list[Replacement]] = {}
        for replacement in ledger.replacements:
            self.replacements.setdefault(replacement.robot, []).append(replacement)
        self.invoices: dict[str, list[InvoiceLine]] = {}
        for line in ledger.invoices:
            if line.serial:
                self.invoices.setdefault(normal_serial(line.serial), []).append(line)
        self.heard_serials: dict[str, list[Identity]] = {}
        for identities in evidence.identities.values():
            for identity in identities:
                if identity.serial:
                    self.heard_serials.setdefault(normal_serial(identity.serial), []).append(identity)
        self.gateway_days = {
            gateway: [day.day for day in days if day.batches or day.heartbeats]
            for gateway, days in evidence.gateway_days.items()
        }
        limits = policy.thresholds
        self.copies = find_copies(
            (day for days in evidence.device_days.values() for day in days),
            patterns_min=limits.copy_patterns.value,
            days_min=limits.copy_days.value,
            margin_ms=limits.order_margin.value * HOUR_MS,
        )
        self._claims(ledger.robots)

    def _claims(self, claims: Iterable[RobotClaim]) -> None:
        """Find claims that share a serial, or a device at the same time."""
        self.by_serial: dict[str, list[RobotClaim]] = {}
        self.by_device: dict[DeviceKey, list[Binding]] = {}
        claimed = {}
        for claim in claims:
            claimed[claim.robot] = claim
            if claim.serial:
                self.by_serial.setdefault(normal_serial(claim.serial), []).append(claim)
        for robot, bindings in self.bindings.items():
            if robot in claimed:
                for binding in bindings:
                    self.by_device.setdefault((binding.gateway, binding.device), []).append(binding)
        self.claimed = claimed

    def gather(self, claim: RobotClaim) -> RobotEvidence:
        """Gather one claim's evidence."""
        bindings = tuple(self.bindings.get(claim.robot, ()))
        serials = self._serials(claim)
        keys = {(binding.gateway, binding.device) for binding in bindings}
        foreign = {
            (key, identity.life)
            for key in keys
            for identity in self.evidence.identities.get(key, ())
            if identity.is_read and identity.serial and normal_serial(identity.serial) not in serials
        }
        own = [
            day
            for key in sorted(keys)
            for day in self.evidence.device_days.get(key, ())
            if (key, day.life) not in foreign
        ]
        own.sort(key=lambda day: (day.day, day.gateway, day.device, day.life))
        return RobotEvidence(
            bindings=bindings,
            days=tuple(day for day in own if _is_bound(day, bindings)),
            all_days=tuple(own),
            identities=self._identities(keys, bindings),
            elsewhere=self._elsewhere(claim, keys),
            serials=serials,
            gateway_days_before=self._gateway_days_before(own),
            copies=tuple(copy for key in sorted(keys) for copy in self.copies.get(key, ())),
            rivals=tuple(self._rivals(claim, bindings)),
            invoices=tuple(line for serial in sorted(serials) for line in self.invoices.get(serial, ())),
            first_received_ms=self._first_received(claim.robot),
        )

    def _serials(self, claim: RobotClaim) -> frozenset[str]:
        """List the serials that are this robot's: the claimed one, and what documented replacements made of it."""
        serials = {normal_serial(claim.serial)} if claim.serial else set()
        for replacement in sorted(self.replacements.get(claim.robot, ()), key=lambda one: one.day):
            if replacement.document and normal_serial(replacement.old_serial) in serials:
                serials.add(normal_serial(replacement.new_serial))
        return frozenset(serials)

    def _identities(self, keys: set[DeviceKey], bindings: tuple[Binding, ...]) -> tuple[Identity, ...]:
        """Find what the bound devices said to be while they were bound.

        An identity is told on connect and on change, so one told before the binding holds within it until the next life.
        """
        return tuple(
            identity
            for key in sorted(keys)
            for identity, ends_ms in _with_ends(self.evidence.identities.get(key, ()))
            if any(
                (binding.gateway, binding.device) == key
                and identity.first_ms < _until(binding)
                and ends_ms > _from(binding)
                for binding in bindings
            )
        )

    def _elsewhere(self, claim: RobotClaim, keys: set[DeviceKey]) -> tuple[Identity, ...]:
        if not claim.serial:
            return ()
        found = self.heard_serials.get(normal_serial(claim.serial), ())
        return tuple(one for one in found if (one.gateway, one.device) not in keys)

    def _gateway_days_before(self, own: list[DeviceDay]) -> int:
        """Count the days the gateway was heard before the device first answered."""
        first = next((day for day in own if day.heard), None)
        return bisect_left(self.gateway_days.get(first.gateway, []), first.day) if first else 0

    def _rivals(self, claim: RobotClaim, bindings: tuple[Binding, ...]) -> Iterable[Rival]:
        robots = {
            other.robot for other in self.by_serial.get(normal_serial(claim.serial), ()) if claim.serial
        }
        for binding in bindings:
            for other in self.by_device.get((binding.gateway, binding.device), ()):
                if other.robot != claim.robot and _meet(binding, other):
                    robots.add(other.robot)
        for robot in sorted(robots - {claim.robot}):
            yield Rival(robot, self._first_received(robot))

    def _first_received(self, robot: str) -> int | None:
        """Find when the store first received an answer of the devices bound to a claim, inside the binding."""
        bindings = self.bindings.get(robot, ())
        received = [
            day.received_min_ms
            for binding in bindings
            for day in self.evidence.device_days.get((binding.gateway, binding.device), ())
            if day.heard and _is_bound(day, (binding,))
        ]
        return min(received, default=None)


def _is_bound(day: DeviceDay, bindings: tuple[Binding, ...]) -> bool:
    """Tell whether a whole day lies inside one binding; a day bound in part is not credited."""
    start, end = day_start_ms(day.day), day_start_ms(day.day + 1)
    return any(
        (binding.gateway, binding.device) == (day.gateway, day.device)
        and (binding.from_ms is None or binding.from_ms <= start)
        and (binding.until_ms is None or end <= binding.until_ms)
        for binding in bindings
    )


def _with_ends(identities: tuple[Identity, ...]) -> Iterable[tuple[Identity, int]]:
    """Pair each identity with the moment the next life of its device begins."""
    starts: dict[int, int] = {}
    for identity in identities:
        starts[identity.life] = min(identity.first_ms, starts.get(identity.life, OPEN_MS))
    for identity in identities:
        yield identity, starts.get(identity.life + 1, OPEN_MS)


def _meet(one: Binding, other: Binding) -> bool:
    return max(_from(one), _from(other)) < min(_until(one), _until(other))


def _from(binding: Binding) -> int:
    return binding.from_ms if binding.from_ms is not None else -OPEN_MS


def _until(binding: Binding) -> int:
    return binding.until_ms if binding.until_ms is not None else OPEN_MS
