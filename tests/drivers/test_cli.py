from __future__ import annotations

from typing import TYPE_CHECKING

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
