"""Does each enterprise rule support, contradict and stay silent where its wording says so?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import parse_day
from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence, merge_claims
from census.evidence import UsageLooks
from census.rules import ENTERPRISE_RULES
from census.usage_chance import Alike
from tests.census.samples import FIRST, USCC, listing, registered, usage

if TYPE_CHECKING:
    from census.policy import Policy

BEFORE = parse_day("2017-12-20")


def asked(**values: Any) -> EnterpriseClaim:
    row = listing(**values)
    return EnterpriseClaim(row.uscc, (row,))


def evidence(**values: Any) -> EnterpriseEvidence:
    given: dict[str, Any] = {
        "registry": registered(),
        "has_register": True,
        "usage": (usage(),),
        "edge_days": (),
    }
    return EnterpriseEvidence(**given | values)


def looking(**values: Any) -> EnterpriseEvidence:
    return evidence(usage=(usage(looks=UsageLooks(**values)),))


def looking_over(days: int, **values: Any) -> EnterpriseEvidence:
    return evidence(usage=(usage([FIRST + day for day in range(days)], looks=UsageLooks(**values)),))


def served(*services: str) -> EnterpriseEvidence:
    return evidence(usage=(usage(services=services, statuses=("active",) * len(services)),))


OWN = tuple(FIRST + number for number in range(6))
CASES: list[tuple[str, str, str, EnterpriseClaim, EnterpriseEvidence]] = [
    ("registered_entity", "supports", "active", asked(), evidence()),
    ("registered_entity", "contradicts", "bad code", asked(uscc="91110000600037341M"), evidence()),
    ("registered_entity", "contradicts", "sole trader", asked(uscc="92340621MA2UJT9WXP"), evidence()),
    ("registered_entity", "contradicts", "unknown", asked(), evidence(registry=None)),
    ("registered_entity", "contradicts", "struck off", asked(), evidence(registry=registered(status="struck_off"))),
    ("registered_entity", "contradicts", "ended", asked(), evidence(registry=registered(until_day=FIRST - 1))),
    ("registered_entity", "contradicts", "founded later", asked(), evidence(registry=registered(from_day=FIRST + 1))),
    ("registered_entity", "supports", "ends later", asked(), evidence(registry=registered(until_day=FIRST + 1))),
    ("registered_entity", "silent", "no register", asked(), evidence(registry=None, has_register=False)),
    ("new_in_period", "supports", "used inside", asked(), evidence()),
    ("new_in_period", "supports", "own gateway", asked(), evidence(usage=(), edge_days=OWN)),
    ("new_in_period", "supports", "gateway's trial run before", asked(), evidence(usage=(), edge_days=(BEFORE, *OWN))),
    ("new_in_period", "contradicts", "claimed before", asked(claimed_day=BEFORE), evidence()),
    ("new_in_period", "contradicts", "since before", asked(), evidence(usage=(usage(since="2017-06-01"),))),
    ("new_in_period", "contradicts", "used before", asked(), evidence(usage=(usage([BEFORE, FIRST]),))),
    ("new_in_period", "contradicts", "one of two before", asked(), evidence(usage=(usage(), usage(provider="q", since="2017-01-01")))),
    ("new_in_period", "silent", "never used", asked(), evidence(usage=(usage([]),))),
    ("new_in_period", "silent", "unheard", asked(), evidence(usage=())),
    ("new_in_period", "supports", "since is no date", asked(), evidence(usage=(usage(since="last year"),))),
    ("live_use", "supports", "eight days", asked(), evidence()),
    ("live_use", "supports", "two providers together", asked(), evidence(usage=(usage([FIRST, FIRST + 1, FIRST + 2]), usage([FIRST + 3, FIRST + 4], provider="q")))),
    ("live_use", "supports", "own gateway", asked(), evidence(usage=(), edge_days=OWN)),
    ("live_use", "supports", "own gateway, cancelled", asked(), evidence(usage=(usage(statuses=("cancelled",)),), edge_days=OWN)),
    ("live_use", "contradicts", "cancelled", asked(), evidence(usage=(usage(statuses=("cancelled",)),))),
    ("live_use", "supports", "one service cancelled", asked(), evidence(usage=(usage(statuses=("active", "cancelled")),))),
    ("live_use", "silent", "four days", asked(), evidence(usage=(usage([FIRST, FIRST + 1, FIRST + 2, FIRST + 3]),))),
    ("live_use", "silent", "thinly spread", asked(), evidence(usage=(usage([FIRST + 4 * n for n in range(9)]),))),
    ("live_use", "silent", "before the period", asked(), evidence(usage=(usage([BEFORE + n for n in range(9)]),))),
    ("live_use", "silent", "unheard", asked(), evidence(usage=())),
    ("usage_plausible", "supports", "varied", asked(), looking(told_days=20, distinct_days=20)),
    ("usage_plausible", "supports", "own gateway alone", asked(), evidence(usage=(), edge_days=OWN)),
    ("usage_plausible", "supports", "two days alike by chance", asked(), looking(twin_days=2, behind_days=2, twins=2)),
    ("usage_plausible", "supports", "the original", asked(), looking(told_days=20, distinct_days=20, twin_days=20, twins=4)),
    ("usage_plausible", "contradicts", "copied", asked(), looking(twin_days=20, behind_days=3, twins=2)),
    ("usage_plausible", "contradicts", "a template", asked(), looking(twin_days=20, tied_days=20, twins=3)),
    ("usage_plausible", "silent", "two alike from one day on", asked(), looking(twin_days=20, tied_days=20, twins=2)),
    ("usage_plausible", "supports", "a stranger copied three days", asked(), looking_over(24, twin_days=3, tied_days=3, twins=2)),
    ("usage_plausible", "silent", "a stranger copied half of it", asked(), looking_over(24, twin_days=12, tied_days=12, twins=2)),
    ("usage_plausible", "contradicts", "goes with an earlier one", asked(), looking(told_days=20, alike=Alike("E9", 93, 20, 40, 0, 1))),
    ("usage_plausible", "silent", "goes with it less surely", asked(), looking(told_days=20, alike=Alike("E9", 85, 20, 40, 3, 1))),
    ("usage_plausible", "silent", "goes with one of its day", asked(), looking(told_days=20, alike=Alike("E9", 99, 20, 40, 0, 0))),
    ("usage_plausible", "supports", "is followed", asked(), looking(told_days=20, distinct_days=20, alike=Alike("E9", 99, 20, 40, -3, -1))),
    ("usage_plausible", "supports", "goes with it by chance", asked(), looking(told_days=20, distinct_days=20, alike=Alike("E9", 85, 20, 3, 0, 1))),
    ("usage_plausible", "contradicts", "never varies", asked(), looking(told_days=20, distinct_days=5)),
    ("usage_plausible", "contradicts", "round", asked(), looking(told_days=20, distinct_days=20, round_days=18)),
    ("usage_plausible", "supports", "round for a week", asked(), looking(told_days=7, distinct_days=1, round_days=7)),
    ("usage_plausible", "contradicts", "no man asks so often", asked(), looking(requests_a_user_max=200_001)),
    ("usage_plausible", "contradicts", "more users than staff", asked(), looking(users_max=3_001)),
    ("usage_plausible", "supports", "a large enterprise", asked(size="large"), looking(users_max=30_000)),
    ("usage_plausible", "silent", "unheard", asked(), evidence(usage=())),
    ("level", "supports", "reached", asked(level="level-1"), served("business")),
    ("level", "supports", "above", asked(level="level-1"), served("business", "management")),
    ("level", "silent", "short", asked(level="level-3"), served("business", "management")),
    ("level", "silent", "one suspended", asked(level="level-2"), evidence(usage=(usage(services=("business", "management"), statuses=("active", "suspended")),))),
    ("level", "silent", "none claimed", asked(), served("business")),
    ("level", "silent", "unheard", asked(level="level-1"), evidence(usage=())),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{one[0]}-{one[2]}" for one in CASES])
def test_each_rule_answers_as_its_wording_says(
    case: tuple[str, str, str, EnterpriseClaim, EnterpriseEvidence], policy: Policy
) -> None:
    rule, answer, about, claim, found = case
    finding = ENTERPRISE_RULES[rule](claim, found, policy)
    assert (finding.rule, str(finding.answer)) == (rule, answer), (about, finding.en)


def test_every_rule_has_its_three_examples() -> None:
    shown = {(rule, answer) for rule, answer, *_ in CASES}
    # A level too high is entered at the level reached; whether the enterprise counts does not depend on it.
    assert {("level", "contradicts")} | shown == {
        (rule, answer) for rule in ENTERPRISE_RULES for answer in ("supports", "contradicts", "silent")
    }


def test_the_policy_may_count_sole_traders_and_do_without_a_register(policy: Policy) -> None:
    lenient = policy.enterprises.model_copy(update={"sole_traders_count": True, "register_required": False})
    finding = ENTERPRISE_RULES["registered_entity"](
        asked(uscc="92340621MA2UJT9WXP"),
        evidence(registry=None),
        policy.model_copy(update={"enterprises": lenient}),
    )
    assert str(finding.answer) == "supports"


def test_listings_of_one_code_are_one_claim_from_its_earliest_day() -> None:
    rows = (
        listing(claimed_day=FIRST + 3, name="甲"),
        listing(claimed_day=FIRST, name="乙", provider="q", division="330382"),
        listing(uscc="92340621MA2UJT9WXP", claimed_day=None),
    )
    (claim,) = merge_claims(rows)
    assert (claim.uscc, len(claim.listings), claim.claimed_day) == (USCC, 2, FIRST)
