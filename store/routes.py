"""How is the store written to over HTTP? As InfluxDB 2 is: `POST /api/v2/write`, with sealed batches or plain lines.

Token first, then the body's size, then its bytes, then its content; an answer 204 only after the sync. The errors have
InfluxDB 2's JSON shape {"code", "message"}.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from store.body import BadBody, read_body
from store.influx_line import NS_PER, LineError
from telemetry.errors import SealError
from telemetry.seal import BATCH_BYTES_MAX, read_seal
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from starlette.requests import Request

    from store.embedded import EmbeddedStore
    from store.enrolment import Grant

UNSIGNED_BYTES_MAX = 5_000_000
"""A plain write's bound; clients batch 5,000 lines of some 100 bytes."""
SEALED_BYTES_MAX = BATCH_BYTES_MAX + 1_024
"""A sealed batch's bound, with slack so that one too large is told so by its seal check."""
IN_FLIGHT_MAX = 64
"""Writes handled at once: 64 bodies of 5 MB are the memory this may take."""
IN_FLIGHT_EACH = 4
"""Writes of one token at once: a gateway has one, a batching client a few."""
_CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    408: "request timeout",
    409: "conflict",
    413: "request too large",
    415: "unsupported media type",
    422: "unprocessable entity",
    429: "too many requests",
    503: "unavailable",
    507: "insufficient storage",
}
_STATUS = {
    AnswerKind.FORBIDDEN: 403,
    AnswerKind.CONFLICT: 409,
    AnswerKind.INVALID: 400,
    AnswerKind.TOO_LARGE: 413,
    AnswerKind.UNAVAILABLE: 503,
}
_logger = logging.getLogger(__name__)


def refusal(status: int, message: str, *, retry_after_s: float | None = None) -> JSONResponse:
    """Give an error as InfluxDB 2 does."""
    headers = {} if retry_after_s is None else {"Retry-After": str(max(1, round(retry_after_s)))}
    if status == 401:
        headers["WWW-Authenticate"] = "Token"
    return JSONResponse({"code": _CODES[status], "message": message}, status, headers)


def granted(store: EmbeddedStore, request: Request) -> Grant | None:
    """Give what the request's token allows; only the Authorization header is looked at."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in {"token", "bearer"} or not token.strip():
        return None
    return store.grant(token.strip())


class WriteRoute:
    """The write endpoint, with what bounds it."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self._in_flight: dict[str, int] = {}

    async def __call__(self, request: Request) -> Response:
        """Answer one write."""
        grant = granted(self._store, request)
        if grant is None:
            return refusal(401, "a valid token is needed: Authorization: Token ...")
        name = grant.name
        total, own = sum(self._in_flight.values()), self._in_flight.get(name, 0)
        if total >= IN_FLIGHT_MAX or own >= IN_FLIGHT_EACH:
            return refusal(429, "too many writes at once", retry_after_s=1)
        self._in_flight[name] = own + 1
        try:
            return await self._write(request, grant)
        except BadBody as error:
            return refusal(error.status, str(error))
        except (LineError, SealError) as error:
            return refusal(400, str(error))
        except ClientDisconnect:
            return refusal(400, "the client went away")
        finally:
            self._in_flight[name] -= 1
            if not self._in_flight[name]:
                del self._in_flight[name]

    async def _write(self, request: Request, grant: Grant) -> Response:
        precision = request.query_params.get("precision", "ns")
        if precision not in NS_PER:
            return refusal(400, f"precision {precision[:20]!r} is not one of {', '.join(NS_PER)}")
        is_gateway = grant.role == "gateway"
        data = await read_body(request, SEALED_BYTES_MAX if is_gateway else UNSIGNED_BYTES_MAX)
        if is_gateway:
            return await self._write_sealed(data, grant)
        if _is_sealed(data):
            return refusal(403, "a sealed batch needs the token of its own gateway")
        return _answered(await asyncio.to_thread(self._write_unsigned, data, precision, grant))

    async def _write_sealed(self, data: bytes, grant: Grant) -> Response:
        if not _is_sealed(data):
            return refusal(400, "a gateway writes sealed batches: the last line must be its seal")
        batch = await asyncio.to_thread(read_seal, data)
        if batch.seal.gateway != grant.name:
            return refusal(403, f"this token does not write for gateway {batch.seal.gateway}")
        return _answered(await self._store.write(batch))

    def _write_unsigned(self, data: bytes, precision: str, grant: Grant) -> Answer:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise LineError(line, 1, "not UTF-8") from None
        return self._store.write_unsigned(grant.name, text, precision)


def _is_sealed(data: bytes) -> bool:
    at = data.rfind(b"\n", 0, -1) + 1
    return data.startswith(b"batch,gateway=", at)


def _answered(answer: Answer) -> Response:
    if answer.kind is AnswerKind.STORED:
        return Response(status_code=204)
    status = _STATUS[answer.kind]
    if answer.detail == "no space left":
        status = 507
    return refusal(status, answer.detail, retry_after_s=answer.retry_after_s)


async def _health(_: Request) -> Response:
    """Say that we are up, in InfluxDB 2's words and without a version."""
    message = "ready for queries and writes"
    return JSONResponse({"name": "influxdb", "message": message, "status": "pass", "checks": []})


async def _ping(_: Request) -> Response:
    return Response(status_code=204)


def write_routes(store: EmbeddedStore) -> list[Route]:
    """Give the routes that InfluxDB clients use."""
    return [
        Route("/api/v2/write", WriteRoute(store).__call__, methods=["POST"]),
        Route("/health", _health, methods=["GET"]),
        Route("/ping", _ping, methods=["GET"]),
    ]
