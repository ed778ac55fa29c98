"""Every packaged profile, by listing: strict, golden, distinct, and able to tell the states apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers import DRIVERS
from drivers.driver import Endpoint
from drivers.golden import golden_faults
from drivers.profiles import list_profiles, load_profile
from telemetry.errors import ConfigError
from telemetry.profile import Kind, profile_digest
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.driver import DeviceSpec
    from telemetry.clock import Clock
    from telemetry.profile import Profile

NAMES = list_profiles()
ROBOTS = [name for name in NAMES if load_profile(name).profile.kind is Kind.ROBOT]


def test_the_six_profiles_are_there() -> None:
    assert set(NAMES) >= {
        "inovance_h5u_cell",
        "jaka_zu",
        "kuka_krc4_neuron",
        "schneider_pm5110",
        "ufactory_xarm6",
        "universal_robots_e_series",
    }


@pytest.mark.parametrize("name", NAMES)
def test_golden_examples_hold(name: str) -> None:
    assert golden_faults(load_profile(name).profile) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_cites_its_sources_and_owns_up(name: str) -> None:
    profile = load_profile(name).profile
    assert profile.caveats
    assert all(caveat.text.strip() and caveat.ref.strip() for caveat in profile.caveats)
    assert all(source.title.strip() for source in profile.sources)
    assert profile.name.zh != profile.name.en


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robot_tells_running_from_ready_from_fault_from_off(name: str) -> None:
    profile = load_profile(name).profile
    states = {rule.state for rule in profile.states}
    assert states >= {MachineState.RUNNING, MachineState.READY, MachineState.FAULT, MachineState.OFF}
    assert MachineState.UNKNOWN not in states  # what no rule says is unknown by itself
    assert profile.axes >= 3


@pytest.mark.parametrize("name", NAMES)
def test_a_state_rule_compares_with_what_its_point_can_say(name: str) -> None:
    profile = load_profile(name).profile
    kinds = {"bool": bool, "string": str}
    for rule in profile.states:
        wanted = kinds.get(profile.points[rule.point].type, int)
        assert {type(value) for value in (*rule.equals, *rule.differs)} == {wanted}


def test_a_profile_is_named_by_its_exact_text() -> None:
    loaded = load_profile("jaka_zu")
    assert loaded.profile_id == profile_digest("jaka_zu", loaded.text)
    assert loaded.profile_id != profile_digest("jaka_zu", loaded.text + "\n")


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'jaka_zu'"):
        load_profile("jaka_zuu")
    with pytest.raises(ConfigError, match="one of inovance_h5u_cell, jaka_zu"):
        load_profile("zzz")


def test_an_own_profile_is_loaded_by_path(tmp_path: Path) -> None:
    path = tmp_path / "jaka_zu.yaml"
    path.write_text(load_profile("jaka_zu").text)
    assert load_profile(str(path)) == load_profile("jaka_zu")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("absent.yaml", None, "cannot be read"),
        ("latin.yaml", b"profile: \xe9", "not UTF-8 at byte 9"),
        ("other.yaml", load_profile("jaka_zu").text.encode(), "names the profile 'jaka_zu'"),
        (
            "typo.yaml",
            load_profile("jaka_zu").text.replace("axes:", "axis:").encode(),
            "axis: is not a known key",
        ),
        ("empty.yaml", b"", "is empty"),
    ],
)
def test_a_bad_file_is_named_and_explained(
    tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / file
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_profile(str(path))
    assert file in str(caught.value)


def test_overlapping_points_are_refused(make_profile: Callable[..., Profile]) -> None:
    with pytest.raises(ConfigError, match="overlap at holding 1"):
        make_profile(
            "  a: {table: holding, address: 0, type: int32}\n  b: {table: holding, address: 1, type: int16}"
        )


@pytest.mark.parametrize(
    ("golden", "fault"),
    [
        ("[]", "has no golden example"),
        ("[{words: [1, 0], value: 1}]", "decodes to 65536, not 1"),
        ("[{words: [1], value: 1}]", "decodes to None"),
        ("[{words: [0, 1], value: true}]", "decodes to 1, not True"),
    ],
)
def test_a_golden_example_that_does_not_hold_is_told(
    make_profile: Callable[..., Profile], golden: str, fault: str
) -> None:
    profile = make_profile(f"  a: {{table: holding, address: 0, type: int32, golden: {golden}}}")
    (found,) = golden_faults(profile)
    assert fault in found


def test_drivers_are_made_by_scheme_and_keep_their_password(
    make_spec: Callable[..., DeviceSpec], clock: Clock
) -> None:
    assert set(DRIVERS) == {"tcp", "mqtt"}
    word = "hunter2"
    for scheme, profile in (("tcp", "jaka_zu"), ("mqtt", "kuka_krc4_neuron")):
        endpoint = Endpoint(f"{scheme}://h:1", (make_spec(profile),), password=word)
        DRIVERS[scheme](endpoint, clock)
        assert word not in repr(endpoint)
        assert endpoint.address(9) == ("h", 1)
    assert Endpoint("tcp://h", ()).address(502) == ("h", 502)
