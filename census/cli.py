"""What can be asked of the census on the command line? `run` tells the figures, `explain` one verdict."""

from __future__ import annotations

import functools
import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from census.calendar import day_of, day_start_ms, parse_day
from telemetry.clock import Clock
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from census.engine import DayFiles
    from census.run import CensusResult
    from store.embedded import EmbeddedStore

Lang = Literal["zh", "en"]
DOCUMENT_BYTES_MAX = 500_000_000
"""Bytes of a census document read back: one of a country's enterprises has a tenth."""
_DOCUMENT = click.Path(exists=True, dir_okay=False, path_type=Path)


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
        click.option("--store", "store_dir", type=folder, help="The store's directory."),
        click.option("--ledger", "ledger_dir", type=folder, help="The ledger's directory."),
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


_of_a_city = click.option(
    "--city",
    "city_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A city folder (docs/city-folder.md) with its own ledger, policy and sealed batches, in place of --store and "
    "--ledger.",
)


@census.command()
@_asks
@_of_a_city
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON.")
@click.option("--strict", is_flag=True, help="Exit 1 when the result lists problems.")
@click.option("--previous", type=_DOCUMENT, help="An earlier run's JSON: list what was restated since.")
@click.option("--year-before", type=_DOCUMENT, help="Last year's run as JSON: the base of 同比.")
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "spark"]),
    default="duckdb",
    show_default=True,
    help="What folds the rows: DuckDB in this process, or a Spark cluster that sees the store's files.",
)
@click.option("--master", default="local[*]", show_default=True, help="Spark's master, as spark://host:7077.")
def run(
    *,
    store_dir: Path | None,
    ledger_dir: Path | None,
    city_dir: Path | None,
    policy: str,
    as_of: int | None,
    log_size: int | None,
    lang: Lang,
    as_json: bool,
    strict: bool,
    previous: Path | None,
    year_before: Path | None,
    engine: str,
    master: str,
) -> None:
    """Take the census: both figures, by county and by reason, with what recomputes them."""
    from census.diff import restatements, restatements_text
    from census.report import to_json, to_text
    from census.row_folder import holds_rows

    if city_dir is not None:
        _only_the_city(store_dir, ledger_dir)
        if engine != "duckdb":
            raise click.UsageError("a city folder is read by DuckDB alone: leave --engine away")
        if year_before is not None:
            raise click.UsageError("a city's growth on the year is not counted: leave --year-before away")
        result = _take_city(city_dir, as_of, log_size)
    else:
        with _opened(store_dir, ledger_dir) as store:
            result = _run(
                store,
                ledger_dir,
                policy,
                as_of,
                log_size=log_size,
                year_before=year_before,
                spark=master if engine == "spark" else None,
            )
    document = to_json(result) | {"rows_verified": city_dir is None or not holds_rows(city_dir)}
    if previous is not None:
        document["restatements"] = restatements(_read(previous), document)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        click.echo(to_text(result, lang), nl=False)
        if previous is not None:
            click.echo("\n" + restatements_text(document["restatements"], lang), nl=False)
    if strict and result.problems:
        click.get_current_context().exit(1)


@census.command()
@click.argument("subject")
@_asks
@_of_a_city
@click.option("--day", type=_Day(), default=None, help="Show this day's rows, batches and registers.")
def explain(
    *,
    subject: str,
    store_dir: Path | None,
    ledger_dir: Path | None,
    city_dir: Path | None,
    policy: str,
    as_of: int | None,
    log_size: int | None,
    lang: Lang,
    day: int | None,
) -> None:
    """Explain a FIGURE, or the verdict on one ROBOT or social credit code.

    A figure is `robots_new` or `enterprises_on_cloud`, narrowed like `robots_new/refuted/division/330302`: it lists its
    claims. A robot is told with its findings, the rules' wording, its days and leaves; with --day its rows, the batches
    that brought them and the registers they were read from.
    """
    from census.explain import explain as tell
    from census.explain import explain_rows

    with _taken(city_dir, store_dir, ledger_dir, policy, (as_of, log_size)) as (store, result):
        try:
            text = tell(result, subject, lang)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        if text is not None and day is not None:
            text += "\n" + explain_rows(store, result, subject, day, lang)
    if text is None:
        click.echo(f"{subject}: claimed nowhere in {city_dir or ledger_dir}", err=True)
        click.get_current_context().exit(1)
    click.echo(text, nl=False)


@census.command()
@click.argument("before", type=_DOCUMENT)
@click.argument("after", type=_DOCUMENT)
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the restatements as JSON.")
def diff(*, before: Path, after: Path, lang: Lang, as_json: bool) -> None:
    """List what was restated between two runs (JSON of `mfl census run --json`); exit 1 when anything was."""
    from census.diff import is_empty, restatements, restatements_text

    found = restatements(_read(before), _read(after))
    told = (
        json.dumps(found, ensure_ascii=False, indent=1) + "\n" if as_json else restatements_text(found, lang)
    )
    click.echo(told, nl=False)
    if not is_empty(found):
        click.get_current_context().exit(1)


@census.command(name="sign-lists")
@click.option(
    "--ledger", "ledger_dir", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--key", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def sign_lists_command(*, ledger_dir: Path, key: Path) -> None:
    """Sign named_lists.csv with an issuer's Ed25519 key (PEM), adding a line to named_lists.sig."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from census.named_lists import LIST_FILE, SIGNATURE_FILE, sign_lists

    try:
        data = (ledger_dir / LIST_FILE).read_bytes()
        loaded = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise click.UsageError(f"cannot be read: {error}") from None
    if not isinstance(loaded, Ed25519PrivateKey):
        raise click.UsageError(f"{key.name} is no Ed25519 key; make one with: mfl keys new")
    line = sign_lists(data, loaded)
    with (ledger_dir / SIGNATURE_FILE).open("a", encoding="ascii") as stream:
        stream.write(line)
    click.echo(line, nl=False)


def _read(path: Path) -> dict[str, Any]:
    """Read a document of `run --json`; exit 2 when it is none."""
    try:
        document = json.loads(path.read_bytes()[: DOCUMENT_BYTES_MAX + 1])
    except ValueError as error:
        raise click.UsageError(f"{path}: is not a census document: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("figures"), dict):
        raise click.UsageError(f"{path}: is not a census document")
    return document


def _year_before(path: Path | None) -> dict[str, dict[str, int | None]] | None:
    """Read last year's confirmed claims by month out of its census document."""
    if path is None:
        return None
    return {
        name: {row["code"]: row["confirmed"] for row in figure.get("by_month", ()) if row["code"]}
        for name, figure in _read(path)["figures"].items()
    }


def _only_the_city(store_dir: Path | None, ledger_dir: Path | None) -> None:
    if store_dir is not None or ledger_dir is not None:
        raise click.UsageError("--city brings its own store and ledger: leave --store and --ledger away")


def _take_city(folder: Path, as_of: int | None, log_size: int | None) -> CensusResult:
    """Take the census of a city folder, under its own policy; its last whole day is the last one that counts."""
    from census.city import city_census

    as_of_ms = None if as_of is None else day_start_ms(as_of + 1)
    return city_census(folder, as_of_ms=as_of_ms, log_size=log_size)


@contextmanager
def _taken(
    city_dir: Path | None,
    store_dir: Path | None,
    ledger_dir: Path | None,
    policy: str,
    bounds: tuple[int | None, int | None],
) -> Iterator[tuple[DayFiles, CensusResult]]:
    """Take the census of a city folder or of a store, up to (day, leaves), and give the rows it was taken from too."""
    from census.city import taken_city

    as_of, log_size = bounds
    if city_dir is None:
        with _opened(store_dir, ledger_dir) as store:
            yield store, _run(store, ledger_dir, policy, as_of, log_size=log_size)
        return
    _only_the_city(store_dir, ledger_dir)
    as_of_ms = None if as_of is None else day_start_ms(as_of + 1)
    with taken_city(city_dir, as_of_ms=as_of_ms, log_size=log_size) as found:
        yield found


@contextmanager
def _opened(store_dir: Path | None, ledger_dir: Path | None) -> Iterator[EmbeddedStore]:
    """Open the store for reading, beside whoever writes it; exit 2 lists what must be edited."""
    from store.embedded import EmbeddedStore

    if store_dir is None or ledger_dir is None:
        raise click.UsageError("name the --store and the --ledger")
    try:
        store = EmbeddedStore.open(store_dir, _clock(), read_only=True)
        try:
            yield store
        finally:
            store.close()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        click.get_current_context().exit(2)


def _run(
    store: EmbeddedStore,
    ledger_dir: Path | None,
    policy: str,
    as_of: int | None,
    *,
    log_size: int | None,
    year_before: Path | None = None,
    spark: str | None = None,
) -> CensusResult:
    from census.engine import gather_evidence
    from census.run import run_census
    from census.spark_engine import spark_gather

    if ledger_dir is None:
        raise click.UsageError("name the --ledger")
    day = as_of if as_of is not None else day_of(_clock().wall_ms()) - 1
    return run_census(
        store,
        ledger_dir,
        policy,
        as_of_ms=day_start_ms(day + 1),
        log_size=log_size,
        year_before=_year_before(year_before),
        gather=gather_evidence if spark is None else spark_gather(spark),
    )
