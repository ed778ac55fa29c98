"""Is each of forty seeded mistakes, in whichever ledger file, reported with its file and line, and the rest counted?"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from census.columns import FILES
from census.ledger import load_ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS_A_FILE = 60
MISTAKES_A_FILE = 5
USCC = "91110000600037341L"

# Every column's good cell, made from the row's number.
GOOD: dict[str, dict[str, str]] = {
    "enterprises": {
        "uscc": USCC, "name": "企业{n}", "division": "330302", "cluster": "yongjia-valves", "industry": "C38", "size": "small",
        "cloud_claimed_on": "2018-03-01", "cloud_level": "level-1", "cloud_provider": "p", "evidence": "HT-{n}",
    },
    "robots": {
        "robot": "R{n}", "uscc": USCC, "workshop": "w", "cell": "c", "manufacturer": "ACME", "model": "Arm6", "serial": "S{n}",
        "category": "articulated", "axes": "6", "commissioned_on": "2018-03-01", "addition": "new", "contract": "", "invoice": "",
    },
    "invoices": {
        "invoice": "FP{n}", "line": "1", "uscc": USCC, "seller": "s", "manufacturer": "ACME", "model": "Arm6", "serial": "S{n}",
        "issued_on": "2018-02-01",
    },
    "bindings": {"robot": "R{n}", "gateway": "g1", "device": "d{n}", "from": "2018-03-01", "until": ""},
    "replacements": {"robot": "R{n}", "on": "2018-05-01", "old_serial": "S{n}", "new_serial": "T{n}", "document": "D{n}"},
    "gateways": {
        "gateway": "g{n}", "kind": "edge", "provider": "", "uscc": USCC, "workshop": "w", "public_key": "",
        "enrolled_on": "2018-01-01T08:00:00+08:00", "retired_on": "",
    },
    "registry": {"uscc": "X{n}", "name": "企业{n}", "status": "active", "division": "330302", "from": "2009-01-01", "to": ""},
    "named_lists": {"list": "cloud_benchmark", "uscc": "X{n}", "name": "企业{n}", "issued_on": "2018-06-01"},
}  # fmt: skip

_DATES = ["2018-13-01", "2018-02-30", "1.3.2018", "2018/03/01", "yesterday", "2018-3-1", "２０１８-03-01"]
_INSTANTS = ["2018-13-01", "2018-01-01T25:00:00", "soon"]
_TEXTS = ["x" * 600, '"a\x07b"', '"a\u202eb"']
WRONG: dict[str, list[str]] = {
    "robot": ["", "R 1", "机器人1", "r" * 65], "gateway": ["", "g/1"], "device": ["", "d 1"],
    "uscc": ["", "9" * 65], "division": ["3303", "鹿城区", "33030a"], "category": ["Articulated", "six axis", "关节"],
    "axes": ["six", "0", "-6", "6.0", "65", "６"], "addition": ["", "NEW", "bought"], "kind": ["", "cloud"],
    "status": ["", "alive"], "list": ["", "Cloud Benchmark"], "invoice": [""], "line": [""],
    "old_serial": [""], "new_serial": [""], "on": ["", *_DATES], "to": _DATES,
    "cloud_claimed_on": _DATES, "commissioned_on": _DATES, "issued_on": _DATES,
    "from": _INSTANTS, "until": _INSTANTS, "enrolled_on": _INSTANTS, "retired_on": _INSTANTS,
    "name": _TEXTS, "model": _TEXTS, "workshop": _TEXTS, "serial": _TEXTS, "document": _TEXTS, "evidence": _TEXTS,
}  # fmt: skip


def wrong_cell(rng: random.Random, file: str, cells: list[str]) -> list[str]:
    """Put one wrong cell into a row that is right."""
    choices = [
        (place, wrong)
        for place, column in enumerate(FILES[file].columns)
        for wrong in WRONG.get(column.name, ())
        if wrong or column.required
    ]
    place, wrong = rng.choice(choices)
    return [*cells[:place], wrong, *cells[place + 1 :]]


def wrong_width(rng: random.Random, _file: str, cells: list[str]) -> list[str]:
    """Lose a cell or gain one, as an unquoted comma does."""
    return cells[:-1] if rng.random() < 0.5 else [*cells, "another"]


def make(folder: Path, seed: int) -> dict[str, set[int]]:
    """Write a ledger with mistakes; gives file → lines that are wrong."""
    rng = random.Random(f"mistakes {seed}")
    mistakes: dict[str, set[int]] = {}
    for file, cells in GOOD.items():
        wrong = set(rng.sample(range(1, ROWS_A_FILE + 1), MISTAKES_A_FILE))
        lines = [",".join(cells)]
        for number in range(1, ROWS_A_FILE + 1):
            row = [cell.format(n=number) for cell in cells.values()]
            if number in wrong:
                spoil: Callable[[random.Random, str, list[str]], list[str]] = (
                    wrong_width if rng.random() < 0.2 else wrong_cell
                )
                row = spoil(rng, file, row)
            lines.append(",".join(row))
        (folder / f"{file}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        mistakes[f"{file}.csv"] = {number + 1 for number in wrong}
    return mistakes


@pytest.mark.parametrize("seed", range(12))
def test_forty_mistakes_are_reported_by_file_and_line_and_the_rest_counts(tmp_path: Path, seed: int) -> None:
    mistakes = make(tmp_path, seed)
    assert sum(map(len, mistakes.values())) == 40
    ledger = load_ledger(tmp_path)
    # A robot's bad row takes its binding and its papers with it: those are reported too, as claimed nowhere.
    told: dict[str, set[int]] = {}
    for problem in ledger.problems:
        if problem.line and "claimed nowhere" not in problem.message:
            assert problem.message
            told.setdefault(problem.file, set()).add(problem.line)
    assert told == mistakes
    for file in GOOD:
        rows = getattr(ledger, file)
        assert ledger.unread[file].count == MISTAKES_A_FILE
        assert len(rows) == ROWS_A_FILE - MISTAKES_A_FILE
        assert {row.line for row in rows} == set(range(2, ROWS_A_FILE + 2)) - mistakes[f"{file}.csv"]


def test_every_file_and_every_checked_column_can_be_wrong() -> None:
    assert set(GOOD) == set(FILES)
    for file, cells in GOOD.items():
        assert list(cells) == [column.name for column in FILES[file].columns]


def test_a_cell_is_quoted_to_hold_a_comma(tmp_path: Path) -> None:
    make(tmp_path, 1)
    path = tmp_path / "registry.csv"
    path.write_text(
        path.read_text(encoding="utf-8").splitlines()[0] + '\nX1,"甲,乙",active,330302,,\n', encoding="utf-8"
    )
    assert load_ledger(tmp_path).registry[0].name == "甲,乙"
