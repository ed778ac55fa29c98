"""What does a rule answer? Supports, contradicts or silent, with the reason in both languages."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Answer(StrEnum):
    """A rule's answer. Silence is not a no: missing data counts neither for nor against (decision 0004)."""

    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    SILENT = "silent"


_SUPPORTS, _CONTRADICTS, _SILENT = Answer


class Finding(NamedTuple):
    """One rule's answer to one claim. `review` asks for a person's look and changes no verdict by itself.

    A tuple and no dataclass, because a city has a hundred thousand of them and a frozen one takes three times as long to make.
    """

    rule: str
    answer: Answer
    zh: str
    en: str
    review: bool = False


def supports(rule: str, zh: str, en: str, *, review: bool = False) -> Finding:
    """Give a finding that speaks for the claim."""
    return Finding(rule, _SUPPORTS, zh, en, review)


def contradicts(rule: str, zh: str, en: str, *, review: bool = False) -> Finding:
    """Give a finding that speaks against the claim."""
    return Finding(rule, _CONTRADICTS, zh, en, review)


def silent(rule: str, zh: str, en: str, *, review: bool = False) -> Finding:
    """Give a finding that says nothing either way."""
    return Finding(rule, _SILENT, zh, en, review)


def silent_for_unread(rule: str, files: Iterable[str]) -> Finding:
    """Give the silence of a rule that would conclude from absence, where a row that cannot be read names the claim."""
    named = ", ".join(f"{file}.csv" for file in sorted(files))
    zh, en = f"{named} 有读不出的行涉及本申报", f"a row of {named} that cannot be read may be about it"
    return Finding(rule, _SILENT, zh, en, review=True)
