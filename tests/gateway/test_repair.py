from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from gateway import cli as cli_module
from gateway.inspection import buffer_problems, buffer_stat, waiting_batches
from gateway.keys import load_private_key
from gateway.lock import Locked
from gateway.outbox import Outbox
from gateway.outbox_records import Cursor, read_json, write_json
from gateway.outbox_segments import read_segment
from gateway.repair import repair_buffer
from telemetry.seal import read_lines, read_seal
from tests.gateway.conftest import NOW_MS, assert_books, machine, seal_time

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Site


def _open(site: Site) -> Outbox:
    return Outbox.open(site.state_dir / "outbox", "g1", load_private_key(site.key_file))


@pytest.fixture
def filled(site: Site) -> Site:
    outbox = _open(site)
    for number in range(6):
        outbox.append([machine(NOW_MS + number * 60_000, 10)], seal_time())
    outbox.ack(1)
    outbox.ack(3)
    outbox.close()
    return site


def _rot(site: Site, index: int) -> None:
    """Flip a bit in the batch of an index."""
    data = dict(waiting_batches(site.state_dir, everything=True))[index]
    (segment,) = (site.state_dir / "outbox").glob("*.seg")
    content = bytearray(segment.read_bytes())
    content[content.index(data) + len(data) // 2] ^= 4
    segment.write_bytes(bytes(content))


def test_what_waits_comes_out_byte_for_byte(
    filled: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert [index for index, _ in waiting_batches(filled.state_dir)] == [2, 4, 5, 6]
    assert [index for index, _ in waiting_batches(filled.state_dir, everything=True)] == [1, 2, 3, 4, 5, 6]
    monkeypatch.setattr(cli_module, "_site", lambda _: filled)
    result = CliRunner().invoke(cli_module.gateway, ["buffer", "export", "site.yaml"])
    assert result.exit_code == 0
    assert result.stdout_bytes == b"".join(data for _, data in waiting_batches(filled.state_dir))
    words = ["buffer", "export", "site.yaml", "--to", str(tmp_path / "out")]
    assert CliRunner().invoke(cli_module.gateway, words).exit_code == 0
    seqs = [read_seal(path.read_bytes()).seal.seq for path in sorted((tmp_path / "out").iterdir())]
    assert seqs == [2, 4, 5, 6]


def test_a_buffer_that_never_was_is_sound(site: Site) -> None:
    assert repair_buffer(site) == []
    assert list(waiting_batches(site.state_dir)) == []


def test_a_sound_buffer_is_left_as_it_is(filled: Site) -> None:
    before = {path: path.read_bytes() for path in filled.state_dir.rglob("*.seg")}
    assert repair_buffer(filled) == []
    assert {path: path.read_bytes() for path in filled.state_dir.rglob("*.seg")} == before


def test_rot_is_set_aside_and_declared_and_the_rest_is_delivered(filled: Site) -> None:
    _rot(filled, 4)
    told = repair_buffer(filled)
    assert any("batch 4 is rotten" in line for line in told)
    assert any("10 readings quarantined" in line for line in told)
    assert any("quarantine/" in line for line in told)
    assert repair_buffer(filled) == []
    outbox = _open(filled)
    assert outbox.stat().quarantined == 10
    assert [owed.readings for owed in outbox.owed()] == [10]
    waiting = [index for index in range(1, 7) if not outbox.is_done(index)]
    assert waiting == [2, 5, 6]
    assert_books(outbox)
    outbox.close()


@pytest.mark.parametrize("spoiled", [b"", b"\0" * 300, b"{}"])
def test_a_lost_cursor_is_made_anew_and_all_is_sent_again(filled: Site, spoiled: bytes) -> None:
    (filled.state_dir / "outbox" / "cursor.json").unlink()
    if spoiled:
        (filled.state_dir / "outbox" / "cursor.json").write_bytes(spoiled)
    _, problems = buffer_problems(filled.state_dir, filled.key_file)
    assert any("cursor.json" in problem for problem in problems)
    place = _place(filled)
    assert buffer_stat(filled.state_dir)["batches_waiting"] == 6
    assert any("cursor" in line for line in repair_buffer(filled))
    assert buffer_problems(filled.state_dir, filled.key_file) == (6, [])
    assert [index for index, _ in waiting_batches(filled.state_dir)] == [1, 2, 3, 4, 5, 6]
    outbox = _open(filled)
    assert (outbox.place.seq, outbox.place.prev) == place
    outbox.close()


def _segments(site: Site) -> list[Path]:
    return sorted((site.state_dir / "outbox").glob("*.seg"))


@pytest.fixture
def filled_twice(filled: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Two segments: batches 1 to 6 (2, 4, 5, 6 waiting), then 7 and 8."""
    monkeypatch.setattr("gateway.outbox_segments.SEGMENT_BYTES", 100)
    outbox = _open(filled)
    for number in range(6, 8):
        outbox.append([machine(NOW_MS + number * 60_000, 10)], seal_time())
    outbox.close()
    return filled


@pytest.mark.parametrize("spoil", ["gone", "empty"])
def test_a_segment_that_is_gone_or_empty_is_told(filled_twice: Site, spoil: str) -> None:
    first = _segments(filled_twice)[0]
    if spoil == "gone":
        first.unlink()
    else:
        first.write_bytes(b"")
    told = repair_buffer(filled_twice)
    assert "outbox: 40 readings quarantined" in told
    assert repair_buffer(filled_twice) == []
    outbox = _open(filled_twice)
    assert [index for index in range(1, 9) if not outbox.is_done(index)] == [7, 8]
    assert_books(outbox)
    outbox.close()


def test_an_empty_file_beyond_the_end_is_nobodys_and_stops_nothing(filled: Site) -> None:
    strange = filled.state_dir / "outbox" / "999999999999-000000000000000.seg"
    strange.touch()
    checked, problems = buffer_problems(filled.state_dir, filled.key_file)
    assert (checked, [strange.name in problem for problem in problems]) == (6, [True])
    outbox = _open(filled)
    outbox.append([machine(NOW_MS + 600_000, 10)], seal_time())
    assert [index for index in range(1, 8) if not outbox.is_done(index)] == [2, 4, 5, 6, 7]
    for index in (2, 4, 5, 6, 7):
        assert outbox.batch(index) is not None
        outbox.ack(index)
    assert outbox.next_unsent() is None
    assert outbox.stat().quarantined == 0
    assert_books(outbox)
    outbox.close()
    assert strange.stat().st_size == 0


def test_a_file_that_a_gateway_removes_meanwhile_is_no_problem(
    filled_twice: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _segments(filled_twice)[0]

    def read(path: Path) -> bytes:
        first.unlink(missing_ok=True)
        return read_segment(path)

    monkeypatch.setattr("gateway.inspection.read_segment", read)
    assert buffer_problems(filled_twice.state_dir, filled_twice.key_file)[1] == []
    assert [index for index, _ in waiting_batches(filled_twice.state_dir)] == [7, 8]


@pytest.mark.parametrize("kind", ["the lock is a directory", "state_dir is a file"])
def test_a_state_dir_that_cannot_be_is_a_message(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(cli_module, "_site", lambda _: site)
    if kind == "state_dir is a file":
        site.state_dir.write_bytes(b"")
    else:
        (site.state_dir / "outbox" / "lock").mkdir(parents=True)
    for words in (
        ["run", "site.yaml"],
        ["buffer", "replaced", "site.yaml"],
        ["buffer", "repair", "site.yaml"],
    ):
        if kind == "state_dir is a file" and words[1] == "repair":
            continue
        result = CliRunner().invoke(cli_module.gateway, words)
        assert result.exit_code == 2, (words, result.output, result.exception)
        assert "state_dir" in result.output
        assert "cannot be written" in result.output


def _place(site: Site) -> tuple[int, str]:
    last = read_seal([data for _, data in waiting_batches(site.state_dir, everything=True)][-1])
    return last.seal.seq + 1, last.hash


def test_an_account_that_does_not_add_up_is_told(filled: Site) -> None:
    path = filled.state_dir / "outbox" / "cursor.json"
    cursor = read_json(path, Cursor)
    assert cursor is not None
    cursor.delivered -= 10
    write_json(path, cursor)
    _, problems = buffer_problems(filled.state_dir, filled.key_file)
    assert problems == ["40 readings wait on disk, the account says 50"]


def test_a_running_gateways_buffer_is_not_repaired(filled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = _open(filled)
    with pytest.raises(Locked):
        repair_buffer(filled)
    monkeypatch.setattr(cli_module, "_site", lambda _: filled)
    assert CliRunner().invoke(cli_module.gateway, ["buffer", "repair", "site.yaml"]).exit_code == 75
    outbox.close()
    result = CliRunner().invoke(cli_module.gateway, ["buffer", "repair", "site.yaml"])
    assert (result.exit_code, result.output) == (0, "sound\n")


def test_a_box_that_replaces_another_says_so_in_its_first_batch(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_module, "_site", lambda _: site)
    result = CliRunner().invoke(cli_module.gateway, ["buffer", "replaced", "site.yaml"])
    assert result.exit_code == 0, result.output
    outbox = _open(site)
    assert outbox.place.epoch in result.output
    [batch] = outbox.append([machine(NOW_MS, 10)], seal_time())
    outbox.close()
    reasons = [line.fields["reason"] for line in read_lines(batch) if line.measurement == "epoch"]
    assert reasons == ["replaced"]
    again = CliRunner().invoke(cli_module.gateway, ["buffer", "replaced", "site.yaml"])
    assert again.exit_code == 2
    assert "has a buffer already" in again.output
    assert "empty state_dir" in again.output
