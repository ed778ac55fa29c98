"""What does the city's paperwork say? Writes a world's ledger: the CSV files that the census reads, truth left out."""

from __future__ import annotations

import csv
import random
from datetime import timedelta
from typing import TYPE_CHECKING

from simulators.history import key_on
from simulators.world import FIRST_DAY, PERIOD_START
from telemetry.seal import write_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from simulators.world import Enterprise, World

ENTERPRISES = [
    "uscc",
    "name",
    "division",
    "cluster",
    "industry",
    "size",
    "cloud_claimed_on",
    "cloud_level",
    "cloud_provider",
    "evidence",
]
ROBOTS = [
    "robot",
    "uscc",
    "workshop",
    "cell",
    "manufacturer",
    "model",
    "serial",
    "category",
    "axes",
    "commissioned_on",
    "addition",
    "contract",
    "invoice",
]
INVOICES = ["invoice", "line", "uscc", "seller", "manufacturer", "model", "serial", "issued_on"]
BINDINGS = ["robot", "gateway", "device", "from", "until"]
GATEWAYS = ["gateway", "kind", "provider", "uscc", "workshop", "public_key", "enrolled_on", "retired_on"]
REGISTRY = ["uscc", "name", "status", "division", "from", "to"]
REPLACEMENTS = ["robot", "on", "old_serial", "new_serial", "document"]
INVOICED_SHARE = 0.9


def write_ledger(world: World, folder: Path) -> None:
    """Write the ledger's files into a folder, which is made when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "enterprises.csv", ENTERPRISES, _enterprises(world))
    _write(folder / "robots.csv", ROBOTS, _robots(world))
    _write(folder / "invoices.csv", INVOICES, _invoices(world))
    _write(folder / "bindings.csv", BINDINGS, _bindings(world))
    _write(folder / "gateways.csv", GATEWAYS, _gateways(world))
    _write(folder / "registry.csv", REGISTRY, _registry(world))
    _write(folder / "replacements.csv", REPLACEMENTS, _replacements(world))


def _write(path: Path, columns: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _date(day: int) -> str:
    return (FIRST_DAY + timedelta(days=day)).isoformat()


def _enterprises(world: World) -> Iterator[tuple[object, ...]]:
    for item in world.enterprises:
        claimed = _date(max(item.since_day, (PERIOD_START - FIRST_DAY).days)) if item.cloud else ""
        level = "level-1" if item.cloud else ""
        yield _enterprise(item, item.name, claimed, level, item.provider)
        if item.second_name:
            yield _enterprise(item, item.second_name, claimed, level, item.second_provider)


def _enterprise(item: Enterprise, name: str, claimed: str, level: str, provider: str) -> tuple[object, ...]:
    evidence = f"contract {item.uscc[-6:]}" if claimed else ""
    return (
        item.uscc, name, item.division, item.cluster, item.industry, item.size, claimed, level, provider, evidence
    )  # fmt: skip


def _robots(world: World) -> Iterator[tuple[object, ...]]:
    for item in world.robots:
        yield (
            item.robot, item.uscc, item.workshop, "", item.manufacturer, item.model, item.serial, "articulated", 6,
            _date(item.commissioned_day), "new", item.contract, f"FP-{item.robot[2:]}",
        )  # fmt: skip


def _invoices(world: World) -> Iterator[tuple[object, ...]]:
    """Most robots have an invoice, whatever their kind: paper proves nothing by itself."""
    rng = random.Random(f"invoices {world.spec.seed}")
    for item in world.robots:
        if rng.random() < INVOICED_SHARE:
            issued = _date(item.commissioned_day - rng.randint(3, 40))
            seller = item.manufacturer
            yield (
                f"FP-{item.robot[2:]}", 1, item.uscc, seller, item.manufacturer, item.model, item.serial, issued
            )  # fmt: skip


def _bindings(world: World) -> Iterator[tuple[object, ...]]:
    for item in world.robots:
        yield item.robot, item.gateway, item.device, _date(item.commissioned_day), ""


def _gateways(world: World) -> Iterator[tuple[object, ...]]:
    for item in world.gateways:
        key = write_public_key(key_on(item, world.spec.seed, world.spec.days).public_key())
        enrolled = _date(item.from_day) if item.enrolled else ""
        yield item.gateway, item.kind, item.provider, item.uscc, item.workshop, key, enrolled, ""


def _replacements(world: World) -> Iterator[tuple[object, ...]]:
    """Give the documents of swapped controllers, and of robots that took an older one's place."""
    devices = {(item.gateway, item.device): item for item in world.devices}
    for claim in world.robots:
        device = devices.get((claim.gateway, claim.device))
        if device is None or device.swap_day is None:
            continue
        on, document = _date(device.swap_day), f"WX-{claim.contract[-4:]}"
        if claim.replaces:
            older = f"r-{claim.replaces[-8:]:0>8}"
            yield older, on, claim.replaces, claim.serial, document
        elif claim.serial == device.serial:
            yield claim.robot, on, device.serial, device.swap_serial, document


def _registry(world: World) -> Iterator[tuple[object, ...]]:
    for item in world.enterprises:
        if item.kind in {"unregistered", "bad_code"}:
            continue
        off = item.kind == "struck_off"
        status, until = ("struck_off", _date(-20)) if off else ("active", "")
        yield item.uscc, item.name, status, item.division, "2009-05-11", until
