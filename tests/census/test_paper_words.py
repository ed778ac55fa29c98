"""Does a simulated city's paperwork speak the policy's words, and is a receipt of no believable time told?"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from census.city import RECEIVED, _bytes, _rows, open_rows
from census.csv_rows import read_rows
from census.ledger import Ledger, load_ledger
from census.ledger_words import unknown_words
from census.places import Places
from simulators import codes
from telemetry.errors import ConfigError
from tests.census.samples import listing

if TYPE_CHECKING:
    from pathlib import Path

    from census.policy import Policy


def test_a_simulated_city_speaks_the_policys_words(policy: Policy) -> None:
    rng = Random("paper")
    rows = tuple(
        listing(
            uscc=codes.uscc(rng),
            division=codes.division(rng),
            cluster=rng.choice(codes.CLUSTERS),
            industry=rng.choice(codes.INDUSTRIES),
            size=rng.choice(codes.SIZES),
        )
        for _ in range(200)
    )
    ledger = Ledger(enterprises=rows)
    assert unknown_words(ledger, policy) == []
    places = Places(ledger, policy)
    named = {places.judged(row.uscc, None, None).cluster for row in rows}  # type: ignore[arg-type]
    assert {one.code for one in policy.clusters} <= named


@pytest.mark.parametrize("received", ["0", "1515686550", "253402300799999", "999999999999999999", "-5"])
def test_a_receipt_of_no_believable_time_is_a_bad_line(received: str) -> None:
    data = f"gateway,epoch,seq,received_ms\ng,{'e' * 32},1,{received}\ng,{'e' * 32},2,1515686550001\n"
    records, problems, _ = read_rows(data.encode(), "received.csv", RECEIVED)
    assert [record.line for record in records] == [3]
    assert (problems[0].line, problems[0].key) == (2, "received_ms")


@pytest.mark.parametrize("data", ["", "gateway,epoch\n", "\ufffe"])
def test_a_folder_whose_receipts_cannot_be_read_is_no_city(data: str, tmp_path: Path) -> None:
    (tmp_path / "received.csv").write_text(data, encoding="utf-16")
    with pytest.raises(ConfigError):
        _rows(tmp_path, "received.csv", RECEIVED)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("robots.csv", "received.csv"):
        os.mkfifo(tmp_path / name)
    assert _bytes(tmp_path / "received.csv", tmp_path) == b""
    with pytest.raises(ConfigError, match="no regular file"):
        load_ledger(tmp_path)


@pytest.mark.parametrize(
    ("told", "file"),
    [
        ('{"log_size": 1e400, "last_received_ms": 1515686550001}', ""),
        ('{"log_size": 5, "last_received_ms": 253402300799999}', ""),
        ('{"log_size": 5, "last_received_ms": 1515686550001}', ""),
        ('{"log_size": 5, "last_received_ms": 1515686550001}', "machine/day=2018-01-08/0-5c.parquet"),
        ('{"log_size": 5, "last_received_ms": 1515686550001}', "machine/day=2018-99-99/0-5c.parquet"),
    ],
)
def test_a_folder_of_rows_that_are_none_is_told(told: str, file: str, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(told)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "keys.csv").write_text("gateway,kind,public_key,from,until,revoked\n")
    if file:
        (tmp_path / "rows" / file).parent.mkdir(parents=True)
        (tmp_path / "rows" / file).write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=file or r"rows"):
        open_rows(tmp_path)
