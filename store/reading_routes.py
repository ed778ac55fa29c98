"""How is the store read over HTTP? Rows as line protocol, and per gateway the proof that no batch is missing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from store.export import export_lines
from store.routes import granted, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from store.embedded import EmbeddedStore

MISSING_MAX = 100
"""Gaps named an epoch; `highest` and `contiguous` tell the rest."""
_DIGITS = re.compile(r"-?[0-9]{1,15}")


def day_span(day: date, offset_ms: int) -> tuple[int, int]:
    """Give a calendar day at the store's offset as [start, stop) in UTC ms."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    start = int(midnight.timestamp()) * 1_000 - offset_ms
    return start, start + 86_400_000


def span_of(parameters: Mapping[str, str], offset_ms: int) -> tuple[int, int]:
    """Read `day`, or `start` and `stop`, from a request; ValueError says what is wrong."""
    if "day" in parameters:
        if "start" in parameters or "stop" in parameters:
            raise ValueError("give either day, or start and stop")
        return day_span(date.fromisoformat(parameters["day"]), offset_ms)
    if "start" not in parameters or "stop" not in parameters:
        raise ValueError("give day=YYYY-MM-DD, or start and stop (UTC ms, or ISO 8601 with an offset)")
    start, stop = (_instant(parameters[name], offset_ms) for name in ("start", "stop"))
    if stop <= start:
        raise ValueError("stop must lie after start")
    return start, stop


def _instant(text: str, offset_ms: int) -> int:
    if _DIGITS.fullmatch(text):
        return int(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone(timedelta(milliseconds=offset_ms)))
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def gap_proof(store: EmbeddedStore) -> list[dict[str, Any]]:
    """Give per enrolled gateway and epoch how far its batches are complete, and which are missing."""
    progress = store.progress()
    proof = []
    for gateway in store.gateways():
        epochs = []
        for (name, epoch), seqs in sorted(progress.items()):
            if name == gateway:
                missing = seqs.missing(MISSING_MAX)
                state = {"contiguous": seqs.contiguous, "highest": seqs.highest, "missing": missing}
                epochs.append({"epoch": epoch, **state, "complete": not missing})
        proof.append({"gateway": gateway, "epochs": epochs})
    return proof


class ReadRoutes:
    """The reading endpoints; every one wants a token."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    async def export(self, request: Request) -> Response:
        """Stream rows of a day or span as line protocol."""
        if granted(self._store, request) is None:
            return refusal(401, "a valid token is needed: Authorization: Token ...")
        try:
            start, stop = span_of(request.query_params, self._store.offset_ms)
        except ValueError as error:
            return refusal(400, str(error))
        lines = export_lines(self._store, start, stop, request.query_params.get("measurement", ""))
        return StreamingResponse(lines, media_type="text/plain; charset=utf-8")

    async def gateways(self, request: Request) -> Response:
        """Give the gap proof."""
        if granted(self._store, request) is None:
            return refusal(401, "a valid token is needed: Authorization: Token ...")
        return JSONResponse({"gateways": gap_proof(self._store)})

    def routes(self) -> list[Route]:
        """Give both routes."""
        return [
            Route("/api/v1/export", self.export, methods=["GET"]),
            Route("/api/v1/gateways", self.gateways, methods=["GET"]),
        ]
