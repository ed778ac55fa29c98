"""What makes a batch evidence? Hashed, chained and signed line protocol (DESIGN section 5).

A batch is UTF-8: canonical data lines sorted by bytes, then one seal line `batch,gateway=G`, each ended by a newline.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from telemetry.asset import is_id
from telemetry.clock import ClockState
from telemetry.errors import SealError
from telemetry.line import Line, Row, decode_line, encode_line
from telemetry.schema import MEASUREMENTS, SEAL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1
GENESIS = "0" * 64
BATCH_BYTES_MAX = 1_000_000
"""Bytes a batch may have; a window of 1,000 devices at 700 bytes a row fits (DESIGN section 5)."""
NS_PER_MS = 1_000_000
_SIGNED = (
    "gateway",
    "epoch",
    "seq",
    "count",
    "sha256",
    "prev",
    "sealed_ms",
    "clock_state",
    "boot",
    "mono_ms",
)
_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""Encodings of points of small order, sign bit cleared (RFC 8032, section 5.1): under such a key anybody can sign."""
_HEX64, _HEX32 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Seal:
    """The seal line's content; hashes are lowercase hex, `sig` is base64 Ed25519."""

    gateway: str
    epoch: str
    seq: int
    count: int
    sha256: str
    prev: str
    sealed_ms: int
    clock_state: ClockState
    boot: str
    mono_ms: int
    sig: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """Gateway, epoch and seq: what no two batches may share."""
        return self.gateway, self.epoch, self.seq

    def signed_bytes(self) -> bytes:
        """Give the bytes under the signature: `mfl-batch-v1` and `name=value` lines in the fixed order."""
        lines = "".join(f"{name}={getattr(self, name)}\n" for name in _SIGNED)
        return f"mfl-batch-v1\n{lines}".encode()


@dataclass(frozen=True, slots=True)
class Batch:
    """A sealed batch as it travels: its bytes, its seal, and `hash` over all of its bytes (the next one's `prev`)."""

    data: bytes
    seal: Seal
    hash: str


@dataclass(frozen=True, slots=True)
class ChainPlace:
    """Where the next batch of a gateway stands: its epoch, its seq, and the hash it must name as `prev`."""

    gateway: str
    epoch: str
    seq: int
    prev: str


@dataclass(frozen=True, slots=True)
class SealTime:
    """When a batch is sealed, by both clocks, and whether the wall clock can be trusted."""

    sealed_ms: int
    mono_ms: int
    boot: str
    clock_state: ClockState = ClockState.SYNCED


def seal_batch(rows: Sequence[Row], place: ChainPlace, time: SealTime, key: Ed25519PrivateKey) -> Batch:
    """Seal rows into the batch at this place of the chain.

    A row's nanoseconds are seq mod 10^6, so that it names its batch and overwrites no other (DESIGN section 5).
    ValueError when two rows share (measurement, tags, time), when a row is another gateway's, or the batch is too large.
    """
    suffix = place.seq % NS_PER_MS
    lines = sorted(
        encode_line(row.measurement, row.tags, row.fields, row.time_ms * NS_PER_MS + suffix).encode()
        for row in rows
    )
    _check_rows(rows, place.gateway)
    body = b"".join(line + b"\n" for line in lines)
    seal = Seal(
        gateway=place.gateway,
        epoch=place.epoch,
        seq=place.seq,
        count=len(lines),
        sha256=hashlib.sha256(body).hexdigest(),
        prev=place.prev,
        sealed_ms=time.sealed_ms,
        clock_state=time.clock_state,
        boot=time.boot,
        mono_ms=time.mono_ms,
    )
    signature = base64.b64encode(key.sign(seal.signed_bytes())).decode()
    data = body + _seal_line(seal, signature, suffix)
    if len(data) > BATCH_BYTES_MAX:
        raise ValueError(f"a batch of {len(data)} bytes; at most {BATCH_BYTES_MAX}")
    return Batch(data, _with_signature(seal, signature), hashlib.sha256(data).hexdigest())


def next_place(batch: Batch) -> ChainPlace:
    """Give the place that follows a batch in its chain."""
    return ChainPlace(batch.seal.gateway, batch.seal.epoch, batch.seal.seq + 1, batch.hash)


def _check_rows(rows: Sequence[Row], gateway: str) -> None:
    seen = set()
    for row in rows:
        if row.tags.get("gateway") != gateway:
            raise ValueError(f"a row of gateway {row.tags.get('gateway')!r} in a batch of {gateway!r}")
        identity = (row.measurement, tuple(sorted(row.tags.items())), row.time_ms)
        if identity in seen:
            raise ValueError(f"two rows share {identity}")
        seen.add(identity)


def _with_signature(seal: Seal, signature: str) -> Seal:
    values = {name: getattr(seal, name) for name in _SIGNED}
    return Seal(**values, sig=signature)


def _seal_line(seal: Seal, signature: str, suffix: int) -> bytes:
    fields = {name: getattr(seal, name) for name in _SIGNED if name != "gateway"}
    fields |= {"clock_state": str(seal.clock_state), "sig": signature, "v": VERSION}
    line = encode_line("batch", {"gateway": seal.gateway}, fields, seal.sealed_ms * NS_PER_MS + suffix)
    return line.encode() + b"\n"


def split_batch(data: bytes) -> tuple[bytes, bytes]:
    """Part a batch's bytes into data lines and seal line (newlines kept); SealError when there is no seal line."""
    if not data.endswith(b"\n"):
        raise SealError("a batch ends with a newline")
    at = data.rfind(b"\n", 0, -1) + 1
    return data[:at], data[at:]


def read_seal(data: bytes) -> Batch:
    """Read a batch's seal and check what needs no key: spelling, size, count and hash. SealError says what is wrong."""
    if len(data) > BATCH_BYTES_MAX:
        raise SealError(f"a batch of {len(data)} bytes; at most {BATCH_BYTES_MAX}")
    body, last = split_batch(data)
    line = _decoded(last[:-1])
    if line.measurement != "batch" or tuple(line.tags) != ("gateway",):
        raise SealError("the last line is not a seal")
    if {name: type(value) for name, value in line.fields.items()} != dict(sorted(SEAL_FIELDS.items())):
        raise SealError("the seal's fields are not those of version 1")
    values = dict(line.fields)
    if values.pop("v") != VERSION:
        raise SealError("an unknown seal version")
    seal = _checked_seal(line, values)
    if seal.count != body.count(b"\n"):
        raise SealError(f"the seal counts {seal.count} lines, the batch has {body.count(chr(10).encode())}")
    if seal.sha256 != hashlib.sha256(body).hexdigest():
        raise SealError("the data lines do not hash to the seal's sha256")
    return Batch(data, seal, hashlib.sha256(data).hexdigest())


def _checked_seal(line: Line, values: dict[str, int | str | bool]) -> Seal:
    try:
        state = ClockState(str(values.pop("clock_state")))
    except ValueError as error:
        raise SealError(str(error)) from None
    seal = Seal(gateway=line.tags["gateway"], clock_state=state, **values)  # type: ignore[arg-type]
    hashes_ok = _HEX64.fullmatch(seal.sha256) and _HEX64.fullmatch(seal.prev) and _HEX32.fullmatch(seal.epoch)
    if not hashes_ok or seal.seq < 1 or not is_id(seal.gateway) or not seal.boot:
        raise SealError("the seal's gateway, epoch, seq, boot or hashes are malformed")
    if _base64(seal.sig) is None:
        raise SealError("the seal's signature is not canonical base64")
    if line.time_ns != seal.sealed_ms * NS_PER_MS + seal.seq % NS_PER_MS:
        raise SealError("the seal line's time is not sealed_ms and seq")
    return seal


def _decoded(raw: bytes) -> Line:
    try:
        return decode_line(raw.decode())
    except ValueError as error:  # a UnicodeDecodeError is one
        raise SealError(f"not canonical line protocol: {error}") from None


def read_lines(batch: Batch) -> list[Line]:
    """Decode a batch's data lines and check each: canonical, sorted, unique, known, and of the batch's own gateway.

    SealError names the first line that is not.
    """
    body, _ = split_batch(batch.data)
    raw_lines = body.split(b"\n")[:-1]
    suffix = batch.seal.seq % NS_PER_MS
    lines = []
    previous, identities = b"", set()
    for number, raw in enumerate(raw_lines, start=1):
        if raw <= previous:
            raise SealError(f"line {number} is out of order or repeated")
        line = _decoded(raw)
        _check_line(line, batch.seal.gateway, suffix, number)
        lines.append(line)
        identities.add((line.measurement, *line.tags.values(), line.time_ns))
        previous = raw
    if len(identities) != len(lines):
        raise SealError("two rows share measurement, tags and time")
    return lines


def _check_line(line: Line, gateway: str, suffix: int, number: int) -> None:
    known = MEASUREMENTS.get(line.measurement)
    if known is None or tuple(line.tags) != known.tags:
        raise SealError(f"line {number}: unknown measurement or tags {line.measurement} {tuple(line.tags)}")
    if line.tags["gateway"] != gateway:
        raise SealError(f"line {number}: a row of gateway {line.tags['gateway']!r}")
    if line.time_ns % NS_PER_MS != suffix:
        raise SealError(f"line {number}: its time does not name seq")
    fields = known.fields
    for name, value in line.fields.items():
        if fields.get(name) is not type(value):
            raise SealError(f"line {number}: field {name} is unknown or of the wrong type")


def _base64(text: str) -> bytes | None:
    """Read canonical base64; None for any other of the up to 16 spellings that decode to the same bytes."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return value if base64.b64encode(value) == text.encode() else None


def signature_holds(seal: Seal, key: Ed25519PublicKey) -> bool:
    """Tell whether the seal was signed by this key; a signature has one spelling only."""
    signature = _base64(seal.sig)
    if signature is None:
        return False
    try:
        key.verify(signature, seal.signed_bytes())
    except InvalidSignature:
        return False
    return True


def write_public_key(key: Ed25519PublicKey) -> str:
    """Write a public key as `ed25519 <base64>`."""
    return f"ed25519 {base64.b64encode(key.public_bytes_raw()).decode()}"


def parse_public_key(text: str) -> Ed25519PublicKey:
    """Read `ed25519 <base64>`; ValueError when it is anything else."""
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm != "ed25519":
        raise ValueError(f"a public key is written 'ed25519 <base64>', not {text[:20]!r}")
    raw = _base64(encoded)
    if raw is None:
        raise ValueError("a public key's base64 is not canonical")
    if len(raw) == 32 and raw[:31] + bytes([raw[31] & 0x7F]) in _SMALL_ORDER:
        raise ValueError("not a public key but a point of small order, under which anybody can sign")
    return Ed25519PublicKey.from_public_bytes(raw)
