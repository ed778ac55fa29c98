"""How is a city folder written? By docs/city-folder.md: ledger, policy, profiles, keys, batches, receipts, truth."""

from __future__ import annotations

import csv
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.cities.outsider.cast import City, heard_enough
from tests.cities.outsider.devices import PROFILES
from tests.cities.outsider.enterprises import EXPECTED, PROVIDERS, Firm, firms, usage_rows
from tests.cities.outsider.gateways import MINUTE_MS, Gateway, midnight_ms, write_batches
from tests.cities.outsider.roles import populate
from tests.cities.outsider.sealing import Chain, Row, key_of, tags_text
from tests.cities.outsider.shifts import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    Rng = np.random.Generator

POLICY = Path(__file__).parents[3] / "config" / "policies" / "wenzhou-2018.yaml"
HEADERS = {
    "robots": "robot uscc workshop cell manufacturer model serial category axes commissioned_on addition contract "
    "invoice",
    "invoices": "invoice line uscc seller manufacturer model serial issued_on",
    "bindings": "robot gateway device from until",
    "replacements": "robot on old_serial new_serial document",
    "gateways": "gateway kind provider uscc workshop public_key enrolled_on retired_on",
    "registry": "uscc name status division from to",
    "enterprises": "uscc name division cluster industry size cloud_claimed_on cloud_level cloud_provider evidence",
    "keys": "gateway kind public_key from until revoked",
    "epochs": "gateway epoch on who why",
    "received": "gateway epoch seq received_ms",
}
ZONE = dt.timezone(dt.timedelta(hours=8))


@dataclass(frozen=True)
class Written:
    """What was written: the truth, and by subject the parameters that were drawn."""

    truth: dict[str, Any]
    facts: dict[str, dict[str, str]]


def table(folder: Path, name: str, rows: Iterable[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADERS[name].split(), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def instant(gateway: Gateway, minute: int) -> str:
    return dt.datetime.fromtimestamp(gateway.time_ms(minute) / 1_000, ZONE).isoformat()


def key_lines(gateway: Gateway) -> list[dict[str, Any]]:
    """A line a key: the next one begins when the box is replaced; backlog of the old one has long come."""
    lines = []
    for number, (public, minute) in enumerate(gateway.keys):
        begins = instant(gateway, minute - 30 if minute > 30 else 0)
        line = {"gateway": gateway.gateway, "kind": "edge", "public_key": public, "from": begins}
        if number + 1 < len(gateway.keys):
            line["until"] = instant(gateway, gateway.keys[number + 1][1] + 4 * DAY)
        if gateway.revoked_minute is not None:
            line["revoked"] = instant(gateway, gateway.revoked_minute)
        lines.append(line)
    return lines


def gateway_line(gateway: Gateway) -> dict[str, Any]:
    return {
        "gateway": gateway.gateway,
        "kind": "edge",
        "uscc": gateway.uscc,
        "workshop": gateway.workshop,
        "public_key": gateway.keys[-1][0],
        "enrolled_on": instant(gateway, gateway.first - 30),
    }


def write_provider(
    city: City, name: str, claimed: list[Firm], folder: Path, secret: bytes
) -> tuple[str, Chain]:
    """Seal a provider's reports: each day's usage in the small hours of the next."""
    gateway = f"cloud-{name}"
    private, public = key_of(secret)
    epoch = city.rng.bytes(16).hex()
    chain = Chain(gateway, epoch, private, folder / "batches" / gateway / epoch)
    rows = [Row("epoch", tags_text(gateway=gateway), {"reason": "first"}, midnight_ms(city.first))]
    for day in range(city.days):
        start = midnight_ms(city.day(day * DAY))
        for firm in claimed:
            for provider, service, fields in usage_rows(firm, day):
                if provider == name:
                    tags = tags_text(gateway=gateway, enterprise=firm.uscc, provider=name, service=service)
                    rows.append(Row("cloud_usage", tags, fields, start))
        sealed = start + (DAY + int(city.rng.integers(30, 200))) * MINUTE_MS
        for at in range(0, len(rows), 2_500):
            chain.seal(
                rows[at : at + 2_500],
                sealed_ms=sealed + at,
                mono_ms=sealed - midnight_ms(city.first) + at,
                boot="provider",
                synced=True,
                received_ms=sealed + at + 5_000,
            )
        rows = []
    return public, chain


def edge_claims(city: City) -> list[tuple[Firm, dt.date, bool]]:
    """Owners of honest robots alone claim the cloud by their gateways: (firm, day, enough heard)."""
    made = []
    for firm in city.firms:
        theirs = [claim for claim in city.claims if claim.uscc == firm.uscc]
        if not theirs or not all(claim.expected == "confirmed" for claim in theirs):
            continue
        gateways = [gateway for gateway in city.gateways if gateway.uscc == firm.uscc]
        if all(gateway.devices for gateway in gateways):
            first = min(device.first for gateway in gateways for device in gateway.devices)
            well = any(
                heard_enough(city, device, gateway, days=6)
                for gateway in gateways
                for device in gateway.devices
            )
            made.append((firm, city.day(first), well))
    return made


def enterprise_lines(firm: Firm, claimed: dt.date | None) -> list[dict[str, Any]]:
    line: dict[str, Any] = {
        "uscc": firm.uscc,
        "name": firm.name,
        "division": firm.division,
        "industry": "C38",
        "size": firm.size,
        "cloud_claimed_on": claimed or "",
        "cloud_level": f"level-{len(firm.services) or 1}",
        "cloud_provider": firm.provider,
    }
    if firm.claims == 1:
        return [line]
    other = {**line, "cloud_provider": firm.twin_provider or firm.provider}
    if firm.kind == "cloud_two_names":
        other |= {"name": firm.name.replace("有限公司", "厂"), "division": "330302"}
    return [line, other]


def truth_of(city: City, claimed: list[Firm], edges: list[tuple[Firm, dt.date, bool]]) -> dict[str, Any]:
    robots = {
        claim.robot: {
            "kind": claim.kind,
            "expected": claim.expected,
            "tell": claim.tell,
            "rules": claim.rules,
            "enough": bool(claim.enough),
        }
        for claim in city.claims
    }
    firms_told = {}
    for firm in claimed:
        expected, rule, tell = EXPECTED.get(firm.kind, ("confirmed", "", ""))
        firms_told[firm.uscc] = {
            "kind": firm.kind,
            "expected": expected,
            "tell": tell,
            "rules": [rule] if rule else [],
            "enough": bool(firm.enough),
        }
    for firm, _day, enough in edges:
        told = {"kind": "cloud_edge", "expected": "confirmed", "tell": "", "rules": [], "enough": enough}
        firms_told[firm.uscc] = told
    return {"robots": robots, "enterprises": firms_told}


def write_ledger(
    city: City, claimed: list[Firm], edges: list[tuple[Firm, dt.date, bool]], folder: Path
) -> None:
    ledger = folder / "ledger"
    table(ledger, "robots", [claim.row for claim in city.claims])
    table(ledger, "invoices", city.invoices)
    table(ledger, "bindings", city.bindings)
    table(ledger, "replacements", city.replacements)
    lines = [line for firm in claimed for line in enterprise_lines(firm, firm.since)]
    lines += [line for firm, day, _enough in edges for line in enterprise_lines(firm, day)]
    table(ledger, "enterprises", lines)
    known = {
        firm.uscc: {
            "uscc": firm.uscc,
            "name": firm.name,
            "status": firm.registered,
            "division": firm.division,
            "from": "2011-05-01",
        }
        for firm in [*claimed, *city.firms]
        if firm.registered
    }
    table(ledger, "registry", known.values())


def write_city(
    folder: Path, seed: int, *, robots: int = 60, days: int = 56, enterprises: int = 200, window_min: int = 60
) -> Written:
    """Write the city of a seed: a window of some weeks of 2018, its start drawn by the seed."""
    rng = np.random.default_rng([20_180_401, seed])
    first = dt.date(2018, 1, 2) + dt.timedelta(days=int(rng.integers(0, 362 - days)))
    city = City(rng, first, days, window_min)
    populate(city, robots)
    claimed = firms(rng, first, days, enterprises)
    received: list[tuple[str, str, int, int]] = []
    for gateway in city.gateways:
        write_batches(gateway, folder, rng)
        received += gateway.received
    edges = edge_claims(city)
    write_ledger(city, claimed, edges, folder)
    keys = [line for gateway in city.gateways if gateway.enrolled for line in key_lines(gateway)]
    gateways = [gateway_line(gateway) for gateway in city.gateways]
    for name in PROVIDERS:
        public, chain = write_provider(city, name, claimed, folder, rng.bytes(32))
        received += chain.received
        keys.append({"gateway": chain.gateway, "kind": "provider", "public_key": public, "from": first})
        told = {"gateway": chain.gateway, "kind": "provider", "provider": name, "public_key": public}
        gateways.append({**told, "enrolled_on": first})
    table(folder / "ledger", "gateways", gateways)
    table(folder / "keys", "keys", keys)
    table(folder / "keys", "epochs", words_of(city))
    names = HEADERS["received"].split()
    table(folder, "received", (dict(zip(names, line, strict=True)) for line in received))
    (folder / "policy.yaml").write_bytes(POLICY.read_bytes())
    (folder / "profiles").mkdir()
    for profile in PROFILES:
        (folder / "profiles" / f"{profile.name}.yaml").write_text(profile.text(), encoding="utf-8")
    truth = {"seed": seed, "days": days, **truth_of(city, claimed, edges)}
    text = json.dumps(truth, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "truth.json").write_text(text, encoding="utf-8")
    facts = {claim.robot: {**claim.facts, "uscc": claim.uscc} for claim in city.claims}
    return Written(truth, facts | {firm.uscc: firm.facts for firm in claimed})


def words_of(city: City) -> list[dict[str, Any]]:
    by_id = {gateway.gateway: gateway for gateway in city.gateways}
    made = []
    for word in city.words:
        gateway = by_id[word["gateway"]]
        if word["which"] < len(gateway.epochs):
            epoch, minute = gateway.epochs[word["which"]]
            on = city.day(minute)
            made.append(
                {"gateway": gateway.gateway, "epoch": epoch, "on": on, "who": "setter", "why": word["why"]}
            )
    return made
