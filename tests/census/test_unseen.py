"""Is a character that nobody sees told by name, wherever a cell is an id or a code, and never part of one?"""

from __future__ import annotations

import pytest

from census.columns import FILES
from census.ledger import read_part
from census.unseen import first_unseen, without_unseen
from tests.census.test_bad_rows import GOOD

UNSEEN = {
    "\u200b": "U+200B ZERO WIDTH SPACE",
    "\u00ad": "U+00AD SOFT HYPHEN",
    "\ufeff": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
    "\u00a0": "U+00A0 NO-BREAK SPACE",
    "\u200e": "U+200E LEFT-TO-RIGHT MARK",
    "\u061c": "U+061C ARABIC LETTER MARK",
    "\u2060": "U+2060 WORD JOINER",
    "\u3164": "U+3164 HANGUL FILLER",
    "\ufe0f": "U+FE0F VARIATION SELECTOR-16",
    "\U000e0041": "U+E0041 TAG LATIN CAPITAL LETTER A",
}
CODES = [
    (file, column.name)
    for file, part in FILES.items()
    for column in part.columns
    if not column.is_text and GOOD[file][column.name]
]


@pytest.mark.parametrize("character", UNSEEN)
@pytest.mark.parametrize("place", ["front", "middle", "end"])
def test_every_code_and_id_refuses_what_nobody_sees(character: str, place: str) -> None:
    for file, name in CODES:
        cells = {key: cell.format(n=1) for key, cell in GOOD[file].items()}
        cell = cells[name]
        at = {"front": 0, "middle": len(cell) // 2, "end": len(cell)}[place]
        if file == "enterprises" and (name, at) == ("uscc", 0) and character == "\ufeff":
            continue
        cells[name] = cell[:at] + character + cell[at:]
        data = ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"
        rows, problems, unread = read_part(file, data.encode(), f"{file}.csv")
        assert (rows, unread.count) == ((), 1), (file, name)
        assert (problems[0].line, problems[0].key) == (2, name)
        assert UNSEEN[character] in problems[0].message, (file, name)
        assert unread.names(cell), "the row still names whom it is about"


def test_names_may_hold_what_a_word_processor_left() -> None:
    data = "uscc,name,status,division,from,to\nX1,温州\u00a0兴\u200b达,active,330302,,\n".encode()
    rows, problems, _ = read_part("registry", data, "registry.csv")
    assert (len(rows), problems) == (1, [])


def test_what_everybody_sees_is_left_alone() -> None:
    for text in ("温州 A-1", "\u3000", "é", "９１"):
        assert first_unseen(text) == ""
        assert without_unseen(text) == text
