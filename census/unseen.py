"""Which characters does nobody see? Zero widths, direction marks and odd blanks, told by their Unicode names. Pure."""

from __future__ import annotations

import re
import unicodedata

_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_SEEN = frozenset(" \u3000")
"""Blanks that everybody types: the full-width one is spelling."""
# Letters and marks by category, yet blank on every screen: fillers, joiners, variation selectors.
_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def first_unseen(text: str) -> str:
    """Name the first character that nobody sees, as `U+200B ZERO WIDTH SPACE`; empty when there is none."""
    if text.isascii() and text.isprintable():
        return ""
    return next((_name(character) for character in text if _is_unseen(character)), "")


def without_unseen(text: str) -> str:
    """Leave out what nobody sees."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character for character in text if not _is_unseen(character))


def _is_unseen(character: str) -> bool:
    if character in _SEEN:
        return False
    return unicodedata.category(character) in _CATEGORIES or bool(_FILLERS.match(character))


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, 'control character')}"
