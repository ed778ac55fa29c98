"""How is the server started? `mfl store serve DIR`: store, pages, figures and metrics in one process."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from telemetry.clock import Clock

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from dashboard.latest import LatestCensus
    from store.embedded import EmbeddedStore

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
LOCKED = 75
"""Exit code when another process has the store: try again later (sysexits.h, EX_TEMPFAIL)."""
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("directory", type=FOLDER)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8086, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option("--ledger", type=FOLDER, help="Folder of the claims; without it no census is taken.")
@click.option("--policy", default="wenzhou-2018", show_default=True, help="Name or file of the policy.")
@click.option(
    "--census-every", default=300, show_default=True, type=click.IntRange(1, 86_400), metavar="SECONDS"
)
@click.option("--tls-cert", type=FILE, help="Certificate chain (PEM).")
@click.option("--tls-key", type=FILE, help="Its private key (PEM).")
@click.option(
    "--behind-proxy", is_flag=True, help="A proxy in front ends TLS; listen beyond loopback in plain."
)
@click.option(
    "--forward",
    metavar="URL",
    help="Copy rows to an InfluxDB or VictoriaMetrics for dashboards; its token in MFL_FORWARD_TOKEN.",
)
@click.option(
    "--world-start", type=int, hidden=True, help="Wall clock at start, ms since 1970, for the demo."
)
def serve(directory: Path, host: str, port: int, **options: Any) -> None:
    """Serve the store in DIRECTORY: take in batches, show the figures, tell the metrics."""
    from dashboard.server import is_loopback, listen  # noqa: PLC0415  the edge lacks uvicorn

    tls = _tls_pair(options["tls_cert"], options["tls_key"])
    if not is_loopback(host) and tls is None and not options["behind_proxy"]:
        raise click.UsageError(
            f"--host {host} is reached from outside this machine, and tokens would travel in plain text; "
            "give --tls-cert and --tls-key, or --behind-proxy when a proxy in front ends TLS"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s level=%(levelname)s at=%(name)s %(message)s")
    try:
        listener = listen(host, port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host} port {port}: {error.strerror or error}"
        ) from None
    clock = _clock(options["world_start"])
    with listener:
        _run(directory, clock, listener, tls, options)


def _tls_pair(cert: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    if (cert is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    return (cert, key) if cert is not None and key is not None else None


def _clock(world_start_ms: int | None) -> Clock:
    """Give the system's clock, or one that started at `world_start_ms` just now."""
    boot = uuid.uuid4().hex

    def mono_ms() -> int:
        return time.monotonic_ns() // 1_000_000

    if world_start_ms is None:
        return Clock(lambda: time.time_ns() // 1_000_000, mono_ms, boot)
    offset_ms = world_start_ms - mono_ms()
    return Clock(lambda: mono_ms() + offset_ms, mono_ms, boot)


def _run(
    directory: Path,
    clock: Clock,
    listener: socket.socket,
    tls: tuple[Path, Path] | None,
    options: dict[str, Any],
) -> None:
    from dashboard.app import build_app  # noqa: PLC0415
    from dashboard.latest import LatestCensus  # noqa: PLC0415
    from dashboard.server import address, run_server  # noqa: PLC0415
    from store.embedded import EmbeddedStore  # noqa: PLC0415
    from store.lock import StoreInUse  # noqa: PLC0415

    try:
        store = EmbeddedStore.open(directory, clock)
    except StoreInUse as error:
        click.echo(str(error), err=True)
        raise SystemExit(LOCKED) from None
    try:
        click.echo(f"serving {directory} on {address(listener, tls=tls is not None)}")
        latest = LatestCensus(_census(store, clock, options["ledger"], options["policy"]))
        app = build_app(store, latest.figures)
        background = _background(latest, options) + _forward(store, options["forward"])
        asyncio.run(run_server(app, listener, background, tls))
    finally:
        store.close()


def _background(latest: LatestCensus, options: dict[str, Any]) -> list[Any]:
    return [latest.keep(options["census_every"])] if options["ledger"] is not None else []


def _forward(store: EmbeddedStore, url: str | None) -> list[Any]:
    """Give the copying of rows as background work; none without a URL."""
    from store.forward import Forwarder  # noqa: PLC0415
    from telemetry.errors import ConfigError  # noqa: PLC0415

    if url is None:
        return []
    try:
        return [Forwarder(store, url, os.environ.get("MFL_FORWARD_TOKEN", "")).run()]
    except ConfigError as error:
        raise click.UsageError("; ".join(str(problem) for problem in error.problems)) from None


def _census(
    store: EmbeddedStore, clock: Clock, ledger: Path | None, policy: str
) -> Callable[[], dict[str, Any]]:
    """Bind what a census needs; the result is run in a thread, again and again."""

    def run() -> dict[str, Any]:
        from census.report import to_json  # noqa: PLC0415
        from census.run import run_census  # noqa: PLC0415

        if ledger is None:
            raise ValueError("no ledger, no census")
        return to_json(run_census(store, ledger, policy, as_of_ms=clock.wall_ms()))

    return run
