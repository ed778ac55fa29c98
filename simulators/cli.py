"""How are simulators started? `mfl demo` and `mfl simulate`."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import click

MANY_ROWS = 5_000_000
"""Beyond so many rows a city through the gateway's own code takes too long on two cores: it is written without seals."""
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


@click.command()
@click.option("--seed", default=2018, show_default=True, help="Another seed is another city.")
@click.option(
    "--exit", "leave", is_flag=True, help="End when the figures are there, without keeping the page up."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of text; implies --exit."
)
@click.option("--small", is_flag=True, help="A city of a few dozen claims, for a quick look.")
def demo(*, seed: int, leave: bool, as_json: bool, small: bool) -> None:
    """Run a whole city on this machine: devices, gateways, store, census, page. Nothing is left behind."""
    from simulators.demo import run_demo  # noqa: PLC0415
    from simulators.demo_report import demo_text  # noqa: PLC0415
    from simulators.specs import demo_spec, small_spec  # noqa: PLC0415

    stay = not (leave or as_json)

    def shown(document: dict[str, Any], url: str) -> None:
        if as_json:
            click.echo(json.dumps(document, ensure_ascii=False, indent=1))
            return
        click.echo(demo_text(document))
        if stay:
            click.echo(f"\nThe page: {url}/   (Ctrl-C ends it and leaves nothing behind)")

    fine = run_demo((small_spec if small else demo_spec)(seed), _say, shown, stay=stay)
    sys.exit(0 if fine else 1)


def _say(text: str) -> None:
    """Show progress on one line of a terminal, or line by line where there is none."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
    else:
        click.echo(text, err=True)


@click.group()
def simulate() -> None:
    """Simulate single devices, to try a profile or a gateway without a machine, or a whole city with known truth."""


@simulate.command()
@click.argument("profile")
@click.option("--port", default=5020, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
def device(profile: str, port: int) -> None:
    """Serve PROFILE as a Modbus TCP device on loopback, working, until Ctrl-C."""
    from drivers.profiles import load_profile  # noqa: PLC0415
    from simulators.single import serve_device  # noqa: PLC0415

    loaded = load_profile(profile).profile
    if loaded.modbus is None:
        raise click.UsageError(f"{loaded.profile} is heard over MQTT, not served")
    asyncio.run(serve_device(loaded, port, click.echo))


@simulate.command()
@click.argument("profile")
@click.option("--broker", default="mqtt://127.0.0.1:1883", show_default=True, help="Where it publishes.")
@click.option("--group", default="mfl", show_default=True, help="The Sparkplug group.")
@click.option(
    "--name", default="node1/device1", show_default=True, help="NODE/DEVICE, or NODE at node level."
)
def node(profile: str, broker: str, group: str, name: str) -> None:
    """Publish PROFILE as a Sparkplug B edge node, working, until Ctrl-C; a Rebirth request is answered."""
    from drivers.profiles import load_profile  # noqa: PLC0415
    from drivers.sparkplug_topic import place_of  # noqa: PLC0415
    from gateway.cli import system_clock  # noqa: PLC0415
    from simulators.sparkplug_single import run_node  # noqa: PLC0415

    loaded = load_profile(profile).profile
    if loaded.sparkplug is None:
        raise click.UsageError(f"{loaded.profile} is not heard over Sparkplug")
    try:
        place_of(name, loaded.sparkplug.level)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    clock = system_clock(assume_synced=True)
    asyncio.run(run_node(loaded, broker, group, name, clock=clock, say=click.echo))


class _Window(click.ParamType[int]):
    """A length of time like 60s, 15m or 1h that divides a day, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,4})(s|m|min|h)?", str(value))
        seconds = int(match[1]) * _SECONDS[match[2] or "s"] if match else 0
        if seconds < 2 or 86_400 % seconds:
            self.fail(f"expected a window like 60s, 15m or 1h that divides a day, not {value!r}", param, ctx)
        return seconds


@simulate.command()
@click.option("--seed", default=2018, show_default=True, help="Another seed is another city.")
@click.option("--robots", default=150, show_default=True, type=click.IntRange(1), help="Claimed robots.")
@click.option(
    "--enterprises", default=400, show_default=True, type=click.IntRange(1), help="On cloud, they say."
)
@click.option(
    "--days", default=45, show_default=True, type=click.IntRange(1, 365), help="From 2017-12-24 on."
)
@click.option("--window", default="1h", show_default=True, type=_Window(), help="Length of a row's window.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write; new or empty.",
)
@click.option(
    "--rows",
    "way",
    type=click.Choice(["auto", "sealed", "parquet"]),
    default="auto",
    show_default=True,
    help=f"Seal rows in batches, or write them as day files without seals; auto: beyond {MANY_ROWS:,} rows without.",
)
def city(*, seed: int, robots: int, enterprises: int, days: int, window: int, out: Path, way: str) -> None:
    """Write a city folder: ledger, policy, profiles, keys, sealed batches, receipts, and the truth beside them.

    Sealed batches go through the gateway's own code; of a big city the rows alone are written, which are the same, but
    with nothing to verify. Then: mfl census run --city OUT, mfl census score --city OUT.
    """
    from simulators.build import build_world  # noqa: PLC0415
    from simulators.city import write_city, write_row_city  # noqa: PLC0415
    from simulators.past import workers  # noqa: PLC0415
    from simulators.specs import city_spec, expected_rows  # noqa: PLC0415

    def progress(day: int, rows: int) -> None:
        _say(f"day {day} of {days}, {rows:,} rows")

    try:
        spec = city_spec(seed, robots=robots, enterprises=enterprises, days=days, window_s=window)
        expected = expected_rows(spec)
        if way == "parquet" or (way == "auto" and expected > MANY_ROWS):
            click.echo(
                f"some {expected:,} rows, written as day files without seals: there will be nothing to verify",
                err=True,
            )
            rows = write_row_city(build_world(spec), out, progress)
        else:
            with workers(spec) as makers:
                rows = write_city(build_world(spec), out, makers, progress)
    except (ValueError, FileExistsError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{rows:,} rows of {robots:,} robots and {enterprises:,} enterprises in {out}")
