"""What can be asked of the census on the command line? `run` tells the figures, `explain` one verdict."""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from census.calendar import day_of, day_start_ms, parse_day
from telemetry.clock import Clock
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from census.run import CensusResult

Lang = Literal["zh", "en"]


@click.group()
def census() -> None:
    """Judge the claims by the evidence and count."""


def _clock() -> Clock:
    return Clock(lambda: time.time_ns() // 1_000_000, lambda: time.monotonic_ns() // 1_000_000, "census")


class _Day(click.ParamType[int]):
    """A day as ISO 8601; the census sees everything before its end at +08:00."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_day(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which census: store, ledger, policy, day and language."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    options = (
        click.option("--store", "store_dir", required=True, type=folder, help="The store's directory."),
        click.option("--ledger", "ledger_dir", required=True, type=folder, help="The ledger's directory."),
        click.option(
            "--policy", default="wenzhou-2018", show_default=True, help="A packaged policy's name, or a file."
        ),
        click.option(
            "--as-of",
            type=_Day(),
            default=None,
            help="The last day to count, at +08:00 (default: yesterday).",
        ),
        click.option("--log-size", type=click.IntRange(min=0), default=None, help="Only the first N leaves."),
        click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


@census.command()
@_asks
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON.")
@click.option("--strict", is_flag=True, help="Exit 1 when the result lists problems.")
def run(
    *,
    store_dir: Path,
    ledger_dir: Path,
    policy: str,
    as_of: int | None,
    log_size: int | None,
    lang: Lang,
    as_json: bool,
    strict: bool,
) -> None:
    """Take the census: both figures, by county and by reason, with what recomputes them."""
    from census.report import to_json, to_text

    result = _take(store_dir, ledger_dir, policy, as_of, log_size)
    if as_json:
        click.echo(json.dumps(to_json(result), ensure_ascii=False, indent=1))
    else:
        click.echo(to_text(result, lang), nl=False)
    if strict and result.problems:
        click.get_current_context().exit(1)


@census.command()
@click.argument("subject")
@_asks
def explain(
    *,
    subject: str,
    store_dir: Path,
    ledger_dir: Path,
    policy: str,
    as_of: int | None,
    log_size: int | None,
    lang: Lang,
) -> None:
    """Explain the verdict on one ROBOT or social credit code: findings, rule wording, days, leaves."""
    from census.explain import explain as tell

    text = tell(_take(store_dir, ledger_dir, policy, as_of, log_size), subject, lang)
    if text is None:
        click.echo(f"{subject}: claimed nowhere in {ledger_dir}", err=True)
        click.get_current_context().exit(1)
    click.echo(text, nl=False)


def _take(
    store_dir: Path, ledger_dir: Path, policy: str, as_of: int | None, log_size: int | None
) -> CensusResult:
    """Open the store for reading, beside whoever writes it, and take the census; exit 2 lists what must be edited."""
    from census.run import run_census
    from store.embedded import EmbeddedStore

    clock = _clock()
    day = as_of if as_of is not None else day_of(clock.wall_ms()) - 1
    try:
        store = EmbeddedStore.open(store_dir, clock, read_only=True)
        try:
            return run_census(store, ledger_dir, policy, as_of_ms=day_start_ms(day + 1), log_size=log_size)
        finally:
            store.close()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        click.get_current_context().exit(2)
