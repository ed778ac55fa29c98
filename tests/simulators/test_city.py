"""The census of a made-up city finds its truth, needs its telemetry, and follows it when it is swapped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from census.report import to_json
from census.run import run_census
from simulators.build import build_world
from simulators.history import day_start_ms
from simulators.ledger_files import write_ledger
from simulators.past import LocalMaker, enrol_all, fill_from
from simulators.score import score
from simulators.specs import LIVE_KINDS, small_spec
from store.embedded import EmbeddedStore
from telemetry.clock import Clock

if TYPE_CHECKING:
    from simulators.world import Device, World

SEEDS = (7, 8)


def judge(world: World, folder: Path, *, telemetry: bool = True) -> dict[str, Any]:
    """Give the census document of a world, made from its paper and, unless removed, its telemetry."""
    write_ledger(world, folder / "ledger")
    as_of_ms = day_start_ms(world.spec.days)
    store = EmbeddedStore.open(folder / "store", Clock(lambda: as_of_ms, lambda: 0, "test"))
    try:
        enrol_all(store, world)
        if telemetry:
            fill_from([LocalMaker(world)], store, world.spec.days, lambda _day, _rows: None)
        store.apply()
        return to_json(run_census(store, folder / "ledger", Path("wenzhou-2018"), as_of_ms=as_of_ms))
    finally:
        store.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_verdict_is_as_the_truth_expects(seed: int, tmp_path: Path) -> None:
    world = build_world(small_spec(seed))
    found = score(world, judge(world, tmp_path))
    assert found.false_confirmed == 0
    assert found.honest_refuted == 0
    assert [text for text in found.surprises if not any(kind in text for kind in LIVE_KINDS)] == []


@pytest.mark.long
def test_the_same_city_gives_the_same_figures(tmp_path: Path) -> None:
    world = build_world(small_spec(SEEDS[0]))
    first, second = judge(world, tmp_path / "a"), judge(world, tmp_path / "b")
    # The roots differ: a log begins with enrolments, and a token is drawn anew for each.
    assert first.pop("root_hash") != second.pop("root_hash")
    assert first == second


def test_without_telemetry_nothing_is_confirmed(tmp_path: Path) -> None:
    document = judge(build_world(small_spec(SEEDS[0])), tmp_path, telemetry=False)
    for figure in document["figures"].values():
        assert figure["claimed"] > 0
        assert figure["confirmed"] == 0
    robots = document["verdicts"]["robots"].values()
    assert {verdict["verdict"] for verdict in robots} == {"unproven"}


@pytest.mark.long
def test_verdicts_follow_the_telemetry_and_not_the_name(tmp_path: Path) -> None:
    """An honest robot that behaves like an idle one is refuted, and the other way round."""
    world = build_world(small_spec(SEEDS[0]))
    live = {gateway.gateway for gateway in world.gateways if gateway.live}
    devices = {device.device: device for device in world.devices}
    stories = [device.behaviour.key for device in world.devices]
    honest = next(
        claim
        for claim in world.robots
        if claim.kind == "honest"
        and claim.gateway not in live
        and stories.count(devices[claim.device].behaviour.key) == 1
    )
    idle = next(claim for claim in world.robots if claim.kind == "idle")
    swapped = {
        honest.device: replace(devices[honest.device], behaviour=devices[idle.device].behaviour),
        idle.device: replace(devices[idle.device], behaviour=devices[honest.device].behaviour),
    }

    def new(device: Device) -> Device:
        return swapped.get(device.device, device)

    before = judge(world, tmp_path / "a")["verdicts"]["robots"]
    after = judge(replace(world, devices=tuple(map(new, world.devices))), tmp_path / "b")["verdicts"][
        "robots"
    ]
    assert (before[honest.robot]["verdict"], before[idle.robot]["verdict"]) == ("confirmed", "refuted")
    assert (after[honest.robot]["verdict"], after[idle.robot]["verdict"]) == ("refuted", "confirmed")
    others = set(before) - {honest.robot, idle.robot}
    assert {robot: after[robot]["verdict"] for robot in others} == {
        robot: before[robot]["verdict"] for robot in others
    }
