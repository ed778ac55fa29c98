"""Who claims what? The ledger: enterprises, robots, invoices, bindings, replacements, gateways and the register."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from census.columns import FILES, LedgerFile
from census.csv_rows import FILE_BYTES_MAX, Record, read_rows
from census.named_lists import LIST_FILE, SIGNATURE_FILE, valid_signers
from census.unread import Unread, words_of
from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class EnterpriseRow:
    """One listing of an enterprise on cloud; one enterprise may be listed several times."""

    uscc: str
    name: str
    division: str
    cluster: str
    industry: str
    size: str
    claimed_day: int | None
    level: str
    provider: str
    evidence: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class RobotClaim:
    """One claim of one newly deployed robot; days are ordinals."""

    robot: str
    uscc: str
    workshop: str
    cell: str
    manufacturer: str
    model: str
    serial: str
    category: str
    axes: int | None
    commissioned_day: int | None
    addition: str
    contract: str
    invoice: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice."""

    invoice: str
    number: str
    uscc: str
    seller: str
    manufacturer: str
    model: str
    serial: str
    issued_day: int | None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Binding:
    """A robot stands behind (gateway, device) during [from_ms, until_ms); None is open."""

    robot: str
    gateway: str
    device: str
    from_ms: int | None
    until_ms: int | None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Replacement:
    """A robot's body or controller was exchanged, with its document."""

    robot: str
    day: int
    old_serial: str
    new_serial: str
    document: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A gateway as the city knows it: an edge box of an enterprise, or a cloud provider's reporter."""

    gateway: str
    kind: str
    provider: str
    uscc: str
    workshop: str
    public_key: str
    enrolled_ms: int | None
    retired_ms: int | None
    line: int = 0


@dataclass(frozen=True, slots=True)
class RegistryRow:
    """An entry of the business register's extract."""

    uscc: str
    name: str
    status: str
    division: str
    from_day: int | None
    until_day: int | None
    line: int = 0


@dataclass(frozen=True, slots=True)
class NamedListRow:
    """An enterprise on a list that an authority issued."""

    list: str
    uscc: str
    name: str
    issued_day: int | None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that is claimed and documented; `digest` is the SHA-256 over the files' names and bytes.

    `signers` are the public keys whose signature over the named lists holds. `unread` has, by the file's name, what rows
    name that could not be read; a file whose rows all could is not in it.
    """

    enterprises: tuple[EnterpriseRow, ...] = ()
    robots: tuple[RobotClaim, ...] = ()
    invoices: tuple[InvoiceLine, ...] = ()
    bindings: tuple[Binding, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    gateways: tuple[GatewayRow, ...] = ()
    registry: tuple[RegistryRow, ...] = ()
    named_lists: tuple[NamedListRow, ...] = ()
    digest: str = ""
    signers: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = field(default=())
    unread: Mapping[str, Unread] = field(default_factory=dict)


class Part(NamedTuple):
    """One decoded file: its rows, what is to be said of the others, and what those name."""

    rows: tuple[Any, ...]
    problems: list[Problem]
    unread: Unread


_MAKERS: dict[str, Callable[..., Any]] = {
    "enterprises": EnterpriseRow,
    "robots": RobotClaim,
    "invoices": InvoiceLine,
    "bindings": Binding,
    "replacements": Replacement,
    "gateways": GatewayRow,
    "registry": RegistryRow,
    "named_lists": NamedListRow,
}


def load_ledger(directory: Path) -> Ledger:
    """Read a ledger's directory. A bad row is a problem of the ledger; ConfigError only when there is no ledger at all."""
    parts: dict[str, tuple[Any, ...]] = {}
    unread: dict[str, Unread] = {}
    problems: list[Problem] = []
    digest = hashlib.sha256()
    signers: frozenset[str] = frozenset()
    for name in FILES:
        file = f"{name}.csv"
        data, found = _bytes(directory / file)
        part = Part((), found, Unread(is_whole=bool(found)))
        if data is not None:
            digest.update(f"{file} {len(data)}\n".encode() + data)
            part = read_part(name, data, file)
            parts[name] = part.rows
        problems += [*part.problems, *_lost(file, part.unread)]
        if part.unread.is_whole or part.unread.count:
            unread[name] = part.unread
        if data is not None and file == LIST_FILE:
            signers, found = _signers(directory, data, digest)
            problems += found
    if "robots" not in parts and "enterprises" not in parts:
        hint = "a ledger has robots.csv or enterprises.csv"
        raise ConfigError([*problems, Problem(str(directory), 0, 0, "", "is not a ledger", hint)])
    problems += _dangling(parts)
    return Ledger(
        **parts, digest=digest.hexdigest(), signers=signers, problems=tuple(problems), unread=unread
    )


def _signers(directory: Path, data: bytes, digest: Any) -> tuple[frozenset[str], list[Problem]]:
    """Find who signed the lists' bytes, and take the signatures into the ledger's digest."""
    signatures, problems = _bytes(directory / SIGNATURE_FILE)
    if signatures is None:
        return frozenset(), problems
    digest.update(f"{SIGNATURE_FILE} {len(signatures)}\n".encode() + signatures)
    return valid_signers(data, signatures)


def _bytes(path: Path) -> tuple[bytes | None, list[Problem]]:
    """Read one file; None when it is not there (every file but the claims is optional), or cannot be read."""
    try:
        if path.exists() and not path.is_file():
            # A pipe would be waited for without end.
            return None, [Problem(path.name, 0, 0, "", "cannot be read: it is no regular file")]
        with path.open("rb") as stream:
            return stream.read(FILE_BYTES_MAX + 1), []
    except FileNotFoundError:
        return None, []
    except OSError as error:
        return None, [Problem(path.name, 0, 0, "", f"cannot be read: {error.strerror}")]


def _lost(file: str, unread: Unread) -> list[Problem]:
    """Say once what a file's unread rows cost."""
    if unread.is_whole:
        return [Problem(file, 0, 0, "", "no row was read: what rests on this file is judged neither way")]
    if not unread.count:
        return []
    told = f"{unread.count} rows were not read: whom they name is judged neither way by this file"
    return [Problem(file, 0, 0, "", told, "correct them and count again")]


def read_part(name: str, data: bytes, file: str) -> Part:
    """Decode one ledger file's bytes into its rows, the problems found, and what unread rows name."""
    part = FILES[name]
    records, problems, unread = read_rows(data, file, part.columns)
    make, rows = _MAKERS[name], []
    seen: dict[tuple[Any, ...], int] = {}
    places = [_place(part, key) for key in part.unique]
    backward: list[frozenset[str]] = []
    for record in records:
        wrong = _backward(part, record, file)
        if wrong is not None:
            problems.append(wrong)
            backward.append(words_of(record.cells))
            continue
        if places:
            key = tuple(record.values[place] for place in places)
            first = seen.setdefault(key, record.line)
            if first != record.line:
                message = f"{' '.join(map(str, key))} is given twice (first on line {first})"
                problems.append(
                    Problem(file, record.line, places[0] + 1, part.unique[0], message, "the first counts")
                )
                continue
        rows.append(make(*record.values, record.line))
    if backward:
        unread = Unread((*unread.rows, *backward))
    return Part(tuple(rows), problems, unread)


def _place(part: LedgerFile, key: str) -> int:
    return next(number for number, column in enumerate(part.columns) if column.name == key)


def _backward(part: LedgerFile, record: Record, file: str) -> Problem | None:
    """Find a row that ends before it begins."""
    if part.span is None:
        return None
    first, last = (_place(part, key) for key in part.span)
    begins, ends = record.values[first], record.values[last]
    if begins is None or ends is None or begins <= ends:
        return None
    message = f"lies before {part.span[0]}"
    return Problem(
        file,
        record.line,
        last + 1,
        part.span[1],
        message,
        "are the two exchanged?",
        ",".join(record.cells)[:160],
    )


def _dangling(parts: dict[str, tuple[Any, ...]]) -> list[Problem]:
    """Find bindings of robots that nobody claims, and replacements that touch no claim by robot or by new serial.

    A robot that was replaced is often too old to be claimed; its successor is what the row is about.
    """
    robots = parts.get("robots", ())
    claimed = {claim.robot for claim in robots}
    serials = {claim.serial for claim in robots if claim.serial}
    rows = [
        *((row, "bindings") for row in parts.get("bindings", ())),
        *((row, "replacements") for row in parts.get("replacements", ()) if row.new_serial not in serials),
    ]
    return [
        Problem(f"{name}.csv", row.line, 0, "robot", f"{row.robot} is claimed nowhere")
        for row, name in rows
        if row.robot not in claimed
    ]
