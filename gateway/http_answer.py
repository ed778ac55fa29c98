"""What does an HTTP answer to a write mean? Only what the store itself says has a consequence for a batch (decision 0019)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec

from gateway.backoff import RETRY_AFTER_MAX_S
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

STORED = 204
"""The one success that our store and InfluxDB 1, 2 and 3 document for a write; 201, 200, 202 say nothing that we know."""
KINDS: dict[int, AnswerKind] = {
    400: AnswerKind.INVALID,
    409: AnswerKind.CONFLICT,
    422: AnswerKind.INVALID,
}
"""Status → decision (DESIGN section 5), when the body is the store's own: these change what becomes of a batch."""
KINDS_OF_ANYBODY: dict[int, AnswerKind] = {
    401: AnswerKind.FORBIDDEN,
    403: AnswerKind.FORBIDDEN,
    413: AnswerKind.TOO_LARGE,
}
"""Status → decision, whoever says so, for the batch is kept as it is."""
_BUSY = {408, 425, 429}
"""Statuses below 500 that any server on the way may give while it cannot; they say nothing of who it is."""
_CODES = frozenset(
    [
        "conflict",
        "empty value",
        "forbidden",
        "internal error",
        "invalid",
        "method not allowed",
        "not found",
        "request timeout",
        "request too large",
        "too many requests",
        "unauthorized",
        "unavailable",
        "unprocessable entity",
        "unsupported media type",
    ]
)
"""The words that InfluxDB 2 and our store put into `code`."""
DETAIL_MAX = 300
"""Characters of an answer that reach a log."""
_WAY_OUT = "not the store's answer to a write: see store.url, and what stands before the store (proxy, login page, TLS)"


@dataclass(frozen=True, slots=True)
class ForeignAnswer(Answer):
    """An answer that no store gives to a write: everything is kept; `status` is the HTTP status."""

    status: int = 0


def read_answer(status: int, headers: Mapping[str, str], body: bytes, now_ms: int) -> Answer:
    """Turn an answer into a decision; never raises. `now_ms` is the wall clock, for a Retry-After that is a date."""
    if status == STORED:
        return Answer(AnswerKind.STORED)
    retry_after_s = read_retry_after(headers.get("Retry-After", ""), now_ms)
    is_stores = is_store_refusal(headers.get("Content-Type", ""), body)
    if status in KINDS_OF_ANYBODY or status in _BUSY or status >= 500 or is_stores:
        kind = KINDS_OF_ANYBODY.get(status) or KINDS.get(status, AnswerKind.UNAVAILABLE)
        return Answer(kind, _detail(f"HTTP {status}", body), retry_after_s)
    detail = _detail(f"HTTP {status}, {_WAY_OUT}:", body)
    return ForeignAnswer(AnswerKind.UNAVAILABLE, detail, retry_after_s, status)


def is_store_refusal(content_type: str, body: bytes) -> bool:
    """Tell whether a body is a store's refusal: JSON as InfluxDB 2 and our store write it, or as InfluxDB 1 and 3 do.

    A missing content type is taken for JSON, another one never is.
    """
    if content_type.partition(";")[0].strip().lower() not in {"", "application/json"}:
        return False
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    code, message, error = found.get("code"), found.get("message"), found.get("error")
    if isinstance(code, str) and isinstance(message, str):
        return code in _CODES
    return isinstance(error, str) and found.keys() <= {"error", "data"}


def read_retry_after(text: str, now_ms: int) -> float | None:
    """Read Retry-After: seconds or an HTTP date (RFC 9110 section 10.2.3), as 0 to RETRY_AFTER_MAX_S; None when neither."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), RETRY_AFTER_MAX_S)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - now_ms / 1000
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        # What cannot be read is as if it were not there: nobody's header may end the uplink.
        return None
    return min(max(0.0, seconds), RETRY_AFTER_MAX_S)


def _detail(start: str, body: bytes) -> str:
    """Put an answer's words on one line of printable characters, for a log is read in terminals."""
    words = " ".join(f"{start} {body[: DETAIL_MAX * 4].decode(errors='replace')}".split())
    return "".join(letter if letter.isprintable() else "?" for letter in words)[:DETAIL_MAX]
