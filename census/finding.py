"""What does a rule answer? Supports, contradicts or silent, with the reason in both languages."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


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
