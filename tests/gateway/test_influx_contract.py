"""The uplink against InfluxDB 2 and 3 as they are documented: what they demand of a write, and what their answers mean."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from gateway.config import StoreTarget
from gateway.influx_sink import InfluxSink
from telemetry.seal import GENESIS, ChainPlace, seal_batch
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import NOW_MS, HandClock, machine, seal_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from telemetry.seal import Batch

pytestmark = pytest.mark.wall
V2 = "InfluxDB 2, POST /api/v2/write (API reference, OSS 2.7)"
V3 = "InfluxDB 3 Core, its compatible /api/v2/write"


@dataclass(frozen=True, slots=True)
class Case:
    """One documented answer and what the gateway makes of it."""

    name: str
    status: int
    body: object
    kind: AnswerKind
    headers: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None


CASES = [
    Case(f"{V2}: stored", 204, None, AnswerKind.STORED),
    Case(f"{V2}: line rejected", 400, {"code": "invalid", "message": "unable to parse"}, AnswerKind.INVALID),
    Case(
        f"{V2}: partial write", 422, {"code": "unprocessable entity", "message": "partial write: points beyond retention"},
        AnswerKind.INVALID,
    ),
    Case(f"{V2}: no such token", 401, {"code": "unauthorized", "message": "unauthorized access"}, AnswerKind.FORBIDDEN),
    Case(f"{V2}: token may not write", 403, {"code": "forbidden", "message": "insufficient"}, AnswerKind.FORBIDDEN),
    Case(f"{V2}: no such bucket", 404, {"code": "not found", "message": "bucket"}, AnswerKind.UNAVAILABLE),
    Case(f"{V2}: too large", 413, {"code": "request too large", "message": "limit"}, AnswerKind.TOO_LARGE),
    Case(f"{V2}: quota", 429, {"code": "too many requests", "message": "quota"}, AnswerKind.UNAVAILABLE, (("Retry-After", "30"),), 30.0),
    Case(f"{V2}: broken", 500, {"code": "internal error", "message": "x"}, AnswerKind.UNAVAILABLE),
    Case(f"{V2}: busy", 503, {"code": "unavailable", "message": "x"}, AnswerKind.UNAVAILABLE, (("Retry-After", "5"),), 5.0),
    Case(f"{V3}: stored", 204, None, AnswerKind.STORED),
    Case(
        f"{V3}: partial write", 400,
        {"error": "partial write of line protocol occurred", "data": [{"line_number": 2, "error_message": "type"}]},
        AnswerKind.INVALID,
    ),
    Case(f"{V3}: accepted, not yet durable", 202, None, AnswerKind.UNAVAILABLE),
]  # fmt: skip


@pytest.fixture
def batch(key: Ed25519PrivateKey) -> Batch:
    return seal_batch([machine(NOW_MS)], ChainPlace("g1", "a" * 32, 1, GENESIS), seal_time(), key)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace("/", " "))
def test_documented_answers_are_understood(batch: Batch, case: Case) -> None:
    asked: list[web.Request] = []
    bodies: list[bytes] = []

    async def write(request: web.Request) -> web.Response:
        asked.append(request)
        bodies.append(await request.read())
        if case.body is None:
            return web.Response(status=case.status)
        return web.json_response(case.body, status=case.status, headers=dict(case.headers))

    async def work() -> Answer:
        app = web.Application(client_max_size=2_000_000)
        app.router.add_post("/api/v2/write", write)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            target = StoreTarget(url, "mfl", "evidence", 5, "secret-token")
            async with asyncio.timeout(20), InfluxSink(target, HandClock().clock()) as sink:
                return await sink.write(batch)
        finally:
            await runner.cleanup()

    answer = asyncio.run(work())
    assert (answer.kind, answer.retry_after_s) == (case.kind, case.retry_after_s)
    assert bodies == [batch.data]
    (request,) = asked
    query = dict(request.query)
    assert {name: query[name] for name in ("org", "bucket", "precision")} == {
        "org": "mfl", "bucket": "evidence", "precision": "ns",
    }  # fmt: skip
    assert request.headers["Authorization"] == "Token secret-token"
    assert "secret-token" not in answer.detail
