from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.view import BAR, overview
from dashboard.words import WORDS, word


def test_every_word_has_both_languages_and_the_same_places() -> None:
    for key, (zh, en) in WORDS.items():
        assert zh, key
        assert en, key
        assert set(re.findall(r"{(\w+)}", zh)) == set(re.findall(r"{(\w+)}", en)), key


def test_templates_and_words_agree_exactly() -> None:
    used: set[str] = set()
    for template in (resources.files("dashboard") / "templates").iterdir():
        used |= set(re.findall(r'\bt\("(\w+)"', template.read_text()))
    by_code = {
        *("claimed", "confirmed", "refuted", "unproven"),
        *("month_confirmed", "on_month", "on_year"),
        *("ahead", "behind", "on_schedule", "progress_bar", "claims_bar"),
        *("policy_digest", "ledger_digest", "as_of", "log_size", "root_hash", "code_version"),
        *("not_found", "not_allowed", "failed", "failed_note"),
    }
    assert used | by_code == set(WORDS)


def test_an_unknown_word_is_an_error() -> None:
    with pytest.raises(KeyError):
        word("nothing", "zh")


def test_divisions_are_joined_in_code_order_and_missing_counts_are_zero(figures: dict[str, Any]) -> None:
    view = overview(figures, "en")
    assert [row.code for row in view.divisions] == sorted(row.code for row in view.divisions)
    by_code = {row.code: row for row in view.divisions}
    assert by_code["330302"].counts == ("192", "120", "12", "60", "4,269", "3,655", "200", "414")
    assert by_code["330304"].counts[:4] == ("0", "0", "0", "0")
    assert by_code["330381"].counts[4:] == ("0", "0", "0", "0")


def test_a_count_too_small_to_publish_is_a_dot(figures: dict[str, Any]) -> None:
    figures["figures"]["robots_new"]["by_division"][0] |= {"refuted": None}
    row = overview(figures, "en").divisions[0]
    assert row.counts[2] == "·"
    assert row.counts[1] == "120"


def test_reasons_are_listed_the_heaviest_first(figures: dict[str, Any]) -> None:
    reasons = overview(figures, "en").reasons["robots_new"]
    assert [reason.rule for reason in reasons] == [
        "not_a_copy",
        "new_by_evidence",
        "works",
        "gateway_enrolled",
    ]


@pytest.mark.parametrize(
    ("points", "standing", "text"),
    [
        ("-5.7", "behind", "5.7 percentage points behind schedule"),
        ("+4.4", "ahead", "4.4 percentage points ahead of schedule"),
        ("0.0", "on_schedule", "exactly on schedule"),
        ("-0.0", "on_schedule", "exactly on schedule"),
    ],
)
def test_the_schedule_is_told_in_words(
    figures: dict[str, Any], points: str, standing: str, text: str
) -> None:
    figures["figures"]["robots_new"]["ahead_percent_points"] = points
    card = overview(figures, "en").cards[0]
    assert (card.standing, card.schedule) == (standing, text)


def test_a_month_is_compared_and_a_missing_base_has_its_reason(figures: dict[str, Any]) -> None:
    robots, enterprises = (card.month for card in overview(figures, "en").cards)
    assert (robots.label, robots.confirmed) == ("Confirmed in 2018-08", "1,123")
    assert [(one.label, one.change, one.base) for one in robots.compared] == [
        ("On the month before", "+12.3%", "2018-07 · 1,000"),
        ("On the year before", "—", "no result of the year before was given"),
    ]
    assert enterprises.confirmed == "·", "too small to publish"
    assert [one.change for one in enterprises.compared] == ["-4.0%", "+0.5%"]


def test_before_a_month_is_over_the_reason_stands_in_its_place(figures: dict[str, Any]) -> None:
    reason = {"reason_zh": "尚无完整月份", "reason_en": "no whole month of the period is over"}
    figures["figures"]["robots_new"]["growth"] = {"month": None, "on_month": reason}
    month = overview(figures, "zh").cards[0].month
    assert (month.label, month.compared, month.note) == ("", (), "尚无完整月份")


def test_a_list_that_is_not_signed_is_no_zero(figures: dict[str, Any]) -> None:
    lists = overview(figures, "en").lists
    assert [(one.name, one.listed, one.target, one.reason) for one in lists] == [
        ("Demonstration enterprises", "28", "30", ""),
        ("Benchmark enterprises", "—", "30", "no valid signature of the issuer"),
    ]


def test_more_than_the_target_fills_the_bar_and_no_more(figures: dict[str, Any]) -> None:
    figures["figures"]["robots_new"]["completion_percent"] = "113.4"
    assert overview(figures, "zh").cards[0].done_width == BAR


counts = st.integers(0, 2_000_000)


@settings(max_examples=100, deadline=None)
@given(confirmed=counts, refuted=counts, unproven=counts, missing=counts)
def test_segments_lie_end_to_end_inside_the_bar(
    confirmed: int, refuted: int, unproven: int, missing: int
) -> None:
    figure: dict[str, Any] = {
        "zh": "",
        "en": "",
        "unit_zh": "",
        "unit_en": "",
        "confirmed": confirmed,
        "refuted": refuted,
        "unproven": unproven,
        "claimed": confirmed + refuted + unproven + missing,
        "target": 1,
        "completion_percent": "0.0",
        "time_progress_percent": "0.0",
        "ahead_percent_points": "0.0",
        "by_division": [],
        "refuted_by_rule": {},
        "unproven_by_rule": {},
        "review": 0,
        "growth": {"month": None, "on_month": {"reason_zh": "", "reason_en": ""}},
    }
    census: dict[str, Any] = dict.fromkeys(
        ("policy_digest", "ledger_digest", "root_hash", "code_version", "policy"), ""
    )
    census |= {"as_of": "2018-09-01T00:00:00+08:00", "log_size": 0, "profile_digests": [], "problems": []}
    census["named_lists"] = []
    segments = overview({**census, "figures": {"robots_new": figure}}, "zh").cards[0].segments
    end = 0
    for segment in segments:
        assert segment.start == end
        assert segment.width >= 0
        end += segment.width
    assert end <= BAR
    if missing == 0 and segments:
        assert end == BAR
