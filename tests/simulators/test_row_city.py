"""A city written without seals is the sealed one: same papers, same evidence, same verdicts, and it says what it is."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from census.city import city_census
from census.evidence import DeviceDay
from census.report import to_json, to_text
from mfl.cli import cli
from simulators.build import build_world
from simulators.city import write_city, write_row_city
from simulators.past import LocalMaker
from simulators.rows.plan import plan_batches
from simulators.specs import city_spec, small_spec
from simulators.truth import read_truth, score_document
from store.columns import schema_of
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from census.run import CensusResult
    from simulators.world import World

ROOT = Path(__file__).parents[2]
SEED = 6
LEAVES = {"leaf_min", "leaf_max"}
"""Not the same: what the gateway packs by bytes is packed by time here (simulators/rows/plan.py)."""
KINDS = (
    "honest",
    "idle",
    "clone_shifted",
    "script_jitter",
    "replacement",
    "unenrolled",
    "revoked",
    "broken_chain",
)


def _world() -> World:
    spec = small_spec(SEED)
    spec = replace(
        spec,
        days=20,
        window_s=14_400,
        poll_s=7_200,
        live_gateways=0,
        live_robots=0,
        robots_a_gateway=4,
        robots=dict.fromkeys(KINDS, 2) | {"honest": 12},
        enterprises={"honest": 12, "cancelled": 2, "renewed": 2},
        faults=True,
    )
    world = build_world(spec)
    # Two boxes lose their outbox, twice each; somebody answers for the first one.
    boxes = [item for item in world.gateways if item.kind == "edge" and item.replaced_day is None][:2]
    lost = {
        box.gateway: replace(box, lost_days=(9, 12), explained=box is boxes[0], from_day=min(box.from_day, 8))
        for box in boxes
    }
    gateways = tuple(lost.get(item.gateway, item) for item in world.gateways)
    return replace(world, gateways=gateways)


@dataclasses.dataclass(frozen=True)
class Both:
    """One city written both ways, and the census of each."""

    sealed: Path
    rows: Path
    of_sealed: CensusResult
    of_rows: CensusResult


def _both(world: World, folder: Path) -> Both:
    write_city(world, folder / "sealed", [LocalMaker(world)], lambda _day, _rows: None)
    write_row_city(world, folder / "rows", lambda _day, _rows: None)
    return Both(
        folder / "sealed", folder / "rows", city_census(folder / "sealed"), city_census(folder / "rows")
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return _both(_world(), tmp_path_factory.mktemp("both"))


def _told(days: tuple[DeviceDay, ...]) -> list[dict[str, Any]]:
    names = [item.name for item in dataclasses.fields(DeviceDay) if item.name not in LEAVES]
    return [{name: getattr(day, name) for name in names} for day in days]


def _compare(found: Both) -> int:
    """See that evidence and verdicts are the same; gives the number of device-days."""
    sealed, rows = found.of_sealed.evidence, found.of_rows.evidence
    assert sealed.device_days.keys() == rows.device_days.keys()
    for key, days in sealed.device_days.items():
        assert _told(rows.device_days[key]) == _told(days), key
    assert sealed.profiles == rows.profiles
    before, after = to_json(found.of_sealed), to_json(found.of_rows)
    assert before["verdicts"] == after["verdicts"]
    assert before["figures"] == after["figures"]
    assert before["as_of"] == after["as_of"]
    return sum(map(len, sealed.device_days.values()))


def test_a_city_without_seals_is_judged_as_the_sealed_one(both: Both) -> None:
    """To the last hour and increase of every device-day, faults and late readings among them: no tolerance."""
    assert _compare(both) > 200
    verdicts = to_json(both.of_rows)["verdicts"]["robots"].values()
    assert {verdict["verdict"] for verdict in verdicts} >= {"confirmed", "unproven"}


@pytest.mark.long
def test_a_larger_city_without_seals_is_judged_as_the_sealed_one(tmp_path: Path) -> None:
    assert _compare(_both(build_world(city_spec(3)), tmp_path)) > 3_000


def test_papers_and_truth_are_the_same_and_no_batch_is_there(both: Both) -> None:
    def papers(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.relative_to(folder).parts[0] not in {"batches", "rows"}
        }

    sealed, rows = papers(both.sealed), papers(both.rows)
    assert sealed.keys() - rows.keys() == {"received.csv"}
    assert rows.keys() - sealed.keys() == {"rows.json"}
    assert all(sealed[name] == rows[name] for name in sealed.keys() & rows.keys())
    assert not (both.rows / "batches").exists()


def test_files_have_the_stores_layout(both: Both) -> None:
    files = sorted((both.rows / "rows").rglob("*.parquet"))
    names = {path.parts[-3] for path in files}
    assert names == {"machine", "identity", "heartbeat", "epoch", "cloud_usage", "batch"}
    for path in files:
        table = pq.read_table(path, partitioning=None)
        assert table.schema.equals(schema_of(path.parts[-3]))
        first, last, _ = path.stem.replace("c-", "-").split("-")
        leaves = table.column("leaf").to_pylist()
        assert int(first) <= min(leaves) <= max(leaves) <= int(last)
    told = json.loads((both.rows / "rows.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "city-folder.md").read_text(encoding="utf-8")
    example = json.loads(re.findall(r"```json\n(\{\n \"sealed\".*?)```", page, re.DOTALL)[0])
    assert {name: type(value) for name, value in example.items()} == {
        name: type(value) for name, value in told.items()
    }
    assert (example["sealed"], example["what"]) == (told["sealed"], told["what"])
    assert all(f"`{name}`" in page for name in names)
    assert told["sealed"] is False
    rows = sum(pq.read_metadata(path).num_rows for path in files if path.parts[-3] != "batch")
    assert told["rows"] == rows
    whole = pq.read_table(next((both.rows / "rows" / "machine").glob("day=2018-01-0*")), partitioning=None)
    order = [(name, "ascending") for name in ("device", "time_ms", "leaf")]
    assert whole.equals(whole.sort_by(order))


def test_every_leaf_has_one_batch_and_its_rows(both: Both) -> None:
    plan = plan_batches(_world())
    files = list((both.rows / "rows").rglob("*.parquet"))
    batches = [path for path in files if path.parts[-3] == "batch"]
    lines = [line for path in batches for line in pq.read_table(path, partitioning=None).to_pylist()]
    assert sorted(line["leaf"] for line in lines) == list(range(plan.events, plan.log_size))
    by_leaf: dict[int, int] = {}
    for path in set(files) - set(batches):
        for leaf in pq.read_table(path, columns=["leaf"], partitioning=None).column("leaf").to_pylist():
            by_leaf[leaf] = by_leaf.get(leaf, 0) + 1
    assert by_leaf == {line["leaf"]: line["count"] for line in lines}


def test_the_report_says_that_nothing_was_verified(both: Both) -> None:
    run = CliRunner().invoke(cli, ["census", "run", "--city", str(both.rows), "--json"])
    assert run.exit_code == 0, run.output
    document = json.loads(run.stdout)
    assert document["rows_verified"] is False
    assert document["root_hash"] == ""
    assert document["problems"][0].startswith("rows.json: the rows were written without seals")
    assert "none of them was verified" in to_text(both.of_rows, "en")


def test_the_score_is_that_of_the_sealed_city(both: Both) -> None:
    scores = [
        score_document(read_truth(folder), to_json(result))
        for folder, result in ((both.sealed, both.of_sealed), (both.rows, both.of_rows))
    ]
    assert scores[0] == scores[1]
    assert scores[0]["seed"] == SEED


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log_size": "many", "last_received_ms": 0}'])
def test_a_false_rows_file_is_named(text: str, both: Both, tmp_path: Path) -> None:
    (tmp_path / "ledger").symlink_to(both.rows / "ledger")
    (tmp_path / "rows.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rows\.json"):
        city_census(tmp_path)


def test_a_window_that_crosses_midnight_needs_seals(tmp_path: Path) -> None:
    options = ["--rows", "parquet", "--window", "12h", "--out", str(tmp_path / "city")]
    done = CliRunner().invoke(cli, ["simulate", "city", *options])
    assert done.exit_code == 2
    assert "divides 8 h" in " ".join(done.output.split())
    assert not (tmp_path / "city").exists()


@pytest.mark.parametrize(("most", "is_sealed"), [(1_000, False), (10_000_000, True)])
def test_a_big_city_is_written_without_seals_and_says_so(
    most: int, is_sealed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways: list[str] = []

    def stub(way: str) -> Callable[..., int]:
        def write(*_: object) -> int:
            ways.append(way)
            return 1

        return write

    monkeypatch.setattr("simulators.cli.MANY_ROWS", most)
    monkeypatch.setattr("simulators.city.write_row_city", stub("rows"))
    monkeypatch.setattr("simulators.city.write_city", stub("sealed"))
    monkeypatch.setattr("simulators.past.WORKERS", 0)
    done = CliRunner().invoke(cli, ["simulate", "city", "--out", str(tmp_path / "city")])
    assert done.exit_code == 0, done.output
    assert ways == ["sealed" if is_sealed else "rows"]
    assert ("without seals" in done.stderr) is not is_sealed
