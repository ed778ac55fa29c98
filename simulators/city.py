"""How does a world become a folder? Ledger, policy, profiles, keys, batches or rows, and apart from them the truth.

docs/city-folder.md describes every file, so that another program can write one.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING

from simulators.enough import enough
from simulators.history import day_start_ms, epoch_after_loss, write_day_time
from simulators.ledger_files import write_ledger
from simulators.past import enrolments
from simulators.voice import voiced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from simulators.past import Maker
    from simulators.world import World

POLICY = "wenzhou-2018"
TRUTH_FILE = "truth.json"
ROWS_FILE = "rows.json"
UNSEALED = "written without seals by mfl simulate city: rows as the gateway's code gives them, with nothing to verify"
ANSWER = ("平台值班员", "网关存储卡损坏，已更换")
"""Who answers for a lost outbox, and what happened."""


def write_city(
    world: World, folder: Path, makers: Sequence[Maker], progress: Callable[[int, int], None]
) -> int:
    """Write a world's folder, which must be new or empty; gives the number of rows. FileExistsError when it is not."""
    _write_papers(world, folder)
    return _write_batches(world, folder, makers, progress)


def write_row_city(world: World, folder: Path, progress: Callable[[int, int], None]) -> int:
    """Write a world's folder, which must be new or empty, with rows in place of sealed batches; gives their number.

    Beyond some millions of rows: a hundred microseconds a row make a quarter of a city a matter of hours, these few of
    minutes. The rows are those that the gateway's code would seal; nothing proves it, and the folder says so.
    FileExistsError when the folder is not empty, ValueError for a window that cannot be done so.
    """
    from simulators.rows.write import check_spec, write_rows  # noqa: PLC0415 - needs numpy and Arrow

    check_spec(world.spec)
    _write_papers(world, folder)
    plan, rows = write_rows(world, folder / "rows", progress)
    told = {
        "sealed": False,
        "what": UNSEALED,
        "rows": rows,
        "log_size": plan.log_size,
        "last_received_ms": plan.last_received_ms,
        "refused": dict(sorted(plan.refused.items())),
    }
    (folder / ROWS_FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return rows


def _write_papers(world: World, folder: Path) -> None:
    """Write all but the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    write_ledger(world, folder / "ledger")
    policy = resources.files("config") / "policies" / f"{POLICY}.yaml"
    (folder / "policy.yaml").write_bytes(policy.read_bytes())
    _write_profiles(world, folder / "profiles")
    _write_keys(world, folder / "keys")
    _write_explained(world, folder / "keys" / "epochs.csv")
    (folder / TRUTH_FILE).write_text(truth_text(world), encoding="utf-8")


def truth_text(world: World) -> str:
    """Write what is true: each subject's kind, expected verdict, tell, and whether there was evidence enough."""
    told = enough(world)
    groups = {"robots": world.robot_truth(), "enterprises": world.enterprise_truth()}
    document = {
        "seed": world.spec.seed,
        "days": world.spec.days,
        **{
            name: {subject: asdict(truth) | {"enough": subject in told} for subject, truth in truths.items()}
            for name, truths in groups.items()
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _write_profiles(world: World, folder: Path) -> None:
    folder.mkdir()
    for name in sorted({device.profile for device in world.devices}):
        (folder / f"{name}.yaml").write_text(voiced(name)[0].text, encoding="utf-8")


def _write_keys(world: World, folder: Path) -> None:
    folder.mkdir()
    with (folder / "keys.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["gateway", "kind", "public_key", "from", "until", "revoked"])
        for line in enrolments(world):
            revoked = "" if line.revoked_ms is None else write_day_time(line.revoked_ms)
            writer.writerow(
                [line.gateway, line.kind, line.public_key, write_day_time(line.from_ms), "", revoked]
            )


def _write_explained(world: World, path: Path) -> None:
    """Write why gateways began new chains, where somebody has answered for it; no file where nobody has."""
    lines = [
        [item.gateway, epoch_after_loss(item, world.spec, day), write_day_time(day_start_ms(day)), *ANSWER]
        for item in world.gateways
        if item.explained
        for day in item.lost_days
    ]
    if lines:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([["gateway", "epoch", "on", "who", "why"], *lines])


def _write_batches(
    world: World, folder: Path, makers: Sequence[Maker], progress: Callable[[int, int], None]
) -> int:
    """Write the batches day by day; one that the network still held a day after the end was never received."""
    rows = 0
    end_ms = day_start_ms(world.spec.days + 1)
    with (folder / "received.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["gateway", "epoch", "seq", "received_ms"])
        for day in range(world.spec.days):
            made = [item for maker in makers for item in maker.next_day() if item[1] < end_ms]
            for batch, received_ms in made:
                seal = batch.seal
                place = folder / "batches" / seal.gateway / seal.epoch
                place.mkdir(parents=True, exist_ok=True)
                (place / f"{seal.seq}.lp").write_bytes(batch.data)
                writer.writerow([seal.gateway, seal.epoch, seal.seq, received_ms])
                rows += seal.count
            progress(day + 1, rows)
    return rows
