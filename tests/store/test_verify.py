"""Does `verify` find what is wrong, and nothing where nothing is?"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from store.frames import Frame, FrameKind, encode_frame
from store.log import EvidenceLog
from store.verify import Report, verify_log
from telemetry.seal import ChainPlace, SealTime, seal_batch

if TYPE_CHECKING:
    from pathlib import Path

    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer

NOW = 1_514_822_400_000


def verify(store: EmbeddedStore, **options: object) -> Report:
    log = EvidenceLog(store.directory / "log", store.directory / "quarantine", is_writable=False)
    return verify_log(log, **options)  # type: ignore[arg-type]


def segment(store: EmbeddedStore) -> Path:
    return store.directory / "log" / "000000000000.log"


@pytest.fixture
def filled(store: EmbeddedStore, sealer: Sealer) -> EmbeddedStore:
    store.write_many([(batch, NOW) for batch in sealer.batches(5)])
    store.add_writer("telegraf", at_ms=NOW)
    store.write_unsigned("telegraf", "m v=1i 1\n", "ns")
    return store


def test_a_whole_log_has_no_problems(filled: EmbeddedStore, sealer: Sealer) -> None:
    report = verify(filled)
    assert report.problems == []
    assert (report.leaves, report.batches, report.events, report.unsigned, report.rows) == (8, 5, 2, 1, 10)
    assert report.root_hash == filled.root_hash()
    assert report.progress["gw1", sealer.epoch].contiguous == 5


def test_every_flipped_bit_is_found(filled: EmbeddedStore) -> None:
    path = segment(filled)
    whole = path.read_bytes()
    chance = random.Random(42)
    for position in chance.sample(range(len(whole) * 8), 200):
        data = bytearray(whole)
        data[position // 8] ^= 1 << position % 8
        path.write_bytes(data)
        assert verify(filled).problem_count, position


def test_a_published_root_is_checked(filled: EmbeddedStore) -> None:
    for size in (0, 1, 4, 8):
        assert verify(filled, expected=(size, filled.root_hash(size).upper())).problems == []
    assert "over 4 leaves" in verify(filled, expected=(4, "00" * 32)).problems[0]
    assert "not there" in verify(filled, expected=(9, "00" * 32)).problems[0]


def test_a_tail_in_the_making_is_excused_only_while_somebody_writes(filled: EmbeddedStore) -> None:
    with segment(filled).open("ab") as file:
        file.write(b"\xffMFL half")
    assert verify(filled).problem_count == 1
    assert verify(filled, is_live=True).problems == []


def test_a_broken_link_is_named(store: EmbeddedStore, sealer: Sealer) -> None:
    one, _, three = sealer.batches(3)
    place = ChainPlace("gw1", sealer.epoch, 2, "ee" * 32)
    other = seal_batch([sealer.row("r9", 2)], place, SealTime(NOW, 1, "b"), sealer.key)
    store.write_many([(three, NOW), (other, NOW), (one, NOW)])
    problems = verify(store).problems
    assert len(problems) == 2
    assert any("seq 2 does not follow 1" in problem for problem in problems)
    assert any("seq 3 does not follow 2" in problem for problem in problems)


def planted(store: EmbeddedStore, *frames: Frame) -> list[str]:
    store.close()
    with segment(store).open("ab") as file:
        file.write(b"".join(encode_frame(frame) for frame in frames))
    return verify(store).problems


def test_a_forged_log_is_seen(filled: EmbeddedStore, sealer: Sealer, make_sealer: type[Sealer]) -> None:
    stranger = make_sealer("gw8", seed=8).batches(1)[0]
    forged = make_sealer("gw1", seed=9, epoch="cd" * 16).batches(1)[0]
    again = type(sealer)().batches(1)[0]
    bodies = [stranger.data, forged.data, again.data, b"no batch\n"]
    frames = [Frame(8 + n, FrameKind.BATCH, NOW, body) for n, body in enumerate(bodies)]
    frames += [Frame(12, FrameKind.EVENT, NOW, b"{}"), Frame(13, FrameKind.UNSIGNED, NOW, b"{}\nm")]
    frames += [Frame(20, FrameKind.EVENT, NOW, b'{"gateway":"gw1","from_ms":1,"kind":"revoke"}')]
    problems = planted(filled, *frames)
    words = [
        "was not enrolled",
        "signature that does not hold",
        "is here twice",
        "leaf 11",
        "not an event",
        "not an unsigned write",
        "leaf 20 where 14 should stand",
    ]
    assert len(problems) == len(words)
    for problem, word in zip(problems, words, strict=True):
        assert word in problem
