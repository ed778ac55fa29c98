"""Fixtures for the telemetry tests: a gateway with a fixed key, and a small batch of three rows."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.line import Row
from telemetry.seal import GENESIS, Batch, ChainPlace, SealTime, seal_batch


@pytest.fixture(scope="session")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="session")
def place() -> ChainPlace:
    return ChainPlace("gw-1", "0123456789abcdef0123456789abcdef", 1, GENESIS)


@pytest.fixture(scope="session")
def sealed_at() -> SealTime:
    return SealTime(1_538_352_060_250, 61_250, "boot-1")


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return [
        Row("machine", {"gateway": "gw-1", "device": "r2"}, {"window_ms": 60_000}, 1_538_352_000_000),
        Row("epoch", {"gateway": "gw-1"}, {"reason": "first", "previous_seq": 0}, 1_538_352_000_000),
        Row(
            "machine",
            {"gateway": "gw-1", "device": "r1"},
            {"window_ms": 60_000, "late": False, "state": "running", "profile": 'a "b", c\\'},
            1_538_352_000_000,
        ),
    ]


@pytest.fixture(scope="session")
def batch(rows: list[Row], place: ChainPlace, sealed_at: SealTime, key: Ed25519PrivateKey) -> Batch:
    return seal_batch(rows, place, sealed_at, key)
