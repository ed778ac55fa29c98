"""What can be done with a store from the command line? `mfl store enrol|revoke|explain-epoch|token|...`."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from store.enrolment import Event, EventKind, enrol_event, explain_event, with_token
from store.inbox import leave_request
from store.lock import StoreInUse
from telemetry.clock import Clock
from telemetry.errors import FactoryError

if TYPE_CHECKING:
    from store.embedded import EmbeddedStore

INBOX_WAIT_S = 15
"""How long a running server is given to take a request in; it looks every second."""
_DIRECTORY = click.option(
    "--store",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MFL_STORE",
    required=True,
    help="The store's directory. [env: MFL_STORE]",
)


def system_clock() -> Clock:
    """Give the machine's own clock."""
    return Clock(lambda: time.time_ns() // 1_000_000, lambda: time.monotonic_ns() // 1_000_000, "cli")


class _Group(click.Group):
    """Turns our own errors into a line and exit code 2; 75 (try again) when another process holds the store."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoreInUse as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(75)
        except FactoryError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)


@click.group(cls=_Group)
def store() -> None:
    """Enrol into, verify, rebuild and export the evidence store."""


def _open(directory: Path, *, read_only: bool = False) -> EmbeddedStore:
    from store.embedded import EmbeddedStore

    return EmbeddedStore.open(directory, system_clock(), read_only=read_only)


class _Instant(click.ParamType[int]):
    """A date (midnight at +08:00) or an ISO 8601 time with its offset, as UTC ms."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from store.reading_routes import day_span
        from store.settings import OFFSET_MINUTES

        if isinstance(value, int):
            return value
        try:
            if len(value) == len("2018-01-01"):
                return day_span(date.fromisoformat(value), OFFSET_MINUTES * 60_000)[0]
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            self.fail(f"{error}; write 2018-01-01 or 2018-01-01T08:00:00+08:00", param, ctx)
        if moment.tzinfo is None:
            self.fail("a time needs its offset, as in 2018-01-01T08:00:00+08:00", param, ctx)
        return int(moment.astimezone(UTC).timestamp() * 1_000)


def _append(directory: Path, event: Event) -> None:
    """Append an event ourselves, or through the server that has the store open."""
    try:
        opened = _open(directory)
    except StoreInUse:
        _ask_server(directory, event)
        return
    try:
        opened.append_event(event, opened.clock.wall_ms())
    finally:
        opened.close()


def _ask_server(directory: Path, event: Event) -> None:
    request = leave_request(directory, event, secrets.token_hex(8))
    pause = threading.Event()
    for _ in range(INBOX_WAIT_S * 10):
        if not request.is_open:
            reason = request.refused()
            if reason:
                raise click.ClickException(reason)
            return
        pause.wait(0.1)
    request.withdraw()
    raise click.ClickException(f"the process that has {directory} open did not take the request in")


def _with_token(directory: Path, event: Event) -> None:
    event, token = with_token(event, secrets.token_bytes)
    _append(directory, event)
    click.echo("The token is shown this once; the store keeps only its hash:", err=True)
    click.echo(token)


@store.command()
@_DIRECTORY
@click.argument("gateway")
@click.option(
    "--key", required=True, help="The public key line that 'mfl keys new' printed, or a file with it."
)
@click.option("--from", "from_ms", type=_Instant(), required=True, help="First day the key holds.")
@click.option("--until", "until_ms", type=_Instant(), help="Day the key no longer holds.")
@click.option("--kind", type=click.Choice(["edge", "provider"]), default="edge", show_default=True)
def enrol(directory: Path, gateway: str, *, key: str, from_ms: int, until_ms: int | None, kind: Any) -> None:
    """Let GATEWAY write with this key, and print its token once."""
    text = key if key.startswith("ed25519 ") else _key_file(key)
    _with_token(directory, enrol_event(gateway, text, kind, (from_ms, until_ms)))


def _key_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="ascii").strip()[:200]
    except (OSError, ValueError):
        raise click.UsageError(
            f"--key is neither 'ed25519 <base64>' nor a file that can be read: {name[:80]!r}"
        ) from None


@store.command()
@_DIRECTORY
@click.argument("name")
@click.option("--from", "from_ms", type=_Instant(), help="From when on; now when not given.")
def revoke(directory: Path, name: str, from_ms: int | None) -> None:
    """Shut the gateway or writer NAME out."""
    now = system_clock().wall_ms()
    _append(directory, Event(EventKind.REVOKE, name, from_ms=now if from_ms is None else from_ms))


@store.command("explain-epoch")
@_DIRECTORY
@click.argument("gateway")
@click.argument("epoch")
@click.option("--on", "on_ms", type=_Instant(), required=True, help="When it happened.")
@click.option("--who", required=True, help="Who answers for it: name and post.")
@click.option("--why", required=True, help="What happened, as in 'the box was stolen and replaced'.")
def explain_epoch(directory: Path, gateway: str, epoch: str, *, on_ms: int, who: str, why: str) -> None:
    """Put on record why GATEWAY began EPOCH, so that the census takes it though the quarter had other breaks.

    It stays in the log with the name for good, for any auditor to read.
    """
    _append(directory, explain_event(gateway, epoch, on_ms=on_ms, who=who, why=why))


@store.command()
@_DIRECTORY
@click.argument("name")
def token(directory: Path, name: str) -> None:
    """Let NAME write unsigned line protocol (grade C) and read, and print its token once."""
    _with_token(directory, Event(EventKind.WRITER, name, from_ms=system_clock().wall_ms()))


@store.command()
@_DIRECTORY
@click.option("--size", type=click.IntRange(min=0), help="A published log size...")
@click.option("--root", help="...and the root hash published with it.")
def verify(directory: Path, size: int | None, root: str | None) -> None:
    """Walk the log and check all of it, and what was made from it; exit code 1 when anything is wrong."""
    from store.lock import is_held
    from store.log import EvidenceLog
    from store.verify import verify_log
    from store.verify_derived import check_derived

    if (size is None) != (root is None):
        raise click.UsageError("--size and --root are published together; give both")
    if not (directory / "store.json").is_file():
        raise click.UsageError(f"{directory} is no store")
    log = EvidenceLog(directory / "log", directory / "quarantine", is_writable=False)
    expected = (size, root) if size is not None and root is not None else None
    report = verify_log(log, expected=expected, is_live=is_held(directory))
    for problem in check_derived(directory, log):
        report.add(problem)
    for problem in report.problems:
        click.echo(problem)
    for (gateway, epoch), seqs in sorted(report.progress.items()):
        gaps = ", ".join(f"{low}-{high}" for low, high in seqs.missing()) or "none"
        click.echo(f"{gateway} {epoch}: seq 1-{seqs.highest}, missing: {gaps}")
    for account in report.accounts:
        click.echo(account)
    click.echo(
        f"{report.leaves} leaves: {report.batches} batches with {report.rows} rows, {report.events} events, "
        f"{report.unsigned} unsigned writes; root {report.root_hash}; {report.problem_count} problems"
    )
    sys.exit(1 if report.problem_count else 0)


@store.command("check-influx")
@click.argument("url")
@click.option("--db", default="evidence", show_default=True, help="Its database (bucket).")
@click.option("--start", type=_Instant(), required=True, help="Seals from this moment...")
@click.option("--stop", type=_Instant(), required=True, help="...until before this one.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="GATEWAY=KEY",
    help="A gateway's public key line; may be repeated.",
)
def check_influx(url: str, db: str, start: int, stop: int, keys: tuple[str, ...]) -> None:
    """Read the InfluxDB at URL back and check every seal; exit code 1 when one does not hold; its token in MFL_INFLUX_TOKEN."""
    from store.influx_check import InfluxSource
    from store.influx_check import check_influx as check

    public = dict(text.partition("=")[::2] for text in keys)
    source = InfluxSource(url, db, os.environ.get("MFL_INFLUX_TOKEN", ""))
    try:
        report = asyncio.run(check(source, (start, stop), public))
    except ValueError as error:
        raise click.UsageError(f"--key: {error}") from None
    for problem in report.problems:
        click.echo(problem)
    click.echo(f"{report.batches} batches with {report.rows} rows hold; {report.problem_count} problems")
    sys.exit(1 if report.problem_count else 0)


@store.command()
@_DIRECTORY
def rebuild(directory: Path) -> None:
    """Throw index and row files away and make them anew from the log."""
    opened = _open(directory)
    try:
        opened.rebuild()
        click.echo(f"rows of {opened.log_size()} leaves written")
    finally:
        opened.close()


@store.command()
@_DIRECTORY
@click.option("--day", type=_Instant(), help="A day at +08:00.")
@click.option("--start", type=_Instant(), help="First moment, with --stop.")
@click.option("--stop", type=_Instant(), help="First moment after.")
@click.option("--measurement", default="", help="One measurement only.")
def export(directory: Path, day: int | None, start: int | None, stop: int | None, measurement: str) -> None:
    """Print rows as line protocol, exactly as they came."""
    from store.columns import DAY_MS
    from store.export import export_lines

    if day is not None and start is None and stop is None:
        start, stop = day, day + DAY_MS
    if start is None or stop is None or day not in (None, start):
        raise click.UsageError("give either --day, or --start and --stop")
    opened = _open(directory, read_only=True)
    try:
        for line in export_lines(opened, start, stop, measurement):
            click.echo(line, nl=False)
    finally:
        opened.close()
