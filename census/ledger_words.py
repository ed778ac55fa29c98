"""Which words of the ledger does nobody know? Codes that are none of the policy's, gateways that no list names. Pure.

Such a row still counts, but not where its writer meant: an unknown size bounds no staff, another city's division lies in no
county, an unknown provider reports nothing.
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
"""A division code begins with its city's four digits."""


def unknown_words(ledger: Ledger, policy: Policy) -> list[str]:
    """Name every unknown word once, with the first line it stands on, how many rows have it, and the way out."""
    return [*_of_enterprises(ledger, policy), *_of_robots(ledger, policy), *_of_gateways(ledger)]


def _of_enterprises(ledger: Ledger, policy: Policy) -> list[str]:
    rows, divisions = ledger.enterprises, policy.division_codes
    cities = {code[:_CITY_DIGITS] for code in divisions}
    here: list[tuple[str, int]] = []
    foreign: list[tuple[str, int]] = []
    for row in rows:
        (here if row.division[:_CITY_DIGITS] in cities else foreign).append((row.division, row.line))
    clusters = [word for one in policy.clusters for word in (one.code, one.zh)]
    industries = {one.code for one in policy.industries}
    strange = ((row.industry, row.line) for row in rows if row.industry[:3] not in industries)
    levels = [code for level in policy.levels for code in (level.code, *level.former)]
    file = "enterprises.csv"
    return [
        *_unknown(file, "size", ((row.size, row.line) for row in rows), [size.code for size in policy.sizes]),
        *_unknown(file, "cloud_level", ((row.level, row.line) for row in rows), levels),
        *_unknown(file, "division", here, divisions, "no division of the policy"),
        *_unknown(
            file,
            "division",
            foreign,
            (),
            "a division of another city: counted in no county, correct it or strike it",
        ),
        *_unknown(file, "cluster", ((row.cluster, row.line) for row in rows), clusters),
        *_unknown(
            file, "industry", strange, (), f"of no industry of the policy: {', '.join(sorted(industries))}"
        ),
    ]


def _of_robots(ledger: Ledger, policy: Policy) -> list[str]:
    rows, file = ledger.robots, "robots.csv"
    categories = ((row.category, row.line) for row in rows)
    found = _unknown(file, "category", categories, policy.robots.categories)
    if ledger.invoices:
        known = {line.invoice for line in ledger.invoices}
        billed = _read(ledger, "invoices", ((row.invoice, row.line) for row in rows))
        what = "in no row of invoices.csv: add its lines or correct the number"
        found += _unknown(file, "invoice", billed, known, what)
    return found


def _of_gateways(ledger: Ledger) -> list[str]:
    """Name gateways that are bound, and providers that are claimed, but listed by no row of gateways.csv."""
    if not ledger.gateways:
        return []
    known = {row.gateway for row in ledger.gateways}
    bound = _read(ledger, "gateways", ((row.gateway, row.line) for row in ledger.bindings))
    found = _unknown("bindings.csv", "gateway", bound, known, "in no row of gateways.csv")
    providers = {row.provider for row in ledger.gateways if row.kind == "provider"}
    if providers:
        claimed = _read(ledger, "gateways", ((row.provider, row.line) for row in ledger.enterprises))
        what = "no provider of gateways.csv: enrol its reporter or correct the name"
        found += _unknown("enterprises.csv", "cloud_provider", claimed, providers, what)
    return found


def _read(ledger: Ledger, file: str, cells: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
    """Leave out words that a row names which could not be read: that row is told already."""
    unread = ledger.unread.get(file)
    return cells if unread is None else (cell for cell in cells if not unread.names(cell[0]))


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
