"""Which commands do profiles have? `profile list`, `profile show`, `profile test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from drivers.profiles import LoadedProfile

FOUND_WRONG, BAD_CONFIG = 1, 2
"""Exit codes (DESIGN section 6)."""


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
    if one.mqtt is not None:
        return [f"subscribes to {one.mqtt.topic}"]
    polls = [
        f"poll: {block.table} {block.address}+{block.count}" for block in plan_reads(one, polled_points(one))
    ]
    identity = [
        f"identity: {block.table} {block.address}+{block.count}"
        for block in plan_reads(one, identity_points(one))
    ]
    return polls + identity
