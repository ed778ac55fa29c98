"""Which enterprises stand on an authority's list? Counted only from lists that the issuer's key has signed. Pure.

The lists are `named_lists.csv`; beside it `named_lists.sig` holds one line for each signer, `ed25519 <public key> <signature>`,
both base64, the signature over `mfl-named-lists-v1`, a newline, and the bytes of `named_lists.csv`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from census.unread import fold
from census.uscc import fault
from telemetry.errors import Problem
from telemetry.seal import parse_public_key, write_public_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from census.ledger import Ledger, NamedListRow
    from census.policy import NamedList, Policy

LIST_FILE, SIGNATURE_FILE = "named_lists.csv", "named_lists.sig"
SIGNATURES_MAX = 64
"""Signers of one file: a city has a handful of authorities."""
_DOMAIN = b"mfl-named-lists-v1\n"
NO_KEY = ("政策未载签发单位公钥", "the policy names no issuer's key")
NO_FILE = ("台账中没有名单", "the ledger has no such list")
UNREAD = ("名单有读不出的行", "a row of the list cannot be read")
NOT_SIGNED = ("名单没有签发单位的有效签名", "no valid signature of the issuer")


@dataclass(frozen=True, slots=True)
class ListFigure:
    """One list's indicator: how many enterprises it names, or None with the reason."""

    named: NamedList
    listed: int | None
    reason: tuple[str, str] = ("", "")


def sign_lists(data: bytes, key: Ed25519PrivateKey) -> str:
    """Write the line that signs `named_lists.csv` with an issuer's key."""
    signature = base64.b64encode(key.sign(_DOMAIN + data)).decode()
    return f"{write_public_key(key.public_key())} {signature}\n"


def valid_signers(data: bytes, signatures: bytes) -> tuple[frozenset[str], list[Problem]]:
    """Find the public keys whose signature over the lists' bytes holds; every other line is a problem."""
    signers, problems = set(), []
    lines = signatures.decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines[:SIGNATURES_MAX], start=1):
        if not line.strip():
            continue
        try:
            signers.add(_signer(data, line.split()))
        except (ValueError, InvalidSignature, binascii.Error) as error:
            words = str(error) or "the signature does not hold"
            problems.append(
                Problem(SIGNATURE_FILE, number, 0, "", words, "written 'ed25519 <public key> <signature>'")
            )
    if len(lines) > SIGNATURES_MAX:
        problems.append(Problem(SIGNATURE_FILE, SIGNATURES_MAX + 1, 0, "", "further lines are not read"))
    return frozenset(signers), problems


def _signer(data: bytes, words: Sequence[str]) -> str:
    if len(words) != 3:
        raise ValueError(f"has {len(words)} words, a signature has 3")
    key = parse_public_key(" ".join(words[:2]))
    key.verify(base64.b64decode(words[2], validate=True), _DOMAIN + data)
    return write_public_key(key)


def count_lists(ledger: Ledger, policy: Policy) -> tuple[tuple[ListFigure, ...], list[str]]:
    """Count each of the policy's lists, and tell which of their rows do not count."""
    problems: list[str] = []
    figures = []
    for named in policy.named_lists:
        rows = [row for row in ledger.named_lists if row.list == named.list]
        reason = _unusable(named, rows, ledger.signers)
        if reason is None and _may_be_longer(ledger, named.list):
            reason = UNREAD
        if reason is not None:
            figures.append(ListFigure(named, None, reason))
            continue
        counted, found = _counted(rows, policy)
        problems += found
        figures.append(ListFigure(named, counted))
    known = {named.list for named in policy.named_lists}
    unknown = sorted({row.list for row in ledger.named_lists} - known)
    problems += [f"{LIST_FILE}: list {name} is none of the policy's" for name in unknown]
    return tuple(figures), problems


def _may_be_longer(ledger: Ledger, name: str) -> bool:
    """Tell whether an unread row names a list, or none that anybody knows."""
    unread = ledger.unread.get("named_lists")
    if unread is None:
        return False
    known = frozenset(fold(row.list) for row in ledger.named_lists)
    return unread.names(name) or bool(unread.without(known).count)


def _unusable(named: NamedList, rows: list[NamedListRow], signers: frozenset[str]) -> tuple[str, str] | None:
    if not named.issuer_key:
        return NO_KEY
    if not rows:
        return NO_FILE
    return None if write_public_key(parse_public_key(named.issuer_key)) in signers else NOT_SIGNED


def _counted(rows: list[NamedListRow], policy: Policy) -> tuple[int, list[str]]:
    """Count the enterprises listed in the period, each code once; a wrong code or day is a problem."""
    codes, problems = set(), []
    for row in rows:
        wrong = fault(row.uscc)
        if wrong:
            problems.append(f"{LIST_FILE}:{row.line}: the code {row.uscc} does not hold ({wrong})")
        elif row.issued_day is not None and not policy.period.holds(row.issued_day):
            problems.append(f"{LIST_FILE}:{row.line}: issued outside the period")
        else:
            codes.add(row.uscc)
    return len(codes), problems
