from __future__ import annotations

import time
from pathlib import Path

import pytest

from census.calendar import day_start_ms, parse_day
from census.csv_rows import PROBLEMS_MAX
from census.ledger import Ledger, load_ledger, read_part
from census.uscc import fault
from telemetry.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config" / "ledgers" / "example"
ROBOTS = "robot,uscc,workshop,cell,manufacturer,model,serial,category,axes,commissioned_on,addition,contract,invoice"
GOOD = "R1,91110000600037341L,w,c,ACME,Arm6,S1,articulated,6,2018-01-05,new,HT,FP"


def robots(*lines: str, header: str = ROBOTS) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def test_the_example_ledger_is_whole() -> None:
    ledger = load_ledger(EXAMPLE)
    assert ledger.problems == ()
    assert (len(ledger.robots), len(ledger.enterprises)) == (3, 4)
    assert all(fault(row.uscc) == "" for row in ledger.enterprises)
    assert ledger.robots[0].commissioned_day == parse_day("2018-01-08")
    assert ledger.bindings[0].from_ms == day_start_ms(parse_day("2018-01-08"))
    assert ledger.bindings[0].until_ms is None


BAD_ROWS = [
    (GOOD.replace("R1,", ",", 1), "robot", "must not be empty"),
    (GOOD.replace("R1", "R 2"), "robot", "expected an id"),
    (GOOD.replace("91110000600037341L", ""), "uscc", "must not be empty"),
    (GOOD.replace(",6,", ",six,"), "axes", "whole number"),
    (GOOD.replace(",6,", ",0,"), "axes", "whole number"),
    (GOOD.replace(",6,", ",-6,"), "axes", "whole number"),
    (GOOD.replace(",6,", ",６,"), "axes", "whole number"),
    (GOOD.replace("2018-01-05", "5.1.2018"), "commissioned_on", "expected a date"),
    (GOOD.replace("2018-01-05", "2018-02-30"), "commissioned_on", "expected a date"),
    (GOOD.replace(",new,", ",brand new,"), "addition", "expected one of new, relocated"),
    (GOOD.replace(",new,", ",,"), "addition", "must not be empty"),
    (GOOD.replace("articulated", "Articulated Robot"), "category", "small letters"),
    (GOOD.replace("Arm6", "A" * 600), "model", "longer than"),
    (GOOD.replace("Arm6", '"Arm\u202e6"'), "model", "control characters"),
    (GOOD + ",one more", "", "14 cells, the header has 13"),
    ("R1", "", "1 cells, the header has 13"),
]


@pytest.mark.parametrize(("row", "column", "words"), BAD_ROWS)
def test_a_bad_row_is_a_problem_and_the_rest_is_counted(row: str, column: str, words: str) -> None:
    rows, problems, _ = read_part("robots", robots("", row, GOOD.replace("R1", "R9")), "robots.csv")
    assert [claim.robot for claim in rows] == ["R9"]
    assert len(problems) == 1
    assert (problems[0].file, problems[0].line, problems[0].key) == ("robots.csv", 3, column)
    assert words in problems[0].message


def test_a_wrong_check_digit_is_no_bad_row_but_a_finding() -> None:
    rows, problems, _ = read_part("robots", robots(GOOD.replace("41L", "41M")), "robots.csv")
    assert (len(rows), problems) == (1, [])


def test_full_width_and_small_letters_are_spelling() -> None:
    rows, _, _ = read_part(
        "robots", robots(GOOD.replace("91110000600037341L", "９1110000600037341l")), "robots.csv"
    )
    assert rows[0].uscc == "91110000600037341L"


def test_a_key_given_twice_counts_once_and_is_reported() -> None:
    rows, problems, _ = read_part("robots", robots(GOOD, GOOD), "robots.csv")
    assert len(rows) == 1
    assert "given twice (first on line 2)" in str(problems[0])


def test_unknown_and_missing_columns_are_reported() -> None:
    header = ROBOTS.replace("serial", "serail").replace(",contract", "")
    rows, problems, _ = read_part("robots", robots(GOOD.replace(",HT", ""), header=header), "robots.csv")
    assert [(problem.key, problem.hint) for problem in problems] == [
        ("serail", "did you mean 'serial'?"),
        ("serial", ""),
        ("contract", ""),
    ]
    assert rows[0].serial == ""


def test_without_a_required_column_no_row_counts() -> None:
    rows, problems, _ = read_part("robots", robots(GOOD, header=ROBOTS.replace("uscc", "code")), "robots.csv")
    assert rows == ()
    assert {problem.key for problem in problems} == {"uscc", "code"}


def test_columns_may_stand_in_any_order_behind_a_byte_order_mark() -> None:
    data = "\ufeffuntil,robot,device,gateway,from\n,R1,d,g,2018-01-05\n".encode()
    rows, problems, _ = read_part("bindings", data, "bindings.csv")
    assert problems == []
    assert (rows[0].robot, rows[0].gateway, rows[0].device) == ("R1", "g", "d")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("名称".encode("gb18030"), "not UTF-8"),
        (b'robot,gateway,device,from,until\n"R1', "quotes do not hold"),
        (b"", "this column is missing"),
    ],
)
def test_a_file_that_is_no_csv_is_reported(data: bytes, words: str) -> None:
    rows, problems, _ = read_part("bindings", data, "bindings.csv")
    assert rows == ()
    assert words in problems[0].message


def test_problems_are_bounded() -> None:
    _, problems, _ = read_part("robots", robots(*["x"] * 500), "robots.csv")
    assert len(problems) == PROBLEMS_MAX + 1
    assert "300 more" in problems[-1].message


def test_a_directory_without_claims_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a ledger"):
        load_ledger(tmp_path)


def test_a_binding_of_a_robot_nobody_claims_is_reported(tmp_path: Path) -> None:
    (tmp_path / "robots.csv").write_bytes(robots(GOOD))
    (tmp_path / "bindings.csv").write_text("robot,gateway,device,from,until\nR2,g,d,,\n")
    assert "R2 is claimed nowhere" in str(load_ledger(tmp_path).problems[0])


def test_the_digest_tells_every_byte(tmp_path: Path) -> None:
    def digest(text: bytes) -> str:
        (tmp_path / "robots.csv").write_bytes(text)
        return load_ledger(tmp_path).digest

    assert digest(robots(GOOD)) == digest(robots(GOOD))
    assert digest(robots(GOOD)) != digest(robots(GOOD.replace("2018-01-05", "2018-01-06")))


def test_a_city_loads_in_one_pass(tmp_path: Path) -> None:
    """Sixteen thousand rows twice take a quarter of a second; the bound only catches a change of order."""
    row = "91110000600037341L,示例有限公司,330302,,C38,small,2018-01-05,infrastructure,p,x"
    head = "uscc,name,division,cluster,industry,size,cloud_claimed_on,cloud_level,cloud_provider,evidence"
    (tmp_path / "enterprises.csv").write_text("\n".join([head, *[row] * 16_000]), encoding="utf-8")
    start = time.process_time()
    ledger: Ledger = load_ledger(tmp_path)
    assert len(ledger.enterprises) == 16_000
    assert time.process_time() - start < 5
