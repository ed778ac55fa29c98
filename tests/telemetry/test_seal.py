"""Is the wire format what DESIGN section 5 says, byte for byte, and does the chain link up?"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from telemetry.clock import ClockState
from telemetry.errors import SealError
from telemetry.line import Row
from telemetry.seal import (
    BATCH_BYTES_MAX,
    GENESIS,
    Batch,
    ChainPlace,
    Seal,
    SealTime,
    next_place,
    parse_public_key,
    read_lines,
    read_seal,
    seal_batch,
    signature_holds,
    split_batch,
    write_public_key,
)

GOLDEN_BODY = (
    'epoch,gateway=gw-1 previous_seq=0i,reason="first" 1538352000000000001\n'
    "machine,device=r1,gateway=gw-1 "
    'late=false,profile="a \\"b\\", c\\\\",state="running",window_ms=60000i 1538352000000000001\n'
    "machine,device=r2,gateway=gw-1 window_ms=60000i 1538352000000000001\n"
)
GOLDEN_HASH = "7ca208af9d26bc43d040a8b623eb075e2bc5edb6220a267d2f965264a9bba8de"


def test_the_golden_batch_has_not_drifted(batch: Batch) -> None:
    body, seal_line = split_batch(batch.data)
    assert body.decode() == GOLDEN_BODY
    body_hash = hashlib.sha256(body).hexdigest()
    assert seal_line.decode() == (
        'batch,gateway=gw-1 boot="boot-1",clock_state="synced",count=3i,'
        'epoch="0123456789abcdef0123456789abcdef",mono_ms=61250i,'
        f'prev="{"0" * 64}",sealed_ms=1538352060250i,seq=1i,sha256="{body_hash}",sig="{batch.seal.sig}",v=1i '
        "1538352060250000001\n"
    )
    assert batch.hash == hashlib.sha256(batch.data).hexdigest() == GOLDEN_HASH


def test_the_bytes_under_the_signature_are_spelled_out(batch: Batch, key: Ed25519PrivateKey) -> None:
    signed = (
        "mfl-batch-v1\n"
        "gateway=gw-1\n"
        "epoch=0123456789abcdef0123456789abcdef\n"
        "seq=1\n"
        "count=3\n"
        f"sha256={hashlib.sha256(GOLDEN_BODY.encode()).hexdigest()}\n"
        "prev=0000000000000000000000000000000000000000000000000000000000000000\n"
        "sealed_ms=1538352060250\n"
        "clock_state=synced\n"
        "boot=boot-1\n"
        "mono_ms=61250\n"
    ).encode()
    assert batch.seal.signed_bytes() == signed
    assert batch.seal.sig == base64.b64encode(key.sign(signed)).decode()
    key.public_key().verify(base64.b64decode(batch.seal.sig), signed)


def test_a_batch_reads_back_as_it_was_sealed(batch: Batch, rows: list[Row], key: Ed25519PrivateKey) -> None:
    read = read_seal(batch.data)
    assert read == batch
    assert signature_holds(read.seal, key.public_key())
    lines = read_lines(read)
    assert [(line.measurement, line.tags.get("device")) for line in lines] == [
        ("epoch", None),
        ("machine", "r1"),
        ("machine", "r2"),
    ]
    assert {line.time_ns for line in lines} == {1_538_352_000_000 * 1_000_000 + 1}
    assert lines[1].fields == rows[2].fields


def test_the_order_of_the_rows_does_not_matter(
    batch: Batch, rows: list[Row], place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    assert seal_batch(rows[::-1], place, sealed_at, key) == batch


def test_an_unsynced_clock_is_under_the_signature(
    rows: list[Row], place: ChainPlace, key: Ed25519PrivateKey
) -> None:
    time = SealTime(5, -7, "b", ClockState.UNSYNCED)
    read = read_seal(seal_batch(rows, place, time, key).data)
    assert read.seal.clock_state is ClockState.UNSYNCED
    assert b"clock_state=unsynced\nboot=b\nmono_ms=-7\n" in read.seal.signed_bytes()


def test_each_place_follows_from_the_batch_before(
    rows: list[Row], place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    assert place.prev == GENESIS
    before = seal_batch(rows, place, sealed_at, key)
    for seq in range(2, 6):
        place = next_place(before)
        assert place == ChainPlace("gw-1", before.seal.epoch, seq, hashlib.sha256(before.data).hexdigest())
        after = seal_batch(rows, place, sealed_at, key)
        assert after.seal.prev == before.hash
        assert after.seal.sha256 != before.seal.sha256, "its rows name their batch"
        before = after


def test_a_rows_nanoseconds_name_its_batch(
    rows: list[Row], place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    for seq, suffix in [(1, 1), (999_999, 999_999), (1_000_000, 0), (1_000_001, 1)]:
        read = read_seal(seal_batch(rows, replace(place, seq=seq), sealed_at, key).data)
        assert {line.time_ns % 1_000_000 for line in read_lines(read)} == {suffix}


def test_a_batch_without_rows_is_still_a_link(
    place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    read = read_seal(seal_batch([], place, sealed_at, key).data)
    assert read.seal.count == 0
    assert read.seal.sha256 == hashlib.sha256(b"").hexdigest()
    assert read_lines(read) == []


@pytest.mark.parametrize("tags", [{"gateway": "gw-2", "device": "r1"}, {"device": "r1"}])
def test_another_gateways_row_is_not_sealed(
    tags: dict[str, str], place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    with pytest.raises(ValueError, match=r"a row of gateway .+ in a batch of 'gw-1'"):
        seal_batch([Row("machine", tags, {"starts": 1}, 0)], place, sealed_at, key)


def test_two_rows_of_one_identity_are_not_sealed(
    place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    one = Row("machine", {"gateway": "gw-1", "device": "r1"}, {"starts": 1}, 0)
    two = Row("machine", {"device": "r1", "gateway": "gw-1"}, {"starts": 2, "late": True}, 0)
    with pytest.raises(ValueError, match="two rows share"):
        seal_batch([one, two], place, sealed_at, key)
    seal_batch([one, replace(two, time_ms=1)], place, sealed_at, key)


def filler(lengths: list[int]) -> list[Row]:
    tags = {"gateway": "gw-1", "device": "r1"}
    return [Row("identity", tags, {"model": "x" * size}, 10_000 + at) for at, size in enumerate(lengths)]


def test_a_batch_may_have_a_million_bytes_and_not_one_more(
    place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    def size(lengths: list[int]) -> int:
        return len(seal_batch(filler(lengths), place, sealed_at, key).data)

    lengths = [200] * ((BATCH_BYTES_MAX - 1_000) // (size([200] * 11) - size([200] * 10)))
    spare = BATCH_BYTES_MAX - size(lengths)
    for row in range(spare // 50):
        lengths[row] += 50
    lengths[-1] += spare % 50
    full = seal_batch(filler(lengths), place, sealed_at, key)
    assert len(full.data) == BATCH_BYTES_MAX
    assert len(read_lines(read_seal(full.data))) == len(lengths)
    lengths[-1] += 1
    with pytest.raises(ValueError, match=f"at most {BATCH_BYTES_MAX}"):
        size(lengths)


def test_an_oversized_batch_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(SealError, match=f"at most {BATCH_BYTES_MAX}"):
        read_seal(b"\xff" * (BATCH_BYTES_MAX + 1))


def test_a_public_key_reads_back_as_it_was_written(key: Ed25519PrivateKey) -> None:
    text = write_public_key(key.public_key())
    assert text == "ed25519 A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    assert write_public_key(parse_public_key(text)) == text
    assert write_public_key(parse_public_key(f"{text}\n")) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is written 'ed25519 <base64>'"),
        ("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", "is written 'ed25519 <base64>'"),
        ("rsa A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", "is written 'ed25519 <base64>'"),
        ("ed25519 A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg", "not canonical"),
        ("ed25519 A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbh=", "not canonical"),
        ("ed25519 A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1f\nHdyGZBJVMbg=", "not canonical"),
        ("ed25519 é", "not canonical"),
        ("ed25519 AAAA", "32 bytes"),
        ("ed25519 ", "32 bytes"),
    ],
)
def test_another_spelling_of_a_public_key_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_public_key(text)


def test_the_wrong_key_does_not_hold(batch: Batch) -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    assert not signature_holds(batch.seal, other)


@pytest.mark.parametrize("sig", ["", "AAAA", "é", "A" * 86 + "==", "=" * 88, " " * 88])
def test_nonsense_is_no_signature_and_no_crash(sig: str, batch: Batch, key: Ed25519PrivateKey) -> None:
    assert not signature_holds(replace(batch.seal, sig=sig), key.public_key())


@pytest.mark.parametrize("name", [name for name in Seal.__dataclass_fields__ if name != "sig"])
def test_every_field_of_the_seal_is_under_the_signature(
    name: str, batch: Batch, key: Ed25519PrivateKey
) -> None:
    value = getattr(batch.seal, name)
    other: object = (
        ClockState.UNSYNCED if name == "clock_state" else value + (1 if isinstance(value, int) else "0")
    )
    changed = replace(batch.seal, **{name: other})  # type: ignore[arg-type]
    assert not signature_holds(changed, key.public_key())


ORDER = 2**252 + 27742317777372353535851937790883648493
"""The order of the curve's base point (RFC 8032, section 5.1): S and S + L name the same scalar."""


def test_a_signature_with_s_plus_the_group_order_does_not_hold(batch: Batch, key: Ed25519PrivateKey) -> None:
    raw = base64.b64decode(batch.seal.sig)
    scalar = int.from_bytes(raw[32:], "little") + ORDER
    forged = base64.b64encode(raw[:32] + scalar.to_bytes(32, "little")).decode()
    assert not signature_holds(replace(batch.seal, sig=forged), key.public_key())


PRIME = 2**255 - 19
WEAK = [
    *(y.to_bytes(32, "little") for y in (0, 1, PRIME - 1, PRIME, PRIME + 1)),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]


@pytest.mark.parametrize("raw", WEAK, ids=[raw[:2].hex() for raw in WEAK])
@pytest.mark.parametrize("sign", [0, 0x80])
def test_a_key_under_which_anybody_can_sign_is_refused(raw: bytes, sign: int) -> None:
    weak = base64.b64encode(raw[:31] + bytes([raw[31] | sign])).decode()
    with pytest.raises(ValueError, match="small order"):
        parse_public_key(f"ed25519 {weak}")


def test_the_danger_of_such_a_key_is_real() -> None:
    """The neutral point as key and as R, with S = 0, holds for every message: hence the refusal above."""
    neutral = (1).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), b"anything at all")
