"""Is this a well-formed unified social credit code? Both check characters of GB 32100-2015.

The checks find typing errors, not invented companies: only the register of enterprises knows those.
"""

from __future__ import annotations

from functools import lru_cache

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""31 characters: no I, O, Z, S, V (GB 32100-2015)."""
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_VALUES = {
    character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}
SOLE_TRADER = "92"
"""The first two characters of a sole trader's code (个体工商户)."""


@lru_cache(maxsize=65536)  # as many codes as a city has; each is asked about by several files
def fault(code: str) -> str:
    """Say what is wrong with a code: `length`, `alphabet`, `organisation` (place 17), `check` (place 18), or nothing."""
    if len(code) != 18:
        return "length"
    if any(character not in _VALUES for character in code):
        return "alphabet"
    if code[16] != organisation_check(code[8:16]):
        return "organisation"
    return "" if code[17] == check_character(code[:17]) else "check"


def is_valid(code: str) -> bool:
    """Tell whether a code has the length, the alphabet and both check characters."""
    return not fault(code)


def check_character(first17: str) -> str:
    """Compute place 18: 31 minus the weighted sum (3^i mod 31) mod 31, as a character of the alphabet."""
    total = sum(_VALUES[character] * weight for character, weight in zip(first17, _WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def organisation_check(first8: str) -> str:
    """Compute place 17, the organisation code's own check (GB 11714): 10 is written X."""
    values = (_ORGANISATION_VALUES[character] for character in first8)
    total = sum(value * weight for value, weight in zip(values, _ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def is_sole_trader(code: str) -> bool:
    """Tell whether the code is of a sole trader, which a cloud count may leave out."""
    return code.startswith(SOLE_TRADER)
