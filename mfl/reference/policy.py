"""Which numbers decide? The page of the packaged policies, made from their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.policy import Thresholds, list_policies, load_policy
from mfl.reference.tables import code, table

if TYPE_CHECKING:
    from census.policy import Policy

SOURCE = "config/policies/"


def page() -> str:
    """Write the page."""
    sections = "\n\n".join(_policy(load_policy(name).policy) for name in list_policies())
    return f"""# Policy · 核验政策

A policy says what counts, from when, and how much is enough. Its SHA-256 stands on every figure: to change a number is to
publish another policy.

{sections}
"""


def _policy(policy: Policy) -> str:
    rows = [
        (code(name), f"{found.value} {found.unit}".removesuffix(" 1"), found.zh, found.en)
        for name in Thresholds.model_fields
        for found in (getattr(policy.thresholds, name),)
    ]
    required = (
        f"Required of a robot: {', '.join(map(code, policy.robots.required))}.\n\n"
        f"Required of an enterprise: {', '.join(map(code, policy.enterprises.required))}."
    )
    levels = [(code(one.code), one.zh, one.en) for one in policy.levels]
    return "\n\n".join(
        [
            f"## {policy.policy}",
            f"{policy.zh}\n\n{policy.en}\n\n{policy.period.from_} – {policy.period.until} ({policy.period.zone}, half open)",
            required,
            table(("threshold", "value", "理由", "reason"), rows),
            table(("level", "等级", "step"), levels),
        ]
    )
