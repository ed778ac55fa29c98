"""How is a city folder read? Sealed batches into a store in the order of their receipt; what is false in it is reported.

docs/city-folder.md is the format. A folder may hold more than is named here, and the census never looks at that.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from census.calendar import day_of, day_start_ms, parse_instant
from census.csv_rows import Column, Record, read_rows
from census.row_folder import ROWS_FILE, holds_rows, read_rows_told, row_folder
from census.run import run_census
from store.embedded import EmbeddedStore
from store.enrolment import Authority, EnrolmentError, Event, EventKind, enrol_event, explain_event
from telemetry.asset import is_id
from telemetry.clock import Clock
from telemetry.errors import ConfigError, Problem, SealError
from telemetry.seal import BATCH_BYTES_MAX, read_seal
from telemetry.sink import AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from census.row_folder import RowFolder
    from census.run import CensusResult, CensusStore
    from telemetry.seal import Batch

GROUP = 256
"""Batches read and written together: 256 MB at the very most."""
SEQ_DIGITS_MAX = 18
RECEIVED_MS_MIN, RECEIVED_MS_END = 946_684_800_000, 4_102_444_800_000
"""Receipts lie in the years 2000 to 2099: what does not is another unit or a typing error, and dates nothing."""
EPOCHS_FILE = "keys/epochs.csv"
UNVERIFIED = "the rows were written without seals: none of them was verified"
NOT_TAKEN = "their gateway was not enrolled, or revoked"


def _id(cell: str) -> str:
    if not is_id(cell):
        raise ValueError(f"expected an id (1-64 of letters, digits, '.', '_', '-'), not {cell[:64]!r}")
    return cell


def _number(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()) or len(cell) > SEQ_DIGITS_MAX:
        raise ValueError(f"expected a whole number, not {cell[:64]!r}")
    return int(cell)


def _received_ms(cell: str) -> int:
    time_ms = _number(cell)
    if not RECEIVED_MS_MIN <= time_ms < RECEIVED_MS_END:
        raise ValueError(f"expected UTC milliseconds of the years 2000 to 2099, not {cell} (seconds?)")
    return time_ms


def _kind(cell: str) -> str:
    if cell not in {"edge", "provider"}:
        raise ValueError(f"expected edge or provider, not {cell[:64]!r}")
    return cell


RECEIVED = (
    Column("gateway", _id, required=True),
    Column("epoch", _id, required=True),
    Column("seq", _number, required=True),
    Column("received_ms", _received_ms, required=True),
)
EPOCHS = (
    Column("gateway", _id, required=True),
    Column("epoch", _id, required=True),
    Column("on", parse_instant, required=True),
    Column("who", str, required=True, is_text=True),
    Column("why", str, required=True, is_text=True),
)
KEYS = (
    Column("gateway", _id, required=True),
    Column("kind", _kind, required=True),
    Column("public_key", str, required=True),
    Column("from", parse_instant, required=True),
    Column("until", parse_instant, empty=None),
    Column("revoked", parse_instant, empty=None),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A line of received.csv: which batch, and when the store received it (UTC ms)."""

    gateway: str
    epoch: str
    seq: int
    received_ms: int
    line: int

    def path(self, folder: Path) -> Path:
        """Say where the batch lies."""
        return folder / "batches" / self.gateway / self.epoch / f"{self.seq}.lp"


def city_census(folder: Path, *, as_of_ms: int | None = None, log_size: int | None = None) -> CensusResult:
    """Take the census of a city folder; ConfigError when it is none. False batches and lines are the result's problems.

    Without `as_of_ms` it counts the whole days that were over when the last batch came in. Where the folder holds rows
    in place of batches, nothing is verified, and the first problem says so.
    """
    with taken_city(folder, as_of_ms=as_of_ms, log_size=log_size) as (_, result):
        return result


@contextmanager
def taken_city(
    folder: Path, *, as_of_ms: int | None = None, log_size: int | None = None
) -> Iterator[tuple[CensusStore, CensusResult]]:
    """Take the census of a city folder and give what it was taken from as well, as long as the context lasts."""
    if holds_rows(folder):
        rows, end_ms, problems = open_rows(folder)
        yield rows, _taken(rows, folder, problems, (end_ms if as_of_ms is None else as_of_ms, log_size))
        return
    receipts, problems = _receipts(folder)
    end_ms = day_start_ms(day_of(max((one.received_ms for one in receipts), default=0)))
    clock = Clock(lambda: end_ms, lambda: 0, "city")
    with tempfile.TemporaryDirectory(prefix="mfl-city-") as scratch:
        store = EmbeddedStore.open(Path(scratch) / "store", clock)
        try:
            problems += _enrol(store, folder)
            problems += _never_received(folder, receipts)
            problems += _fill(store, folder, receipts)
            problems += _explain(store, folder, end_ms)
            yield (
                store,
                _taken(store, folder, problems, (end_ms if as_of_ms is None else as_of_ms, log_size)),
            )
        finally:
            store.close()


def _taken(
    store: CensusStore, folder: Path, problems: list[Problem], bounds: tuple[int, int | None]
) -> CensusResult:
    """Take the census of a folder's rows up to (UTC ms, leaves)."""
    as_of_ms, log_size = bounds
    result = run_census(
        store, folder / "ledger", str(folder / "policy.yaml"), as_of_ms=as_of_ms, log_size=log_size
    )
    return replace(result, problems=(*map(str, problems), *result.problems))


def open_rows(folder: Path) -> tuple[RowFolder, int, list[Problem]]:
    """Open a folder that holds rows in place of batches; ConfigError when it does not.

    Gives what the census reads, the end (UTC ms) of the last whole day, and what is to be said of the folder.
    """
    told = read_rows_told(folder)
    if not RECEIVED_MS_MIN <= told.last_received_ms < RECEIVED_MS_END:
        message = f"last_received_ms lies outside the years 2000 to 2099: {told.last_received_ms}"
        raise ConfigError([Problem(ROWS_FILE, 0, 0, "", message)])
    authority, events = Authority(), list[Event]()
    problems = [Problem(ROWS_FILE, 0, 0, "", UNVERIFIED)]

    def take(event: Event) -> None:
        if event.kind is EventKind.ENROL:
            event = replace(event, token_sha256=hashlib.sha256(f"{len(events)}".encode()).hexdigest())
        authority.check_new(event)
        authority.apply(event)
        events.append(event)

    problems += _enrolled(folder, take)
    words, more = _explanations(folder)
    store = row_folder(folder, events, [event for event, _ in words])
    problems += [*more, *_refusals({(name, NOT_TAKEN): count for name, count in told.refused.items()})]
    return store, day_start_ms(day_of(told.last_received_ms)), problems


def _receipts(folder: Path) -> tuple[list[Receipt], list[Problem]]:
    records, problems = _rows(folder, "received.csv", RECEIVED)
    receipts = []
    for record in records:
        gateway, epoch, seq, received_ms = record.values
        receipts.append(Receipt(gateway, epoch, seq, received_ms, record.line))
    receipts.sort(key=lambda one: (one.received_ms, one.gateway, one.epoch, one.seq))
    return receipts, problems


def _rows(folder: Path, file: str, columns: Sequence[Column]) -> tuple[list[Record], list[Problem]]:
    """Read a file of the folder; ConfigError when no row of it can be read: a city without it is none."""
    records, problems, unread = read_rows(_bytes(folder / file, folder), file, columns)
    if unread.is_whole:
        raise ConfigError(problems)
    return records, problems


def _bytes(path: Path, folder: Path) -> bytes:
    try:
        # A pipe would be waited for without end.
        return b"" if path.is_fifo() else path.read_bytes()
    except OSError as error:
        hint = (
            "a city folder has ledger/ policy.yaml keys/keys.csv batches/ received.csv (docs/city-folder.md)"
        )
        name = path.relative_to(folder).as_posix()
        raise ConfigError([Problem(name, 0, 0, "", f"cannot be read: {error.strerror}", hint)]) from None


def _enrol(store: EmbeddedStore, folder: Path) -> list[Problem]:
    """Enrol what keys/keys.csv lists, in its order; a line that cannot be is a problem."""
    # Nobody writes to this store by token: with these the same folder gives the same log, and so the same root.
    numbers = itertools.count()
    store.token_bytes = lambda size: hashlib.sha256(f"city token {next(numbers)}".encode()).digest()[:size]

    def take(event: Event) -> None:
        if event.kind is EventKind.REVOKE:
            store.revoke(event.gateway, from_ms=event.from_ms, at_ms=event.received_ms)
            return
        store.enrol(
            event.gateway,
            event.public_key,
            kind="edge" if event.gateway_kind == "edge" else "provider",
            from_ms=event.from_ms,
            until_ms=event.until_ms,
            at_ms=event.received_ms,
        )

    return _enrolled(folder, take)


def _enrolled(folder: Path, take: Callable[[Event], None]) -> list[Problem]:
    """Hand over the events of keys/keys.csv, in its order; a line that cannot be is a problem."""
    file = "keys/keys.csv"
    records, problems = _rows(folder, file, KEYS)
    for record in records:
        gateway, kind, public_key, from_ms, until_ms, revoked_ms = record.values
        try:
            take(replace(enrol_event(gateway, public_key, kind, (from_ms, until_ms)), received_ms=from_ms))
            if revoked_ms is not None:
                take(Event(EventKind.REVOKE, gateway, from_ms=revoked_ms, received_ms=from_ms))
        except EnrolmentError as error:
            problems.append(Problem(file, record.line, 0, "", str(error)))
    return problems


def _explain(store: EmbeddedStore, folder: Path, at_ms: int) -> list[Problem]:
    """Put persons' words on epochs, where keys/epochs.csv has any, behind all batches; a line that cannot be is a problem."""
    words, problems = _explanations(folder)
    for event, line in words:
        try:
            store.append_event(event, at_ms)
        except EnrolmentError as error:
            problems.append(Problem(EPOCHS_FILE, line, 0, "", str(error)))
    return problems


def _explanations(folder: Path) -> tuple[list[tuple[Event, int]], list[Problem]]:
    """Read persons' words on epochs, each with its line."""
    if not (folder / EPOCHS_FILE).exists():
        return [], []
    records, problems = _rows(folder, EPOCHS_FILE, EPOCHS)
    words = []
    for record in records:
        gateway, epoch, on_ms, who, why = record.values
        try:
            words.append((explain_event(gateway, epoch, on_ms=on_ms, who=who, why=why), record.line))
        except EnrolmentError as error:
            problems.append(Problem(EPOCHS_FILE, record.line, 0, "", str(error)))
    return words, problems


def _fill(store: EmbeddedStore, folder: Path, receipts: list[Receipt]) -> list[Problem]:
    """Write every received batch; those the store refuses are counted by gateway and reason."""
    problems: list[Problem] = []
    refused: Counter[tuple[str, str]] = Counter()
    made = _batches(folder, receipts, problems)
    while group := list(itertools.islice(made, GROUP)):
        for (batch, _), answer in zip(group, store.write_many(group), strict=True):
            if answer.kind is not AnswerKind.STORED:
                refused[batch.seal.gateway, answer.detail or str(answer.kind)] += 1
    store.apply()
    return problems + _refusals(refused)


def _never_received(folder: Path, receipts: list[Receipt]) -> list[Problem]:
    """Tell of batch files that no line of received.csv names, a problem a gateway."""
    listed = {receipt.path(folder).relative_to(folder).as_posix() for receipt in receipts}
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("batches/*/*/*.lp"))
    left = [name for name in files if name not in listed]
    problems = []
    for gateway, found in itertools.groupby(left, key=lambda name: name.split("/")[1]):
        names = list(found)
        message = f"{len(names)} batch files have no line in received.csv ({names[0]} is the first): not counted as received"
        problems.append(Problem(f"batches/{gateway}", 0, 0, "", message))
    return problems


def _refusals(refused: Mapping[tuple[str, str], int]) -> list[Problem]:
    return [
        Problem(f"batches/{gateway}", 0, 0, "", f"{count} batches refused: {reason}")
        for (gateway, reason), count in sorted(refused.items())
    ]


def _batches(folder: Path, receipts: list[Receipt], problems: list[Problem]) -> Iterator[tuple[Batch, int]]:
    for receipt in receipts:
        path = receipt.path(folder)
        name = path.relative_to(folder).as_posix()
        try:
            with path.open("rb") as stream:
                batch = read_seal(stream.read(BATCH_BYTES_MAX + 1))
        except OSError as error:
            problems.append(Problem("received.csv", receipt.line, 0, "", f"{name}: {error.strerror}"))
            continue
        except SealError as error:
            problems.append(Problem(name, 0, 0, "", str(error)))
            continue
        seal = batch.seal
        if (seal.gateway, seal.epoch, seal.seq) != (receipt.gateway, receipt.epoch, receipt.seq):
            message = f"is sealed as {seal.gateway}/{seal.epoch}/{seal.seq}"
            problems.append(Problem(name, 0, 0, "", message))
            continue
        yield batch, receipt.received_ms
