from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dashboard.app import build_app
from dashboard.headers import HEADERS
from store.embedded import EmbeddedStore
from telemetry.clock import Clock
from telemetry.line import Row
from telemetry.seal import GENESIS, ChainPlace, SealTime, seal_batch, write_public_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW_MS = 1_535_731_200_000
WRITE = "/api/v2/write?org=mfl&bucket=evidence&precision=ns"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "store", Clock(lambda: NOW_MS, lambda: 0, "boot"))
    yield opened
    opened.close()


def _batch(key: Ed25519PrivateKey) -> bytes:
    row = Row("heartbeat", {"gateway": "gw-1"}, {"uptime_s": 60}, NOW_MS - 60_000)
    return seal_batch([row], ChainPlace("gw-1", "0" * 32, 1, GENESIS), SealTime(NOW_MS, 0, "boot"), key).data


def _leaves(metrics: str) -> int:
    found = re.search(r"^mfl_store_leaves_total (\d+)$", metrics, re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_one_server_takes_evidence_in_and_shows_figures(
    store: EmbeddedStore, figures: dict[str, Any]
) -> None:
    key = Ed25519PrivateKey.generate()
    token = store.enrol(
        "gw-1", write_public_key(key.public_key()), kind="edge", from_ms=NOW_MS - 1000, at_ms=NOW_MS - 1000
    )
    app = build_app(store, lambda: figures)

    async def scenario() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://store", timeout=30) as client:
            before = _leaves((await client.get("/metrics")).text)
            refused = await client.post(WRITE, content=_batch(key))
            assert refused.status_code == 401
            for name, value in HEADERS:
                assert refused.headers[name] == value
            written = await client.post(
                WRITE, content=_batch(key), headers={"Authorization": f"Token {token}"}
            )
            assert written.status_code == 204, written.text
            assert _leaves((await client.get("/metrics")).text) == before + 1
            page = await client.get("/")
            assert "10,655" in page.text
            assert (await client.get("/health")).status_code == 200

    asyncio.run(scenario())


def test_no_route_is_given_twice(store: EmbeddedStore) -> None:
    app = build_app(store, lambda: None)
    seen = [
        (route.path, method)  # type: ignore[attr-defined]
        for route in app.routes
        for method in getattr(route, "methods", None) or ()
    ]
    assert len(seen) == len(set(seen))
    assert {"/", "/rules", "/metrics", "/healthz", "/api/v1/figures"} <= {path for path, _ in seen}


def test_while_the_server_lives_rows_follow_the_log(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Ed25519PrivateKey.generate()
    store.enrol(
        "gw-1", write_public_key(key.public_key()), kind="edge", from_ms=NOW_MS - 1000, at_ms=NOW_MS - 1000
    )
    app = build_app(store, lambda: None)
    followed = threading.Event()
    apply = store.apply

    def apply_and_tell() -> None:
        apply()
        followed.set()

    monkeypatch.setattr(store, "apply", apply_and_tell)

    async def scenario() -> None:
        async with asyncio.timeout(30), app.router.lifespan_context(app):
            assert await asyncio.to_thread(followed.wait, 20)

    assert store.is_behind
    asyncio.run(scenario())
    assert not store.is_behind
