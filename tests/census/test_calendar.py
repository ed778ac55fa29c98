from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from census.calendar import (
    DAY_MS,
    day_of,
    day_start_ms,
    days_between,
    parse_day,
    parse_instant,
    write_day,
    write_instant,
)


def test_a_day_begins_at_midnight_in_wenzhou() -> None:
    start = day_start_ms(parse_day("2018-01-01"))
    assert start == 1_514_736_000_000  # 2017-12-31T16:00:00Z
    assert day_of(start) == parse_day("2018-01-01")
    assert day_of(start - 1) == parse_day("2017-12-31")


@given(st.integers(0, 4_000_000_000_000))
def test_every_moment_lies_in_exactly_its_day(time_ms: int) -> None:
    day = day_of(time_ms)
    assert day_start_ms(day) <= time_ms < day_start_ms(day) + DAY_MS


def test_an_instant_may_be_a_date_a_local_or_a_zoned_time() -> None:
    assert parse_instant("2018-01-01") == day_start_ms(parse_day("2018-01-01"))
    assert parse_instant("2018-01-01T08:00:00") == parse_instant("2018-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    "text", ["", "2018-1-5", "2018-02-30", "20180105", "05/01/2018", "2018-01-05x", "2018-W01-1"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_day(text)
    with pytest.raises(ValueError, match="expected"):
        parse_instant(text + "?" if len(text) == 10 else text)


def test_days_and_instants_are_written_as_iso_8601() -> None:
    assert write_day(parse_day("2018-03-31")) == "2018-03-31"
    assert write_day(None) == "-"
    assert write_instant(day_start_ms(parse_day("2018-04-01"))) == "2018-04-01T00:00:00+08:00"


def test_days_between_are_half_open() -> None:
    days = (3, 5, 5, 8)
    assert days_between(days, 3, 8) == (3, 5, 5)
    assert days_between(days, 4, 9) == (5, 5, 8)
    assert days_between(days, 9, 4) == ()
    assert days_between((), 3, 8) == ()
