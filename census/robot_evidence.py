"""What is there to be known about one claimed robot? Its bindings, days, identities, rivals and papers. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from census.calendar import HOUR_MS, day_of, day_start_ms
from census.compare import find_copies
from census.gaps import awaited
from census.papers import Papers, normal_serial
from census.regularity import find_rhythms
from census.unread import UnreadIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from census.compare import Copy
    from census.enrolments import Span
    from census.evidence import DeviceDay, DeviceKey, Epoch, Evidence, Identity
    from census.gaps import Gap
    from census.ledger import Binding, InvoiceLine, Ledger, Replacement, RobotClaim
    from census.policy import Policy
    from census.regularity import Rhythm

OPEN_MS = 9_000_000_000_000_000
_BY_DAY = attrgetter("day")


@dataclass(frozen=True, slots=True)
class Rival:
    """Another claim on the same serial or the same device. `first_received_ms` is None when it was never heard."""

    robot: str
    first_received_ms: int | None


@dataclass(frozen=True, slots=True)
class Predecessor:
    """Another serial that worked at a bound device before this robot; `moved_to` is where it was heard later, if anywhere."""

    gateway: str
    device: str
    serial: str
    last_day: int
    moved_to: DeviceKey | None


@dataclass(frozen=True, slots=True)
class RobotEvidence:
    """All that the rules ask about one claim.

    `days` are credited: inside a binding, in a life whose serial is not another's. `all_days` are all days of the bound
    devices in such lives, binding or not: no work is credited from them, but first work before the claim is seen.
    `broken_days` are (gateway, day) of bound gateways with a batch whose link does not hold or whose epoch is silent;
    `silent_epochs` are those epochs, with their gateways, oldest first. `spans` are a bound
    gateway's enrolments; empty when they are not known, as when figures recompute from evidence alone.
    `first_received_ms` orders a claim among its rivals; without any it is None. `unread` are the ledger's files in which
    a row that could not be read names the robot, a serial, device or gateway of its, or who claims the same. `gaps` are
    awaited batches of bound gateways.
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
    first_heard_ms: int | None = None
    replaced: tuple[Replacement, ...] = ()
    predecessors: tuple[Predecessor, ...] = ()
    rhythms: tuple[Rhythm, ...] = ()
    broken_days: frozenset[tuple[str, int]] = frozenset()
    silent_epochs: tuple[tuple[str, Epoch], ...] = ()
    spans: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    gaps: tuple[tuple[str, Gap], ...] = ()


class RobotIndex:
    """The ledger and the evidence, arranged so that a claim's share is found at once."""

    def __init__(
        self,
        ledger: Ledger,
        evidence: Evidence,
        policy: Policy,
        spans: Mapping[str, Sequence[Span]] | None = None,
    ) -> None:
        self.evidence = evidence
        self.unread = UnreadIndex(ledger)
        self.spans = spans
        self.end_ms = day_start_ms(policy.period.end_day)
        self.work_ms = policy.thresholds.first_work_running_min.value * 60_000
        self.papers = Papers(ledger)
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
        self.copies = (
            evidence.copies
            if evidence.copies is not None
            else find_copies(
                (day for days in evidence.device_days.values() for day in days),
                patterns_min=limits.copy_patterns.value,
                days_min=limits.copy_days.value,
                margin_ms=limits.order_margin.value * HOUR_MS,
            )
        )
        self.rhythms = (
            evidence.rhythms
            if evidence.rhythms is not None
            else find_rhythms(evidence.device_days, limits.scripted_growth.value)
        )
        # Days that come again and again, or that a script made, go with anybody's days at some shift: alike to them is no
        # evidence. Exact equality remains one.
        self.repeating = {key for key, found in self.copies.items() for copy in found if copy.other == key}
        self.repeating |= {key for key, one in self.rhythms.items() if one.equal >= limits.equal_hours.value}
        self.broken = {
            gateway: frozenset(day.day for day in days if day.broken)
            for gateway, days in evidence.gateway_days.items()
        }
        self.silent = {
            gateway: tuple(dict.fromkeys(one for day in days for one in day.epochs if one.is_silent))
            for gateway, days in evidence.gateway_days.items()
        }
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
        for robot, bindings in self.papers.bindings.items():
            if robot in claimed:
                for binding in bindings:
                    self.by_device.setdefault((binding.gateway, binding.device), []).append(binding)
        self.claimed = claimed

    def gather(self, claim: RobotClaim) -> RobotEvidence:
        """Gather one claim's evidence."""
        bindings = tuple(self.papers.bindings.get(claim.robot, ()))
        serials = self._serials(claim)
        keys = {(binding.gateway, binding.device) for binding in bindings}
        foreign = {key: self._foreign_lives(key, serials) for key in keys}
        own = {key: self._days_but(key, foreign[key]) for key in sorted(keys)}
        all_days = _in_order(own.values())
        identities = self._identities(keys, bindings)
        spans = _whole_days(bindings)
        rivals = tuple(self._rivals(claim, bindings))
        copies = tuple(
            copy
            for key in sorted(keys)
            for copy in self.copies.get(key, ())
            if copy.kind != "correlated" or copy.other not in self.repeating
        )
        told = {identity.serial for identity in identities if identity.serial}
        others = [rival.robot for rival in rivals], [copy.other[0] for copy in copies]
        return RobotEvidence(
            bindings=bindings,
            days=_in_order(_bound_days(days, spans[key]) for key, days in own.items()),
            all_days=all_days,
            identities=identities,
            elsewhere=self._elsewhere(claim, keys),
            serials=serials,
            gateway_days_before=self._gateway_days_before(all_days),
            copies=copies,
            rivals=rivals,
            invoices=tuple(
                line for serial in sorted(serials) for line in self.papers.invoices.get(serial, ())
            ),
            first_received_ms=self._first_received(claim.robot) if rivals else None,
            first_heard_ms=_first_heard(all_days, identities),
            replaced=tuple(self.papers.replaced.get(normal_serial(claim.serial), ())) if claim.serial else (),
            predecessors=tuple(self._predecessors(own, foreign)),
            rhythms=tuple(self.rhythms[key] for key in sorted(keys) if key in self.rhythms),
            broken_days=self._broken_days(bindings),
            silent_epochs=self._silent_epochs(bindings),
            spans=self._spans(bindings),
            gaps=awaited(self.evidence.gaps, ((one.gateway, _until(one)) for one in bindings), self.end_ms),
            unread=self.unread.of_robot(claim, bindings, serials | told, others),
        )

    def _foreign_lives(self, key: DeviceKey, serials: frozenset[str]) -> set[int]:
        """Find a device's lives that are another's: one that tells another serial itself, or before mine is declared."""
        identities = [one for one in self.evidence.identities.get(key, ()) if one.serial]
        mine = [one.life for one in identities if normal_serial(one.serial) in serials]
        return {
            one.life
            for one in identities
            if normal_serial(one.serial) not in serials
            and one.life not in mine
            and (one.is_read or (mine and one.life < min(mine)))
        } | {one.life for one in identities if one.is_read and normal_serial(one.serial) not in serials}

    def _days_but(self, key: DeviceKey, foreign: set[int]) -> Sequence[DeviceDay]:
        """Give a device's days but those of lives that are another's."""
        days = self.evidence.device_days.get(key, ())
        return [day for day in days if day.life not in foreign] if foreign else days

    def _predecessors(
        self, own: Mapping[DeviceKey, Sequence[DeviceDay]], foreign: Mapping[DeviceKey, set[int]]
    ) -> Iterable[Predecessor]:
        """Find who worked at the bound devices in a life before this robot's first."""
        for key, days in own.items():
            if not days or not foreign[key]:
                continue
            first = min(day.life for day in days)
            for identity in self.evidence.identities.get(key, ()):
                if identity.life >= first or identity.life not in foreign[key]:
                    continue
                worked = [
                    day.day
                    for day in self.evidence.device_days.get(key, ())
                    if day.life == identity.life and day.worked_ms >= self.work_ms
                ]
                if worked:
                    later = self._heard_later(identity, key)
                    yield Predecessor(*key, identity.serial, max(worked), later)

    def _heard_later(self, identity: Identity, key: DeviceKey) -> DeviceKey | None:
        for other in self.heard_serials.get(normal_serial(identity.serial), ()):
            if (other.gateway, other.device) != key and other.last_ms > identity.last_ms:
                return other.gateway, other.device
        return None

    def _broken_days(self, bindings: tuple[Binding, ...]) -> frozenset[tuple[str, int]]:
        return frozenset(
            (binding.gateway, day)
            for binding in bindings
            for day in self.broken.get(binding.gateway, ())
            if _from(binding) < day_start_ms(day + 1) and day_start_ms(day) < _until(binding)
        )

    def _silent_epochs(self, bindings: tuple[Binding, ...]) -> tuple[tuple[str, Epoch], ...]:
        """Name the silent epochs that a bound gateway began before the binding's end."""
        return tuple(
            dict.fromkeys(
                (binding.gateway, epoch)
                for binding in bindings
                for epoch in self.silent.get(binding.gateway, ())
                if epoch.began_ms < _until(binding)
            )
        )

    def _spans(self, bindings: tuple[Binding, ...]) -> dict[str, Sequence[Span]]:
        if self.spans is None:
            return {}
        return {binding.gateway: self.spans.get(binding.gateway, ()) for binding in bindings}

    def _serials(self, claim: RobotClaim) -> frozenset[str]:
        """List the serials that are this robot's: the claimed one, and what documented replacements of its own made of it.

        Where the claim was written after an exchange, what the robot was before is its own too.
        """
        serials = {normal_serial(claim.serial)} if claim.serial else set()
        papers = sorted(self.papers.replacements.get(claim.robot, ()), key=lambda one: one.day)
        for paper in papers:
            if paper.document and normal_serial(paper.old_serial) in serials:
                serials.add(normal_serial(paper.new_serial))
        for paper in reversed(papers):
            if paper.document and normal_serial(paper.new_serial) in serials:
                serials.add(normal_serial(paper.old_serial))
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

    def _gateway_days_before(self, own: Sequence[DeviceDay]) -> int:
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
        spans = _whole_days(self.papers.bindings.get(robot, ()))
        received = [
            day.received_min_ms
            for key, bound in spans.items()
            for day in _bound_days(self.evidence.device_days.get(key, ()), bound)
            if day.heard
        ]
        return min(received, default=None)


def _first_heard(own: Sequence[DeviceDay], identities: tuple[Identity, ...]) -> int | None:
    """Find when the robot was first heard: its first answer, or the first time its device told a serial."""
    told = [identity.first_ms for identity in identities if identity.serial]
    first = next((day.first_ms for day in own if day.heard), None)
    return min([*told, *([first] if first is not None else [])], default=None)


def _whole_days(bindings: Iterable[Binding]) -> dict[DeviceKey, list[tuple[int, int]]]:
    """Give each bound device's half-open spans of days that lie wholly inside a binding; a day bound in part is none."""
    spans: dict[DeviceKey, list[tuple[int, int]]] = {}
    for binding in bindings:
        first = day_of(_from(binding) - 1) + 1 if binding.from_ms is not None else -OPEN_MS
        end = day_of(_until(binding)) if binding.until_ms is not None else OPEN_MS
        spans.setdefault((binding.gateway, binding.device), []).append((first, end))
    return spans


def _bound_days(days: Sequence[DeviceDay], spans: Sequence[tuple[int, int]]) -> Sequence[DeviceDay]:
    """Keep a device's days, which come in order, inside a binding; most robots have one, and it holds them all."""
    if len(spans) == 1:
        first, end = spans[0]
        return days[bisect_left(days, first, key=_BY_DAY) : bisect_left(days, end, key=_BY_DAY)]
    return [day for day in days if any(first <= day.day < end for first, end in spans)]


def _in_order(devices: Iterable[Sequence[DeviceDay]]) -> tuple[DeviceDay, ...]:
    """Order days by day, then device, then life; the devices come in order, and so do each one's days and lives."""
    of_devices = tuple(devices)
    if len(of_devices) == 1:
        return tuple(of_devices[0])
    return tuple(sorted(chain.from_iterable(of_devices), key=_BY_DAY))


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
