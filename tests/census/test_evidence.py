"""What do the SQL templates make of rows? Carry rows over midnight, falls, late rows, lives, trust, and order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import DAY_MS, HOUR_MS, day_start_ms, parse_day
from census.engine import Scope, gather_evidence
from census.enrolments import enrolled_spans
from tests.census.fake_store import FakeStore, Rows, identity_row, machine_day, machine_row, put_machines

if TYPE_CHECKING:
    from pathlib import Path

    from census.evidence import CounterDay, DeviceDay, Evidence

AS_OF = day_start_ms(parse_day("2018-02-01"))


def gather(store: FakeStore, *, as_of_ms: int = AS_OF, log_size: int | None = None) -> Evidence:
    size = store.leaves if log_size is None else log_size
    spans, _ = enrolled_spans(store.events(), [], size)
    return gather_evidence(store, Scope(size, as_of_ms, spans))


def days(store: FakeStore) -> tuple[DeviceDay, ...]:
    return gather(store).device_days.get(("gw1", "r1"), ())


def counted(start: int, end: int, **values: Any) -> dict[str, Any]:
    return {"cycles_from": start, "cycles_raw": end, "cycles_inc": max(0, end - start)} | values


def cycles(store: FakeStore) -> list[CounterDay]:
    return [day.counters["cycles"] for day in days(store)]


def test_a_day_adds_up(store: FakeStore) -> None:
    put_machines(store, machine_day("2018-01-05", running_h=9))
    (day,) = days(store)
    assert (day.day, day.rows, day.life) == (parse_day("2018-01-05"), 6, 1)
    assert (day.running_ms, day.ready_ms, day.window_ms) == (9 * HOUR_MS, 15 * HOUR_MS, DAY_MS)
    assert (day.polls_due, day.polls_ok, day.overlap_ms) == (1440, 1440, 0)
    assert day.first_running_ms == day_start_ms(day.day)
    assert day.last_ms - day.first_ms == DAY_MS
    assert day.heard_well(80, 80)


def test_the_step_across_midnight_is_an_unheard_increase(store: FakeStore) -> None:
    put_machines(
        store,
        [
            machine_row("2018-01-05", 20, **counted(0, 100)),
            machine_row("2018-01-06", 0, **counted(107, 120)),
            machine_row("2018-01-09", 0, **counted(150, 160)),
        ],
    )
    first, second, third = cycles(store)
    assert (first.inc, first.unheard_inc) == (100, 0)
    assert (second.inc, second.unheard_inc, second.first, second.last) == (13, 7, 107, 120)
    assert (third.unheard_inc, third.unexplained) == (30, 0)


def test_a_fall_is_unexplained_and_the_low_reading_never_the_baseline(store: FakeStore) -> None:
    """After a fall to 3, the return to 1001 adds one, not 996."""
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **counted(900, 1000)),
            machine_row("2018-01-06", 0, **counted(3, 5)),
            machine_row("2018-01-07", 0, **counted(1001, 1010)),
        ],
    )
    _, fallen, back = cycles(store)
    assert (fallen.unexplained, fallen.unheard_inc, fallen.inc) == (1, 0, 2)
    assert (back.unheard_inc, back.unexplained) == (1, 0)


def test_what_a_broker_delivers_again_is_not_counted_again(store: FakeStore) -> None:
    """A gateway was killed with messages unacknowledged: its next run hears 996 again before it goes on to 1007."""
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **counted(900, 1000)),
            machine_row("2018-01-05", 4, **counted(996, 1007)),
            machine_row("2018-01-05", 8, **counted(1010, 1020)),
        ],
    )
    (day,) = cycles(store)
    assert day.inc + day.unheard_inc == 1020 - 900
    assert day.unexplained == 1, "the fall itself stays in sight"


def test_after_a_declared_reset_counting_begins_anew(store: FakeStore) -> None:
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **counted(900, 40, cycles_resets=1, cycles_inc=140)),
            machine_row("2018-01-06", 0, **counted(45, 60)),
        ],
    )
    first, second = cycles(store)
    assert (first.inc, first.resets) == (140, 1)
    assert (second.unheard_inc, second.unexplained) == (5, 0)


def test_a_rollover_whose_modulus_the_census_does_not_know_is_unexplained(store: FakeStore) -> None:
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **counted(65_000, 65_530)),
            machine_row("2018-01-06", 0, **counted(4, 10)),
        ],
    )
    _, wrapped = cycles(store)
    assert (wrapped.unexplained, wrapped.unheard_inc, wrapped.inc) == (1, 0, 6)


def test_a_late_row_moves_no_counter_and_fills_unknown_time(store: FakeStore) -> None:
    """Its states cover its own readings; known time replaces the unknown of the same window."""
    known = {"running_ms": HOUR_MS, "ready_ms": 0, "late": True, "polls_due": 0, "polls_ok": 60, "seq": 2}
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, ready_ms=0, unknown_ms=4 * HOUR_MS, polls_ok=0, **counted(0, 10)),
            machine_row("2018-01-05", 0, **known, **counted(3, 9)),
            machine_row("2018-01-05", 4, **counted(10, 20)),
        ],
    )
    (day,) = days(store)
    assert (day.running_ms, day.unknown_ms, day.window_ms) == (HOUR_MS, 3 * HOUR_MS, 8 * HOUR_MS)
    assert day.overlap_ms == 0
    count = day.counters["cycles"]
    assert (count.inc, count.unheard_inc, count.unexplained) == (20, 0, 0)


def test_overlapping_windows_are_not_worked_twice(store: FakeStore) -> None:
    running = {"running_ms": 4 * HOUR_MS, "ready_ms": 0}
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **running),
            machine_row("2018-01-05", 2, epoch="f" * 32, leaf=11, **running),
        ],
    )
    (day,) = days(store)
    assert (day.running_ms, day.overlap_ms, day.worked_ms) == (8 * HOUR_MS, 2 * HOUR_MS, 6 * HOUR_MS)


def test_impossible_rows_are_no_rows(store: FakeStore) -> None:
    huge = 2**63 - 1
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, running_ms=5 * HOUR_MS, ready_ms=0),
            machine_row("2018-01-05", 4, running_ms=-1, ready_ms=0),
            machine_row("2018-01-05", 8, window_ms=huge, running_ms=huge, ready_ms=0),
            machine_row("2018-01-05", 12, polls_ok=huge, readings=huge, **counted(huge, huge)),
            machine_row("2018-01-05", 16, polls_ok=huge, readings=huge, **counted(0, 5, cycles_inc=huge)),
        ],
    )
    (day,) = days(store)
    assert day.rows == 2
    assert day.running_ms == 0
    assert day.counters["cycles"].last == 5


def test_leaves_beyond_the_log_size_and_rows_after_as_of_change_nothing(store: FakeStore) -> None:
    put_machines(store, machine_day("2018-01-05", leaf=10))
    before = gather(store, log_size=20)
    store.put("machine", machine_day("2018-01-06", leaf=20) + machine_day("2018-01-05", leaf=25))
    assert gather(store, log_size=20) == before
    assert gather(store, as_of_ms=day_start_ms(parse_day("2018-01-05"))).device_days == {}


@pytest.mark.parametrize("untrusted", [{"quarantined": True}, {"grade": "unsigned"}, {"gateway": "gw2"}])
def test_untrusted_rows_bear_no_witness(store: FakeStore, untrusted: dict[str, Any]) -> None:
    store.enrol("gw1")
    store.put("machine", machine_day("2018-01-05", **untrusted))
    assert gather(store).device_days == {}


def test_rows_before_enrolment_and_after_revocation_bear_no_witness(store: FakeStore) -> None:
    store.enrol("gw1", from_ms=day_start_ms(parse_day("2018-01-05")))
    store.log.append(type(store.log[0])("revoke", "gw1", day_start_ms(parse_day("2018-01-07")), leaf=5))
    for number in range(4, 9):
        store.put("machine", machine_day(f"2018-01-0{number}"))
    assert [day.day for day in days(store)] == [parse_day("2018-01-05"), parse_day("2018-01-06")]


def test_a_change_of_serial_opens_a_new_life_with_its_own_baseline(store: FakeStore) -> None:
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **counted(0, 5000)),
            machine_row("2018-01-06", 0, **counted(10, 20)),
        ],
    )
    store.put(
        "identity",
        [
            identity_row("2018-01-04", source="register"),
            identity_row("2018-01-06", serial="S2", source="fc43"),
        ],
    )
    first, second = days(store)
    assert (first.life, second.life) == (1, 2)
    assert second.counters["cycles"].unexplained == 0
    identities = gather(store).identities["gw1", "r1"]
    assert [(one.life, one.serial, one.is_read) for one in identities] == [(1, "S1", True), (2, "S2", True)]


def test_a_declared_serial_opens_no_life_where_the_device_tells_its_own(store: FakeStore) -> None:
    put_machines(store, machine_day("2018-01-05"))
    rows = [
        identity_row("2018-01-04", serial="PAPER"),
        identity_row("2018-01-05", serial="S1", source="register"),
        identity_row("2018-01-06", serial="PAPER"),
    ]
    store.put("identity", rows)
    assert {one.life for one in gather(store).identities["gw1", "r1"]} == {1}


def test_equal_days_have_equal_patterns_whatever_the_device_and_hour(store: FakeStore) -> None:
    one = machine_day("2018-01-05", running_h=20)
    other = [row | {"gateway": "gw2", "device": "x9", "seq": 5, "leaf": 90} for row in one]
    put_machines(store, one + other + machine_day("2018-01-06", running_h=20))
    evidence = gather(store)
    mine, next_day = evidence.device_days["gw1", "r1"]
    (copied,) = evidence.device_days["gw2", "x9"]
    assert mine.pattern == copied.pattern != next_day.pattern
    assert mine.pattern_windows == 6


def test_silent_windows_have_no_pattern(store: FakeStore) -> None:
    put_machines(store, [machine_row("2018-01-05", hour) for hour in (0, 4, 8)])
    (day,) = days(store)
    assert (day.pattern, day.pattern_windows) == ("", 0)


def fleet(seed: int) -> Rows:
    rng = random.Random(seed)
    rows: Rows = []
    for device in ("r1", "r2"):
        raw = 0
        for number in range(1, 6):
            for hour in range(0, 24, 4):
                start = max(0, raw + rng.choice([0, 0, 3, -5]))
                raw = start + rng.randrange(50)
                values = counted(start, raw, device=device, leaf=number, seq=number)
                rows.append(machine_row(f"2018-01-0{number}", hour, **values))
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_evidence_does_not_depend_on_order_or_on_how_rows_are_split(tmp_path: Path, seed: int) -> None:
    rows = fleet(seed)
    answers = []
    for attempt in range(2):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        store = FakeStore(directory)
        store.enrol("gw1")
        rng = random.Random(seed * 10 + attempt)
        rng.shuffle(rows)
        cut = rng.randrange(1, len(rows))
        store.put("machine", rows[:cut])
        store.put("machine", rows[cut:])
        answers.append(gather(store))
        assert gather(store) == answers[-1]
    assert answers[0] == answers[1]


def test_evidence_does_not_depend_on_how_many_days_are_read_at_once(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_machines(store, fleet(7))
    together = gather(store)
    monkeypatch.setattr("census.duck_engine.CHUNK_ROWS", 0)
    assert gather(store) == together


def usage_row(day: str, **values: Any) -> dict[str, Any]:
    start = day_start_ms(parse_day(day))
    return {
        "gateway": "rep", "enterprise": "E1", "provider": "p", "service": "business", "time_ms": start,
        "active_users": 3, "requests": 0, "status": "active", "since": "2018-01-05", "leaf": 10, "seq": 1,
        "epoch": "e" * 32, "received_ms": start + DAY_MS, "grade": "signed", "quarantined": False,
    } | values  # fmt: skip


def test_usage_counts_days_of_use_and_keeps_the_last_status(store: FakeStore) -> None:
    store.enrol("rep")
    rows = [
        usage_row("2018-01-05"),
        usage_row("2018-01-06", active_users=0),
        usage_row("2018-01-07", status="suspended"),
        usage_row("2018-01-08", active_users=None, requests=None, storage_mb=9),
        usage_row("2018-01-08", service="management", active_users=0),
        usage_row("2018-01-09", status="cancelled"),
    ]
    store.put("cloud_usage", rows)
    (usage,) = gather(store).usage["E1"]
    assert usage.days == (parse_day("2018-01-05"), parse_day("2018-01-08"))
    assert (usage.heard_days, usage.since) == (5, "2018-01-05")
    assert usage.statuses == ("cancelled", "active")


def test_the_last_word_on_a_day_of_use_counts(store: FakeStore) -> None:
    store.enrol("rep")
    store.put("cloud_usage", [usage_row("2018-01-05", leaf=11, active_users=0), usage_row("2018-01-05")])
    (usage,) = gather(store).usage["E1"]
    assert usage.days == ()


def test_an_empty_store_bears_no_witness(store: FakeStore) -> None:
    evidence = gather(store)
    assert evidence.device_days == {}
    assert evidence.problems == ()


def test_growth_that_the_raw_values_do_not_bear_does_not_count(store: FakeStore) -> None:
    rows = [
        machine_row("2018-01-05", 0, **counted(100, 100, cycles_inc=6_468)),
        machine_row("2018-01-05", 4, **counted(100, 130, cycles_inc=90)),
        machine_row("2018-01-05", 8, **counted(130, 140, cycles_inc=4)),
        machine_row("2018-01-05", 12, cycles_raw=150, cycles_inc=50),
    ]
    put_machines(store, rows)
    (day,) = cycles(store)
    assert (day.inc, day.unheard_inc) == (34, 0)


def test_a_row_that_tells_of_a_reset_or_a_fall_is_believed_its_growth(store: FakeStore) -> None:
    rows = [
        machine_row("2018-01-05", 0, **counted(100, 20, cycles_inc=50, cycles_resets=1)),
        machine_row("2018-01-05", 4, **counted(65_530, 4, cycles_inc=10, cycles_rollovers=1)),
        machine_row("2018-01-05", 8, **counted(90, 30, cycles_inc=7, cycles_unexplained=1)),
    ]
    put_machines(store, rows)
    (day,) = cycles(store)
    assert day.inc == 67
