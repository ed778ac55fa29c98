"""What do the store's tests share? A clock that stands still, gateways that seal, and stores in a temporary directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from store.embedded import EmbeddedStore
from telemetry.clock import Clock
from telemetry.line import Row
from telemetry.seal import (
    GENESIS,
    Batch,
    ChainPlace,
    SealTime,
    seal_batch,
    write_public_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START_MS = 1_514_736_000_000
"""2018-01-01T00:00:00+08:00."""


@dataclass
class StillClock:
    """Time as the test sets it."""

    wall_ms: int = START_MS + 86_400_000
    mono_ms: int = 0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall_ms, lambda: self.mono_ms, "boot-1")


@dataclass
class Sealer:
    """A gateway's sealing side: makes batch after batch of one chain."""

    gateway: str = "gw1"
    seed: int = 1
    epoch: str = "ab" * 16
    seq: int = 0
    prev: str = GENESIS
    key: Ed25519PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(bytes([self.seed]) * 32)

    @property
    def public_key(self) -> str:
        return write_public_key(self.key.public_key())

    def row(self, device: str, minute: int, **fields: int | str | bool) -> Row:
        values: dict[str, int | str | bool] = {"window_ms": 60_000, "state": "running", **fields}
        return Row("machine", {"gateway": self.gateway, "device": device}, values, START_MS + minute * 60_000)

    def seal(self, *rows: Row, seq: int | None = None) -> Batch:
        """Seal rows as the next batch, or (with `seq`) as a batch beside the chain."""
        number = self.seq + 1 if seq is None else seq
        sealed_ms = START_MS + number * 60_000
        place = ChainPlace(self.gateway, self.epoch, number, self.prev)
        batch = seal_batch(list(rows), place, SealTime(sealed_ms, number * 60_000, "boot-9"), self.key)
        if seq is None:
            self.seq, self.prev = number, batch.hash
        return batch

    def batches(self, count: int, devices: int = 2) -> list[Batch]:
        made = []
        for _ in range(count):
            minute = self.seq + 1
            rows = [self.row(f"r{n}", minute, cycles_inc=minute * 10 + n) for n in range(devices)]
            made.append(self.seal(*rows))
        return made


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture(scope="session")
def make_still() -> type[StillClock]:
    return StillClock


@pytest.fixture(scope="session")
def make_sealer() -> type[Sealer]:
    return Sealer


@pytest.fixture
def sealer() -> Sealer:
    return Sealer()


@pytest.fixture
def open_store(tmp_path: Path, still: StillClock) -> Iterator[Callable[..., EmbeddedStore]]:
    """Open the test's store (again); all are closed at the end."""
    opened: list[EmbeddedStore] = []

    def opener(name: str = "store", *, read_only: bool = False) -> EmbeddedStore:
        store = EmbeddedStore.open(tmp_path / name, still.clock(), read_only=read_only)
        opened.append(store)
        return store

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., EmbeddedStore], sealer: Sealer) -> EmbeddedStore:
    """A store that knows the gateway gw1."""
    made = open_store()
    made.enrol(sealer.gateway, sealer.public_key, kind="edge", from_ms=0, at_ms=START_MS)
    return made
