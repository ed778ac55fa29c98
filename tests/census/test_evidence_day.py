"""What does a day's evidence tell beyond its sums? Rollovers judged with the row, gauges, increments, hours, shares."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import HOUR_MS, day_start_ms, parse_day
from tests.census.fake_store import FakeStore, machine_row, put_machines
from tests.census.test_evidence import counted, cycles, days, fleet, gather

if TYPE_CHECKING:
    from census.evidence import Increments


def test_a_fall_beside_another_counters_fall_is_no_rollover(store: FakeStore) -> None:
    """The trap: a bare threshold took two real resets for wraps and saw 24,270 cycles (facts/store.md, surprise 1)."""
    wrapped = counted(
        4_294_967_000,
        9_000,
        cycles_inc=9_296,
        cycles_rollovers=1,
        cycles_step_max=9_296,
        cycles_step_ms=60_000,
    )
    energy = {"energy_wh_from": 800_000, "energy_wh_raw": 12, "energy_wh_inc": 0}
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **wrapped, **energy),
            machine_row("2018-01-06", 0, **counted(9_000, 9_010)),
        ],
    )
    first, second = cycles(store)
    assert (first.inc, first.rollovers, first.unexplained, first.rate_max_milli) == (0, 0, 1, 0)
    assert (second.inc, second.unheard_inc, second.unexplained) == (10, 0, 0)


def test_what_was_set_aside_is_counted_whether_or_not_a_good_value_stands_beside_it(store: FakeStore) -> None:
    """Late rows tell of it again; a liar's number is cut as any other."""
    rows = [
        machine_row("2018-01-05", 0, **counted(5, 9), cycles_odd=2),
        machine_row("2018-01-05", 4, cycles_odd=3),
        machine_row("2018-01-05", 8, **counted(9, 9), cycles_odd=7, late=True),
        machine_row("2018-01-06", 0, **counted(9, 12)),
        machine_row("2018-01-07", 0, **counted(12, 12), cycles_odd=2**62),
        machine_row("2018-01-07", 4, **counted(12, 12), cycles_odd=-4),
    ]
    put_machines(store, rows)
    assert [(one.inc, one.odd) for one in cycles(store)] == [(4, 5), (3, 0), (0, 10**12)]


@pytest.mark.parametrize("event", ["resets", "unexplained"])
def test_a_rollover_beside_another_counters_event_is_not_believed(store: FakeStore, event: str) -> None:
    wrapped = counted(65_530, 4, cycles_inc=10, cycles_rollovers=1)
    put_machines(
        store,
        [
            machine_row(
                "2018-01-05", 0, **wrapped, run_s_from=5, run_s_raw=9, run_s_inc=4, **{f"run_s_{event}": 1}
            )
        ],
    )
    (day,) = cycles(store)
    assert (day.inc, day.rollovers, day.unexplained) == (0, 0, 1)


def test_a_rollover_alone_counts_and_opens_a_generation(store: FakeStore) -> None:
    wrapped = counted(65_530, 4, cycles_inc=10, cycles_rollovers=1, cycles_step_max=10, cycles_step_ms=60_000)
    energy = {"energy_wh_from": 800, "energy_wh_raw": 812, "energy_wh_inc": 12}
    put_machines(
        store,
        [machine_row("2018-01-05", 0, **wrapped, **energy), machine_row("2018-01-06", 0, **counted(9, 20))],
    )
    first, second = cycles(store)
    assert (first.inc, first.rollovers, first.unexplained, first.rate_max_milli) == (10, 1, 0, 166)
    assert (second.unheard_inc, second.unexplained) == (5, 0)


def test_two_counters_may_roll_over_in_one_window(store: FakeStore) -> None:
    both = counted(65_530, 4, cycles_inc=10, cycles_rollovers=1)
    both |= {"parts_from": 65_000, "parts_raw": 3, "parts_inc": 539, "parts_rollovers": 1}
    put_machines(store, [machine_row("2018-01-05", 0, **both)])
    (day,) = days(store)
    assert {name: (count.inc, count.rollovers) for name, count in day.counters.items()} == {
        "cycles": (10, 1),
        "parts": (539, 1),
    }


def test_a_counter_heard_on_some_days_alone_keeps_its_baseline(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days without the counter, read by themselves, do not lose the carry."""
    monkeypatch.setattr("census.duck_engine.CHUNK_ROWS", 0)
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **counted(0, 100)),
            machine_row("2018-01-06", 0, parts_from=1, parts_raw=2, parts_inc=1),
            machine_row("2018-01-07", 0),
            machine_row("2018-01-08", 0, **counted(130, 140)),
        ],
    )
    found = days(store)
    assert [sorted(day.counters) for day in found] == [["cycles"], ["parts"], [], ["cycles"]]
    assert found[-1].counters["cycles"].unheard_inc == 30


def test_gauges_add_up_and_late_rows_add_none(store: FakeStore) -> None:
    def power(n: int, total: int, low: int, high: int) -> dict[str, Any]:
        return {"power_w_n": n, "power_w_sum": total, "power_w_min": low, "power_w_max": high}

    takt = {
        "cycle_time_ms_n": 2,
        "cycle_time_ms_sum": 30,
        "cycle_time_ms_min": 10,
        "cycle_time_ms_max": 20,
        "cycle_time_ms_sq": 500,
    }
    put_machines(
        store,
        [
            machine_row("2018-01-05", 0, **power(10, 500, -5, 90), **takt),
            machine_row("2018-01-05", 4, **power(5, -20, -30, 7)),
            machine_row("2018-01-05", 8, **power(5, 2**62, 1, 2**62)),
            machine_row("2018-01-05", 8, late=True, seq=2, leaf=11, **power(5, 20, 1, 900)),
        ],
    )
    (day,) = days(store)
    assert sorted(day.gauges) == ["cycle_time_ms", "power_w"]
    assert day.gauges["cycle_time_ms"].sq == 500
    told = day.gauges["power_w"]
    assert (told.n, told.sum, told.min, told.max) == (20, 480 + 10**12, -30, 10**12)


def grown(store: FakeStore, steps: list[int]) -> Increments:
    """One day whose windows grow by these steps; the store's rows as the engine sees them."""
    total, rows = 0, []
    for number, step in enumerate(steps):
        start = day_start_ms(parse_day("2018-01-05")) + number * 60_000
        rows.append(
            machine_row("2018-01-05", 0, **counted(total, total + step))
            | {"time_ms": start, "window_ms": 60_000, "ready_ms": 60_000}
        )
        total += step
    put_machines(store, rows)
    return days(store)[0].increments


def test_constant_increments_are_seen(store: FakeStore) -> None:
    told = grown(store, [7] * 20)
    assert (told.active, told.distinct, told.constant, told.repeated, told.period) == (20, 1, 19, 19, 1)
    assert (told.constant_percent, told.repeat_percent) == (95, 95)


def test_periodic_increments_are_seen_whatever_pauses(store: FakeStore) -> None:
    told = grown(store, [3, 0, 5, 9, 0, 0, 3, 5, 9, 3, 5, 0, 9, 3, 5, 9])
    assert (told.active, told.distinct, told.constant, told.repeated, told.period) == (12, 3, 0, 9, 3)


def test_idle_days_have_no_increments(store: FakeStore) -> None:
    told = grown(store, [0, 0, 0])
    assert (told.active, told.period, told.constant_percent, told.repeat_percent) == (0, 0, 0, 0)


def test_hours_tell_running_seconds_and_growth(store: FakeStore) -> None:
    put_machines(
        store,
        [
            machine_row("2018-01-05", 8, running_ms=HOUR_MS, **counted(0, 40), energy_wh_inc=9),
            machine_row("2018-01-05", 20),
        ],
    )
    told = struct.unpack("<48i", days(store)[0].hours)
    assert {hour: value for hour, value in enumerate(told) if value} == {8: 3600, 24 + 8: 40}


def test_evidence_does_not_depend_on_how_devices_are_shared_out(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day too big to hold is read in ranges of (device, gateway); one id may stand behind many gateways."""
    rows = [
        row | {"gateway": gateway, "device": device}
        for row in fleet(3)
        for gateway in ("gw1", "gw2")
        for device in ("a", row["device"])
    ]
    rows = [row | {"leaf": number} for number, row in enumerate(rows)]
    put_machines(store, rows)
    together = gather(store)
    for most in (13, 40):
        monkeypatch.setattr("census.duck_engine.CHUNK_ROWS", most)
        assert gather(store) == together
    assert len(together.device_days) == 6
