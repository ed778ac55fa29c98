"""Are frames found again, whatever happened to the bytes between them?"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.frames import BODY_BYTES_MAX, Damage, Found, Frame, FrameKind, encode_frame, scan_frames

FRAMES = [
    Frame(leaf, kind, 1_514_736_000_000 + leaf, f"body {leaf} 温州 ".encode() * (leaf + 1))
    for leaf, kind in enumerate([FrameKind.EVENT, FrameKind.BATCH, FrameKind.BATCH, FrameKind.UNSIGNED])
]
PARTS = [encode_frame(frame) for frame in FRAMES]


def frames_in(data: bytes) -> list[Frame]:
    return [item.frame for item in scan_frames(data) if isinstance(item, Found)]


@given(
    st.integers(0, 2**63),
    st.sampled_from(list(FrameKind)),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_frame_reads_back(leaf: int, kind: FrameKind, received_ms: int, body: str) -> None:
    frame = Frame(leaf, kind, received_ms, body.encode())
    assert frames_in(encode_frame(frame)) == [frame]


def test_a_body_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        encode_frame(Frame(0, FrameKind.BATCH, 0, bytes(BODY_BYTES_MAX + 1)))


def test_a_cut_at_any_byte_of_the_last_frame_leaves_the_others() -> None:
    whole = b"".join(PARTS)
    before = len(whole) - len(PARTS[-1])
    for cut in range(before, len(whole)):
        items = list(scan_frames(whole[:cut]))
        assert [item.frame for item in items if isinstance(item, Found)] == FRAMES[:-1]
        damage = [item for item in items if isinstance(item, Damage)]
        assert damage == ([Damage(before, cut - before, is_tail=True)] if cut > before else [])


def test_every_flipped_bit_is_seen_and_costs_one_frame_only() -> None:
    whole = b"".join(PARTS)
    chance = random.Random(20180101)
    for position in chance.sample(range(len(whole) * 8), 500):
        data = bytearray(whole)
        data[position // 8] ^= 1 << position % 8
        items = list(scan_frames(bytes(data)))
        kept = [item.frame for item in items if isinstance(item, Found)]
        assert len(kept) == len(FRAMES) - 1, position
        assert all(frame in FRAMES for frame in kept), position
        assert sum(isinstance(item, Damage) for item in items) == 1, position


@given(st.binary(max_size=200), st.integers(0, 3))
def test_junk_between_frames_is_stepped_over(junk: bytes, where: int) -> None:
    data = b"".join([*PARTS[:where], junk, *PARTS[where:]])
    assert frames_in(data) == FRAMES


def test_a_length_that_lies_does_not_swallow_what_follows() -> None:
    head = bytearray(PARTS[0])
    head[4:8] = (5_000_000).to_bytes(4, "little")
    assert frames_in(bytes(head) + PARTS[1]) == [FRAMES[1]]
