"""Which commands do devices and their profiles have? `probe`, and `profile list`, `show`, `test`, `new`."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from drivers.modbus_url import ModbusUrl
    from drivers.probe import Probe
    from drivers.probe_line import Asker
    from drivers.profiles import LoadedProfile
    from telemetry.profile import Profile

FOUND_WRONG, BAD_CONFIG = 1, 2
"""Exit codes (DESIGN section 6)."""
PACE_S = 1.0
"""A machine at work is asked no oftener; its controller may serve a line and a panel besides."""
UNIT_MAX, UNIT_ITSELF = 247, 255
"""Addresses on a line, and "the device itself" on TCP (Modbus Messaging on TCP/IP V1.0b)."""


@click.group()
def profile() -> None:
    """Device profiles: what a device model says, and where."""


@profile.command("list")
def list_command() -> None:
    """List the packaged profiles."""
    from drivers.profiles import list_profiles, load_profile

    for name in list_profiles():
        one = load_profile(name).profile
        grade = max(source.grade for source in one.sources)  # the weakest source
        click.echo(f"{name:<28} {one.kind:<6} {grade}  {one.name.en} / {one.name.zh}")


@profile.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a profile by NAME or path: its id, sources, caveats, and the reads a poll makes."""
    loaded = _load(name)
    one = loaded.profile
    click.echo(f"{loaded.profile_id}\n{one.name.en} / {one.name.zh}\n")
    for source in one.sources:
        click.echo(f"source ({source.grade}): {source.title} {source.ref}".rstrip())
    for caveat in one.caveats:
        click.echo(f"caveat: {caveat.text} [{caveat.ref}]")
    for parameter_name, parameter in one.parameters.items():
        value = one.bind.get(parameter_name, parameter.default)
        limits = f"from {parameter.minimum} to {parameter.maximum} (default {parameter.default})"
        click.echo(f"parameter: {parameter_name} {value}, {limits}  {parameter.name.en}")
    click.echo("")
    for read in _reads(name):
        click.echo(read)
    for point_name, point in one.points.items():
        place = point.path or f"{point.table} {point.address}"
        meaning = f" -> {point.metric}" if point.metric else ""
        click.echo(f"{point_name:<24} {place:<24} {point.type}{meaning}")


@profile.command()
@click.argument("names", nargs=-1)
def test(names: tuple[str, ...]) -> None:
    """Check the golden examples of NAMES (names or paths), or of every packaged profile."""
    from drivers.golden import golden_faults
    from drivers.profiles import list_profiles

    wrong = False
    for name in names or list_profiles():
        loaded = _load(name)
        faults = golden_faults(loaded.profile)
        wrong = wrong or bool(faults)
        click.echo(f"{loaded.profile_id}: {'ok' if not faults else f'{len(faults)} wrong'}")
        for fault in faults:
            click.echo(f"  {fault}")
    if wrong:
        raise SystemExit(FOUND_WRONG)


@profile.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(["robot", "plc", "meter"]), default="robot", show_default=True)
@click.option("--over", type=click.Choice(["modbus", "mqtt"]), default="modbus", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where to; by default NAME.yaml here.")
def new(name: str, kind: str, over: str, out: Path | None) -> None:
    """Write a commented profile NAME to start from; it passes `profile test` as it stands."""
    from drivers.profile_skeleton import skeleton
    from telemetry.profile import parse_profile

    path = out or Path(f"{name}.yaml")
    text = skeleton(name, kind, over)
    try:
        parse_profile(text, path.name)
        with path.open("x", encoding="utf-8") as file:  # never over somebody's work
            file.write(text)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise SystemExit(BAD_CONFIG) from None
    except OSError as error:
        click.echo(f"{path}: {error.strerror}", err=True)
        raise SystemExit(BAD_CONFIG) from None
    click.echo(f"{path} written; next: fill it in, then mfl profile test {path}")


@click.command()
@click.argument("url")
@click.option(
    "--profile", "-p", "name", required=True, help="Name or path, with ?parameter=value where it has any."
)
@click.option("--unit", type=click.IntRange(0, 255), help="The Modbus unit; by default the profile's.")
@click.option("--fast", is_flag=True, help="Do not wait a second between requests: for simulators.")
@click.option("--compare", is_flag=True, help="Look at other models' registers even when the map fits.")
@click.option("--timeout-ms", type=click.IntRange(50, 60_000), default=1000, show_default=True)
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False), default=None, help="For tls:// lines."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def probe(
    *,
    url: str,
    name: str,
    unit: int | None,
    fast: bool,
    compare: bool,
    timeout_ms: int,
    ca_file: str | None,
    as_json: bool,
) -> None:
    """Compare the device at URL (tcp://, tls://, rtu://, rtu+tcp://) with a profile, reading only.

    Exit code 0 when it fits, 1 when it does not or nothing can be told, 2 for a mistake in the question. 只读探测。
    """
    from drivers.modbus_url import parse_modbus_url
    from drivers.probe import Verdict
    from drivers.probe_line import Asker, dial
    from drivers.probe_report import announcement, as_document, as_text

    loaded = _load(name)
    modbus = loaded.profile.modbus
    if modbus is None:
        raise click.UsageError(f"{name} is not heard over Modbus; probe asks Modbus devices")
    asked = modbus.unit if unit is None else unit
    if asked > UNIT_MAX and asked != UNIT_ITSELF:
        raise click.UsageError(f"unit {asked} is not an address: 0 to {UNIT_MAX}, or {UNIT_ITSELF}")
    interval_s = max(0 if fast else PACE_S, modbus.pause_ms / 1000)
    try:
        place = parse_modbus_url(url)
        place = replace(place, port=place.port or modbus.port)
        opener = dial(place, timeout_ms / 1000, ca_file or "")
    except ValueError as error:
        raise click.UsageError(f"{url}: {error}") from None
    click.echo(announcement(loaded, url, asked, interval_s), err=True)
    asker = Asker(opener, asked, interval_s, lambda: time.monotonic_ns() // 1_000_000)
    result = asyncio.run(_probe(loaded, asker, place, timeout_ms / 1000, always_compare=compare))
    document = as_document(result, url, asked)
    click.echo(json.dumps(document, ensure_ascii=False, indent=1) if as_json else as_text(result))
    if result.verdict is not Verdict.FITS:
        raise SystemExit(FOUND_WRONG)


async def _probe(
    loaded: LoadedProfile, asker: Asker, place: ModbusUrl, timeout_s: float, *, always_compare: bool
) -> Probe:
    from drivers.probe import probe as run_probe
    from drivers.probe_peer import ask_strangers

    async def strangers() -> str:
        return await ask_strangers(place.host, place.port, timeout_s) if place.scheme == "tcp" else ""

    return await run_probe(
        loaded,
        asker,
        others=lambda: _others(loaded.profile),
        strangers=strangers,
        always_compare=always_compare,
    )


def _others(profile: Profile) -> list[Profile]:
    """Give the packaged models that a device of this kind could be instead."""
    from drivers.profiles import list_profiles, load_profile

    every = [load_profile(name).profile for name in list_profiles()]
    return [
        one for one in every if one.modbus and one.kind is profile.kind and one.profile != profile.profile
    ]


def _load(name: str) -> LoadedProfile:
    from drivers.profiles import load_profile

    try:
        return load_profile(name)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise SystemExit(BAD_CONFIG) from None


def _reads(name: str) -> list[str]:
    from drivers.modbus_plan import identity_points, plan_reads, polled_points

    one = _load(name).profile
    if one.modbus is None:
        return [f"subscribes to {one.mqtt.topic}" if one.mqtt else "hears a Sparkplug edge node"]
    polls = [
        f"poll: {block.table} {block.address}+{block.count}" for block in plan_reads(one, polled_points(one))
    ]
    identity = [
        f"identity: {block.table} {block.address}+{block.count}"
        for block in plan_reads(one, identity_points(one))
    ]
    return polls + identity
