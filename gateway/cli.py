"""What can be done with a gateway from the command line? Run it, check its site, look into its buffer, make its key."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from telemetry.clock import Clock, ClockState
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import Site

EXIT_WRONG, EXIT_CONFIG, EXIT_LOCKED = 1, 2, 75
SYNCED_NOTE = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes this file when the clock was first synchronised since boot (its manual page)."""


@click.group()
def gateway() -> None:
    """Read devices, keep what they say safely, push it to a store."""


@gateway.command()
@click.argument("site", type=click.Path(path_type=Path))
@click.option("--assume-synced", is_flag=True, help="Trust the clock without timesyncd's word.")
@click.option("--log-level", default="INFO", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))
@click.option("--world-start", type=int, hidden=True, help="Wall clock (ms) at start, for demonstrations.")
def run(site: Path, log_level: str, world_start: int | None, *, assume_synced: bool) -> None:
    """Run the gateway described by SITE until SIGTERM or SIGINT."""
    from gateway.app import run_gateway  # noqa: PLC0415 - the other commands start without it
    from gateway.lock import Locked  # noqa: PLC0415

    logging.basicConfig(level=log_level, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    loaded = _site(site)
    clock = system_clock(world_start, assume_synced=assume_synced)
    try:
        asyncio.run(_until_signal(lambda stop: run_gateway(loaded, clock, stop)))
    except* ConfigError as group:
        _complain([error for error in group.exceptions if isinstance(error, ConfigError)])
    except* Locked as group:
        click.echo(str(group.exceptions[0]), err=True)
        sys.exit(EXIT_LOCKED)


def system_clock(world_start_ms: int | None = None, *, assume_synced: bool = False) -> Clock:
    """Make the machine's own clock; `world_start_ms` puts its wall time elsewhere, still running at its pace."""
    start_ns = time.monotonic_ns()
    boot_id = _boot_id()

    def mono_ms() -> int:
        return (time.monotonic_ns() - start_ns) // 1_000_000

    def wall_ms() -> int:
        return time.time_ns() // 1_000_000 if world_start_ms is None else world_start_ms + mono_ms()

    def state() -> ClockState:
        is_synced = assume_synced or world_start_ms is not None or _is_synced()
        return ClockState.SYNCED if is_synced else ClockState.UNSYNCED

    return Clock(wall_ms, mono_ms, f"{boot_id}-{start_ns}", state)


def _boot_id() -> str:
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return "unknown"
    return text.strip().replace("-", "")[:32]


def _is_synced() -> bool:
    """Ask the kernel (adjtimex, the STA_UNSYNC bit that every NTP client clears), or systemd's note."""
    return SYNCED_NOTE.exists() or kernel_clock_is_synced()


def kernel_clock_is_synced() -> bool:
    """Tell whether the kernel holds its clock for synchronised; False when it cannot be asked (adjtimex(2))."""
    import ctypes  # noqa: PLC0415 - only where the kernel is asked

    buffer = ctypes.create_string_buffer(512)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (AttributeError, OSError):
        return False
    time_error = 5
    return 0 <= int(state) < time_error


async def _until_signal(work: Callable[[asyncio.Event], object]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work(stop)  # type: ignore[misc]


def _site(path: Path) -> Site:
    from gateway.config import load_site  # noqa: PLC0415

    try:
        return load_site(path)
    except ConfigError as error:
        _complain([error])
        raise AssertionError from error  # _complain does not return


def _complain(errors: list[ConfigError]) -> None:
    for error in errors:
        for problem in error.problems:
            click.echo(str(problem), err=True)
    count = sum(len(error.problems) for error in errors)
    click.echo(f"{count} problem(s); nothing was started", err=True)
    sys.exit(EXIT_CONFIG)


@gateway.command()
@click.argument("site", type=click.Path(path_type=Path))
def check(site: Path) -> None:
    """Check SITE and print the plan: endpoints, devices, profiles, reads."""
    from gateway.plan import plan_lines  # noqa: PLC0415

    loaded = _site(site)
    for line in plan_lines(loaded):
        click.echo(line)


@gateway.group()
def buffer() -> None:
    """Look into what waits on disk; all but `repair`, `retry` and `replaced` only read, also beside a running gateway."""


@buffer.command()
@click.argument("site", type=click.Path(path_type=Path))
def stat(site: Path) -> None:
    """Print what the buffer of SITE holds."""
    from gateway.inspection import buffer_stat  # noqa: PLC0415

    for name, value in buffer_stat(_site(site).state_dir).items():
        click.echo(f"{name}: {value}")


@buffer.command()
@click.argument("site", type=click.Path(path_type=Path))
def verify(site: Path) -> None:
    """Check every frame, hash, signature and chain link; exit 1 when one does not hold."""
    from gateway.inspection import buffer_problems  # noqa: PLC0415

    loaded = _site(site)
    checked, problems = buffer_problems(loaded.state_dir, loaded.key_file)
    for problem in problems:
        click.echo(problem)
    click.echo(f"{checked} batches checked, {len(problems)} problem(s)")
    sys.exit(EXIT_WRONG if problems else 0)


@buffer.command()
@click.argument("site", type=click.Path(path_type=Path))
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="A file a batch, here."
)
@click.option("--all", "everything", is_flag=True, help="Also batches the store has, as far as still here.")
def export(site: Path, folder: Path | None, *, everything: bool) -> None:
    """Print the sealed batches that wait, byte for byte, oldest first: line protocol, each batch ended by its seal."""
    from gateway.inspection import waiting_batches  # noqa: PLC0415

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for index, data in waiting_batches(_site(site).state_dir, everything=everything):
        if folder is None:
            click.echo(data, nl=False)
        else:
            (folder / f"{index:012d}.lp").write_bytes(data)


@buffer.command()
@click.argument("site", type=click.Path(path_type=Path))
def repair(site: Path) -> None:
    """Set rotten bytes aside and declare what was in them; exit 1 when something was, 75 when a gateway runs."""
    from gateway.lock import Locked  # noqa: PLC0415
    from gateway.repair import repair_buffer  # noqa: PLC0415

    loaded = _site(site)
    try:
        told = repair_buffer(loaded)
    except ConfigError as error:
        _complain([error])
        return
    except Locked as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_LOCKED)
    for line in told:
        click.echo(line)
    click.echo("sound" if not told else f"{len(told)} thing(s) repaired")
    sys.exit(EXIT_WRONG if told else 0)


@buffer.command()
@click.argument("site", type=click.Path(path_type=Path))
def retry(site: Path) -> None:
    """Offer dead letters again, batches that the store refused as invalid: they go back into the outbox, unchanged.

    Once the store, or what stands before it, is mended; exit 1 when one could not be put back, 75 when a gateway runs. Their
    readings count as accepted once more, for the loss that was declared for them stays declared.
    """
    from gateway.lock import Locked  # noqa: PLC0415
    from gateway.retry import retry_dead_letters  # noqa: PLC0415

    try:
        count, told = retry_dead_letters(_site(site))
    except ConfigError as error:
        _complain([error])
        return
    except Locked as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_LOCKED)
    except OSError as error:
        click.echo(
            f"the disk refuses: {error.strerror}; what was not put back is still a dead letter", err=True
        )
        sys.exit(EXIT_WRONG)
    for line in told:
        click.echo(line)
    click.echo(f"{count} dead letter(s) put back; mfl gateway run offers them behind what waits")
    sys.exit(EXIT_WRONG if told else 0)


@buffer.command()
@click.argument("site", type=click.Path(path_type=Path))
def replaced(site: Path) -> None:
    """Begin the buffer of a box that takes another's place; exit 2 when this one has a buffer already.

    Once, before the first `mfl gateway run` on the new box: its first batch then gives `replaced` as the reason of the break
    in the gateway's chain.
    """
    from gateway.lock import Locked  # noqa: PLC0415
    from gateway.replacement import begin_replaced  # noqa: PLC0415

    try:
        epoch = begin_replaced(_site(site))
    except ConfigError as error:
        _complain([error])
        return
    except Locked as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_LOCKED)
    click.echo(f"epoch {epoch} begins as replaced; mfl gateway run goes on from here")


@click.group()
def keys() -> None:
    """Make the key that signs a gateway's batches."""


@keys.command()
@click.argument("path", type=click.Path(path_type=Path))
def new(path: Path) -> None:
    """Make a private key file at PATH (mode 0600) and print its public key, to be enrolled at the store."""
    from gateway.keys import new_key  # noqa: PLC0415

    try:
        public = new_key(path)
    except FileExistsError:
        click.echo(
            f"{path} exists; a key is never overwritten: choose another name or move the old one away",
            err=True,
        )
        sys.exit(EXIT_CONFIG)
    except OSError as error:
        click.echo(f"{path}: cannot be written: {error.strerror}", err=True)
        sys.exit(EXIT_CONFIG)
    click.echo(public)
    click.echo(f"the private key is in {os.fspath(path)}; it never leaves this box", err=True)
