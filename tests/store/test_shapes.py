"""Does the fast decoder accept exactly what `telemetry.seal.read_lines` accepts, with the same values?"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

import store.shapes as shapes_module
from store.shapes import Shape, ShapeCache, decode_batch
from telemetry.clock import ClockState
from telemetry.errors import SealError
from telemetry.line import encode_line
from telemetry.schema import MEASUREMENTS
from telemetry.seal import Batch, Seal, read_lines

if TYPE_CHECKING:
    import pytest

    from store.shapes import DecodedLines

SEAL_LINE = b"batch,gateway=gw1 v=1i 0\n"
TIME = 1_514_736_060_000_000_001


def as_batch(body: bytes) -> Batch:
    """Make a batch of any data lines; the decoders look at its seal's gateway and seq only."""
    digest = hashlib.sha256(body).hexdigest()
    seal = Seal("gw1", "ab" * 16, 1, body.count(b"\n"), digest, "0" * 64, 1, ClockState.SYNCED, "b", 1, "sig")
    return Batch(body + SEAL_LINE, seal, digest)


def flat(runs: list[DecodedLines]) -> list[tuple[str, dict[str, str], dict[str, object], int]]:
    found = []
    for run in runs:
        for row in run.rows:
            tags = dict(zip(run.shape.tags, row[1:], strict=False))
            texts = row[1 + len(run.shape.tags) : -1]
            fields: dict[str, object] = {}
            for (name, kind), text in zip(run.shape.fields, texts, strict=True):
                fields[name] = int(text) if kind is int else text == "true" if kind is bool else text
            found.append((run.shape.measurement, tags, fields, int(row[-1])))
    return found


def outcome(body: bytes, cache: ShapeCache) -> tuple[object, object]:
    batch = as_batch(body)
    try:
        lines = read_lines(batch)
        slow: object = [
            (line.measurement, dict(line.tags), dict(line.fields), line.time_ns) for line in lines
        ]
    except SealError:
        slow = "refused"
    try:
        fast: object = flat(decode_batch(batch, cache))
    except SealError:
        fast = "refused"
    return slow, fast


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\u202a\u202e"), max_size=8
)
TAG = st.one_of(st.sampled_from(["r1", "r2", "a b", "x,y", "p=q", "back\\", "温州"]), TEXT.filter(bool))
INT = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))


def value(kind: type) -> st.SearchStrategy[int | str | bool]:
    if kind is int:
        return INT
    return st.booleans() if kind is bool else TEXT


@st.composite
def canonical_line(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from(["machine", "identity", "loss", "cloud_usage", "heartbeat"]))
    known = MEASUREMENTS[name]
    tags = {tag: "gw1" if tag == "gateway" else draw(TAG) for tag in known.tags}
    names = draw(st.lists(st.sampled_from(sorted(known.fields)), min_size=1, max_size=5, unique=True))
    fields = {field: draw(value(known.fields[field])) for field in names}
    moment = draw(st.sampled_from([TIME, TIME + 60_000_000_000, 1, -999_999]))
    return encode_line(name, tags, fields, moment).encode() + b"\n"


CACHE = ShapeCache()
"""Shared by all examples, so that most lines meet a pattern."""


@settings(max_examples=100, deadline=None)
@given(st.lists(canonical_line(), max_size=8))
def test_canonical_lines_decode_alike(lines: list[bytes]) -> None:
    body = b"".join(sorted(lines))
    for _ in range(5):  # the same shapes again and again, so that they get their patterns
        slow, fast = outcome(body, CACHE)
        assert slow == fast


@settings(max_examples=100, deadline=None)
@given(
    canonical_line(),
    st.integers(0, 400),
    st.sampled_from(
        [b" ", b",", b"=", b'"', b"\\", b"0", b"-", b"+", b"i", b"\n", b"\x00", b"\xff", b"x", b""]
    ),
)
def test_damaged_lines_are_judged_alike(line: bytes, at: int, junk: bytes) -> None:
    for _ in range(5):
        outcome(line, CACHE)
    position = at % len(line)
    for body in (line[:position] + junk + line[position:], line[:position] + junk + line[position + 1 :]):
        if not body.endswith(b"\n"):
            continue
        slow, fast = outcome(body, CACHE)
        assert slow == fast, body


def test_patterns_are_really_used(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ShapeCache()
    lines = [
        encode_line("machine", {"device": f"r{n}", "gateway": "gw1"}, {"bad": n}, TIME) for n in range(9)
    ]
    body = "".join(line + "\n" for line in lines).encode()
    decode_batch(as_batch(body), cache)
    monkeypatch.setattr(shapes_module, "decode_line", None)
    assert len(flat(decode_batch(as_batch(body), cache))) == 9


def test_the_cache_is_bounded_and_compiles_nothing_for_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes_module, "SHAPES_MAX", 3)
    cache = ShapeCache()
    fields = sorted(MEASUREMENTS["machine"].fields)
    for name in fields:
        cache.learn(Shape("machine", ("device", "gateway"), ((name, int),)))
    assert not cache._patterns
    for name in fields:
        for _ in range(5):
            cache.learn(Shape("machine", ("device", "gateway"), ((name, int),)))
    assert len(cache._patterns) == 3
    assert len(cache._seen) <= 12
    assert len(cache.candidates("machine")) <= 16
