"""Is every change to a sealed batch noticed: each byte, each field, each row, each spelling?"""

from __future__ import annotations

import base64
import hashlib
import re
import string
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from telemetry.errors import SealError
from telemetry.line import Row, encode_line
from telemetry.seal import (
    Batch,
    ChainPlace,
    SealTime,
    read_lines,
    read_seal,
    seal_batch,
    signature_holds,
    split_batch,
)

Reseal = Callable[[list[bytes]], Batch]


def accepted(data: bytes, key: Ed25519PublicKey) -> bool:
    """Do what a store does: read the seal, check the signature, read the rows."""
    try:
        batch = read_seal(data)
        read_lines(batch)
    except SealError:
        return False
    return signature_holds(batch.seal, key)


def test_every_flipped_bit_is_noticed(batch: Batch, key: Ed25519PrivateKey) -> None:
    public = key.public_key()
    assert accepted(batch.data, public)
    for at, byte in enumerate(batch.data):
        for bit in range(8):
            flipped = batch.data[:at] + bytes([byte ^ 1 << bit]) + batch.data[at + 1 :]
            assert not accepted(flipped, public), f"byte {at}, bit {bit}"


@pytest.mark.parametrize("inserted", [b"", b" ", b"\n", b"0", b"\r", b"\\", b'"', b","])
def test_every_byte_taken_out_or_put_in_is_noticed(
    inserted: bytes, batch: Batch, key: Ed25519PrivateKey
) -> None:
    public = key.public_key()
    for at in range(len(batch.data) + (inserted != b"")):
        changed = batch.data[:at] + inserted + batch.data[at + (inserted == b"") :]
        assert changed == batch.data or not accepted(changed, public), f"byte {at}"


def test_no_two_spellings_of_one_signature_are_accepted(batch: Batch, key: Ed25519PrivateKey) -> None:
    public, sig = key.public_key(), batch.seal.sig
    alphabet = string.ascii_letters + string.digits + "+/="
    for at in range(len(sig)):
        for char in alphabet.replace(sig[at], ""):
            other = sig[:at] + char + sig[at + 1 :]
            assert not signature_holds(replace(batch.seal, sig=other), public), f"character {at} as {char}"
    same_bytes = [
        sig[:85] + char + "=="
        for char in alphabet[:-1]
        if base64.b64decode(sig[:85] + char + "==") == base64.b64decode(sig)
    ]
    assert len(same_bytes) == 16, "an ordinary decoder takes all of them"
    for other in set(same_bytes) - {sig}:
        with pytest.raises(SealError, match="not canonical base64"):
            read_seal(batch.data.replace(sig.encode(), other.encode()))


def test_every_truncation_is_noticed(batch: Batch, key: Ed25519PrivateKey) -> None:
    assert not any(accepted(batch.data[:end], key.public_key()) for end in range(len(batch.data)))


def test_two_batches_end_to_end_are_not_one(batch: Batch, key: Ed25519PrivateKey) -> None:
    assert not accepted(batch.data * 2, key.public_key())


@pytest.fixture
def reseal(place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey) -> Reseal:
    """Seal any bytes with the right key, as a gateway gone bad would."""
    empty = seal_batch([], place, sealed_at, key)

    def sealed(lines: list[bytes]) -> Batch:
        body = b"".join(line + b"\n" for line in lines)
        seal = replace(empty.seal, count=len(lines), sha256=hashlib.sha256(body).hexdigest())
        sig = base64.b64encode(key.sign(seal.signed_bytes())).decode()
        last = split_batch(empty.data)[1].decode()
        last = last.replace(empty.seal.sha256, seal.sha256).replace("count=0i", f"count={seal.count}i")
        return read_seal(body + last.replace(empty.seal.sig, sig).encode())

    return sealed


GOOD_1 = b"machine,device=r1,gateway=gw-1 starts=1i 1000001"
GOOD_2 = b"machine,device=r2,gateway=gw-1 starts=1i 1000001"
BAD_ROWS: dict[str, tuple[list[bytes], str]] = {
    "out of order": ([GOOD_2, GOOD_1], "line 2 is out of order or repeated"),
    "repeated": ([GOOD_1, GOOD_1], "line 2 is out of order or repeated"),
    "empty line": ([b"", GOOD_1], "line 1 is out of order or repeated"),
    "same identity": (
        [GOOD_1, b"machine,device=r1,gateway=gw-1 starts=2i 1000001"],
        "two rows share measurement, tags and time",
    ),
    "wrong gateway": ([b"machine,device=r1,gateway=gw-2 starts=1i 1000001"], "a row of gateway 'gw-2'"),
    "unknown measurement": (
        [b"robot,device=r1,gateway=gw-1 starts=1i 1000001"],
        "unknown measurement or tags",
    ),
    "a seal among the rows": ([b"batch,gateway=gw-1 v=1i 1000001"], "unknown measurement or tags batch"),
    "missing tag": ([b"machine,gateway=gw-1 starts=1i 1000001"], "unknown measurement or tags"),
    "extra tag": ([b"machine,a=b,device=r1,gateway=gw-1 starts=1i 1000001"], "unknown measurement or tags"),
    "unknown field": ([b"machine,device=r1,gateway=gw-1 stars=1i 1000001"], "field stars is unknown"),
    "wrong type": (
        [b"machine,device=r1,gateway=gw-1 starts=true 1000001"],
        "field starts is unknown or of the",
    ),
    "text for a number": (
        [b'machine,device=r1,gateway=gw-1 starts="1" 1000001'],
        "field starts is unknown or of",
    ),
    "time of another seq": (
        [b"machine,device=r1,gateway=gw-1 starts=1i 1000002"],
        "its time does not name seq",
    ),
    "not canonical": ([b"machine,device=r1,gateway=gw-1 starts=01i 1000001"], "not canonical line protocol"),
    "not UTF-8": ([b'machine,device=r1,gateway=gw-1 state="\xff" 1000001'], "not canonical line protocol"),
    "carriage return": ([GOOD_1 + b"\r"], "not canonical line protocol"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_valid_signature_over_unusable_rows_is_still_refused(
    name: str, reseal: Reseal, key: Ed25519PrivateKey
) -> None:
    lines, message = BAD_ROWS[name]
    batch = reseal(lines)
    assert signature_holds(batch.seal, key.public_key())
    with pytest.raises(SealError, match=re.escape(message)):
        read_lines(batch)


def test_the_same_rows_in_order_are_accepted(reseal: Reseal) -> None:
    assert len(read_lines(reseal([GOOD_1, GOOD_2]))) == 2


def test_the_count_must_agree(batch: Batch) -> None:
    with pytest.raises(SealError, match="the seal counts 4 lines, the batch has 3"):
        read_seal(batch.data.replace(b"count=3i", b"count=4i"))


def test_the_hash_must_agree(batch: Batch) -> None:
    with pytest.raises(SealError, match="do not hash to the seal's sha256"):
        read_seal(batch.data.replace(b"window_ms=60000i", b"window_ms=60001i"))


SEAL = 'batch,gateway=gw-1 boot="b",clock_state="synced",count=0i,epoch="{epoch}",mono_ms=0i,prev="{prev}",'
SEAL += 'sealed_ms=1i,seq={seq}i,sha256="{hash}",sig="{sig}",v={v}i {time}\n'
PARTS: dict[str, str | int] = {
    "epoch": "0" * 32,
    "prev": "0" * 64,
    "seq": 1,
    "hash": hashlib.sha256(b"").hexdigest(),
    "sig": "A" * 86 + "==",
    "v": 1,
    "time": 1_000_001,
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"v": 2}, "an unknown seal version"),
        ({"seq": 0, "time": 1_000_000}, "are malformed"),
        ({"seq": -1, "time": 1_999_999}, "are malformed"),
        ({"epoch": "0" * 31}, "are malformed"),
        ({"epoch": "A" * 32}, "are malformed"),
        ({"prev": "0" * 63}, "are malformed"),
        ({"prev": "G" * 64}, "are malformed"),
        ({"hash": "E" * 64}, "are malformed"),
        ({"time": 1_000_002}, "not sealed_ms and seq"),
        ({"time": 2_000_001}, "not sealed_ms and seq"),
        ({"sig": "A" * 85 + "B=="}, "not canonical base64"),
        ({"sig": ""}, None),
        ({}, None),
    ],
)
def test_a_malformed_seal_says_what_is_wrong(changed: dict[str, str | int], message: str | None) -> None:
    data = SEAL.format(**(PARTS | changed)).encode()
    if message is None:
        assert not signature_holds(
            read_seal(data).seal, Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
        )
        return
    with pytest.raises(SealError, match=message):
        read_seal(data)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('clock_state="synced"', 'clock_state="sure"', "not a valid ClockState"),
        ('boot="b"', 'boot=""', "are malformed"),
        ('boot="b",', "", "the seal's fields are not those of version 1"),
        ('boot="b"', "boot=1i", "the seal's fields are not those of version 1"),
        ("v=1i", "v=1i,w=1i", "the seal's fields are not those of version 1"),
        ("count=0i", "count=false", "the seal's fields are not those of version 1"),
        ("gateway=gw-1", "gateway=gw/1", "are malformed"),
        ("gateway=gw-1", "device=a,gateway=gw-1", "the last line is not a seal"),
        ("batch,", "machine,", "the last line is not a seal"),
        ("\n", "", "ends with a newline"),
        ("\n", "\r\n", "not canonical line protocol"),
        ("batch", "\n", "not canonical line protocol"),
    ],
)
def test_a_seal_of_another_form_is_refused(before: str, after: str, message: str) -> None:
    text = SEAL.format(**PARTS)
    assert before in text
    with pytest.raises(SealError, match=re.escape(message)):
        read_seal(text.replace(before, after, 1).encode())


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n", b"x", b"\x00" * 100 + b"\n", b"\xff\xfe\n", b"{}\n"])
def test_nonsense_is_refused_and_does_not_crash(data: bytes) -> None:
    with pytest.raises(SealError):
        read_seal(data)


def test_a_hostile_boot_name_cannot_forge_another_signed_line(
    place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    with pytest.raises(ValueError, match="control characters"):
        seal_batch([], place, replace(sealed_at, boot="b\nmono_ms=1"), key)


def test_a_rows_text_cannot_end_the_batch(
    place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey
) -> None:
    forged = encode_line("batch", {"gateway": "gw-1"}, {"v": 1}, 1)
    row = Row("machine", {"gateway": "gw-1", "device": "r1"}, {"state": forged}, 0)
    read = read_seal(seal_batch([row], place, sealed_at, key).data)
    assert [line.fields["state"] for line in read_lines(read)] == [forged]
