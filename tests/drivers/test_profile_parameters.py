"""An integrator's own addresses: chosen where the profile is named, part of the map's text and id, checked like all else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.modbus_plan import plan_reads
from drivers.profiles import list_profiles, load_profile
from telemetry.errors import ConfigError
from telemetry.profile import Kind, Profile, parse_profile, profile_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CELL = "inovance_h5u_cell"
CELLS = [
    name for name in list_profiles() if load_profile(name).profile.kind is Kind.PLC and name.endswith("_cell")
]


def _addresses(name: str) -> dict[str, int | None]:
    return {point: one.address for point, one in load_profile(name).profile.points.items()}


def test_defaults_hold_where_nothing_is_chosen() -> None:
    assert _addresses(CELL) == {
        "running": 100,
        "fault": 100,
        "paused": 100,
        "automatic": 100,
        "parts": 102,
        "rejects": 104,
        "cycle_time": 106,
    }


def test_a_choice_moves_its_points_and_no_others() -> None:
    assert _addresses(f"{CELL}?status=300&parts=2000") == {
        "running": 300,
        "fault": 300,
        "paused": 300,
        "automatic": 300,
        "parts": 2000,
        "rejects": 104,
        "cycle_time": 106,
    }


@pytest.mark.parametrize(
    ("name", "choice", "address"),
    [
        (CELL, "status=0", 0),
        ("siemens_s7_1200_cell", "status=0", 0),
        ("siemens_s7_1200_cell", "status=20", 20),
        ("delta_dvp_cell", "status=0", 0x1000),
        ("delta_dvp_cell", "status=4095", 0x1FFF),
        ("xinje_xd_cell", "status=0", 0),
        ("beckhoff_cx_cell", "status=0", 0x3000),
        ("beckhoff_cx_cell", "status=12287", 0x5FFF),
    ],
)
def test_a_register_of_each_family_lies_where_its_maker_says(name: str, choice: str, address: int) -> None:
    assert _addresses(f"{name}?{choice}")["running"] == address


def test_the_counters_of_a_xinje_lie_in_its_retained_area() -> None:
    assert _addresses("xinje_xd_cell?parts=0")["parts"] == 0xA080


@pytest.mark.parametrize("name", CELLS)
def test_every_family_can_be_moved_and_planned(name: str) -> None:
    profile = load_profile(f"{name}?status=10&parts=20&rejects=30&cycle_time=40").profile
    assert plan_reads(profile, tuple(profile.points))
    assert {point.base for point in profile.points.values()} == set(profile.parameters)


def test_another_map_has_another_id_and_the_same_map_the_same() -> None:
    plain, moved = load_profile(CELL), load_profile(f"{CELL}?parts=2000&status=300")
    assert moved.profile_id != plain.profile_id
    assert moved.profile_id.startswith(f"{CELL}@")
    assert load_profile(f"{CELL}?status=300&parts=2000") == moved  # whatever the order it is written in
    assert load_profile(f"{CELL}?parts=102") == plain  # the default said aloud


def test_the_text_alone_gives_the_map_back() -> None:
    """The gateway keeps texts beside its journal and reads old journals by them."""
    moved = load_profile(f"{CELL}?parts=2000")
    assert parse_profile(moved.text, "kept") == moved.profile
    assert profile_digest(CELL, moved.text) == moved.profile_id


def test_an_own_profile_takes_choices_too(tmp_path: Path) -> None:
    path = tmp_path / f"{CELL}.yaml"
    path.write_text(load_profile(CELL).text)
    assert load_profile(f"{path}?parts=2000") == load_profile(f"{CELL}?parts=2000")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (f"{CELL}?part=1", r"part: is not a parameter of this profile \(one of parts\)"),
        ("jaka_zu?base=1", r"base: is not a parameter of this profile \(this profile has none\)"),
        (f"{CELL}?parts=9000", "parts is 9000, it must be from 0 to 7998"),
        (f"{CELL}?parts=100", "overlap at holding 100"),
        (f"{CELL}?parts=1&parts=2", "cannot be read at 'parts=2'"),
        (f"{CELL}?parts", "cannot be read at 'parts'"),
        (f"{CELL}?parts=-1", "cannot be read at 'parts=-1'"),
        (f"{CELL}?parts=0x10", "cannot be read at 'parts=0x10'"),
        (f"{CELL}?parts=1\nkind: robot", "cannot be read"),
        (f"{CELL}?", "cannot be read at ''"),
        (f"{CELL}x?parts=1", f"did you mean '{CELL}'"),
    ],
)
def test_a_choice_that_does_not_fit_is_explained(asked: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_profile(asked)


def test_a_profile_that_is_bound_is_not_bound_again(tmp_path: Path) -> None:
    path = tmp_path / f"{CELL}.yaml"
    path.write_text(load_profile(f"{CELL}?parts=2000").text)
    assert load_profile(str(path)).profile.points["parts"].address == 2000
    with pytest.raises(ConfigError, match="has its parameters bound already"):
        load_profile(f"{path}?parts=102")


@pytest.mark.parametrize(
    ("points", "further", "message"),
    [
        (
            "  a: {table: holding, address: 0, base: b, type: int16}",
            "",
            "names the parameter 'b', which is not there",
        ),
        (
            "  a: {table: holding, address: 0, type: int16}",
            "parameters: {b: {default: 1, name: {zh: 一, en: one}}}",
            "no point has the parameter 'b' as its base",
        ),
        (
            "  a: {table: holding, address: 0, base: b, type: int16}",
            "parameters: {b: {default: 9, maximum: 8, name: {zh: 一, en: one}}}",
            "the default 9 is not from 0 to 8",
        ),
        (
            "  a: {table: holding, address: 1, base: b, type: int32}",
            "parameters: {b: {default: 65534, name: {zh: 一, en: one}}}",
            "impossible address 65535",
        ),
        (
            "  a: {table: holding, address: 0, base: b, type: int16}\n  c: {table: holding, address: 5, type: int16}",
            "parameters: {b: {default: 5, name: {zh: 一, en: one}}}",
            "overlap at holding 5",
        ),
    ],
)
def test_parameters_are_checked_with_the_points_they_move(
    make_profile: Callable[..., Profile], points: str, further: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_profile(points, further=further)
