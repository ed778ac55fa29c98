"""Does the probe tell devices apart? Against foreign servers that fit, that turn their words, or that are others."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from drivers import cli
from drivers.modbus_url import parse_modbus_url
from drivers.probe import Verdict, _weighed, own_blocks, probe
from drivers.probe_judge import OrderProposal, Score
from drivers.probe_line import Asker, dial
from drivers.probe_peer import ask_strangers
from drivers.probe_report import announcement, as_document, as_text
from drivers.profiles import LoadedProfile, list_profiles, load_profile
from simulators.modbus_device import LIBRARY_DEFAULT, ModbusDeviceServer
from telemetry.profile import Point, Profile

if TYPE_CHECKING:
    from drivers.probe import Probe

PATIENCE_S = 20.0
READS_ONLY = {1, 2, 3, 4, 43}
pytestmark = pytest.mark.wall


def others_of(profile: Profile) -> list[Profile]:
    every = [load_profile(name).profile for name in list_profiles()]
    return [
        one for one in every if one.modbus and one.kind is profile.kind and one.profile != profile.profile
    ]


async def ask(url: str, name: str, *, timeout_s: float = 2.0, compare: bool = False) -> Probe:
    loaded, place = load_profile(name), parse_modbus_url(url)
    asker = Asker(dial(place, timeout_s), 1, 0, lambda: 0)
    return await probe(
        loaded,
        asker,
        others=lambda: others_of(loaded.profile),
        strangers=lambda: ask_strangers(place.host, place.port, timeout_s),
        always_compare=compare,
    )


def golden(profile: Profile, **server: object) -> ModbusDeviceServer:
    made = ModbusDeviceServer(profile, **server)  # type: ignore[arg-type]
    for name, point in profile.points.items():
        if point.golden:
            made.set(name, point.golden[0].value)
    return made


def probed(server: ModbusDeviceServer, name: str, *, compare: bool = False) -> Probe:
    async def main() -> Probe:
        async with asyncio.timeout(PATIENCE_S), server:
            return await ask(server.url, name, compare=compare)

    result = asyncio.run(main())
    assert set(server.requests) <= READS_ONLY
    return result


@pytest.mark.parametrize("name", ["jaka_zu", "ufactory_xarm7", "eastron_sdm630", "delta_dvp_cell"])
def test_a_device_that_is_what_it_is_said_to_be_fits(name: str) -> None:
    result = probed(golden(load_profile(name).profile), name)
    assert result.verdict is Verdict.FITS
    assert result.better == ()
    assert result.orders == ()


def test_a_meter_behind_a_serial_gateway_is_probed_in_rtu_frames() -> None:
    assert (
        probed(golden(load_profile("eastron_sdm630").profile, rtu=True), "eastron_sdm630").verdict
        is Verdict.FITS
    )


def test_a_device_that_fits_is_asked_no_more_than_its_own_registers() -> None:
    loaded = load_profile("jaka_zu")
    result = probed(golden(loaded.profile), "jaka_zu")
    assert result.reads == len(own_blocks(loaded.profile)) + 1  # and once who it is


@pytest.mark.parametrize(
    ("name", "order"), [("jaka_zu", "CDAB"), ("kinova_gen3", "ABCD"), ("eastron_sdm630", "DCBA")]
)
def test_turned_words_are_proposed_back(name: str, order: str) -> None:
    profile = load_profile(name).profile
    assert profile.modbus is not None
    turned = profile.model_copy(update={"modbus": profile.modbus.model_copy(update={"order": order})})
    result = probed(golden(turned), name)
    assert result.verdict is Verdict.WORD_ORDER
    assert order in [one.order for one in result.orders]
    assert order in result.en


def _with_user_registers(profile: Profile) -> Profile:
    """Let an Elite CS have its general-purpose registers, 256 to 383: where a Universal Robot has its state."""
    registers = {
        f"register_{at}": Point(table="holding", address=at, type="uint16") for at in range(256, 384)
    }
    return profile.model_copy(update={"points": {**profile.points, **registers}})


@pytest.mark.parametrize("with_registers", [False, True])
def test_an_elite_is_not_taken_for_the_universal_robot_it_resembles(*, with_registers: bool) -> None:
    elite = load_profile("elite_cs").profile
    server = golden(_with_user_registers(elite) if with_registers else elite)
    result = probed(server, "universal_robots_e_series")
    assert result.verdict is Verdict.ANOTHER_MODEL
    assert [one.profile for one in result.better] == ["elite_cs"]
    assert "elite_cs (named: universal_robots_e_series)" in result.en


def test_and_the_other_way_round() -> None:
    result = probed(golden(load_profile("universal_robots_e_series").profile), "elite_cs")
    assert result.verdict is Verdict.ANOTHER_MODEL
    assert result.better[0].profile == "universal_robots_e_series"


def test_two_meters_of_one_maker_are_told_apart() -> None:
    result = probed(golden(load_profile("acrel_adl400").profile), "acrel_adw300")
    assert result.verdict is Verdict.ANOTHER_MODEL
    assert result.better[0].profile == "acrel_adl400"


def test_a_byte_order_is_not_believed_of_a_map_that_refuses_registers() -> None:
    orders, other = (OrderProposal("CDAB", 1),), Score("b", 9, 0, 0, 0)
    assert _weighed(Score("a", 3, 0, 1, 0), orders, (other,))[0] is Verdict.WORD_ORDER
    assert _weighed(Score("a", 3, 0, 1, 4), orders, (other,))[0] is Verdict.ANOTHER_MODEL
    assert _weighed(Score("a", 3, 0, 1, 4), orders, ())[0] is Verdict.DOUBTFUL


def test_zeros_prove_nothing() -> None:
    result = probed(ModbusDeviceServer(load_profile("duco_gcr").profile), "duco_gcr")
    assert result.verdict is Verdict.DOUBTFUL
    assert "say nothing" in result.en


def test_one_refused_point_is_named_and_the_others_are_still_read() -> None:
    server = golden(load_profile("jaka_zu").profile)
    server.refuse("power")
    result = probed(server, "jaka_zu")
    assert result.verdict is Verdict.DOUBTFUL
    text = as_text(result)
    assert "not read: refused, illegal data address" in text
    assert result.judged["cabinet_temperature"].value == 31.25
    assert result.judged["power"].words is None


def test_a_librarys_own_name_is_a_mark_and_no_refusal() -> None:
    server = golden(load_profile("jaka_zu").profile, identity=LIBRARY_DEFAULT)
    result = probed(server, "jaka_zu")
    assert result.verdict is Verdict.FITS
    assert result.is_library
    assert "Review" in as_text(result)
    assert as_document(result, server.url, 1)["review"] == ["names itself by a library"]


def test_the_report_gives_address_raw_value_unit_opinion_and_time() -> None:
    server = golden(load_profile("schneider_pm5110").profile)
    result = probed(server, "schneider_pm5110")
    lines = as_text(result).splitlines()
    assert lines[0].split() == ["point", "where", "raw", "value", "unit", "plausible?", "ms"]
    assert "power   holding 3059  4148 0000            12.5         kW    yes" in " ".join(lines)
    power = next(one for one in as_document(result, server.url, 1)["points"] if one["point"] == "power")
    assert power == {
        "point": "power",
        "table": "holding",
        "address": 3059,
        "raw": "4148 0000",
        "value": 12.5,
        "unit": "kW",
        "looks": "plausible",
        "why": "",
        "ms": 0,
    }


# The command.


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.probe, words)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_says_what_it_will_do_and_then_what_it_found() -> None:
    async def main() -> tuple[int, str, str]:
        async with asyncio.timeout(PATIENCE_S), golden(load_profile("jaka_zu").profile) as server:
            return await asyncio.to_thread(run, server.url, "-p", "jaka_zu", "--fast", "--json")

    code, out, err = asyncio.run(main())
    assert code == 0
    assert json.loads(out)["verdict"] == "fits"
    assert err.startswith("Will read 43 registers or bits of tcp://127.0.0.1:")
    assert "Nothing is ever written" in err


def test_the_command_exits_1_when_the_device_is_another() -> None:
    async def main() -> tuple[int, str, str]:
        async with asyncio.timeout(PATIENCE_S), golden(load_profile("elite_cs").profile) as server:
            return await asyncio.to_thread(run, server.url, "-p", "universal_robots_e_series", "--fast")

    code, out, _ = asyncio.run(main())
    assert code == 1
    assert "another model's map: elite_cs" in out
    assert "应答更像另一型号" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tcp://h", "-p", "kuka_krc4_neuron"], "is not heard over Modbus"),
        (["tcp://h", "-p", "jaka"], "did you mean 'jaka_zu'"),
        (["tcp://h", "-p", "jaka_zu", "--unit", "250"], "unit 250 is not an address"),
        (["http://h", "-p", "jaka_zu"], "'http' is no Modbus scheme"),
        (["dtu://0.0.0.0:9", "-p", "jaka_zu"], "cannot be called"),
        (["tcp://", "-p", "jaka_zu"], "names no host"),
    ],
)
def test_a_question_that_makes_no_sense_is_a_usage_error(words: list[str], message: str) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    ("interval_s", "pace"), [(1.0, "one request every 1 s"), (0, "as fast as it answers")]
)
def test_the_announcement_names_the_pace(interval_s: float, pace: str) -> None:
    loaded: LoadedProfile = load_profile("duco_gcr")
    assert (
        f"Will read 4 registers or bits of tcp://h unit 1 as {loaded.profile_id}: 1 reads, {pace}"
        in announcement(loaded, "tcp://h", 1, interval_s)
    )
