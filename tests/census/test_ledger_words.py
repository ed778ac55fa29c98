"""Is every word that the policy does not know told, once, with its line?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.ledger import Binding, GatewayRow, Ledger
from census.ledger_words import WORDS_MAX, unknown_words
from tests.census.samples import listing

if TYPE_CHECKING:
    from census.policy import Policy


def test_known_words_of_any_edition_and_foreign_cities_draw_no_word(policy: Policy) -> None:
    rows = (
        listing(size="micro", level="level-1", division="330302", line=2),
        listing(size="", level="", division="", line=3),
        listing(division="330322", line=4),  # Dongtou before it became 330305
        listing(division="310115", line=5),
    )
    assert unknown_words(Ledger(enterprises=rows), policy) == []


def test_unknown_words_are_told_once_each_with_their_first_line(policy: Policy) -> None:
    rows = tuple(listing(size="150", level="9", division="330399", line=line) for line in (2, 3))
    gateways = (GatewayRow("gw1", "edge", "", "", "", "", None, None),)
    bindings = (Binding("r1", "gw1", "d1", None, None, 2), Binding("r2", "gx", "d1", None, None, 3))
    ledger = Ledger(enterprises=rows, gateways=gateways, bindings=bindings)
    told = unknown_words(ledger, policy)
    assert [line.split(": ")[0] for line in told] == ["enterprises.csv:2:0"] * 3 + ["bindings.csv:3:0"]
    assert "size: '150' is none of micro, small" in told[0]
    assert "(2 rows)" in told[0]
    assert "'gx' is in no row of gateways.csv" in told[3]


def test_a_column_of_nonsense_is_counted_beyond_a_bound(policy: Policy) -> None:
    rows = tuple(listing(size=f"s{line}", line=line) for line in range(WORDS_MAX + 5))
    told = unknown_words(Ledger(enterprises=rows), policy)
    assert len(told) == WORDS_MAX + 1
    assert told[-1] == "enterprises.csv: size: 5 further unknown words"
