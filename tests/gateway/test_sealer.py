from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from telemetry.reading import Heard
from telemetry.seal import read_lines
from tests.gateway.conftest import HandClock, poll

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from gateway.app import Gateway
    from telemetry.line import FieldValue, Row


def _hear(gateway: Gateway, hand: HandClock, count: int) -> None:
    for number in range(count):
        hand.move(10_000)
        gateway.intake.accept(gateway.site.endpoints[0], Heard((poll(hand.wall, number),)))


def _segments(gateway: Gateway) -> list[Path]:
    return sorted((gateway.site.state_dir / "journal").glob("*.seg"))


def _rows(gateway: Gateway, index: int, measurement: str) -> list[dict[str, FieldValue]]:
    batch = gateway.outbox.batch(index)
    assert batch is not None
    return [{**line.fields, **line.tags} for line in read_lines(batch) if line.measurement == measurement]


def test_segments_go_only_after_their_record_is_kept(
    gateway: Gateway, hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hear(gateway, hand, 8)
    real = gateway.outbox.append
    there: list[int] = []

    def append(*args: object, **kwargs: object) -> object:
        there.append(len(_segments(gateway)))
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(gateway.outbox, "append", append)
    ended = hand.wall - hand.wall % 60_000
    assert asyncio.run(gateway.sealer.seal(ended))
    assert there == [2]
    assert len(_segments(gateway)) == 1
    assert gateway.account().open == 3
    assert gateway.account().holds


def test_a_disk_that_refuses_leaves_rows_pending_and_segments_kept(
    gateway: Gateway, hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hear(gateway, hand, 8)

    def full(*_: object, **__: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def work() -> None:
        ended = hand.wall - hand.wall % 60_000
        with monkeypatch.context() as patched:
            patched.setattr(gateway.outbox, "append", full)
            assert not await gateway.sealer.seal(ended)
            assert not await gateway.sealer.seal(ended + 60_000)
            assert gateway.sealer.is_pending
            assert len(_segments(gateway)) == 2
            assert gateway.account().open == 8
            _hear(gateway, hand, 6)
        assert await gateway.sealer.seal(hand.wall - hand.wall % 60_000)
        assert not gateway.sealer.is_pending

    asyncio.run(work())
    account = gateway.account()
    assert (account.accepted, account.buffered, account.open) == (14, 11, 3)
    assert account.holds


def test_readings_that_no_row_carries_are_declared(
    gateway: Gateway, hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in folding would be a silent loss; the account at the seal makes it a declared one."""
    _hear(gateway, hand, 5)

    def swallowing(until_ms: int) -> list[Row]:
        return []

    monkeypatch.setattr(gateway.intake.folds, "close_until", swallowing)
    hand.move(60_000)
    assert asyncio.run(gateway.sealer.seal(hand.wall - hand.wall % 60_000))
    [loss] = _rows(gateway, 1, "loss")
    assert (loss["reason"], loss["readings"]) == ("unfolded", 5)
    assert gateway.account().lost == 5
    assert gateway.account().holds
    assert _rows(gateway, 1, "heartbeat")[0]["lost_total"] == 5


def test_a_seal_carries_what_is_owed_and_refused_once(gateway: Gateway, hand: HandClock) -> None:
    _hear(gateway, hand, 2)
    hand.move(60_000)
    assert asyncio.run(gateway.sealer.seal(hand.wall - hand.wall % 60_000))
    gateway.outbox.dead_letter(1, "HTTP 400")
    gateway.intake.refuse_reason = "outbox_full"
    _hear(gateway, hand, 1)
    hand.move(60_000)
    assert asyncio.run(gateway.sealer.seal(hand.wall - hand.wall % 60_000))
    losses = _rows(gateway, 2, "loss")
    assert sorted((str(row["reason"]).split()[0], row["readings"], row["polls"]) for row in losses) == [
        ("dead_letter", 2, 0),
        ("outbox_full", 0, 1),
    ]
    hand.move(60_000)
    assert asyncio.run(gateway.sealer.seal(hand.wall - hand.wall % 60_000))
    assert _rows(gateway, 3, "loss") == []
    assert gateway.account().holds
