from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from drivers.cli import profile
from drivers.profiles import list_profiles, load_profile

if TYPE_CHECKING:
    from pathlib import Path


def test_list_names_every_profile() -> None:
    result = CliRunner().invoke(profile, ["list"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == list(list_profiles())


def test_show_gives_id_caveats_and_reads() -> None:
    result = CliRunner().invoke(profile, ["show", "jaka_zu"])
    assert result.exit_code == 0
    assert load_profile("jaka_zu").profile_id in result.output
    assert "caveat: There is no program-running register" in result.output
    assert "poll: input 454+16" in result.output
    assert "identity: input 302+2" in result.output


def test_show_gives_the_topic_of_a_publisher() -> None:
    assert (
        "subscribes to /neuron/mfl/+/robot"
        in CliRunner().invoke(profile, ["show", "kuka_krc4_neuron"]).output
    )


def test_test_checks_all_and_tells_what_is_wrong(tmp_path: Path) -> None:
    good = CliRunner().invoke(profile, ["test"])
    assert good.exit_code == 0
    assert good.output.count(": ok") == len(list_profiles())
    path = tmp_path / "schneider_pm5110.yaml"
    path.write_text(load_profile("schneider_pm5110").text.replace("value: 12.5", "value: 12.6"))
    bad = CliRunner().invoke(profile, ["test", str(path)])
    assert bad.exit_code == 1
    assert "power: words [16712, 0] decodes to 12.5, not 12.6" in bad.output


def test_a_name_that_is_not_known_is_a_mistake_of_configuration() -> None:
    result = CliRunner().invoke(profile, ["show", "jaka"])
    assert result.exit_code == 2
    assert "did you mean 'jaka_zu'?" in result.output


@pytest.mark.parametrize("over", ["modbus", "mqtt"])
@pytest.mark.parametrize("kind", ["robot", "plc", "meter"])
def test_new_writes_a_profile_that_passes_its_own_test(tmp_path: Path, kind: str, over: str) -> None:
    path = tmp_path / "my_device.yaml"
    made = CliRunner().invoke(
        profile, ["new", "my_device", "--kind", kind, "--over", over, "--out", str(path)]
    )
    assert made.exit_code == 0, made.output
    assert f"mfl profile test {path}" in made.output
    tested = CliRunner().invoke(profile, ["test", str(path)])
    assert (tested.exit_code, tested.output.count(": ok")) == (0, 1), tested.output
    assert load_profile(str(path)).profile.kind == kind
    assert path.read_text().count("#") > 10  # it explains itself
    assert max(len(line) for line in path.read_text().splitlines() if line.lstrip().startswith("#")) <= 120


def test_new_writes_over_nobodys_work(tmp_path: Path) -> None:
    path = tmp_path / "my_device.yaml"
    path.write_text("mine")
    result = CliRunner().invoke(profile, ["new", "my_device", "--out", str(path)])
    assert result.exit_code == 2
    assert "File exists" in result.output
    assert path.read_text() == "mine"


def test_new_refuses_a_name_that_no_profile_may_have(tmp_path: Path) -> None:
    result = CliRunner().invoke(profile, ["new", "My Device", "--out", str(tmp_path / "x.yaml")])
    assert result.exit_code == 2
    assert "profile" in result.output
    assert not (tmp_path / "x.yaml").exists()


def test_show_gives_what_the_integrator_chooses() -> None:
    result = CliRunner().invoke(profile, ["show", "delta_dvp_cell?parts=500"])
    assert result.exit_code == 0, result.output
    assert (
        "parameter: parts 500, from 0 to 4094 (default 102)  first D register of the parts counter"
        in result.output
    )
    assert "poll: holding 4596+2" in result.output
