"""Is every word that the policy does not know told, once, with its line?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from census.ledger import Binding, GatewayRow, InvoiceLine, Ledger, read_part
from census.ledger_words import WORDS_MAX, unknown_words
from census.unread import Unread, words_of
from tests.census.samples import claim, listing

if TYPE_CHECKING:
    from census.policy import Policy


def test_known_words_of_any_edition_draw_no_word(policy: Policy) -> None:
    rows = (
        listing(size="micro", level="level-1", division="330302", line=2),
        listing(size="", level="", division="", line=3),
        listing(division="330322", line=4),  # Dongtou before it became 330305
        listing(cluster="yongjia-valves", industry="C3812", line=5),
        listing(cluster="永嘉泵阀产业集群", line=6),
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


def test_every_unknown_word_of_a_claim_is_told_with_file_line_key_and_way_out(policy: Policy) -> None:
    ledger = Ledger(
        enterprises=(
            listing(
                cluster="yueqing-electricl", industry="Z99", provider="nobody", division="110101", line=7
            ),
            listing(provider="p", line=8),
        ),
        robots=(claim(category="artikulated", invoice="FP-9", line=4), claim(invoice="FP-1", line=5)),
        invoices=(InvoiceLine("FP-1", "1", "", "", "", "", "", None),),
        gateways=(GatewayRow("rep", "provider", "p", "", "", "", None, None),),
    )
    told = {line.split(": ")[1]: line for line in unknown_words(ledger, policy)}
    assert set(told) == {"division", "cluster", "industry", "cloud_provider", "category", "invoice"}
    assert told["cluster"].startswith(
        "enterprises.csv:7:0: cluster: 'yueqing-electricl' is none of yueqing-electrical, "
    )
    assert "of no industry of the policy: C17," in told["industry"]
    assert told["cloud_provider"].endswith("enrol its reporter or correct the name (1 rows)")
    assert "'110101' is a division of another city" in told["division"]
    assert told["category"].startswith("robots.csv:4:0: category: 'artikulated' is none of articulated")
    assert "'FP-9' is in no row of invoices.csv" in told["invoice"]


def test_a_word_that_an_unread_row_names_is_told_there(policy: Policy) -> None:
    ledger = Ledger(
        robots=(claim(invoice="FP-9"),),
        invoices=(InvoiceLine("FP-1", "1", "", "", "", "", "", None),),
        unread={"invoices": Unread([words_of(["FP-9", "", "x"])])},
    )
    assert unknown_words(ledger, policy) == []


@pytest.mark.parametrize(
    ("file", "row", "key"),
    [
        ("bindings", "robot,gateway,device,from,until\nR1,g,d,2018-02-01,2018-01-01\n", "until"),
        ("registry", "uscc,name,status,division,from,to\nX,n,active,,2018-02-01,2018-01-01\n", "to"),
        (
            "gateways",
            "gateway,kind,provider,uscc,workshop,public_key,enrolled_on,retired_on\ng,edge,,,,,2018-02-01,2018-01-01\n",
            "retired_on",
        ),
    ],
)
def test_what_ends_before_it_begins_is_told_and_speaks_for_nobody(file: str, row: str, key: str) -> None:
    rows, problems, unread = read_part(file, row.encode(), f"{file}.csv")
    assert rows == ()
    assert (problems[0].line, problems[0].key, problems[0].hint) == (2, key, "are the two exchanged?")
    assert unread.count == 1
