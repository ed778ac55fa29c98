"""Are both kinds of copy told to both sides, with who was later, and an exact one only once?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from census.calendar import DAY_MS, HOUR_MS, day_start_ms
from census.compare import Copy, order_of
from census.copies import all_copies, without_shadows
from tests.census.test_pairs import days_of, fleet, shifted

if TYPE_CHECKING:
    from census.evidence import DeviceDay, DeviceKey
    from census.policy import Policy

Days = dict["DeviceKey", "tuple[DeviceDay, ...]"]
TOWN = [series.copy() for series in fleet(7, 10, 45)]


def received(days: Days, late_ms: int = 0) -> Days:
    """Every day is received an hour after its end; those of the last device later."""
    last = max(days)
    return {
        key: tuple(
            replace(
                day,
                pattern=f"{key}{day.day}",
                received_max_ms=day_start_ms(day.day) + DAY_MS + HOUR_MS + (late_ms if key == last else 0),
            )
            for day in found
        )
        for key, found in days.items()
    }


def test_a_clone_days_later_is_the_later_side(policy: Policy) -> None:
    found = all_copies(received(days_of([*TOWN, shifted(TOWN[2], 54, 1.5, 0.1, 1)])), policy.thresholds)
    (clone,) = found["g002", "d010"]
    assert (clone.other, clone.kind, clone.shift, clone.lag_h, clone.later) == (
        ("g000", "d002"), "correlated", 2, 6, True,
    )  # fmt: skip
    (original,) = found["g000", "d002"]
    assert (original.other, original.shift, original.lag_h, original.later) == (
        ("g002", "d010"),
        -2,
        -6,
        False,
    )
    assert len(found) == 2


def test_a_clone_within_the_margin_is_undecided(policy: Policy) -> None:
    found = all_copies(received(days_of([*TOWN, shifted(TOWN[2], 3, 1.5, 0.1, 1)])), policy.thresholds)
    assert [found[key][0].later for key in sorted(found)] == [None, None]


def test_a_clone_uploaded_late_is_the_later_side(policy: Policy) -> None:
    days = received(days_of([*TOWN, shifted(TOWN[2], 3, 1.5, 0.1, 1)]), late_ms=2 * DAY_MS)
    assert all_copies(days, policy.thresholds)["g002", "d010"][0].later is True


def test_an_exact_copy_is_told_once(policy: Policy) -> None:
    days = received(days_of([*TOWN, shifted(TOWN[2], 48, 1.0, 0.0, 1)]))
    clone = days["g002", "d010"]
    original = {day.day: day.pattern for day in days["g000", "d002"]}
    days["g002", "d010"] = tuple(
        replace(day, pattern=original.get(day.day - 2, day.pattern)) for day in clone
    )
    found = all_copies(days, policy.thresholds)
    assert [(copy.kind, copy.shift, copy.later) for copy in found["g002", "d010"]] == [("exact", 2, True)]


def test_a_replay_is_its_own_copy(policy: Policy) -> None:
    town = [series.copy() for series in fleet(5, 12, 63)]
    town[4][5 * 168 :] = town[4][168 : 5 * 168]
    found = all_copies(received(days_of(town)), policy.thresholds)
    assert list(found) == [("g000", "d004")]
    (one,) = found["g000", "d004"]
    assert (one.other, one.kind, one.shift, one.lag_h) == (("g000", "d004"), "replay", 28, 0)


@pytest.mark.parametrize(
    ("leads", "later"),
    [([], None), ([13], True), ([13, 12], None), ([-13, -20], False), ([13, -13], None)],
)
def test_only_a_lead_on_every_day_decides(leads: list[int], later: bool | None) -> None:
    assert order_of(leads, 12) is later


def test_a_day_that_the_original_lacks_leaves_the_order_decided(policy: Policy) -> None:
    days = received(days_of([*TOWN, shifted(TOWN[2], 7 * 24 + 3, 1.0, 0.0, 1)]))
    original = ("g000", "d002")
    days[original] = tuple(day for place, day in enumerate(days[original]) if place != 20)
    found = all_copies(days, policy.thresholds)
    assert [copy.later for copy in found["g002", "d010"]] == [True]
    assert [copy.later for copy in found[original]] == [False]


def test_a_decided_copy_casts_no_shadow_on_the_original_s_neighbours() -> None:
    def link(other: str, strength: int, later: bool | None) -> Copy:
        return Copy(("g", other), 0, 20, later, "correlated", strength)

    found = {
        ("g", "clone"): [link("original", 86, True), link("neighbour", 40, None)],
        ("g", "original"): [link("clone", 86, False)],
        ("g", "neighbour"): [link("clone", 40, None)],
    }
    assert without_shadows(found) == {
        ("g", "clone"): (link("original", 86, True),),
        ("g", "original"): (link("clone", 86, False),),
    }
