"""Which words of the ledger does nobody know? Codes that are none of the policy's, gateways that no list names. Pure.

Such a row still counts, but not where its writer meant: an unknown size bounds no staff, an unknown division lies elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from census.ledger import Ledger
    from census.policy import Policy

WORDS_MAX = 20
"""Unknown words of a column named one by one; the rest is counted."""
_CITY_DIGITS = 4
"""A division code begins with its city's four digits; another city's is foreign, not unknown."""


def unknown_words(ledger: Ledger, policy: Policy) -> list[str]:
    """Name every unknown word once, with the first line it stands on and how many rows have it."""
    divisions = policy.division_codes
    cities = {code[:_CITY_DIGITS] for code in divisions}
    rows = ledger.enterprises
    in_city = ((row.division, row.line) for row in rows if row.division[:_CITY_DIGITS] in cities)
    sizes = [size.code for size in policy.sizes]
    levels = [code for level in policy.levels for code in (level.code, *level.former)]
    found = _unknown("enterprises.csv", "size", ((row.size, row.line) for row in rows), sizes)
    found += _unknown("enterprises.csv", "cloud_level", ((row.level, row.line) for row in rows), levels)
    found += _unknown("enterprises.csv", "division", in_city, divisions, "no division of the policy")
    if ledger.gateways:
        known = {row.gateway for row in ledger.gateways}
        bound = ((row.gateway, row.line) for row in ledger.bindings)
        found += _unknown("bindings.csv", "gateway", bound, known, "in no row of gateways.csv")
    return found


def _unknown(
    file: str, column: str, cells: Iterable[tuple[str, int]], known: Collection[str], what: str = ""
) -> list[str]:
    words: dict[str, list[int]] = {}
    for word, line in cells:
        if word and word not in known:
            words.setdefault(word, []).append(line)
    what = what or f"none of {', '.join(known)}"
    told = [
        f"{file}:{lines[0]}:0: {column}: {word[:64]!r} is {what} ({len(lines)} rows)"
        for word, lines in list(words.items())[:WORDS_MAX]
    ]
    more = len(words) - WORDS_MAX
    return [*told, f"{file}: {column}: {more} further unknown words"] if more > 0 else told
