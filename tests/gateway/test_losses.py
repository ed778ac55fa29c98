from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ballast import Ballast
from gateway.losses import Refusals, dead_letter_losses, loss_row, owed_row
from gateway.outbox_records import Owed
from gateway.packing import PACK_BYTES, counted_readings, pack_rows, row_bytes
from gateway.profile_shelf import ProfileShelf
from telemetry.line import Row
from telemetry.seal import GENESIS, ChainPlace, seal_batch
from tests.gateway.conftest import NOW_MS, PROFILE, PROFILE_ID, PROFILE_TEXT, machine, seal_time

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def test_refusals_are_counted_by_device_and_reason() -> None:
    refusals = Refusals.none()
    for at_ms in (5, 3, 9):
        refusals.add("r1", "disk_full", at_ms)
    refusals.add("r2", "outbox_full", 4)
    rows = refusals.rows("g1")
    assert [(row.tags["device"], row.tags["reason"]) for row in rows] == [
        ("r1", "disk_full"),
        ("r2", "outbox_full"),
    ]
    assert rows[0].fields == {"from_ms": 3, "to_ms": 9, "readings": 0, "polls": 3}
    assert refusals.polls == 4
    refusals.clear()
    assert refusals.rows("g1") == []


def test_an_owed_loss_without_a_time_is_dated_now() -> None:
    row = owed_row("g1", Owed("q1", "g1", "outbox_rotten", 0, 0, 7), NOW_MS)
    assert (row.time_ms, row.fields["from_ms"], row.fields["readings"]) == (NOW_MS, NOW_MS, 7)


def test_a_reason_from_outside_cannot_break_a_line() -> None:
    row = loss_row("g1", "r1", "x\ny" * 500, from_ms=1, to_ms=2, readings=0)
    assert row_bytes(row) > 0


def test_a_dead_letter_that_holds_no_machine_row_still_has_its_loss(key: Ed25519PrivateKey) -> None:
    row = Row("identity", {"device": "r1", "gateway": "g1"}, {"source": "fc43"}, NOW_MS)
    batch = seal_batch([row], ChainPlace("g1", "a" * 32, 9, GENESIS), seal_time(), key)
    [owed] = dead_letter_losses(batch)
    assert (owed.device, owed.readings) == ("g1", 0)
    assert batch.hash in owed.reason


def test_a_dead_letters_loss_spans_all_of_a_devices_rows(key: Ed25519PrivateKey) -> None:
    rows = [machine(NOW_MS + 60_000, 2), machine(NOW_MS, 3)]
    batch = seal_batch(rows, ChainPlace("g1", "a" * 32, 9, GENESIS), seal_time(), key)
    [owed] = dead_letter_losses(batch)
    assert (owed.from_ms, owed.to_ms, owed.readings) == (NOW_MS, NOW_MS + 120_000, 5)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60))
@settings(max_examples=100, deadline=None)
def test_packing_keeps_every_row_once_and_never_two_of_a_name(names: list[tuple[int, int]]) -> None:
    rows = [machine(NOW_MS + minute * 60_000, 1, f"r{device}") for minute, device in names]
    packs = pack_rows(rows)
    assert sorted(map(id, rows)) == sorted(id(row) for pack in packs for row in pack)
    assert sum(counted_readings(pack) for pack in packs) == len(rows)
    for pack in packs:
        assert pack
        assert len({(row.tags["device"], row.time_ms) for row in pack}) == len(pack)
        assert sum(map(row_bytes, pack)) <= PACK_BYTES


def test_ballast_is_real_space_and_a_full_disk_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ballast = Ballast(tmp_path / "ballast")
    assert ballast.keep()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= 1_000_000
    ballast.drop()
    assert not ballast.is_kept

    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert not ballast.keep()
    assert not ballast.is_kept


def test_the_shelf_gives_only_what_its_id_says(tmp_path: Path) -> None:
    shelf = ProfileShelf(tmp_path / "profiles")
    shelf.keep({PROFILE_ID: PROFILE_TEXT})
    assert shelf.find(PROFILE_ID) == PROFILE
    assert shelf.find("test_arm@000000000000") is None
    assert shelf.find("../../etc/passwd") is None
    (tmp_path / "profiles" / f"{PROFILE_ID}.yaml").write_text(PROFILE_TEXT + "# changed\n", encoding="utf-8")
    assert shelf.find(PROFILE_ID) is None
