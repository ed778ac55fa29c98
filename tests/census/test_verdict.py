from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from census.enterprise_evidence import EnterpriseEvidence
from census.finding import Answer, Finding
from census.policy import load_policy
from census.robot_evidence import RobotEvidence
from census.verdict import Outcome, enterprise_grade, judge, judge_robot, robot_grade
from tests.census.samples import FIRST, claim, device_day, identity, robot_evidence, silent_day, usage

if TYPE_CHECKING:
    from census.evidence import DeviceDay
    from census.policy import Policy

POLICY = load_policy("wenzhou-2018").policy
REQUIRED = ("a", "b")


def found(**answers: str) -> list[Finding]:
    return [Finding(rule, Answer(answer), "", "") for rule, answer in answers.items()]


def test_any_contradiction_refutes() -> None:
    verdict = judge(found(a="supports", b="supports", c="contradicts"), REQUIRED, "A", ("A",))
    assert (verdict.outcome, verdict.reason) == (Outcome.REFUTED, "c")


def test_every_required_support_confirms() -> None:
    verdict = judge(found(a="supports", b="supports", c="silent"), REQUIRED, "B", ("A", "B"))
    assert (verdict.outcome, verdict.reason) == (Outcome.CONFIRMED, "")


def test_a_missing_support_leaves_unproven() -> None:
    assert judge(found(a="supports", b="silent"), REQUIRED, "A", ("A",)).reason == "b"
    assert judge(found(a="supports"), REQUIRED, "A", ("A",)).reason == "b"


def test_a_grade_the_policy_does_not_take_leaves_unproven() -> None:
    verdict = judge(found(a="supports", b="supports"), REQUIRED, "C", ("A", "B"))
    assert (verdict.outcome, verdict.reason) == (Outcome.UNPROVEN, "grade")


def test_a_claim_with_all_in_order_is_confirmed(policy: Policy) -> None:
    verdict = judge_robot(claim(), robot_evidence(), policy)
    assert (verdict.outcome, verdict.grade, verdict.review) == (Outcome.CONFIRMED, "B", False)


def test_a_claim_never_heard_is_unproven(policy: Policy) -> None:
    verdict = judge_robot(claim(), RobotEvidence(), policy)
    assert (verdict.outcome, verdict.grade) == (Outcome.UNPROVEN, "")


def test_grades() -> None:
    assert robot_grade(robot_evidence(identities=(identity(source="register"),))) == "A"
    assert robot_grade(robot_evidence(identities=(identity(source="fc43"), identity()))) == "A"
    assert robot_grade(robot_evidence()) == "B"
    assert robot_grade(robot_evidence([device_day(FIRST, signed=False)])) == "C"
    own = tuple(FIRST + number for number in range(6))
    assert enterprise_grade(EnterpriseEvidence(edge_days=own, usage=(usage(),)), POLICY) == "A"
    assert enterprise_grade(EnterpriseEvidence(edge_days=own[:2], usage=(usage(),)), POLICY) == "B"
    assert enterprise_grade(EnterpriseEvidence(), POLICY) == ""


# Days of every sort: working, idle, badly heard, silent; in and out of order.
_DAYS = st.lists(
    st.builds(
        lambda offset, hours, polls: device_day(FIRST + offset, hours, polls_ok=polls),
        st.integers(0, 20),
        st.sampled_from([0, 1, 3, 8]),
        st.sampled_from([1440, 1200, 900]),
    ),
    max_size=16,
    unique_by=lambda day: day.day,
)


def _evidence(days: list[DeviceDay]) -> RobotEvidence:
    return robot_evidence(sorted(days, key=lambda day: day.day))


@settings(max_examples=60, deadline=None)
@given(_DAYS, st.sets(st.integers(0, 40), max_size=20))
def test_adding_silence_never_flips_a_verdict(days: list[DeviceDay], offsets: set[int]) -> None:
    """Days without an answer, and an identity that says nothing, change no outcome and no reason."""
    before = judge_robot(claim(), _evidence(days), POLICY)
    known = {day.day for day in days}
    added = [silent_day(FIRST + offset) for offset in offsets if FIRST + offset not in known]
    after_evidence = _evidence([*days, *added])
    nameless = identity(serial="", manufacturer="", model="", kind="", axes=None, source="fc43")
    after_evidence = replace(
        after_evidence,
        identities=(*after_evidence.identities, nameless),
        first_received_ms=_evidence(days).first_received_ms,
    )
    after = judge_robot(claim(), after_evidence, POLICY)
    assert (after.outcome, after.reason) == (before.outcome, before.reason)


@settings(max_examples=60, deadline=None)
@given(_DAYS, st.integers(0, 15))
def test_losing_a_days_answers_never_turns_a_no_into_a_yes_or_back(days: list[DeviceDay], place: int) -> None:
    before = judge_robot(claim(), _evidence(days), POLICY).outcome
    kept = [silent_day(day.day) if number == place else day for number, day in enumerate(days)]
    after = judge_robot(claim(), _evidence(kept), POLICY).outcome
    assert after == before or Outcome.UNPROVEN in {before, after} or before is Outcome.CONFIRMED
    assert not (before is Outcome.REFUTED and after is Outcome.CONFIRMED)
