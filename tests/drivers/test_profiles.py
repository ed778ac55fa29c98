"""Every packaged profile, by listing: strict, golden, distinct, and able to tell the states apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers import DRIVERS
from drivers.driver import Endpoint
from drivers.golden import golden_faults
from drivers.profiles import list_profiles, load_profile
from telemetry.errors import ConfigError
from telemetry.metrics import METRICS, MetricKind
from telemetry.profile import Kind, profile_digest
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.driver import DeviceSpec
    from telemetry.clock import Clock
    from telemetry.profile import Profile

NAMES = list_profiles()
PROFILES = {name: load_profile(name).profile for name in NAMES}
ROBOTS = [name for name in NAMES if PROFILES[name].kind is Kind.ROBOT]


def _makes(kind: Kind) -> set[str]:
    return {profile.manufacturer for profile in PROFILES.values() if profile.kind is kind}


def test_the_house_knows_what_it_promises() -> None:
    assert len(NAMES) >= 20
    assert len(_makes(Kind.ROBOT)) >= 8
    with_mapping = {
        profile.manufacturer
        for profile in PROFILES.values()
        if profile.kind is Kind.PLC and profile.parameters
    }
    assert len(with_mapping) >= 5
    assert sum(profile.kind is Kind.METER for profile in PROFILES.values()) >= 3
    assert sum(profile.mqtt is not None for profile in PROFILES.values()) >= 2
    assert sum(profile.sparkplug is not None for profile in PROFILES.values()) >= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_map_rests_on_something_that_was_seen(name: str) -> None:
    """A device whose map is not public gets no invented map: secondary text and memory alone carry no profile."""
    assert min(source.grade for source in PROFILES[name].sources) in {"A", "B", "C"}
    assert PROFILES[name].firmware.strip()


@pytest.mark.parametrize("name", NAMES)
def test_every_point_has_a_name_in_both_languages(name: str) -> None:
    for point_name, point in PROFILES[name].points.items():
        assert point.name is not None, point_name
        assert point.name.zh.strip(), point_name
        assert point.name.en.strip(), point_name


@pytest.mark.parametrize("name", NAMES)
def test_a_counter_says_how_fast_it_may_grow_and_where_it_starts_again(name: str) -> None:
    profile = PROFILES[name]
    for metric, point in profile.counters().items():
        assert point.rate_max is not None, metric
        told = any(word in caveat.text for caveat in profile.caveats for word in ("rollover", "roll over"))
        assert point.modulus is not None or told, metric
        assert point.unit or metric in {"cycles", "parts", "rejects", "moves"}, metric


@pytest.mark.parametrize("name", NAMES)
def test_a_gauge_has_a_unit_and_bounds_of_the_plausible(name: str) -> None:
    for point_name, point in PROFILES[name].points.items():
        if point.metric is not None and METRICS[point.metric].kind is MetricKind.GAUGE:
            assert point.minimum is not None, point_name
            assert point.maximum is not None, point_name
            assert point.unit, point_name


AS_PRINTED = [
    # profile, point, table, the number its source prints, what that source counts from
    ("universal_robots_e_series", "robot_mode", "holding", 258, 0),
    ("elite_cs", "robot_mode", "holding", 66, 0),
    ("elite_ec", "tcp_speed", "holding", 230, 0),
    ("jaka_zu", "serial", "input", 302, 0),
    ("ufactory_xarm6", "counter", "input", 34, 0),
    ("ufactory_xarm7", "joint_7_temperature", "input", 102, 0),
    ("ufactory_xarm7", "joint_7_speed", "input", 109, 0),
    ("duco_gcr", "program_state", "holding", 2, 0),
    ("siasun_gcr", "running_program", "coil", 2, 1),
    ("siasun_gcr", "error", "coil", 6, 1),
    ("igus_rebel", "current_instruction", "input", 265, 0),
    ("kinova_gen3", "by_sequence", "discrete", 8, 0),
    ("kinova_gen3", "joint_7_current", "input", 88, 0),
    ("doosan_m", "tcp_speed_x", "holding", 410, 0),
    ("realman_rm65", "joint_6_enabled", "coil", 53, 0),
    ("wago_pfc", "plc_state", "holding", 0xFA0D, 0),
    ("iai_robo_cylinder", "moves", "holding", 0x8400, 0),
    ("schneider_pm5110", "energy", "holding", 3204, 1),
    ("schneider_pm5110", "serial", "holding", 130, 1),
    ("schneider_iem3000", "energy", "holding", 0x0C83, 0),
    ("eastron_sdm630", "energy", "input", 0x0048, 0),
    ("acrel_adw300", "energy", "holding", 62, 0),
    ("acrel_adl400", "energy", "holding", 0x084C, 0),
    ("chint_dtsu666", "energy", "holding", 0x101E, 0),
]


@pytest.mark.parametrize(("name", "point", "table", "printed", "counts_from"), AS_PRINTED)
def test_a_printed_number_becomes_the_address_on_the_wire(
    name: str, point: str, table: str, printed: int, *, counts_from: int
) -> None:
    placed = PROFILES[name].points[point]
    assert (placed.table, placed.address) == (table, printed - counts_from)


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_example_is_told_from_its_neighbours(name: str) -> None:
    """A point that read its neighbour's words would not give its own golden value: that is what catches off by one."""
    profile = PROFILES[name]
    by_place: dict[tuple[object, ...], set[object]] = {}
    for point in profile.points.values():
        if point.metric is None or point.table is None:
            continue
        values = by_place.setdefault((point.table, point.type, point.metric), set())
        assert point.golden[0].words not in values, point
        values.add(point.golden[0].words)


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
def test_a_robot_tells_running_from_not_running(name: str) -> None:
    profile = load_profile(name).profile
    states = {rule.state for rule in profile.states}
    assert states >= {MachineState.RUNNING, MachineState.READY}
    assert MachineState.UNKNOWN not in states  # what no rule says is unknown by itself
    assert profile.axes >= 3
    # What a map cannot tell stands in its caveats, and is not claimed beside.
    words = " ".join(" ".join(caveat.text.split()) for caveat in profile.caveats)
    for state in (MachineState.FAULT, MachineState.OFF):
        assert (f"cannot tell {state}" in words) is (state not in states)


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
    with pytest.raises(ConfigError, match="one of acrel_adl400, acrel_adw300"):
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
    assert set(DRIVERS) >= {"tcp", "mqtt", "mqtts", "spb", "spbs"}
    word = "hunter2"
    for scheme, profile in (("tcp", "jaka_zu"), ("mqtt", "kuka_krc4_neuron")):
        endpoint = Endpoint(f"{scheme}://h:1", (make_spec(profile),), password=word)
        DRIVERS[scheme](endpoint, clock)
        assert word not in repr(endpoint)
        assert endpoint.address(9) == ("h", 1)
    assert Endpoint("tcp://h", ()).address(502) == ("h", 502)
