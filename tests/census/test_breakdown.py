"""Do the tables add up, rank and compare as a count by hand does?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from census.breakdown import DIMENSIONS, ELSEWHERE, TALLY, Judged, break_down
from census.calendar import parse_day
from census.growth import HIDDEN, MONTH_HIDDEN, NO_BEFORE, NO_MONTH, NO_YEAR, ZERO, compare_month
from census.ledger import Ledger, RegistryRow
from census.places import Places
from census.policy import load_policy
from census.report_tables import growth_text
from census.verdict import Outcome, Verdict
from tests.census.samples import USCC, listing

if TYPE_CHECKING:
    from census.policy import Policy

POLICY = load_policy("wenzhou-2018").policy
LUCHENG, YUEQING = "330302", "330382"
MARCH_END = parse_day("2018-03-31")


def judged(number: int, day: str = "2018-02-03", outcome: str = "confirmed", **place: str) -> list[Judged]:
    given: dict[str, Any] = {"division": LUCHENG} | place
    return [Judged(Verdict(Outcome(outcome), "B", ()), day=parse_day(day) if day else None, **given)] * number


def test_a_table_by_hand(policy: Policy) -> None:
    claims = (
        judged(30, "2018-01-10")
        + judged(20, "2018-03-05", division=YUEQING)
        + judged(25, "2018-03-06", division=YUEQING)
    )
    claims += judged(9, "", outcome="refuted", cluster="yongjia-valves", industry="C34", size="small")
    tables = break_down(claims, policy, MARCH_END)
    division = {row.code: row for row in tables["division"]}
    assert (division[YUEQING].tally.confirmed, division[YUEQING].rank, division[YUEQING].rank_change) == (
        45,
        1,
        1,
    )
    assert (division[LUCHENG].tally.confirmed, division[LUCHENG].rank, division[LUCHENG].rank_change) == (
        30,
        2,
        -1,
    )
    assert division["330327"].rank == 3
    months = {row.code: row.tally.claimed for row in tables["month"]}
    assert months == {"2018-01": 30, "2018-02": 0, "2018-03": 45, ELSEWHERE: 9}
    assert {row.code: row.tally.refuted for row in tables["cluster"]}["yongjia-valves"] == 9
    assert {row.code: row.tally.claimed for row in tables["industry"]}["C34"] == 9
    assert {row.code: row.tally.claimed for row in tables["size"]}[ELSEWHERE] == 75


def test_small_cells_are_not_published(policy: Policy) -> None:
    claims = (
        judged(40)
        + judged(2, outcome="refuted")
        + judged(50, division=YUEQING)
        + judged(8, outcome="refuted", division=YUEQING)
    )
    rows = {row.code: row for row in break_down(claims, policy, MARCH_END)["division"]}
    assert rows[LUCHENG].published()["refuted"] is None
    hidden = [row for row in rows.values() if row.published()["refuted"] is None]
    assert len(hidden) > 1, "the total would give it away"
    assert rows[LUCHENG].tally.refuted == 2


_CLAIMS = st.lists(
    st.builds(
        lambda outcome, division, day, size: Judged(
            Verdict(Outcome(outcome), "B", ()), division, size=size, day=day and parse_day(day)
        ),
        st.sampled_from(["confirmed", "refuted", "unproven"]),
        st.sampled_from([LUCHENG, YUEQING, "999999", ELSEWHERE]),
        st.sampled_from([None, "2018-01-01", "2018-02-28", "2019-01-01"]),
        st.sampled_from(["micro", "large", "odd"]),
    ),
    max_size=60,
)


@given(_CLAIMS)
def test_every_table_adds_up_to_the_same_total(claims: list[Judged]) -> None:
    for dimension, rows in break_down(claims, POLICY, MARCH_END).items():
        assert dimension in DIMENSIONS
        assert sum(row.tally.claimed for row in rows) == len(claims)
        for name in TALLY:
            hidden = [row for row in rows if row.published()[name] is None]
            assert len(hidden) != 1 or len(rows) == 1, "one gap in a column is no gap"


def change(claims: list[Judged], as_of: str, year: dict[str, int | None] | None = None) -> Any:
    day = parse_day(as_of)
    return compare_month(break_down(claims, POLICY, day)["month"], POLICY, day, year)


def test_a_month_is_compared_with_the_month_and_the_year_before() -> None:
    growth = change(judged(20, "2018-01-10") + judged(25), "2018-03-15", {"2017-02": 30})
    assert (growth.month, growth.confirmed) == ("2018-02", 25)
    assert (growth.on_month.base_month, growth.on_month.base, growth.on_month.change_tenths) == (
        "2018-01",
        20,
        250,
    )
    assert (growth.on_year.base_month, growth.on_year.base, growth.on_year.change_tenths) == (
        "2017-02",
        30,
        -167,
    )
    assert (
        growth_text(growth, 1)
        == "2018-02: 25  on the month before +25.0% (2018-01: 20)  on the year before -16.7% (2017-02: 30)"
    )
    assert "环比 +25.0%（2018-01: 20）" in growth_text(growth, 0)


@pytest.mark.parametrize(
    ("claims", "as_of", "on_month", "on_year"),
    [
        (judged(20, "2018-01-10"), "2018-01-30", NO_MONTH, NO_MONTH),
        (judged(20, "2018-01-10"), "2018-01-31", NO_BEFORE, NO_YEAR),
        (judged(20), "2018-02-28", ZERO, NO_YEAR),
        (judged(2, "2018-01-10") + judged(20), "2018-02-28", MONTH_HIDDEN, NO_YEAR),
        (judged(2, "2018-01-10") + judged(5) + judged(20, "2018-03-10"), "2018-03-31", HIDDEN, NO_YEAR),
    ],
)
def test_without_a_base_there_is_a_reason(
    claims: list[Judged], as_of: str, on_month: Any, on_year: Any
) -> None:
    growth = change(claims, as_of)
    assert (growth.on_month.reason, growth.on_year.reason) == (on_month, on_year)
    assert growth.on_month.change_tenths is growth.on_year.change_tenths is None


def test_the_last_month_of_the_period_stays_the_last(policy: Policy) -> None:
    growth = change(judged(20, "2018-12-10"), "2019-05-01")
    assert growth.month == "2018-12"


def test_places_come_from_the_listing_else_the_register(policy: Policy) -> None:
    other = "92340621MA2UJT9WXP"
    ledger = Ledger(
        enterprises=(
            listing(division="", cluster="", industry="3823"),
            listing(division="330322", cluster="永嘉泵阀产业集群", industry="C38", size="huge"),
        ),
        registry=(
            RegistryRow(USCC, "n", "active", YUEQING, None, None),
            RegistryRow(other, "n", "active", "330383", None, None),
        ),
    )
    places = Places(ledger, policy)
    verdict = Verdict(Outcome.CONFIRMED, "B", ())
    first, second = places.judged(USCC, None, verdict), places.judged(other, None, verdict)
    assert (first.division, first.cluster, first.industry, first.size) == (
        "330305",
        "yongjia-valves",
        "C38",
        "small",
    )
    assert (second.division, second.month) == ("330327", ELSEWHERE)


_COUNTIES = [one.code for one in POLICY.divisions]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(_COUNTIES[:5]),
            st.sampled_from(["confirmed", "confirmed", "refuted"]),
            st.sampled_from(["2018-01-10", "2018-02-10", "2018-03-10"]),
            st.integers(1, 4),
        ),
        max_size=9,
    )
)
def test_nothing_published_tells_more_of_a_gap_than_the_published_counts(claims: list[Any]) -> None:
    """Ranks and growth are functions of published cells, and where the published cells agree with another table, so do they."""
    found = [
        one for code, outcome, day, count in claims for one in judged(count, day, outcome, division=code)
    ]
    tables = break_down(found, POLICY, MARCH_END)
    shown = {row.code: row.published()["confirmed"] for row in tables["division"] if row.code != ELSEWHERE}
    for row in tables["division"]:
        mine = shown.get(row.code)
        known = [count for count in shown.values() if count is not None]
        assert row.rank == (None if mine is None else 1 + sum(count > mine for count in known))
        assert row.rank_change is None or row.rank is not None
    months = {row.code: row.published()["confirmed"] for row in tables["month"]}
    growth = compare_month(tables["month"], POLICY, MARCH_END, None)
    assert (growth.month, growth.confirmed) == ("2018-03", months["2018-03"])
    assert growth.on_month.base == months["2018-02"]
    if growth.on_month.change_tenths is not None:
        assert growth.confirmed is not None
        assert growth.on_month.base


def test_a_rank_is_among_published_cells_and_gives_no_gap_away(policy: Policy) -> None:
    """Eight in one county, one in each of two others: a fourth place for the empty ones would say that both have some."""
    claims = judged(8) + judged(1, division=YUEQING) + judged(1, division="330324")
    rows = {row.code: row for row in break_down(claims, policy, MARCH_END)["division"]}
    gaps = {code for code, row in rows.items() if row.published()["confirmed"] is None}
    assert {YUEQING, "330324"} < gaps
    assert {
        row.rank for code, row in rows.items() if code not in gaps and code not in {LUCHENG, ELSEWHERE}
    } == {2}
    assert {rows[code].rank for code in gaps} == {None}


def test_a_place_before_this_month_tells_no_small_count(policy: Policy) -> None:
    claims = judged(9, "2018-01-10") + judged(5, "2018-03-05")
    claims += judged(1, "2018-01-10", division=YUEQING) + judged(9, "2018-03-05", division=YUEQING)
    rows = {row.code: row for row in break_down(claims, policy, MARCH_END)["division"]}
    assert (rows[YUEQING].rank, rows[YUEQING].rank_change) == (2, None)
    assert (rows[LUCHENG].rank, rows[LUCHENG].rank_change) == (1, 0)


def test_a_month_too_small_to_publish_says_so_itself() -> None:
    growth = change(judged(8, "2018-01-10") + judged(1) + judged(1, "2018-03-05"), "2018-02-28")
    assert growth.confirmed is None
    assert growth.on_month.reason == MONTH_HIDDEN
