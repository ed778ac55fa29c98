"""Connections that ask for nothing keep no gateway out: real sockets against the real server."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboard import server as server_module
from dashboard.app import compose
from dashboard.server import CONNECTIONS_MAX, listen, run_server
from gateway.config import StoreTarget
from gateway.influx_sink import InfluxSink
from store.embedded import EmbeddedStore
from store.routes import write_routes
from telemetry.seal import GENESIS, ChainPlace, seal_batch, write_public_key
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import NOW_MS, HandClock, machine, seal_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

pytestmark = pytest.mark.wall
IDLE = 600
KEY = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * IDLE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.asynccontextmanager
async def _serving(routes: Sequence[BaseRoute]) -> AsyncIterator[int]:
    with listen("127.0.0.1", 0) as listener:
        port = int(listener.getsockname()[1])
        serving = asyncio.create_task(run_server(compose(routes), listener))
        try:
            async with asyncio.timeout(60):
                yield port
        finally:
            serving.cancel()
            await asyncio.wait([serving])


async def _connect(port: int, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    return reader, writer


def _said(words: str) -> Response:
    return PlainTextResponse(words)


@pytest.mark.usefixtures("_many_files")
@pytest.mark.parametrize("said", [b"", GET], ids=["never a byte", "one request each"])
def test_a_gateway_writes_beside_600_idle_sockets(tmp_path: Path, said: bytes) -> None:
    batch = seal_batch([machine(NOW_MS)], ChainPlace("g1", "a" * 32, 1, GENESIS), seal_time(), KEY)
    store = EmbeddedStore.open(tmp_path / "store", HandClock().clock())
    token = store.enrol(
        "g1", write_public_key(KEY.public_key()), kind="edge", from_ms=NOW_MS - 1, at_ms=NOW_MS
    )

    async def work() -> Answer:
        async with _serving(write_routes(store)) as port:
            idle = []
            for _ in range(IDLE):
                idle.append(await _connect(port, said))
                if said:
                    await idle[-1][0].readuntil(b"\r\n\r\n")
            target = StoreTarget(f"http://127.0.0.1:{port}", "mfl", "evidence", 5, token)
            async with InfluxSink(target, HandClock().clock()) as sink:
                answer = await sink.write(batch)
            for _, writer in idle:
                writer.close()
            return answer

    assert IDLE > CONNECTIONS_MAX
    try:
        assert asyncio.run(work()) == Answer(AnswerKind.STORED)
    finally:
        store.close()


@pytest.mark.parametrize(
    "said", [b"", b"GET /heal", GET + b"G"], ids=["nothing", "half a head", "half a second head"]
)
def test_a_head_that_does_not_come_ends_the_connection(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(server_module, "HEAD_WAIT_S", 0.2)

    async def work() -> bytes:
        async def health(_: Request) -> Response:
            return _said("well")

        async with _serving([Route("/health", health)]) as port:
            reader, writer = await _connect(port, said[: len(GET)])
            heard = b""
            if len(said) > len(GET):
                heard = await reader.readuntil(b"well")
                writer.write(said[len(GET) :])
            heard += await reader.read()
            writer.close()
            return heard

    assert (b"well" in asyncio.run(work())) is (len(said) > len(GET))


def test_a_request_that_takes_its_time_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_WAIT_S", 0.1)

    async def work() -> bytes:
        async def slow(_: Request) -> Response:
            await asyncio.sleep(0.5)
            return _said("well")

        async with _serving([Route("/health", slow)]) as port:
            reader, writer = await _connect(port, GET)
            heard = await reader.readuntil(b"well")
            writer.close()
            return heard

    assert asyncio.run(work()).endswith(b"well")
