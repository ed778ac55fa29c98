"""What does a rule answer? Supports, contradicts or silent, with the reason in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """A rule's answer. Silence is not a no: missing data counts neither for nor against (decision 0004)."""

    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's answer to one claim. `review` asks for a person's look and changes no verdict by itself."""

    rule: str
    answer: Answer
    zh: str
    en: str
    review: bool = False


def supports(rule: str, zh: str, en: str, *, review: bool = False) -> Finding:
    """Give a finding that speaks for the claim."""
    return Finding(rule, Answer.SUPPORTS, zh, en, review)


def contradicts(rule: str, zh: str, en: str, *, review: bool = False) -> Finding:
    """Give a finding that speaks against the claim."""
    return Finding(rule, Answer.CONTRADICTS, zh, en, review)


def silent(rule: str, zh: str, en: str, *, review: bool = False) -> Finding:
    """Give a finding that says nothing either way."""
    return Finding(rule, Answer.SILENT, zh, en, review)
