"""How are simulators started? `mfl demo` and `mfl simulate`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import click


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
    from simulators.build import demo_spec, small_spec  # noqa: PLC0415
    from simulators.demo import run_demo  # noqa: PLC0415
    from simulators.demo_report import demo_text  # noqa: PLC0415

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
    """Simulate single devices, to try a profile or a gateway without a machine."""


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
