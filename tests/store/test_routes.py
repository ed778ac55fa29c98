"""Does the HTTP door let in what it should, and in the right order of checks?"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

import store.body as body_module
import store.routes as routes_module
from store.server import store_routes
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer, StillClock

START_MS = 1_514_736_000_000
URL = "/api/v2/write?org=city&bucket=telemetry&precision=ns"


class Client:
    """Sends requests to the store's routes in this process."""

    def __init__(self, store: EmbeddedStore, public_key: str) -> None:
        self.app = Starlette(routes=store_routes(store))
        self.gateway_token = store.enrol("gw7", public_key, kind="edge", from_ms=0, at_ms=START_MS)
        self.writer_token = store.add_writer("telegraf", at_ms=START_MS)

    def request(self, method: str, url: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = options.pop("headers", {})
        if token is not None:
            headers["Authorization"] = f"Token {token}"

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
                return await client.request(method, url, headers=headers, **options)

        return asyncio.run(send())

    def post(self, content: bytes, token: str | None, url: str = URL, **options: Any) -> httpx.Response:
        return self.request("POST", url, token, content=content, **options)


@pytest.fixture
def gw7(make_sealer: type[Sealer]) -> Sealer:
    return make_sealer("gw7", seed=7)


@pytest.fixture
def client(store: EmbeddedStore, gw7: Sealer) -> Client:
    return Client(store, gw7.public_key)


def said(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "token"])
def test_a_sealed_batch_is_stored_byte_for_byte(
    client: Client, store: EmbeddedStore, gw7: Sealer, scheme: str
) -> None:
    (batch,) = gw7.batches(1)
    headers = {"Authorization": f"{scheme} {client.gateway_token}"}
    response = client.post(batch.data, None, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    leaf = store.log_size() - 1
    (_, place) = store._index.places(leaf, leaf + 1)[0]
    assert store._log.read(place).body == batch.data
    assert client.post(batch.data, client.gateway_token).status_code == 204
    assert store.log_size() == leaf + 1


def test_every_answer_of_the_store_has_its_status(
    client: Client, store: EmbeddedStore, gw7: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (batch,) = gw7.batches(1)
    answers = {
        403: Answer(AnswerKind.FORBIDDEN, "x"),
        409: Answer(AnswerKind.CONFLICT, "x"),
        400: Answer(AnswerKind.INVALID, "x"),
        413: Answer(AnswerKind.TOO_LARGE, "x"),
        503: Answer(AnswerKind.UNAVAILABLE, "the disk fails", 5.0),
        507: Answer(AnswerKind.UNAVAILABLE, "no space left", 5.0),
    }
    for status, answer in answers.items():

        async def write(_: object, answer: Answer = answer) -> Answer:
            return answer

        monkeypatch.setattr(store, "write", write)
        response = client.post(batch.data, client.gateway_token)
        assert response.status_code == status
        assert set(response.json()) == {"code", "message"}
        assert response.headers.get("retry-after") == ("5" if status in (503, 507) else None)


def test_a_conflict_and_a_broken_seal_over_http(client: Client, gw7: Sealer) -> None:
    (batch,) = gw7.batches(1)
    assert client.post(batch.data, client.gateway_token).status_code == 204
    other = gw7.seal(gw7.row("r9", 1), seq=1)
    assert said(client.post(other.data, client.gateway_token)) == (409, "conflict")
    broken = batch.data.replace(b"cycles_inc=10i", b"cycles_inc=99i")
    assert said(client.post(broken, client.gateway_token)) == (400, "invalid")


def test_a_gateway_writes_only_its_own_sealed_batches(client: Client, gw7: Sealer, sealer: Sealer) -> None:
    (other,) = sealer.batches(1)
    assert said(client.post(other.data, client.gateway_token)) == (403, "forbidden")
    assert said(client.post(b"m v=1i 1\n", client.gateway_token)) == (400, "invalid")
    (own,) = gw7.batches(1)
    assert said(client.post(own.data, client.writer_token)) == (403, "forbidden")


def test_a_revoked_token_opens_nothing(
    client: Client, store: EmbeddedStore, gw7: Sealer, still: StillClock
) -> None:
    store.revoke("gw7", from_ms=still.wall_ms + 1, at_ms=still.wall_ms)
    one, two = gw7.batches(2)
    assert client.post(one.data, client.gateway_token).status_code == 204
    still.wall_ms += 1
    assert said(client.post(two.data, client.gateway_token)) == (401, "unauthorized")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Token nonsense"},
        {"Authorization": "Token"},
        {"Authorization": "Basic abc"},
        {"Authorization": "Token \xff".encode("latin-1")},
    ],
)
def test_without_a_token_the_body_is_never_read(client: Client, headers: dict[str, Any]) -> None:
    read = []

    async def receive() -> dict[str, Any]:
        read.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    encoded = [
        (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in headers.items()
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v2/write",
        "query_string": b"precision=ns&token=" + client.writer_token.encode(),
        "headers": encoded,
    }
    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == 401
    assert read == []


@pytest.mark.parametrize(
    ("content", "options", "status", "words"),
    [
        (b"m v=1i 1\nm v=oops 2\n", {}, 400, "line 2, column"),
        (b"m v=1i 1\nm v=\xff 2\n", {}, 400, "line 2"),
        (b"m v=1i 1", {"headers": {"Content-Encoding": "zstd"}}, 415, "zstd"),
        (b"m v=1i 1", {"headers": {"Content-Encoding": "gzip, gzip"}}, 415, "gzip, gzip"),
        (b"not gzip", {"headers": {"Content-Encoding": "gzip"}}, 400, "gzip"),
        (
            gzip.compress(b"m v=1i 1", mtime=0)[:-6],
            {"headers": {"Content-Encoding": "gzip"}},
            400,
            "ends early",
        ),
        (
            gzip.compress(b"m v=1i 1", mtime=0) + gzip.compress(b"m v=1i 2", mtime=0),
            {"headers": {"Content-Encoding": "gzip"}},
            400,
            "follow",
        ),
        (zlib.compress(b"m v=1i 1"), {"headers": {"Content-Encoding": "gzip"}}, 400, "gzip"),
        (b"x" * 5_000_001, {}, 413, "at most"),
        (b"m v=1i 1", {"url": "/api/v2/write?precision=h"}, 400, "precision"),
    ],
)
def test_bad_requests_are_told_why(
    client: Client, store: EmbeddedStore, *, content: bytes, options: dict[str, Any], status: int, words: str
) -> None:
    before = store.log_size()
    response = client.post(content, client.writer_token, **options)
    assert response.status_code == status
    assert words in response.json()["message"]
    assert store.log_size() == before


def test_a_gzip_bomb_is_stopped_at_the_bound(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    real = body_module._Plain._take

    def take(self: Any, chunk: bytes) -> None:
        nonlocal taken
        taken += len(chunk)
        real(self, chunk)

    monkeypatch.setattr(body_module._Plain, "_take", take)
    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < 200_000
    response = client.post(bomb, client.writer_token, headers={"Content-Encoding": "gzip"})
    assert said(response) == (413, "request too large")
    assert taken <= routes_module.UNSIGNED_BYTES_MAX + body_module._STEP


def test_a_gzipped_write_is_taken(client: Client, store: EmbeddedStore) -> None:
    text = b"".join(b"m,n=%d v=1i 1\n" % number for number in range(20_000))
    response = client.post(
        gzip.compress(text, mtime=0), client.writer_token, headers={"Content-Encoding": "gzip"}
    )
    assert response.status_code == 204
    store.apply()
    assert sum(store.scan(day, "points").num_rows for day in store.days("points")) == 20_000


def test_a_body_that_never_comes_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "READ_TIMEOUT_S", 0.05)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v2/write",
        "query_string": b"",
        "headers": [(b"authorization", f"Token {client.writer_token}".encode())],
    }
    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == 408


def test_too_many_writes_at_once_are_asked_to_wait(
    client: Client, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, gw7: Sealer
) -> None:
    batches = gw7.batches(6)
    everybody_in = asyncio.Event()
    real_write = store.write

    async def write(batch: Any) -> Answer:
        await everybody_in.wait()
        return await real_write(batch)

    monkeypatch.setattr(store, "write", write)

    async def send_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(client.app)
        headers = {"Authorization": f"Token {client.gateway_token}"}
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://s", headers=headers) as http,
            asyncio.timeout(20),
            asyncio.TaskGroup() as group,
        ):
            tasks = [group.create_task(http.post(URL, content=batch.data)) for batch in batches]
            _, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if len(waiting) > 4:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            everybody_in.set()
        return [task.result() for task in tasks]

    statuses = sorted(response.status_code for response in asyncio.run(send_all()))
    assert statuses == [204, 204, 204, 204, 429, 429]
    assert client.post(batches[-1].data, client.gateway_token).status_code == 204


def test_health_and_ping_tell_no_version(client: Client) -> None:
    response = client.request("GET", "/health")
    assert response.json() == {
        "name": "influxdb",
        "message": "ready for queries and writes",
        "status": "pass",
        "checks": [],
    }
    assert client.request("GET", "/ping").status_code == 204
    assert "server" not in response.headers


def test_the_gap_proof_names_what_is_missing(client: Client, gw7: Sealer) -> None:
    one, _, three = gw7.batches(3)
    for batch in (one, three):
        assert client.post(batch.data, client.gateway_token).status_code == 204
    assert client.request("GET", "/api/v1/gateways").status_code == 401
    answer = client.request("GET", "/api/v1/gateways", client.writer_token).json()
    assert answer["gateways"] == [
        {"gateway": "gw1", "epochs": []},
        {
            "gateway": "gw7",
            "epochs": [
                {
                    "epoch": gw7.epoch,
                    "contiguous": 1,
                    "highest": 3,
                    "missing": [[2, 2]],
                    "complete": False,
                }
            ],
        },
    ]


def test_export_gives_sealed_rows_as_they_were_sealed(
    client: Client, store: EmbeddedStore, gw7: Sealer
) -> None:
    batch = gw7.seal(
        gw7.row("r 1,x=y", 1, cycles_raw=2**63 - 1, late=True, profile='q"\\'), gw7.row("r2", 2, bad=-5)
    )
    assert client.post(batch.data, client.gateway_token).status_code == 204
    store.apply()
    url = "/api/v1/export?day=2018-01-01&measurement=machine"
    assert client.request("GET", url).status_code == 401
    response = client.request("GET", url, client.writer_token)
    assert sorted(response.content.splitlines(keepends=True)) == batch.data.splitlines(keepends=True)[:2]
    later = f"/api/v1/export?start={START_MS + 120_000}&stop=2018-01-02T00:00:00%2B08:00&measurement=machine"
    assert (
        client.request("GET", later, client.writer_token).content == batch.data.splitlines(keepends=True)[0]
    )


@pytest.mark.parametrize(
    "query",
    ["", "day=2018-13-01", "day=2018-01-01&start=1", "start=5&stop=5", "start=1", "start=soon&stop=2"],
)
def test_export_wants_a_span(client: Client, query: str) -> None:
    response = client.request("GET", f"/api/v1/export?{query}", client.writer_token)
    assert said(response) == (400, "invalid")


def test_plain_lines_come_back_exactly_and_the_last_one_wins(
    client: Client, store: EmbeddedStore, open_store: Callable[..., EmbeddedStore]
) -> None:
    lines = [
        "weather\\ x,place=a\\,b f=0.1,i=-9223372036854775808i,u=18446744073709551615u 1514736000000000123\n",
        'weather\\ x,place=a\\,b s="two\nlines \\"q\\"",t=T 1514736000000000123\n',
        "solo v=1e300 1514736000000000001\n",
        "ancient v=1i 5\n",
    ]
    assert client.post("".join(lines).encode(), client.writer_token).status_code == 204
    again = "solo v=2.5,w=1i 1514736000000000001\nsolo v=3.5 1514736000000000001\n"
    store.apply()
    assert client.post(again.encode(), client.writer_token).status_code == 204
    store.apply()
    text = client.request("GET", "/api/v1/export?start=0&stop=999999999999999", client.writer_token).text
    assert text == (
        "ancient v=1i 5\n"
        "solo v=3.5,w=1i 1514736000000000001\n"
        "weather\\ x,place=a\\,b f=0.1,i=-9223372036854775808i,"
        's="two\nlines \\"q\\"",t=true,u=18446744073709551615u 1514736000000000123\n'
    )
    url = "/api/v1/export?day=2018-01-01&measurement=solo"
    assert client.request("GET", url, client.writer_token).text.count("\n") == 1
    store.close()
    reader = open_store(read_only=True)
    assert sum(reader.scan(day, "points").num_rows for day in reader.days("points")) == 10


def test_plain_lines_that_fit_a_measurement_are_rows_of_grade_unsigned(
    client: Client, store: EmbeddedStore
) -> None:
    good = b'machine,gateway=gw9,device=r1 window_ms=60000i,state="running",late=F 1514736000000000000\n'
    other = b"machine,gateway=gw9,device=r1 window_ms=60000.0 1514736000000000000\n"
    assert client.post(good + other, client.writer_token).status_code == 204
    store.apply()
    (day,) = store.days("machine")
    (row,) = store.scan(day, "machine").to_pylist()
    assert (row["device"], row["window_ms"], row["late"]) == ("r1", 60_000, False)
    assert (row["grade"], row["epoch"], row["seq"], row["quarantined"]) == ("unsigned", None, None, False)
    text = client.request("GET", "/api/v1/export?day=2018-01-01", client.writer_token).text
    assert text.count("machine,") == 1, "given back once, as it came"
