"""How does a gateway seal its rows? By docs/reference/wire.md alone; nothing of the product is imported."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from pathlib import Path

ZEROS = "0" * 64
Value = int | str | bool


@dataclass(frozen=True)
class Row:
    """One data row before its batch is known: `tags` canonical (`device=..,gateway=..`), `time_ms` UTC."""

    measurement: str
    tags: str
    fields: dict[str, Value]
    time_ms: int


def tag_text(value: str) -> str:
    for mark in "\\,= ":
        value = value.replace(mark, "\\" + mark)
    return value


def tags_text(**tags: str) -> str:
    return ",".join(f"{name}={tag_text(tags[name])}" for name in sorted(tags))


@lru_cache(maxsize=65_536, typed=True)
def field_text(value: str | bool) -> str:
    """Give a field that is no whole number as it is spelt."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(maxsize=4_096)
def plan_of(names: tuple[str, ...], words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Give the format of a line with these fields, of which `words` are no whole numbers, and their order."""
    order = tuple(sorted(names))
    text = ",".join(f"{name}=%s" if name in words else f"{name}=%di" for name in order)
    return f"%s,%s {text} %d", order


def line_of(row: Row, seq: int) -> str:
    fields = row.fields
    words = tuple([name for name, value in fields.items() if value.__class__ is not int])
    text, order = plan_of(tuple(fields), words)
    if words:
        fields = {**fields, **{name: field_text(fields[name]) for name in words}}
    values = [fields[name] for name in order]
    return text % (row.measurement, row.tags, *values, row.time_ms * 1_000_000 + seq % 1_000_000)


def key_of(secret: bytes) -> tuple[Ed25519PrivateKey, str]:
    """Give the private key of 32 secret bytes and its public half as the documents write it."""
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return private, "ed25519 " + base64.b64encode(public).decode()


@dataclass
class Chain:
    """One epoch of a gateway: batches from seq 1, each naming the hash of the one before."""

    gateway: str
    epoch: str
    private: Ed25519PrivateKey
    folder: Path
    seq: int = 0
    prev: str = ZEROS
    received: list[tuple[str, str, int, int]] = field(default_factory=list)

    def seal(
        self,
        rows: list[Row],
        *,
        sealed_ms: int,
        mono_ms: int,
        boot: str,
        synced: bool,
        received_ms: int,
        forged_prev: str | None = None,
    ) -> None:
        """Write one batch and note when it came in; `forged_prev` breaks the chain."""
        self.seq += 1
        body = "".join([text + "\n" for text in sorted(line_of(row, self.seq) for row in rows)]).encode()
        told: dict[str, Value] = {
            "gateway": self.gateway,
            "epoch": self.epoch,
            "seq": self.seq,
            "count": len(rows),
            "sha256": hashlib.sha256(body).hexdigest(),
            "prev": forged_prev or self.prev,
            "sealed_ms": sealed_ms,
            "clock_state": "synced" if synced else "unsynced",
            "boot": boot,
            "mono_ms": mono_ms,
        }
        words = "mfl-batch-v1\n" + "".join(f"{name}={value}\n" for name, value in told.items())
        sig = base64.b64encode(self.private.sign(words.encode())).decode()
        del told["gateway"]
        seal = Row("batch", tags_text(gateway=self.gateway), {**told, "sig": sig, "v": 1}, sealed_ms)
        sealed = body + (line_of(seal, self.seq) + "\n").encode()
        self.prev = hashlib.sha256(sealed).hexdigest()
        if self.seq == 1:
            self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{self.seq}.lp").write_bytes(sealed)
        self.received.append((self.gateway, self.epoch, self.seq, received_ms))
