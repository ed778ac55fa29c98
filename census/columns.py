"""Which columns has each ledger file? Names, how a cell is read, and which must be there (DESIGN section 7)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from census.calendar import parse_day, parse_instant
from census.csv_rows import Column
from telemetry.asset import is_id

if TYPE_CHECKING:
    from collections.abc import Callable

AXES_MAX = 64
_SENTENCES = frozenset({"name", "seller", "workshop", "cell", "manufacturer", "model", "evidence"})
"""Columns that a person reads."""
_DIVISION = re.compile(r"[0-9]{6}")
_WORD = re.compile(r"[a-z][a-z0-9_-]*")


def _text(cell: str) -> str:
    return cell


def _id(cell: str) -> str:
    if not is_id(cell):
        raise ValueError(f"expected an id (1-64 of letters, digits, '.', '_', '-'), not {cell[:64]!r}")
    return cell


def _uscc(cell: str) -> str:
    # Full-width digits and small letters are spelling, not another code; whether the code holds is a rule's question.
    code = unicodedata.normalize("NFKC", cell).upper().replace(" ", "")
    if len(code) > 64:
        raise ValueError("expected a unified social credit code of 18 characters")
    return code


def _serial(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).strip()


def _word(cell: str) -> str:
    if not _WORD.fullmatch(cell):
        raise ValueError(f"expected a word of small letters, not {cell[:64]!r}")
    return cell


def _division(cell: str) -> str:
    if not _DIVISION.fullmatch(cell):
        raise ValueError(f"expected a division code of six digits, not {cell[:64]!r}")
    return cell


def _axes(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()) or not 0 < int(cell) <= AXES_MAX:
        raise ValueError(f"expected a whole number from 1 to {AXES_MAX}, not {cell[:64]!r}")
    return int(cell)


def _choice(*words: str) -> Callable[[str], str]:
    def read(cell: str) -> str:
        if cell not in words:
            raise ValueError(f"expected one of {', '.join(words)}, not {cell[:64]!r}")
        return cell

    return read


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """A ledger file's columns, in the order of its row type's fields, and those that name a row uniquely.

    `span` names a beginning and an end: a row that ends before it begins is a bad row.
    """

    columns: tuple[Column, ...]
    unique: tuple[str, ...] = ()
    span: tuple[str, str] | None = None


def _columns(*columns: Column | str) -> tuple[Column, ...]:
    return tuple(
        column if isinstance(column, Column) else Column(column, _text, is_text=column in _SENTENCES)
        for column in columns
    )


_KEY = Column("uscc", _uscc, required=True)
_FROM, _TO = (Column(name, parse_day, empty=None, must_stand=True) for name in ("from", "to"))

FILES: dict[str, LedgerFile] = {
    "enterprises": LedgerFile(
        _columns(
            _KEY,
            "name",
            Column("division", _division),
            "cluster",
            "industry",
            "size",
            Column("cloud_claimed_on", parse_day, empty=None),
            "cloud_level",
            "cloud_provider",
            "evidence",
        )
    ),
    "robots": LedgerFile(
        _columns(
            Column("robot", _id, required=True),
            _KEY,
            "workshop",
            "cell",
            "manufacturer",
            "model",
            Column("serial", _serial),
            Column("category", _word),
            Column("axes", _axes, empty=None),
            Column("commissioned_on", parse_day, empty=None),
            Column("addition", _choice("new", "relocated", "replacement", "leased"), required=True),
            "contract",
            "invoice",
        ),
        ("robot",),
    ),
    "invoices": LedgerFile(
        _columns(
            Column("invoice", _text, required=True),
            Column("line", _text, required=True),
            _KEY,
            "seller",
            "manufacturer",
            "model",
            Column("serial", _serial),
            Column("issued_on", parse_day, empty=None),
        ),
        ("invoice", "line"),
    ),
    "bindings": LedgerFile(
        _columns(
            Column("robot", _id, required=True),
            Column("gateway", _id, required=True),
            Column("device", _id, required=True),
            Column("from", parse_instant, empty=None, must_stand=True),
            Column("until", parse_instant, empty=None, must_stand=True),
        ),
        span=("from", "until"),
    ),
    "replacements": LedgerFile(
        _columns(
            Column("robot", _id, required=True),
            Column("on", parse_day, required=True),
            Column("old_serial", _serial, required=True),
            Column("new_serial", _serial, required=True),
            Column("document", _text, is_text=True, must_stand=True),
        )
    ),
    "gateways": LedgerFile(
        _columns(
            Column("gateway", _id, required=True),
            Column("kind", _choice("edge", "provider"), required=True),
            "provider",
            Column("uscc", _uscc),
            "workshop",
            "public_key",
            Column("enrolled_on", parse_instant, empty=None, must_stand=True),
            Column("retired_on", parse_instant, empty=None, must_stand=True),
        ),
        ("gateway",),
        ("enrolled_on", "retired_on"),
    ),
    "registry": LedgerFile(
        _columns(
            _KEY,
            "name",
            Column("status", _choice("active", "struck_off"), required=True),
            Column("division", _division),
            _FROM,
            _TO,
        ),
        ("uscc",),
        ("from", "to"),
    ),
    "named_lists": LedgerFile(
        _columns(
            Column("list", _word, required=True),
            _KEY,
            "name",
            Column("issued_on", parse_day, empty=None),
        ),
        ("list", "uscc"),
    ),
}
"""Every file of a ledger; only robots.csv or enterprises.csv must be there."""
