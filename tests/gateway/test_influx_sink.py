from __future__ import annotations

import asyncio
import contextlib
import gzip
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from gateway import influx_sink
from gateway.config import StoreTarget
from gateway.influx_sink import InfluxSink
from telemetry.line import Row
from telemetry.seal import GENESIS, ChainPlace, read_seal, seal_batch
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import NOW_MS, HandClock, machine, seal_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from telemetry.seal import Batch

pytestmark = pytest.mark.wall
BOMB = gzip.compress(b"\0" * 50_000_000, 9)
TOKEN = "t0ken-of-g1"  # noqa: S105 - a test's


@pytest.fixture
def batch(key: Ed25519PrivateKey) -> Batch:
    odd = {"manufacturer": 'a "quoted", = \\ name 文', "source": "declared"}
    rows = [machine(NOW_MS), Row("identity", {"device": "r1", "gateway": "g1"}, odd, NOW_MS)]
    return seal_batch(rows, ChainPlace("g1", "a" * 32, 1, GENESIS), seal_time(), key)


def _offer(
    batch: Batch,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    *,
    timeout_s: int = 2,
    write: Callable[[InfluxSink], Awaitable[Answer]] | None = None,
) -> Answer:
    async def work() -> Answer:
        app = web.Application(client_max_size=2_000_000)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            target = StoreTarget(f"http://127.0.0.1:{port}", "my org", "evidence", timeout_s, TOKEN)
            async with asyncio.timeout(20), InfluxSink(target, HandClock().clock()) as sink:
                return await (write(sink) if write else sink.write(batch))
        finally:
            await runner.cleanup()

    return asyncio.run(work())


def test_the_bytes_arrive_unchanged_with_their_last_newline(batch: Batch) -> None:
    seen: list[tuple[str, dict[str, str], str | None, str, bytes]] = []

    async def store(request: web.Request) -> web.Response:
        body = await request.read()
        encoding = request.headers.get("Content-Encoding", "identity")
        seen.append((request.path, dict(request.query), request.headers.get("Authorization"), encoding, body))
        return web.Response(status=204)

    assert _offer(batch, store) == Answer(AnswerKind.STORED)
    [(path, query, authorization, encoding, body)] = seen
    assert path == "/api/v2/write"
    assert query == {"org": "my org", "bucket": "evidence", "precision": "ns"}
    assert authorization == f"Token {TOKEN}"
    assert encoding == "identity"
    assert body == batch.data
    assert body.endswith(b"\n")
    assert read_seal(body) == batch


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, AnswerKind.STORED),
        (400, AnswerKind.INVALID),
        (401, AnswerKind.FORBIDDEN),
        (403, AnswerKind.FORBIDDEN),
        (404, AnswerKind.UNAVAILABLE),
        (409, AnswerKind.CONFLICT),
        (413, AnswerKind.TOO_LARGE),
        (422, AnswerKind.INVALID),
        (429, AnswerKind.UNAVAILABLE),
        (500, AnswerKind.UNAVAILABLE),
        (503, AnswerKind.UNAVAILABLE),
        (507, AnswerKind.UNAVAILABLE),
        (200, AnswerKind.UNAVAILABLE),
        (201, AnswerKind.UNAVAILABLE),
    ],
)
def test_every_status_is_one_decision(batch: Batch, status: int, kind: AnswerKind) -> None:
    async def store(request: web.Request) -> web.Response:
        if status == 204:
            return web.Response(status=204)
        return web.json_response({"code": "invalid", "message": "the store's\nown words"}, status=status)

    answer = _offer(batch, store)
    assert answer.kind is kind
    assert "\n" not in answer.detail
    assert (status == 204) is not (f"HTTP {status}" in answer.detail)
    assert TOKEN not in answer.detail


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("Tue, 26 Jun 2018 08:00:30 GMT", 30.0), ("soon", None), ("-3", None), ("9" * 400, None)],
)
def test_retry_after_is_read(batch: Batch, header: str, seconds: float | None) -> None:
    async def store(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"retry-after": header})

    answer = _offer(batch, store)
    assert (answer.kind, answer.retry_after_s) == (AnswerKind.UNAVAILABLE, seconds)


def test_a_redirect_is_not_followed_with_the_token(batch: Batch) -> None:
    asked: list[str] = []

    async def store(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    assert _offer(batch, store).kind is AnswerKind.UNAVAILABLE
    assert asked == ["/api/v2/write"]


def test_a_store_that_never_answers_is_given_up(batch: Batch) -> None:
    async def store(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response(status=204)

    answer = _offer(batch, store, timeout_s=1)
    assert answer.kind is AnswerKind.UNAVAILABLE


async def _endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(status=503, headers={"Retry-After": "9"})
    await answer.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await answer.write(b"a" * 1_000_000)
    return answer


async def _dripping(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(status=503, headers={"Retry-After": "9"})
    answer.content_length = 1000
    await answer.prepare(request)
    await answer.write(b"a")
    await asyncio.Event().wait()
    return answer


async def _broken(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(status=503, headers={"Retry-After": "9"})
    answer.content_length = 1000
    await answer.prepare(request)
    await answer.write(b"a")
    assert request.transport is not None
    request.transport.close()
    return answer


async def _bomb(request: web.Request) -> web.StreamResponse:
    headers = {"Retry-After": "9", "Content-Encoding": "gzip", "Content-Type": "application/json"}
    return web.Response(status=503, body=BOMB, headers=headers)


@pytest.mark.parametrize("handler", [_endless, _dripping, _broken, _bomb])
def test_a_body_without_an_end_costs_a_bound_and_not_the_answer(
    batch: Batch,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(influx_sink, "BODY_WAIT_S", 0.3)
    tracemalloc.start()
    try:
        answer = _offer(batch, handler, timeout_s=5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.kind, answer.retry_after_s) == (AnswerKind.UNAVAILABLE, 9.0)
    assert answer.detail.startswith("HTTP 503")
    assert peak < 12_000_000


def test_a_connection_serves_again_after_a_refusal(batch: Batch) -> None:
    peers: set[object] = set()

    async def store(request: web.Request) -> web.Response:
        peers.add(request.transport)
        await request.read()
        return web.json_response({"code": "invalid", "message": "x"}, status=400)

    async def twice(sink: InfluxSink) -> Answer:
        await sink.write(batch)
        return await sink.write(batch)

    assert _offer(batch, store, write=twice).kind is AnswerKind.INVALID
    assert len(peers) == 1


def test_a_line_cut_in_mid_answer_is_no_answer(batch: Batch) -> None:
    async def store(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response(status=204)

    assert _offer(batch, store).kind is AnswerKind.UNAVAILABLE


def test_nobody_there_is_no_answer(batch: Batch) -> None:
    async def work() -> Answer:
        async with InfluxSink(
            StoreTarget("http://127.0.0.1:9", "o", "b", 2, TOKEN), HandClock().clock()
        ) as sink:
            return await sink.write(batch)

    answer = asyncio.run(work())
    assert answer.kind is AnswerKind.UNAVAILABLE
    assert TOKEN not in answer.detail
    assert TOKEN not in repr(StoreTarget("http://x", "o", "b", 2, TOKEN))
