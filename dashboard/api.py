"""What does a program get? The figures as JSON with a strong ETag, the metrics, and proof of life."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard.exposition import exposition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

PRIVATE = ("verdicts", "problems")
"""Parts of the census that name single enterprises; the public page and API show aggregates only. An auditor gets
them from `mfl census run` and `explain`, on the box."""
RETRY_AFTER_S = 30


def api_routes(leaves: Callable[[], int], figures: Callable[[], Mapping[str, Any] | None]) -> list[Route]:
    """Give the routes for programs; `leaves` counts the evidence log."""

    async def figures_json(request: Request) -> Response:
        latest = figures()
        if latest is None:
            body = {"code": "unavailable", "message": "no census has run yet"}
            return JSONResponse(body, status_code=503, headers={"Retry-After": str(RETRY_AFTER_S)})
        content = encode_figures(latest)
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        if _matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers={"ETag": etag})
        return Response(content, media_type="application/json", headers={"ETag": etag})

    async def metrics(_request: Request) -> Response:
        text = exposition(leaves(), figures())
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return [
        Route("/api/v1/figures", figures_json),
        Route("/metrics", metrics),
        Route("/healthz", healthz),
    ]


def encode_figures(figures: Mapping[str, Any]) -> bytes:
    """Spell the public part of the census, the same bytes for the same figures."""
    public = {key: value for key, value in figures.items() if key not in PRIVATE}
    public["problem_count"] = len(figures["problems"])
    return json.dumps(public, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _matches(header: str, etag: str) -> bool:
    """Compare If-None-Match weakly (RFC 9110, 13.1.2)."""
    candidates = [part.strip().removeprefix("W/") for part in header[:4096].split(",")]
    return etag in candidates or candidates == ["*"]
