from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.inspection import buffer_problems, buffer_stat
from gateway.keys import load_private_key, new_key
from gateway.outbox import Outbox
from telemetry.errors import ConfigError
from telemetry.seal import write_public_key
from tests.gateway.conftest import NOW_MS, machine, seal_time

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Site


@pytest.fixture
def filled(site: Site) -> Site:
    outbox = Outbox.open(site.state_dir / "outbox", "g1", load_private_key(site.key_file))
    for number in range(5):
        outbox.append([machine(NOW_MS + number * 60_000, 10)], seal_time())
    outbox.ack(1)
    outbox.close()
    return site


def test_a_sound_buffer_has_no_problems_and_is_not_touched(filled: Site) -> None:
    before = {path: path.read_bytes() for path in filled.state_dir.rglob("*") if path.is_file()}
    assert buffer_problems(filled.state_dir, filled.key_file) == (5, [])
    stat = buffer_stat(filled.state_dir)
    assert (stat["batches_waiting"], stat["readings_buffered"], stat["readings_delivered"]) == (4, 40, 10)
    assert before == {path: path.read_bytes() for path in filled.state_dir.rglob("*") if path.is_file()}


def test_rot_and_a_torn_tail_are_told(filled: Site) -> None:
    [segment] = (filled.state_dir / "outbox").glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data) + b"torn")
    checked, problems = buffer_problems(filled.state_dir, filled.key_file)
    assert checked == 4
    assert len(problems) == 2
    assert "rotten" in problems[0]
    assert "torn tail" in problems[1]


def test_a_foreign_signature_is_told(filled: Site, tmp_path: Path) -> None:
    new_key(tmp_path / "other.key")
    _, problems = buffer_problems(filled.state_dir, tmp_path / "other.key")
    assert len(problems) == 5
    assert all("not signed by this gateway's key" in problem for problem in problems)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_a_config_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "k"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="is not a private key"):
        load_private_key(path)


def test_the_printed_public_key_is_the_files(tmp_path: Path) -> None:
    printed = new_key(tmp_path / "k")
    assert printed == write_public_key(load_private_key(tmp_path / "k").public_key())
