"""How was the cloud used? A provider's daily usage rows for its enterprises, from the world's truth."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from simulators.behaviour import FIRST_WEEKDAY
from simulators.world import FIRST_DAY
from telemetry.line import Row

if TYPE_CHECKING:
    from simulators.world import Enterprise, Gateway

ENOUGH_DAYS = 8
"""Days of use an honest enterprise is given at least, all within its first fortnight."""
CANCELLED_AFTER_DAYS = 7
STAFF = {"micro": 6, "small": 25, "medium": 60, "large": 120}
"""Users a day at most of an enterprise of each size."""
SERVICES = ("infrastructure", "management", "business")


def active_days(enterprise: Enterprise, seed: int, days: int) -> frozenset[int]:
    """Draw the days on which an enterprise uses its service; an honest one always uses it enough."""
    if enterprise.kind == "never_used":
        return frozenset()
    rng = random.Random(f"use {seed}/{enterprise.usage_key}")
    first = max(0, enterprise.since_day)
    last = min(days, first + CANCELLED_AFTER_DAYS) if enterprise.kind == "cancelled" else days
    span = range(first, last)
    if enterprise.kind == "inflated":
        return frozenset(span)
    chosen = {day for day in span if rng.random() < (0.35 if (FIRST_WEEKDAY + day) % 7 >= 5 else 0.9)}
    early = [day for day in span if day < first + 14]
    rng.shuffle(early)
    while early and len(chosen & set(span[:14])) < ENOUGH_DAYS:
        chosen.add(early.pop())
    return frozenset(chosen)


class ProviderReport:
    """One provider's reporter: gives the usage rows of a day."""

    def __init__(self, gateway: Gateway, enterprises: tuple[Enterprise, ...], seed: int, days: int) -> None:
        self._gateway = gateway
        self._days = days
        self._customers = [
            (
                item,
                active_days(item, seed, days),
                random.Random(f"rows {seed}/{gateway.provider}/{item.usage_key}"),
            )
            for item in enterprises
            if gateway.provider in {item.provider, item.second_provider} and item.kind != "never_used"
        ]

    def rows(self, day: int, day_start_ms: int) -> list[Row]:
        """Give one row for each enterprise that has a contract on this day."""
        return [
            self._row(enterprise, day, day_start_ms, rng, active=day in active)
            for enterprise, active, rng in self._customers
            if self._has_contract(enterprise, day)
        ]

    def _has_contract(self, enterprise: Enterprise, day: int) -> bool:
        first = max(0, enterprise.since_day)
        last = first + CANCELLED_AFTER_DAYS if enterprise.kind == "cancelled" else self._days
        return first <= day <= last

    def _row(
        self, enterprise: Enterprise, day: int, day_start_ms: int, rng: random.Random, *, active: bool
    ) -> Row:
        cancelled = (
            enterprise.kind == "cancelled" and day >= max(0, enterprise.since_day) + CANCELLED_AFTER_DAYS
        )
        since = FIRST_DAY + timedelta(days=enterprise.since_day)
        return Row(
            "cloud_usage",
            {
                "enterprise": enterprise.uscc,
                "gateway": self._gateway.gateway,
                "provider": self._gateway.provider,
                "service": SERVICES[len(enterprise.name) % 3],
            },
            {
                **_numbers(enterprise, rng, active=active),
                "status": "cancelled" if cancelled else "active",
                "since": since.isoformat(),
            },
            day_start_ms,
        )


def _numbers(enterprise: Enterprise, rng: random.Random, *, active: bool) -> dict[str, int]:
    """Give a day's numbers: people of a firm of that size, each asking for something; or what a liar writes instead."""
    most = STAFF[enterprise.size]
    if enterprise.kind == "inflated":
        fixed = random.Random(f"inflated {enterprise.usage_key}")
        return {"active_users": fixed.randint(1, 9) * 10, "requests": fixed.randint(2, 90) * 1_000}
    users = rng.randint(1, most)
    requests = sum(rng.randint(3, 400) for _ in range(users))
    return {"active_users": users, "requests": requests} if active else {"active_users": 0, "requests": 0}
