from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from simulators import storm_cli, storm_night
from simulators.kill_run import KillTally
from simulators.storm_night import Extent, Night, pieces_of, run_night
from simulators.storm_page import bound_sentence, page
from simulators.storm_power import PowerTally
from simulators.storm_run import Outcome

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2018, 4, 1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every trial ends at once, and well."""
    monkeypatch.setattr(storm_night, "run_kills", lambda _, kills: KillTally(kills, 1, 50, 50))
    monkeypatch.setattr(storm_night, "run_cuts", lambda _, states: PowerTally(states, 400, 70, 71, 5))
    monkeypatch.setattr(storm_night, "run_one", lambda seed: Outcome(seed, accepted=10, delivered=10))


def tried(extent: Extent) -> Night:
    return run_night(extent, 1, lambda _night, _result: None)


def test_a_night_is_cut_into_pieces_kills_first_and_leaves_nothing_out() -> None:
    names = [name for name, _ in pieces_of(Extent(7, seeds=6, states=3_100, kills=9))]
    assert names == [
        "kills",
        "power cuts, run 7",
        "power cuts, run 8",
        "power cuts, run 9",
        "seeds 7 to 10",
        "seeds 11 to 12",
    ]


def test_a_whole_night_and_a_share_of_one() -> None:
    assert Extent.of(1, 0) == Extent(0, 5_000, 15_000, 1_000)
    assert Extent.of(0.0001, 3) == Extent(3, 1, 2, 1)


@pytest.mark.usefixtures("quick")
def test_a_clean_night_adds_everything_up() -> None:
    night = tried(Extent(0, seeds=6, states=3_100, kills=9))
    assert night.is_clean
    assert (night.seeds.seeds, night.cuts.states, night.kills.kills) == (6, 3_100, 9)
    assert (night.seeds.accepted, night.cuts.acknowledged, night.kills.accepted) == (60, 210, 50)


@pytest.mark.usefixtures("quick")
def test_a_piece_that_breaks_off_is_a_finding_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> KillTally:
        raise TimeoutError("no answer")

    monkeypatch.setattr(storm_night, "run_kills", broken)
    night = tried(Extent(0, 2, 10, 9))
    assert night.broken == ["kills: ended early: TimeoutError('no answer')"]
    assert (night.seeds.seeds, night.cuts.states) == (2, 10)
    assert "kills: ended early" in page(night, 1, DAY, "abc")


@pytest.mark.usefixtures("quick")
def test_a_long_night_in_which_a_fault_never_happened_is_no_proof() -> None:
    assert "never happened" in tried(Extent(0, 100, 10, 9)).broken[0]


@pytest.mark.usefixtures("quick")
def test_the_page_says_what_clean_trials_bound() -> None:
    night = Night(Extent(0, 1, 1, 1))
    night.seeds.seeds, night.cuts.states, night.kills.kills = 5_000, 15_000, 1_000
    told = bound_sentence(night)
    assert "5,000 seeds by 0.06 %, 15,000 power cuts by 0.02 %, 1,000 kills by 0.3 %" in told
    night.cuts.problems.append("lost: one")
    assert "15,000 power cuts by nothing" in bound_sentence(night)


@pytest.mark.usefixtures("quick")
def test_the_verb_writes_the_page_and_the_page_hides_no_violation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--nights", "0.001", "--processes", "1", "--report"]
    good = CliRunner().invoke(storm_cli.storm, [*given, str(tmp_path / "good.md")])
    text = (tmp_path / "good.md").read_text(encoding="utf-8")
    assert good.exit_code == 0, good.output
    assert "nothing was found wrong" in text
    assert "## Violations" not in text
    assert "| seeds | 5 | 0 | 50 | 50 | 0 | 0 | 0 | 0 |" in text

    monkeypatch.setattr(storm_night, "run_one", lambda seed: Outcome(seed, problems=["lost: it"]))
    bad = CliRunner().invoke(storm_cli.storm, [*given, str(tmp_path / "bad.md")])
    text = (tmp_path / "bad.md").read_text(encoding="utf-8")
    assert bad.exit_code == 1
    assert "there were violations" in text
    assert "replay: ./run storm --seed 4" in text
    assert "| seeds | 5 | 5 | 0 | 0 | 0 | 0 | 5 | 0 |" in text
    assert "5 seeds by nothing" in text
