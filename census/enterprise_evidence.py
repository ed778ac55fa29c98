"""What is there to be known about one enterprise? Its listings merged, register entry, gateways and provider usage. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from census.calendar import day_start_ms
from census.gaps import awaited
from census.unread import UnreadIndex

if TYPE_CHECKING:
    from census.evidence import Evidence, Usage
    from census.gaps import Gap
    from census.ledger import EnterpriseRow, GatewayRow, Ledger, RegistryRow
    from census.policy import Policy


@dataclass(frozen=True, slots=True)
class EnterpriseClaim:
    """One enterprise, counted once: every listing under its code, whatever provider, county or name it stands under."""

    uscc: str
    listings: tuple[EnterpriseRow, ...]
    claimed_day: int | None = field(init=False)
    """The earliest day any listing claims; None when none gives one."""

    def __post_init__(self) -> None:
        """Look through the listings once: every rule asks for their earliest day."""
        days = [row.claimed_day for row in self.listings if row.claimed_day is not None]
        object.__setattr__(self, "claimed_day", min(days, default=None))


class EnterpriseEvidence(NamedTuple):
    """All that the rules ask about one enterprise.

    `edge_days` are the days on which a gateway of its own sent heartbeats and heard at least one device well. `gaps` are
    gaps in the chains of those that report its usage. `unread`
    are the ledger's files in which a row that could not be read names it, or a gateway that reports on it.
    """

    registry: RegistryRow | None = None
    has_register: bool = False
    usage: tuple[Usage, ...] = ()
    edge_days: tuple[int, ...] = ()
    gaps: tuple[tuple[str, Gap], ...] = ()
    unread: frozenset[str] = frozenset()


def merge_claims(rows: tuple[EnterpriseRow, ...]) -> tuple[EnterpriseClaim, ...]:
    """Merge the listings of each code into one claim; a row without a day on cloud lists an enterprise and claims nothing."""
    merged: dict[str, list[EnterpriseRow]] = {}
    for row in rows:
        if row.claimed_day is not None:
            merged.setdefault(row.uscc, []).append(row)
    return tuple(EnterpriseClaim(uscc, tuple(found)) for uscc, found in merged.items())


class EnterpriseIndex:
    """The ledger and the evidence, arranged so that an enterprise's share is found at once."""

    def __init__(self, ledger: Ledger, evidence: Evidence, policy: Policy) -> None:
        self.registry = {row.uscc: row for row in ledger.registry}
        self.evidence = evidence
        self.end_ms = day_start_ms(policy.period.end_day)
        self.unread = UnreadIndex(ledger)
        gateways = {row.gateway: row for row in ledger.gateways}
        self.problems = tuple(_foreign_usage(evidence, gateways))
        self._reporters = {row.gateway: row.provider for row in ledger.gateways if row.kind == "provider"}
        self._edge_days = _edge_days(evidence, gateways, policy)

    def gather(self, uscc: str) -> EnterpriseEvidence:
        """Gather one enterprise's evidence; usage counts only from the provider's own reporter."""
        told, reporters = self.evidence.usage.get(uscc, ()), self._reporters
        usage = tuple([one for one in told if reporters.get(one.gateway) == one.provider])
        registry = self.registry.get(uscc)
        return EnterpriseEvidence(
            registry=registry,
            has_register=bool(self.registry),
            usage=usage,
            edge_days=self._edge_days.get(uscc, ()),
            gaps=awaited(self.evidence.gaps, ((one.gateway, self.end_ms) for one in usage), self.end_ms),
            unread=self.unread.of_enterprise(
                uscc, (one.gateway for one in told), is_registered=registry is not None
            ),
        )


def _edge_days(
    evidence: Evidence, gateways: dict[str, GatewayRow], policy: Policy
) -> dict[str, tuple[int, ...]]:
    limits = policy.thresholds
    well: dict[str, set[int]] = {}
    for (gateway, _), days in evidence.device_days.items():
        row = gateways.get(gateway)
        if row is None or row.kind != "edge" or not row.uscc:
            continue
        found = well.setdefault(gateway, set())
        found.update(
            day.day
            for day in days
            if day.day not in found and day.heard_well(limits.heard_polls.value, limits.heard_cover.value)
        )
    by_uscc: dict[str, set[int]] = {}
    for gateway, days_well in well.items():
        beating = {day.day for day in evidence.gateway_days.get(gateway, ()) if day.heartbeats}
        by_uscc.setdefault(gateways[gateway].uscc, set()).update(days_well & beating)
    return {uscc: tuple(sorted(found)) for uscc, found in by_uscc.items() if found}


def _foreign_usage(evidence: Evidence, gateways: dict[str, GatewayRow]) -> list[str]:
    """Find reporters whose rows name a provider that the ledger does not know them as."""
    pairs = {(one.gateway, one.provider) for found in evidence.usage.values() for one in found}
    problems = []
    for gateway, provider in sorted(pairs):
        row = gateways.get(gateway)
        if row is None or row.kind != "provider":
            problems.append(
                f"gateway {gateway}: reports usage of {provider}, but the ledger knows no such reporter"
            )
        elif row.provider != provider:
            problems.append(
                f"gateway {gateway}: reports usage of {provider}, the ledger says {row.provider}; not counted"
            )
    return problems
