from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from census.compare import Copy, find_copies
from tests.census.samples import device_day

if TYPE_CHECKING:
    from census.evidence import DeviceDay

HOUR = 3_600_000
DAY = 24 * HOUR


def told(device: str, story: str, first_day: int, received_ms: int = 0, lag_ms: int = DAY) -> list[DeviceDay]:
    """One device's days, a letter of the story each."""
    return [
        replace(
            device_day(first_day + number, device=device),
            pattern=letter,
            received_max_ms=received_ms + (first_day + number) * DAY + lag_ms,
        )
        for number, letter in enumerate(story)
    ]


def copies(*stories: list[DeviceDay]) -> dict[tuple[str, str], tuple[Copy, ...]]:
    days = [day for story in stories for day in story]
    return find_copies(days, patterns_min=4, days_min=3, margin_ms=12 * HOUR)


def test_different_stories_are_no_copies() -> None:
    assert copies(told("a", "abcdef", 1), told("b", "ghijkl", 1)) == {}


def test_a_shifted_copy_is_later() -> None:
    found = copies(told("a", "abcde", 1), told("b", "abc", 4))
    assert found["gw1", "b"] == (Copy(("gw1", "a"), 3, 3, True),)
    assert found["gw1", "a"] == (Copy(("gw1", "b"), -3, 3, False),)


def test_two_equal_days_are_chance() -> None:
    assert copies(told("a", "abcde", 1), told("b", "abxyz", 4)) == {}


def test_a_mirror_received_at_once_decides_nothing() -> None:
    found = copies(told("a", "abcde", 1), told("b", "abcde", 1, lag_ms=DAY + HOUR))
    assert found["gw1", "a"][0].later is None
    assert found["gw1", "b"][0].later is None


def test_an_order_that_changes_decides_nothing() -> None:
    """One late upload of the original must not convict it."""
    copy = told("b", "abcde", 1, lag_ms=3 * DAY)
    original = told("a", "abcde", 1)
    original[2] = replace(original[2], received_max_ms=original[2].received_max_ms + 9 * DAY)
    assert copies(original, copy)["gw1", "b"][0].later is None


def test_a_device_that_repeats_itself_is_its_own_copy() -> None:
    found = copies(told("a", "abcabcabc", 1))
    assert found["gw1", "a"][0].other == ("gw1", "a")
    assert found["gw1", "a"][0].shift == 3


def test_a_thousand_devices_telling_one_story_stay_cheap() -> None:
    found = copies(*[told(f"d{number}", "abcde", 1, received_ms=number * DAY) for number in range(1000)])
    assert len(found) == 1000


def test_poor_days_say_nothing() -> None:
    poor = [replace(day, pattern_windows=3) for day in told("a", "abcde", 1) + told("b", "abcde", 9)]
    assert copies(poor) == {}


@given(st.permutations(range(10)), st.integers(1, 5))
def test_order_of_days_does_not_matter(order: list[int], shift: int) -> None:
    days = told("a", "abcde", 1) + told("b", "abcde", 1 + shift)
    assert copies([days[place] for place in order]) == copies(days)
