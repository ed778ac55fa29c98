from __future__ import annotations

import itertools
import os
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import outbox_segments
from gateway.frames import Scan, scan_frames
from gateway.lock import Locked
from gateway.outbox import Outbox
from telemetry.errors import ConfigError
from telemetry.seal import GENESIS, ChainPlace, read_lines, signature_holds
from tests.gateway.conftest import NOW_MS, Box, assert_books, fill, machine, seal_time


def test_batches_are_chained_signed_and_come_back_unchanged(box: Box) -> None:
    outbox = box.open()
    sealed = []
    for number in range(5):
        sealed += outbox.append([machine(NOW_MS + number * 60_000)], seal_time())
    assert [batch.seal.seq for batch in sealed] == [1, 2, 3, 4, 5]
    assert sealed[0].seal.prev == GENESIS
    assert all(after.seal.prev == before.hash for before, after in itertools.pairwise(sealed))
    assert all(signature_holds(batch.seal, box.key.public_key()) for batch in sealed)
    assert [outbox.batch(index) for index in range(1, 6)] == sealed
    outbox.close()
    again = box.open()
    assert [again.batch(index) for index in range(1, 6)] == sealed
    [batch] = again.append([machine(NOW_MS + 600_000)], seal_time())
    assert (batch.seal.seq, batch.seal.prev, batch.seal.epoch) == (6, sealed[-1].hash, sealed[0].seal.epoch)
    again.close()


def _epoch_fields(outbox: Outbox, index: int) -> list[dict[str, object]]:
    batch = outbox.batch(index)
    assert batch is not None
    return [dict(line.fields) for line in read_lines(batch) if line.measurement == "epoch"]


def test_the_first_batch_of_an_epoch_says_why_it_began(box: Box) -> None:
    outbox = box.open()
    fill(outbox, 2)
    assert _epoch_fields(outbox, 1) == [{"reason": "first"}]
    assert _epoch_fields(outbox, 2) == []
    outbox.close()


def test_a_lost_outbox_begins_an_epoch_that_names_the_last_place(box: Box) -> None:
    outbox = box.open()
    fill(outbox, 3)
    last = outbox.batch(3)
    assert last is not None
    outbox.close()
    shutil.rmtree(box.directory)
    again = box.open()
    fill(again, 1)
    assert _epoch_fields(again, 1) == [
        {
            "reason": "outbox_lost",
            "previous": last.seal.epoch,
            "previous_seq": 3,
            "previous_hash": last.hash,
        }
    ]
    again.close()


def test_a_new_key_begins_an_epoch_and_keeps_the_old_batches(box: Box) -> None:
    outbox = box.open()
    fill(outbox, 1)
    old = outbox.batch(1)
    outbox.close()
    box.key = Ed25519PrivateKey.generate()
    again = box.open()
    fill(again, 1, start=1)
    assert again.batch(1) == old
    assert _epoch_fields(again, 2)[0]["reason"] == "key_changed"
    again.close()


def test_another_gateways_outbox_is_refused(box: Box) -> None:
    outbox = box.open()
    fill(outbox, 1)
    outbox.close()
    with pytest.raises(ConfigError, match="belongs to gateway 'g1'"):
        box.open(gateway="g2")
    box.open().close()


def test_a_second_writer_is_told_the_first_ones_pid(box: Box) -> None:
    outbox = box.open()
    with pytest.raises(Locked, match=f"process {os.getpid()}"):
        box.open()
    outbox.close()
    box.open().close()


def test_adopt_goes_on_with_a_chain(box: Box) -> None:
    place = ChainPlace("g1", "a" * 32, 42, "b" * 64)
    Outbox.adopt(box.directory, place)
    outbox = box.open()
    assert outbox.place == place
    [batch] = outbox.append([machine(NOW_MS)], seal_time())
    assert (batch.seal.epoch, batch.seal.seq, batch.seal.prev) == ("a" * 32, 42, "b" * 64)
    assert _epoch_fields(outbox, 1) == []
    outbox.close()
    with pytest.raises(FileExistsError):
        Outbox.adopt(box.directory, place)


def test_acks_in_any_order_and_a_file_goes_only_behind_the_cursor(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_segments, "SEGMENT_BYTES", 1)
    outbox = box.open()
    fill(outbox, 6)
    assert len(list(box.directory.glob("*.seg"))) == 6
    for index in (6, 3, 1):
        outbox.ack(index)
        outbox.ack(index)
    outbox.flush()
    assert outbox.next_unsent() == 2
    assert outbox.next_unsent(skip={2}) == 4
    assert outbox.stat().delivered == 30
    assert len(list(box.directory.glob("*.seg"))) == 5
    outbox.ack(2)
    outbox.flush()
    assert len(list(box.directory.glob("*.seg"))) == 3
    outbox.close()
    again = box.open()
    assert [index for index in range(1, 7) if not again.is_done(index)] == [4, 5]
    for index in (4, 5):
        again.ack(index)
    assert again.next_unsent() is None
    assert again.stat().buffered == 0
    again.close()
    # The last file stays, for it tells where the chain stands; and no seq comes twice.
    assert len(list(box.directory.glob("*.seg"))) == 1
    assert box.open().place.seq == 7


def test_a_dead_letter_is_kept_and_declared_by_device(box: Box) -> None:
    outbox = box.open()
    rows = [machine(NOW_MS, 7, "r1"), machine(NOW_MS, 5, "r2")]
    [batch] = outbox.append(rows, seal_time())
    outbox.dead_letter(1, "HTTP 400")
    assert [(owed.device, owed.readings) for owed in outbox.owed()] == [("r1", 7), ("r2", 5)]
    assert all("seq=1" in owed.reason and batch.hash in owed.reason for owed in outbox.owed())
    [file] = (box.directory / "dead").iterdir()
    assert file.read_bytes() == batch.data
    assert outbox.stat().dead_lettered == 12
    assert_books(outbox)
    outbox.close()
    assert len(box.open().owed()) == 2


def test_a_conflict_seals_what_is_unsent_anew(box: Box) -> None:
    outbox = box.open()
    fill(outbox, 3)
    old, last = outbox.place.epoch, outbox.place.prev
    outbox.ack(1)
    assert outbox.conflict([2, 3], seal_time()) == 2
    assert outbox.next_unsent() == 4
    assert _epoch_fields(outbox, 4)[0] == {
        "reason": "conflict",
        "previous": old,
        "previous_seq": 3,
        "previous_hash": last,
    }
    fresh = [outbox.batch(index) for index in (4, 5)]
    assert [batch.seal.seq for batch in fresh if batch] == [1, 2]
    assert {batch.seal.epoch for batch in fresh if batch} == {outbox.place.epoch} != {old}
    assert outbox.stat().buffered == 20
    assert_books(outbox)
    outbox.close()
    again = box.open()
    assert again.next_unsent() == 4
    assert again.stat().buffered == 20
    again.close()


def test_a_large_seal_is_split_under_the_bound_and_written_whole(box: Box) -> None:
    outbox = box.open()
    rows = [machine(NOW_MS, 1, f"device-{number:060d}") for number in range(9000)]
    batches = outbox.append(rows, seal_time())
    assert len(batches) > 1
    assert sum(batch.seal.count for batch in batches) == 9001
    [segment] = box.directory.glob("*.seg")
    assert len(scan_frames(segment.read_bytes()).frames) == 1
    outbox.close()


def test_a_late_row_of_the_same_window_goes_into_the_next_batch(box: Box) -> None:
    outbox = box.open()
    batches = outbox.append([machine(NOW_MS, 1), machine(NOW_MS, 2), machine(NOW_MS, 3)], seal_time())
    assert [batch.seal.seq for batch in batches] == [1, 2, 3]
    assert outbox.stat().buffered == 6
    outbox.close()


def test_a_start_reads_only_the_tail(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_segments, "SEGMENT_BYTES", 1)
    outbox = box.open()
    fill(outbox, 30)
    outbox.close()
    read: list[int] = []

    def counting(data: bytes) -> Scan:
        read.append(len(data))
        return scan_frames(data)

    monkeypatch.setattr(outbox_segments, "scan_frames", counting)
    again = box.open()
    assert again.stat().batches == 30
    assert len(read) <= 2 + 1
    again.close()
