"""Do the figures equal a count by hand?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from census.calendar import day_start_ms, parse_day
from census.figures import ELSEWHERE, Judged, Tally, count_figure, tenths, write_tenths
from census.policy import load_policy
from census.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from census.policy import Policy

POLICY = load_policy("wenzhou-2018").policy
LUCHENG, YUEQING = "330302", "330382"
AS_OF = day_start_ms(parse_day("2018-04-01"))


def judged(outcome: str, division: str = LUCHENG, reason: str = "") -> Judged:
    return Judged(Verdict(Outcome(outcome), "B", (), reason), division)


def test_a_count_by_hand(policy: Policy) -> None:
    claims = [judged("confirmed")] * 300 + [judged("confirmed", YUEQING)] * 15
    claims += [judged("refuted", YUEQING, "works")] * 4 + [judged("refuted", LUCHENG, "is_robot")] * 5
    claims += [judged("unproven", ELSEWHERE, "own_identity")] * 6
    figure = count_figure(policy.targets.robots_new, claims, policy, AS_OF)
    assert figure.tally == Tally(330, 315, 9, 6)
    assert write_tenths(figure.completion_tenths) == "26.3"  # 315 of 1,200 is 26.25
    assert write_tenths(figure.progress_tenths) == "24.7"  # 90 of 365 days is 24.657...
    assert write_tenths(figure.ahead_tenths, signed=True) == "+1.6"
    divisions = dict(figure.by_division)
    assert len(divisions) == 13
    assert divisions[LUCHENG] == Tally(305, 300, 5, 0)
    assert divisions[YUEQING] == Tally(19, 15, 4, 0)
    assert divisions[ELSEWHERE] == Tally(6, 0, 0, 6)
    assert figure.refuted_by_rule == (("is_robot", 5), ("works", 4))
    assert figure.unproven_by_rule == (("own_identity", 6),)


def test_nothing_claimed_is_nothing_counted(policy: Policy) -> None:
    figure = count_figure(policy.targets.robots_new, [], policy, day_start_ms(parse_day("2018-01-01")))
    assert figure.tally == Tally(0, 0, 0, 0)
    assert (figure.completion_tenths, figure.progress_tenths, figure.ahead_tenths) == (0, 0, 0)
    assert ELSEWHERE not in dict(figure.by_division)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 7, "0.0"),
        (1, 3, "33.3"),
        (2, 3, "66.7"),
        (1, 2000, "0.1"),
        (1, 2001, "0.0"),
        (1300, 1200, "108.3"),
    ],
)
def test_percentages_round_halves_up(part: int, whole: int, text: str) -> None:
    assert write_tenths(tenths(part, whole)) == text


@pytest.mark.parametrize(("value", "text"), [(-5, "-0.5"), (-76, "-7.6"), (0, "+0.0"), (998, "+99.8")])
def test_distances_carry_their_sign(value: int, text: str) -> None:
    assert write_tenths(value, signed=True) == text


_CLAIMS = st.lists(
    st.builds(
        judged,
        st.sampled_from(["confirmed", "refuted", "unproven"]),
        st.sampled_from([LUCHENG, YUEQING, ELSEWHERE]),
        st.sampled_from(["works", "is_robot"]),
    ),
    max_size=40,
)


@given(_CLAIMS)
def test_every_breakdown_adds_up(claims: list[Judged]) -> None:
    figure = count_figure(POLICY.targets.robots_new, claims, POLICY, AS_OF)
    tally = figure.tally
    assert tally.claimed == len(claims) == tally.confirmed + tally.refuted + tally.unproven
    for name in ("claimed", "confirmed", "refuted", "unproven"):
        assert sum(getattr(one, name) for _, one in figure.by_division) == getattr(tally, name)
    assert sum(count for _, count in figure.refuted_by_rule) == tally.refuted
    assert sum(count for _, count in figure.unproven_by_rule) == tally.unproven
