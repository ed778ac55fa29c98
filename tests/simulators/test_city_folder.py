"""A city folder is what its document says: the same for the same seed, read with every fault named, its truth left alone."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from census.city import city_census
from census.report import to_json
from mfl.cli import cli
from simulators.build import build_world
from simulators.city import write_city
from simulators.past import LocalMaker
from simulators.specs import small_spec
from simulators.truth import read_truth
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from census.run import CensusResult
    from simulators.world import Gateway

ROOT = Path(__file__).parents[2]
SEED = 4


def _write(folder: Path, seed: int = SEED) -> Path:
    spec = replace(
        small_spec(seed), days=16, live_gateways=0, live_robots=0, robots={"honest": 8, "unenrolled": 1}
    )
    world = build_world(
        replace(spec, enterprises={"honest": 12, "bad_code": 2}, window_s=21_600, poll_s=10_800)
    )
    world = replace(world, gateways=_with_breaks(world.gateways))
    write_city(world, folder, [LocalMaker(world)], lambda _day, _rows: None)
    return folder


def _with_breaks(gateways: tuple[Gateway, ...]) -> tuple[Gateway, ...]:
    """Let one workshop's gateway lose its outbox twice in January, with somebody to answer for it."""
    chosen = next(one for one in gateways if one.kind == "edge" and one.workshop and one.enrolled)
    broken = replace(chosen, lost_days=(9, 11), explained=True)
    return tuple(broken if one == chosen else one for one in gateways)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("written") / "city")


@pytest.fixture
def copy(city: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(city, tmp_path / "copy"))


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _batch(folder: Path) -> Path:
    """Find the second batch of an enrolled edge gateway."""
    with (folder / "keys" / "keys.csv").open(encoding="utf-8") as file:
        gateway = next(row["gateway"] for row in csv.DictReader(file) if row["kind"] == "edge")
    return next((folder / "batches" / gateway).glob("*/2.lp"))


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(city: Path, tmp_path: Path) -> None:
    assert _files(city) == _files(_write(tmp_path / "again"))
    assert _files(city) != _files(_write(tmp_path / "other", seed=SEED + 1))
    names = set(_files(city))
    assert {"policy.yaml", "received.csv", "truth.json", "keys/keys.csv", "ledger/robots.csv"} <= names
    assert all((city / "profiles").glob("*.yaml"))


def test_the_same_folder_gives_the_same_document_root_included(city: Path) -> None:
    first = to_json(city_census(city))
    assert first == to_json(city_census(city))
    assert first["log_size"] > 40
    assert len(first["verdicts"]["robots"]) == 9
    assert any("not enrolled" in problem for problem in first["problems"])


def test_the_census_needs_no_truth_and_its_code_names_none(copy: Path) -> None:
    before = to_json(city_census(copy))
    (copy / "truth.json").unlink()
    assert to_json(city_census(copy)) == before
    sources = [*(ROOT / "census").rglob("*.py"), *(ROOT / "census").rglob("*.sql")]
    assert len(sources) > 20
    assert not [path.name for path in sources if "truth.json" in path.read_text(encoding="utf-8")]
    with pytest.raises(ConfigError, match=r"truth\.json"):
        read_truth(copy)


def test_a_batch_changed_by_one_byte_is_named_and_bears_no_witness(copy: Path) -> None:
    path = _batch(copy)
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(bytes(data))
    told = "\n".join(city_census(copy).problems)
    assert path.relative_to(copy).as_posix() in told


def _confirmed(result: CensusResult, *, at: str = "", away: str = "") -> set[str]:
    """Name the confirmed robots that are bound to one gateway, or to any but one."""
    verdicts = to_json(result)["verdicts"]["robots"]
    return {
        bound.robot
        for bound in result.ledger.bindings
        if verdicts[bound.robot]["verdict"] == "confirmed" and bound.gateway == (at or bound.gateway) != away
    }


def test_chains_broken_twice_are_silent_until_a_line_answers_for_one(copy: Path) -> None:
    path = copy / "keys" / "epochs.csv"
    head, *words = path.read_text(encoding="utf-8").splitlines()
    assert [line.count(",") for line in (head, *words)] == [4, 4, 4]
    gateway, second = words[1].split(",")[:2]
    lines = [head, words[0], f"{gateway},{'f' * 32},2018-01-04,w,y", f"gw-none,{second},2018-01-04,w,y"]
    path.write_text("\n".join([*lines, f"{gateway},{second},soon,w,y"]) + "\n", encoding="utf-8")
    answered = city_census(copy)
    told = [problem for problem in answered.problems if "keys/epochs.csv" in problem]
    assert [problem.partition("keys/epochs.csv:")[2][:1] for problem in told] == ["5", "3", "4"]
    assert "no batch of" in told[1]
    assert "'gw-none' was never enrolled" in told[2]
    assert not any("explain-epoch" in problem for problem in answered.problems)
    path.unlink()
    silent = city_census(copy)
    assert _confirmed(answered, at=gateway)
    assert not _confirmed(silent, at=gateway)
    assert _confirmed(silent, away=gateway) == _confirmed(answered, away=gateway) != set()
    for robot in _confirmed(answered, at=gateway):
        verdict = to_json(silent)["verdicts"]["robots"][robot]
        assert verdict["verdict"] == "unproven"
        (chain,) = [finding for finding in verdict["findings"] if finding["rule"] == "unbroken_chain"]
        assert second in chain["en"]
    assert [f"explain-epoch {gateway} {second}" in problem for problem in silent.problems].count(True) == 1
    assert silent.header.log_size == answered.header.log_size - 1


@pytest.mark.parametrize("what", ["gone", "moved"])
def test_a_batch_that_is_gone_or_another_is_named(what: str, copy: Path) -> None:
    path = _batch(copy)
    if what == "gone":
        path.unlink()
    else:
        shutil.copyfile(path.with_name("3.lp"), path)
    told = "\n".join(city_census(copy).problems)
    assert path.relative_to(copy).as_posix() in told
    assert ("No such file" if what == "gone" else "is sealed as") in told


def test_bad_lines_are_named_and_the_rest_is_counted(copy: Path) -> None:
    lines = (copy / "received.csv").read_text(encoding="utf-8").splitlines()
    lines[4] = lines[4].rsplit(",", 1)[0] + ",soon"
    (copy / "received.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    keys = (copy / "keys" / "keys.csv").read_text(encoding="utf-8")
    (copy / "keys" / "keys.csv").write_text(
        keys + "gw-x,edge,ed25519 AAAA,2018-01-01,,\ngw-y,wagon,k,2018-01-01,,\n", encoding="utf-8"
    )
    result = city_census(copy)
    told = "\n".join(result.problems)
    assert "received.csv:5" in told
    assert "not a public key" in told
    assert "expected edge or provider" in told
    assert result.header.log_size > 40


@pytest.mark.parametrize("name", ["received.csv", "keys/keys.csv", "policy.yaml", "ledger"])
def test_a_folder_that_is_no_city_is_refused_in_its_own_words(name: str, copy: Path) -> None:
    path = copy / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    done = CliRunner().invoke(cli, ["census", "run", "--city", str(copy)])
    assert done.exit_code == 2
    assert name.rsplit("/", maxsplit=1)[-1] in done.output


def test_a_written_folder_is_not_written_over(city: Path) -> None:
    world = build_world(small_spec(SEED))
    with pytest.raises(FileExistsError, match="is not empty"):
        write_city(world, city, [LocalMaker(world)], lambda _day, _rows: None)


def test_the_command_line_takes_and_scores_a_city(city: Path) -> None:
    run = CliRunner().invoke(cli, ["census", "run", "--city", str(city), "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["as_of"].startswith("2018-01-09T00:00")
    done = CliRunner().invoke(cli, ["census", "score", "--city", str(city), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["false_confirmed"], found["honest_refuted"], found["honest_unproven"]) == (0, 0, 0)
    assert found["by_kind"]["enterprises/bad_code"] == {"refuted": 2}
    verdicts = json.loads(run.stdout)["verdicts"]["robots"]
    robot = next(name for name, one in verdicts.items() if one["verdict"] == "confirmed")
    words = ["census", "explain", robot, "--city", str(city), "--lang", "en", "--day", "2018-01-05"]
    told = CliRunner().invoke(cli, words)
    assert told.exit_code == 0, told.output
    assert robot in told.stdout
    assert "batches" in told.stdout
    both = CliRunner().invoke(cli, [*words, "--ledger", str(city / "ledger")])
    assert (both.exit_code, "--city brings its own" in " ".join(both.output.split())) == (2, True)
    text = CliRunner().invoke(cli, ["census", "score", "--city", str(city)])
    assert "false claims confirmed: 0; honest ones refuted: 0" in text.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--robots", "20"], "a city needs"),
        (["--days", "10"], "a city needs"),
        (["--window", "7h"], "divides a day"),
        (["--window", "soon"], "expected a window"),
    ],
)
def test_a_city_that_cannot_be_is_a_usage_error(options: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["simulate", "city", "--out", str(tmp_path / "c"), *options])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_city_and_store_exclude_each_other(city: Path) -> None:
    done = CliRunner().invoke(cli, ["census", "run", "--city", str(city), "--store", str(city)])
    assert done.exit_code == 2
    assert CliRunner().invoke(cli, ["census", "run"]).exit_code == 2


@pytest.mark.wall
def test_a_small_city_is_simulated_by_worker_processes(tmp_path: Path) -> None:
    """The command itself, with its two processes, on the smallest city it takes, at a window of half a day."""
    out = tmp_path / "city"
    options = ["--robots", "112", "--enterprises", "72", "--days", "42", "--window", "12h", "--out", str(out)]
    done = CliRunner().invoke(cli, ["simulate", "city", *options])
    assert done.exit_code == 0, done.output
    assert read_truth(out).days == 42


def test_a_batch_without_a_receipt_is_told_as_a_file_and_as_a_number_missing(copy: Path) -> None:
    batch = _batch(copy)
    gateway, epoch, name = batch.relative_to(copy / "batches").parts
    receipts = (copy / "received.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in receipts if not line.startswith(f"{gateway},{epoch},2,")]
    assert len(kept) == len(receipts) - 1
    (copy / "received.csv").write_text("".join(kept), encoding="utf-8")
    told = city_census(copy).problems
    assert any(one.startswith(f"batches/{gateway}") and f"{epoch}/{name} is the first" in one for one in told)
    assert any(f"gateway {gateway}: 1 batches of epoch {epoch} are missing (2)" in one for one in told)


def test_a_city_is_not_compared_with_the_year_before(copy: Path) -> None:
    document = copy / "before.json"
    document.write_text('{"figures": {}}', encoding="utf-8")
    asked = ["census", "run", "--city", str(copy), "--year-before", str(document)]
    found = CliRunner().invoke(cli, asked)
    assert found.exit_code == 2
    assert "leave --year-before away" in found.output
