"""The account that gateways tell in their heartbeats is settled against what is in the log."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from store.balance import SETTLED_AFTER, Balance, Settlement
from telemetry.line import Row
from telemetry.seal import read_lines

if TYPE_CHECKING:
    from telemetry.seal import Batch
    from tests.store.conftest import Sealer

START_MS = 1_514_736_000_000


def _batch(sealer: Sealer, readings: int, accepted: int | None, *, lost: int = 0, **birth: Any) -> Batch:
    minute = sealer.seq + 1
    rows = [sealer.row("r1", minute, readings=readings)]
    at_ms = START_MS + minute * 60_000
    tags = {"gateway": sealer.gateway}
    if accepted is not None:
        rows.append(Row("heartbeat", tags, {"accepted_total": accepted}, at_ms))
    if lost:
        fields: dict[str, int | str | bool] = {"from_ms": at_ms, "to_ms": at_ms, "readings": lost, "polls": 0}
        rows.append(Row("loss", {**tags, "device": "r1", "reason": "journal_rotten"}, fields, at_ms))
    if birth:
        rows.append(Row("epoch", tags, birth, at_ms))
    return sealer.seal(*rows)


def _settle(batches: list[Batch]) -> Settlement:
    balance = Balance()
    for batch in batches:
        balance.add(batch, read_lines(batch))
    (settled,) = balance.settle()
    return settled


def _chain(sealer: Sealer, count: int, *, missing: int = 0) -> list[Batch]:
    """A run in which two readings are always open, and some were never sealed."""
    return [_batch(sealer, 10, 10 * number + 2 + missing) for number in range(1, count + 1)]


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_all_is_accounted_for(sealer: Sealer, seed: int) -> None:
    batches = _chain(sealer, 30)
    random.Random(seed).shuffle(batches)
    settled = _settle(batches)
    assert (settled.accepted, settled.stored, settled.lost, settled.on_the_way) == (302, 300, 0, 2)
    assert settled.missing_most == 2
    assert settled.is_sound


def test_a_declared_loss_balances(sealer: Sealer) -> None:
    settled = _settle([_batch(sealer, 10, 10), _batch(sealer, 5, 20, lost=5)])
    assert (settled.stored, settled.lost, settled.on_the_way) == (15, 5, 0)


def test_what_never_arrives_stays_told(sealer: Sealer) -> None:
    settled = _settle(_chain(sealer, SETTLED_AFTER + 4, missing=7))
    assert settled.missing_most == 9
    assert "at most 9" in str(settled)


def test_a_gap_hides_what_is_missing_and_is_on_the_way(sealer: Sealer) -> None:
    batches = _chain(sealer, 30)
    del batches[10]
    settled = _settle(batches)
    assert (settled.on_the_way, settled.missing_most) == (12, None)


def test_more_stored_than_accepted_is_unsound(sealer: Sealer) -> None:
    settled = _settle([_batch(sealer, 10, 10), _batch(sealer, 10, 19)])
    assert settled.on_the_way == -1
    assert not settled.is_sound


def test_an_outbox_lost_begins_a_new_account(sealer: Sealer, make_sealer: type[Sealer]) -> None:
    first = [_batch(sealer, 10, 12), _batch(sealer, 10, 25)]
    other = make_sealer(epoch="cd" * 16)
    birth: dict[str, Any] = {
        "reason": "outbox_lost",
        "previous": sealer.epoch,
        "previous_seq": 2,
        "previous_hash": sealer.prev,
    }
    settled = _settle([*first, _batch(other, 7, 7, **birth)])
    assert (settled.accepted, settled.stored, settled.on_the_way, settled.gone) == (32, 27, 0, 5)
    assert settled.breaks == ("outbox_lost",)


def test_a_conflict_goes_on_with_its_account(sealer: Sealer, make_sealer: type[Sealer]) -> None:
    first = [_batch(sealer, 10, 12)]
    other = make_sealer(epoch="cd" * 16)
    birth: dict[str, Any] = {
        "reason": "conflict",
        "previous": sealer.epoch,
        "previous_seq": 2,
        "previous_hash": sealer.prev,
    }
    settled = _settle([*first, _batch(other, 10, 20, **birth)])
    assert (settled.accepted, settled.stored, settled.on_the_way, settled.gone) == (20, 20, 0, 0)


def test_a_provider_without_totals_has_no_account(sealer: Sealer) -> None:
    balance = Balance()
    batch = _batch(sealer, 10, None)
    balance.add(batch, read_lines(batch))
    assert list(balance.settle()) == []
