"""Does every store keep the contract? Answers, exactly-once, exact integers; parametrised over STORES."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import STORES
from telemetry.clock import ClockState
from telemetry.line import Row
from telemetry.seal import Batch, ChainPlace, Seal, SealTime, _seal_line, seal_batch
from telemetry.sink import AnswerKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.store import Store
    from tests.store.conftest import Sealer, StillClock

START_MS = 1_514_736_000_000
OPEN_AT = START_MS + 86_400_000


@pytest.fixture(params=sorted(STORES))
def kept(
    request: pytest.FixtureRequest, tmp_path: Path, still: StillClock, sealer: Sealer
) -> Iterator[Store]:
    made = STORES[request.param](tmp_path / "kept", still.clock())
    made.enrol(sealer.gateway, sealer.public_key, kind="edge", from_ms=0, at_ms=START_MS)
    yield made
    made.close()


def write(store: Store, batch: Batch) -> AnswerKind:
    return asyncio.run(store.write(batch)).kind


def rows(store: Store, measurement: str = "machine") -> list[tuple[str, int, int, int]]:
    store.apply()
    return sorted(
        (row["device"], row["time_ms"], row["seq"], row["cycles_inc"])
        for day in store.days(measurement)
        for row in store.scan(day, measurement).to_pylist()
    )


def test_what_is_stored_comes_back_exactly(kept: Store, sealer: Sealer) -> None:
    big = 2**63 - 1
    batch = sealer.seal(
        sealer.row("r1", 1, cycles_raw=big, cycles_odd=-(2**63), late=True, profile='a "b", c=\\d 温州')
    )
    assert write(kept, batch) is AnswerKind.STORED
    kept.apply()
    (day,) = kept.days("machine")
    (row,) = kept.scan(day, "machine").to_pylist()
    assert day.isoformat() == "2018-01-01"
    assert (row["cycles_raw"], row["cycles_odd"], row["late"]) == (big, -(2**63), True)
    assert row["profile"] == 'a "b", c=\\d 温州'
    assert row["parts_inc"] is None
    assert (row["epoch"], row["seq"], row["leaf"], row["grade"]) == (sealer.epoch, 1, 1, "signed")
    assert row["received_ms"] == OPEN_AT
    (seal,) = kept.scan(day, "batch").to_pylist()
    assert (seal["hash"], seal["prev"], seal["count"]) == (batch.hash, "0" * 64, 1)


def test_the_same_batch_again_is_stored_and_counts_once(kept: Store, sealer: Sealer) -> None:
    (batch,) = sealer.batches(1)
    assert [write(kept, batch) for _ in range(3)] == [AnswerKind.STORED] * 3
    assert len(rows(kept)) == 2
    assert kept.log_size() == 2  # the enrolment and one batch


def test_other_bytes_under_one_key_are_a_conflict(kept: Store, sealer: Sealer) -> None:
    (first,) = sealer.batches(1)
    other = sealer.seal(sealer.row("r9", 1, cycles_inc=7), seq=1)
    assert write(kept, first) is AnswerKind.STORED
    assert write(kept, other) is AnswerKind.CONFLICT
    assert write(kept, other) is AnswerKind.CONFLICT
    assert write(kept, first) is AnswerKind.STORED
    assert [row[0] for row in rows(kept)] == ["r0", "r1"]
    alarms = [event for event in kept.events() if event.kind == "conflict"]
    assert [(event.gateway, event.seq, event.hash) for event in alarms] == [("gw1", 1, other.hash)]


def test_twins_in_one_group_are_judged_like_any_others(kept: Store, sealer: Sealer) -> None:
    (first,) = sealer.batches(1)
    other = sealer.seal(sealer.row("r9", 1), seq=1)
    answers = kept.write_many([(first, OPEN_AT), (first, OPEN_AT), (other, OPEN_AT)])
    assert [answer.kind for answer in answers] == ["stored", "stored", "conflict"]
    assert len(rows(kept)) == 2


def test_an_unknown_gateway_is_forbidden(kept: Store, make_sealer: type[Sealer]) -> None:
    (batch,) = make_sealer("stranger", seed=2).batches(1)
    assert write(kept, batch) is AnswerKind.FORBIDDEN
    assert rows(kept) == []


def test_a_key_holds_from_until_and_not_after_revocation(kept: Store, make_sealer: type[Sealer]) -> None:
    sealer = make_sealer("gw2", seed=2)
    kept.enrol("gw2", sealer.public_key, kind="edge", from_ms=1_000, until_ms=5_000, at_ms=0)
    one, two, three, four = sealer.batches(4)
    answers = kept.write_many([(one, 999), (two, 1_000), (three, 4_999), (four, 5_000)])
    assert [answer.kind for answer in answers] == ["forbidden", "stored", "stored", "forbidden"]
    kept.enrol("gw2", sealer.public_key, kind="edge", from_ms=6_000, at_ms=0)
    kept.revoke("gw2", from_ms=7_000, at_ms=0)
    answers = kept.write_many([(four, 6_999), (one, 7_000)])
    assert [answer.kind for answer in answers] == ["stored", "forbidden"]
    kept.enrol("gw2", sealer.public_key, kind="edge", from_ms=8_000, at_ms=0)
    assert kept.write_many([(one, 8_000)])[0].kind == "stored"


def test_a_seal_by_another_key_is_forbidden_so_that_its_sender_keeps_it(
    kept: Store, make_sealer: type[Sealer]
) -> None:
    (forged,) = make_sealer("gw1", seed=9).batches(1)
    assert write(kept, forged) is AnswerKind.FORBIDDEN


def test_what_was_changed_on_the_way_is_not_stored(kept: Store, sealer: Sealer) -> None:
    (batch,) = sealer.batches(1)
    changed = dataclasses.replace(batch, data=batch.data.replace(b"cycles_inc=10i", b"cycles_inc=11i"))
    assert changed.data != batch.data
    assert write(kept, changed) is AnswerKind.INVALID
    seal_changed = dataclasses.replace(batch, data=batch.data.replace(b'boot="boot-9"', b'boot="boot-8"'))
    assert write(kept, seal_changed) is AnswerKind.FORBIDDEN
    assert kept.log_size() == 1


def _sealed_raw(sealer: Sealer, body: bytes) -> Batch:
    """Seal any bytes as data lines, as a gateway with a bug would."""
    seal = Seal(
        gateway=sealer.gateway,
        epoch=sealer.epoch,
        seq=1,
        count=body.count(b"\n"),
        sha256=hashlib.sha256(body).hexdigest(),
        prev="0" * 64,
        sealed_ms=START_MS,
        clock_state=ClockState.SYNCED,
        boot="b",
        mono_ms=1,
    )
    signature = base64.b64encode(sealer.key.sign(seal.signed_bytes())).decode()
    data = body + _seal_line(seal, signature, 1)
    return Batch(data, seal, hashlib.sha256(data).hexdigest())


TIME = b"1514736060000000001"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"machine,device=r1,gateway=gw2 bad=1i " + TIME + b"\n", "of gateway"),
        (b"machine,device=r1,gateway=gw1 bad=01i " + TIME + b"\n", "canonical"),
        (b"machine,device=r1,gateway=gw1 bad=1 " + TIME + b"\n", "canonical"),
        (b"machine,device=r1,gateway=gw1 bad=1i,bad=1i " + TIME + b"\n", "twice"),
        (b"machine,gateway=gw1,device=r1 bad=1i " + TIME + b"\n", "stands after"),
        (b"machine,device=r1,gateway=gw1 unheard_of=1i " + TIME + b"\n", "unknown"),
        (b'machine,device=r1,gateway=gw1 bad="1" ' + TIME + b"\n", "wrong type"),
        (b"elsewhere,device=r1,gateway=gw1 bad=1i " + TIME + b"\n", "unknown measurement"),
        (b"machine,device=r1,gateway=gw1 bad=1i 1514736060000000002\n", "name seq"),
        (b"machine,device=r\xff,gateway=gw1 bad=1i " + TIME + b"\n", "canonical"),
        (b"machine,device=r1,gateway=gw1 bad=1i " + TIME + b"\r\n", "control"),
        (
            b"machine,device=r2,gateway=gw1 bad=1i "
            + TIME
            + b"\nmachine,device=r1,gateway=gw1 bad=1i "
            + TIME
            + b"\n",
            "out of order",
        ),
        (
            b"machine,device=r1,gateway=gw1 bad=1i "
            + TIME
            + b"\nmachine,device=r1,gateway=gw1 bad=2i "
            + TIME
            + b"\n",
            "share",
        ),
    ],
)
def test_a_signed_batch_in_any_other_form_is_invalid(
    kept: Store, sealer: Sealer, body: bytes, reason: str
) -> None:
    answer = asyncio.run(kept.write(_sealed_raw(sealer, body)))
    assert answer.kind is AnswerKind.INVALID
    assert reason in answer.detail


def test_a_row_far_from_its_receipt_is_kept_in_quarantine(kept: Store, sealer: Sealer) -> None:
    minute = 60_000
    late = OPEN_AT + 600_000
    times = {"r1": OPEN_AT, "r2": late, "r3": late + 1, "r4": OPEN_AT - 400 * 86_400_000 - 1, "r5": 0}
    tags = {"gateway": "gw1"}
    batch = sealer.seal(
        *[Row("machine", tags | {"device": name}, {"window_ms": minute}, at) for name, at in times.items()]
    )
    assert write(kept, batch) is AnswerKind.STORED
    kept.apply()
    found = {
        row["device"]: (row["quarantined"], row["time_ms"])
        for day in kept.days("machine")
        for row in kept.scan(day, "machine").to_pylist()
    }
    assert found == {name: (name in {"r3", "r4", "r5"}, at) for name, at in times.items()}


def test_an_empty_batch_and_a_broken_link_are_kept_for_the_census(kept: Store, sealer: Sealer) -> None:
    first = sealer.seal()
    place: ChainPlace = _place(sealer, 2, "ff" * 32)
    second = seal_batch([], place, SealTime(START_MS, 1, "b"), sealer.key)
    assert [write(kept, first), write(kept, second)] == [AnswerKind.STORED] * 2
    kept.apply()
    (day,) = kept.days("batch")
    assert kept.scan(day, "batch").column("prev").to_pylist() == ["0" * 64, "ff" * 32]


def _place(sealer: Sealer, seq: int, prev: str) -> ChainPlace:
    return ChainPlace(sealer.gateway, sealer.epoch, seq, prev)


@pytest.mark.parametrize("name", sorted(STORES))
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_any_order_and_any_repeats_store_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    make_sealer: type[Sealer],
    make_still: type[StillClock],
    *,
    name: str,
    seed: int,
    data: st.DataObject,
) -> None:
    sealer, clock = make_sealer(), make_still().clock()
    batches = sealer.batches(6)
    copies = data.draw(st.lists(st.integers(1, 3), min_size=6, max_size=6))
    sent = [batch for batch, count in zip(batches, copies, strict=True) for _ in range(count)]
    random.Random(seed).shuffle(sent)
    cuts = data.draw(st.sets(st.integers(0, len(sent)), max_size=3))
    store = STORES[name](tmp_path_factory.mktemp("any"), clock)
    try:
        store.enrol("gw1", sealer.public_key, kind="edge", from_ms=0, at_ms=0)
        for number, batch in enumerate(sent):
            assert write(store, batch) is AnswerKind.STORED
            if number in cuts:
                store.apply()
        expected = [
            (f"r{n}", START_MS + minute * 60_000, minute, minute * 10 + n)
            for n in range(2)
            for minute in range(1, 7)
        ]
        assert rows(store) == expected
    finally:
        store.close()
