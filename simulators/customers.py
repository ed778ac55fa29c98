"""Who uses the cloud, and who pretends to? Draws the providers, their customers and the gateways of small firms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from simulators import codes
from simulators.draft import METER_PROFILE, draw_device, draw_enterprise
from simulators.world import Enterprise, Gateway

if TYPE_CHECKING:
    from simulators.draft import Draft

COPIED_TOGETHER = 5
"""Customers at most whose usage is one and the same."""


def draw_customers(draft: Draft) -> None:
    """Draw the providers and every enterprise that claims to be on cloud."""
    rng, spec = draft.rng, draft.spec
    providers = [draft.new_id("prov-") for _ in range(spec.providers)]
    for name in providers:
        gateway = Gateway(draft.new_id("gw-"), "provider", codes.uscc(rng), "", provider=name)
        if spec.faults and rng.random() < 0.3:
            gateway = replace(gateway, late_days={rng.randint(3, spec.days - 4): rng.randint(2, 60)})
        draft.gateways.append(gateway)
    for kind, count in spec.enterprises.items():
        if kind == "copied":
            draft.enterprises += _copied(draft, count, providers)
            continue
        for _ in range(count):
            draft.enterprises.append(_customer(draft, kind, providers))


def _customer(draft: Draft, kind: str, providers: list[str]) -> Enterprise:
    rng = draft.rng
    enterprise = draw_enterprise(draft, kind, providers)
    if kind == "cancelled":
        return replace(enterprise, since_day=rng.randint(8, 14))
    if kind == "two_names":
        return replace(enterprise, second_name=codes.company(rng), second_provider=enterprise.provider)
    if kind == "listed_twice":
        other = rng.choice([name for name in providers if name != enterprise.provider])
        return replace(enterprise, second_name=codes.company(rng), second_provider=other)
    if kind == "own_gateway":
        gateway = Gateway(draft.new_id("gw-"), "edge", enterprise.uscc, "一车间", from_day=rng.randint(9, 13))
        draft.gateways.append(gateway)
        draft.devices.append(draw_device(draft, gateway, METER_PROFILE, gateway.from_day))
        return replace(enterprise, provider="", since_day=gateway.from_day)
    return enterprise


def _copied(draft: Draft, count: int, providers: list[str]) -> list[Enterprise]:
    """Draw customers in groups whose provider reports one usage for all of a group."""
    made: list[Enterprise] = []
    while len(made) < count:
        left = count - len(made)
        size = left if left <= COPIED_TOGETHER else 3
        first = _customer(draft, "copied", providers)
        made.append(first)
        made += [
            replace(
                _customer(draft, "copied", [first.provider]),
                usage_key=first.usage_key,
                since_day=first.since_day,
                size=first.size,
            )
            for _ in range(size - 1)
        ]
    return made
