"""A device's rows by columns are those of the gateway's own code, whatever goes wrong on its line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from simulators.behaviour import HOUR_MS
from simulators.device_past import DevicePast
from simulators.draft import COUNTING_ARM, METER_PROFILE, PLC_PROFILE
from simulators.history import day_start_ms
from simulators.rows.device import DeviceRows
from simulators.rows.fold import QUALITIES
from simulators.rows.spoken import NULL, Spoken
from simulators.rows.steps import STATES
from simulators.specs import small_spec
from simulators.world import Behaviour, Device, Faults, WorldSpec

if TYPE_CHECKING:
    from simulators.rows.fold import Columns

PROFILES = (
    "universal_robots_e_series",
    "ufactory_xarm6",
    "jaka_zu",
    "kuka_krc4_neuron",
    COUNTING_ARM,
    PLC_PROFILE,
    METER_PROFILE,
)
FROM_DAY, LAST_DAY = 10, 14
OFF = {11: (6, 3), 13: (0, 1), 14: (9, 1)}
"""Days with a power cut: first hour, hours; from midnight, and while a day goes on."""
TROUBLE = Faults(bad_share=0.05, glitch_share=0.03, late_share=0.1, reset_day=12)


def _device(profile: str, faults: Faults | None, **changes: Any) -> Device:
    behaviour = Behaviour(key=f"device {profile}", shift_start_h=7, shift_h=14, weekend=1.0, first_count=90)
    device = Device(
        "dev-1", "gw-1", profile, "m", "x", "77", "register", behaviour, from_day=FROM_DAY, faults=faults
    )
    return replace(device, **changes)


def _spec(window_s: int) -> WorldSpec:
    return replace(small_spec(1), window_s=window_s, poll_s=window_s // 2)


def _told(columns: Columns) -> list[tuple[int, dict[str, Any]]]:
    """Write columns as rows' fields, those without a value left out."""
    words = {"state": list(map(str, STATES)), "quality": QUALITIES, "late": (False, True)}
    return [
        (
            int(columns["time_ms"][place]),
            {
                name: words[name][int(values[place])] if name in words else int(values[place])
                for name, values in columns.items()
                if name != "time_ms" and values[place] != NULL
            },
        )
        for place in range(len(columns["time_ms"]))
    ]


def _place(row: tuple[int, dict[str, Any]]) -> tuple[int, bool, str]:
    return row[0], row[1]["late"], str(sorted(row[1].items()))


def _compare(device: Device, spec: WorldSpec) -> int:
    """Follow a device both ways through its days; gives the number of rows."""
    plain, columns = DevicePast(device, spec), DeviceRows(device, spec)
    count = 0
    for day in range(FROM_DAY - 1, LAST_DAY + 1):
        start_ms = day_start_ms(day)
        off = OFF.get(day)
        off_ms = (start_ms + off[0] * HOUR_MS, start_ms + sum(off) * HOUR_MS) if off else (0, 0)
        rows = plain.day_rows(day, start_ms, off_ms, again=day == 14)
        made = columns.day_columns(day, start_ms, off_ms, again=day == 14)
        if made is None:
            assert rows == []
            continue
        machine = [row for row in rows if row.measurement == "machine"]
        wanted = [
            (row.time_ms, {name: value for name, value in row.fields.items() if name != "profile"})
            for row in machine
        ]
        assert sorted(_told(made.columns), key=_place) == sorted(wanted, key=_place), day
        assert made.identities == [row for row in rows if row.measurement == "identity"]
        assert columns.accepted == plain.accepted
        count += len(machine)
    return count


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("faults", [None, TROUBLE])
def test_rows_are_those_of_the_gateways_own_code(profile: str, faults: Faults | None) -> None:
    assert _compare(_device(profile, faults), _spec(3_600)) > 100


@pytest.mark.parametrize(
    "changes",
    [
        {"swap_day": 12, "swap_serial": "88"},
        {"swap_day": 11, "swap_serial": "88", "faults": replace(TROUBLE, reset_day=11)},
        {"is_doctored": True},
        {"until_day": 12},
        {"source": ""},
    ],
)
def test_a_device_that_is_swapped_doctored_or_gone_is_followed(changes: dict[str, Any]) -> None:
    assert _compare(replace(_device(COUNTING_ARM, TROUBLE), **changes), _spec(3_600)) > 50


@pytest.mark.parametrize("window_s", [1_800, 7_200, 14_400])
def test_short_and_long_windows_are_followed(window_s: int) -> None:
    """Where power is cut inside a window, it is short; messages are held back across the cut."""
    device = _device("kuka_krc4_neuron", replace(TROUBLE, late_share=0.3))
    assert _compare(device, _spec(window_s)) > 20


def test_a_counter_that_runs_wild_is_judged_by_the_gateways_own_code() -> None:
    """A preset counter near its end rolls over, and one far too fast is set aside, reading by reading."""
    fast = Behaviour(key="wild", shift_start_h=0, shift_h=24, weekend=1.0, cycle_s=0.4, first_count=65_000)
    assert _compare(_device(COUNTING_ARM, TROUBLE, behaviour=fast), _spec(3_600)) > 100
    slow = replace(fast, cycle_s=20)
    assert _compare(_device(COUNTING_ARM, None, behaviour=slow), _spec(3_600)) > 100


def test_a_profile_with_a_clock_of_its_own_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"elite_ec: .* write sealed batches"):
        Spoken("elite_ec")
