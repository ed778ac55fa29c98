from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.backoff import RETRY_AFTER_MAX_S
from gateway.http_answer import DETAIL_MAX, ForeignAnswer, read_answer, read_retry_after
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import NOW_MS

JSON = {"Content-Type": "application/json; charset=utf-8"}
OURS = json.dumps({"code": "invalid", "message": "the seal counts 3 lines"}).encode()
NGINX = b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"

dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Tue", "", "Xyz"]),
    st.integers(-1, 10**15),
    st.sampled_from(["Jan", "Feb", "Dec", "Foo", "13"]),
    st.integers(-(10**25), 10**25),
    st.integers(-1, 99),
    st.integers(-1, 10**12),
    st.integers(-1, 99),
    st.one_of(
        st.sampled_from(["GMT", "-0000", "", "EST"]), st.integers(-(10**25), 10**25).map("{:+}".format)
    ),
)


@given(st.one_of(st.text(max_size=60), dates, st.integers().map(str), st.floats().map(str)))
@example("Mon, 01 Jan 99999999999999 00:00:00 GMT")
@example("Mon, 01 Jan 2018 00:00:00 +99999999999999999999")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Mon, 01 Jan 2018 00:00:00 -0000")
@example("9" * 5000)
@example("²")
@settings(max_examples=600, deadline=None)
def test_no_retry_after_ends_the_uplink(text: str) -> None:
    wish = read_retry_after(text, NOW_MS)
    assert wish is None or 0.0 <= wish <= RETRY_AFTER_MAX_S


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("86400", RETRY_AFTER_MAX_S),
        ("Tue, 26 Jun 2018 08:00:30 GMT", 30.0),
        ("Tue, 26 Jun 2018 08:00:30 -0000", 30.0),
        ("Tue, 26 Jun 2018 07:00:00 GMT", 0.0),
        ("Tue, 26 Jun 2199 07:00:00 GMT", RETRY_AFTER_MAX_S),
        ("Mon, 01 Jan 99999999999999 00:00:00 GMT", None),
        ("", None),
    ],
)
def test_a_retry_after_is_seconds_within_bounds(text: str, seconds: float | None) -> None:
    assert read_retry_after(text, NOW_MS) == seconds


@given(st.integers(100, 999), st.text(max_size=40), st.text(max_size=40), st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_only_204_is_durable_and_no_answer_raises(status: int, wish: str, content: str, body: bytes) -> None:
    answer = read_answer(status, {"Retry-After": wish, "Content-Type": content}, body, NOW_MS)
    assert (answer.kind is AnswerKind.STORED) is (status == 204)
    assert len(answer.detail) <= DETAIL_MAX
    assert answer.detail.isprintable()


@pytest.mark.parametrize("status", [200, 201, 202, 205, 206, 301, 307, 404, 405])
def test_a_status_no_store_gives_is_told_with_the_way_out(status: int) -> None:
    answer = read_answer(status, {}, b"", NOW_MS)
    assert isinstance(answer, ForeignAnswer)
    assert (answer.kind, answer.status) == (AnswerKind.UNAVAILABLE, status)
    assert f"HTTP {status}" in answer.detail
    assert "store.url" in answer.detail


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "text/html"}, NGINX),
        ({"Content-Type": "text/html"}, OURS),
        ({"Content-Type": "text/plain; charset=utf-8"}, b"Invalid HTTP request received."),
        ({}, b""),
        (JSON, b""),
        (JSON, b"null"),
        (JSON, b'["invalid"]'),
        (JSON, b'{"code": 400, "message": "a gateway of somebody else"}'),
        (JSON, b'{"code": "BadRequest", "message": "a gateway of somebody else"}'),
        (JSON, b'{"message": "no Route matched with those values"}'),
        (JSON, b'{"timestamp": 1, "status": 400, "error": "Bad Request", "path": "/api/v2/write"}'),
        (JSON, b'{"error": {"code": "invalid", "message": "x"}}'),
        (JSON, b"[" * 60_000),
        (JSON, OURS[:-1]),
        (JSON, b"\xff\xfe"),
        ({**JSON, "Content-Encoding": "gzip"}, gzip.compress(OURS, mtime=0)),
    ],
)
def test_somebody_elses_refusal_costs_no_batch(status: int, headers: dict[str, str], body: bytes) -> None:
    answer = read_answer(status, headers, body, NOW_MS)
    assert isinstance(answer, ForeignAnswer)
    assert (answer.kind, answer.status) == (AnswerKind.UNAVAILABLE, status)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, AnswerKind.INVALID), (422, AnswerKind.INVALID), (409, AnswerKind.CONFLICT)]
)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, OURS),
        ({"Content-Type": "application/json"}, b'{"code":"invalid","message":"x","op":"write","line":2}'),
        ({}, b'{"error":"partial write of line protocol occurred","data":[{"line_number":2}]}'),
        (JSON, b'{"error":"unable to parse \'x\'"}'),
    ],
)
def test_the_stores_refusal_is_a_decision(
    status: int, kind: AnswerKind, headers: dict[str, str], body: bytes
) -> None:
    answer = read_answer(status, headers, body, NOW_MS)
    assert type(answer) is Answer
    assert answer.kind is kind


def test_words_from_outside_cannot_steer_a_terminal() -> None:
    answer = read_answer(503, {}, b"busy\x1b[2J\x07\nevent=forged \xe7\xa3\x81", NOW_MS)
    assert answer.detail == "HTTP 503 busy?[2J? event=forged 磁"
