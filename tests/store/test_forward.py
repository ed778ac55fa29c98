"""A copy of the rows goes to other servers, and never delays an answer, loses its place, or gives up."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from store.forward import REWIND_MS, Forwarder, write_url
from telemetry.errors import ConfigError
from telemetry.sink import AnswerKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer, StillClock


@asynccontextmanager
async def _target(handler: Any) -> AsyncIterator[str]:
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work()

    asyncio.run(bounded())


def _fill(store: EmbeddedStore, sealer: Sealer, count: int) -> bytes:
    batches = sealer.batches(count)
    assert {answer.kind for answer in store.write_many([(batch, 1) for batch in batches])} == {
        AnswerKind.STORED
    }
    return b"".join(batch.data for batch in batches)


async def _all(forwarder: Forwarder) -> None:
    async with aiohttp.ClientSession() as session:
        while await forwarder.step(session):
            pass


@pytest.mark.wall
def test_rows_arrive_in_order_with_what_unsigned_writers_said(store: EmbeddedStore, sealer: Sealer) -> None:
    seen: list[tuple[str, str | None, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.headers.get("Authorization"), await request.read()))
        return web.Response(status=204)

    async def work() -> None:
        data = _fill(store, sealer, 3)
        store.write_unsigned("telegraf", 'cpu,host=a\\ b usage=1.50,text="x \\"y\\"" 1500000000123', "ms")
        async with _target(take) as url:
            await _all(Forwarder(store, url, "secret"))
        assert b"".join(body for _, _, body in seen) == (
            data + b'cpu,host=a\\ b usage=1.5,text="x \\"y\\"" 1500000000123000000\n'
        )
        assert {path for path, _, _ in seen} == {"/api/v2/write?bucket=evidence&org=mfl&precision=ns"}
        assert {token for _, token, _ in seen} == {"Token secret"}

    _run(work)


@pytest.mark.wall
def test_a_target_that_never_answers_delays_no_204(store: EmbeddedStore, sealer: Sealer) -> None:
    """The copy hangs in a request for as long as the test lasts; meanwhile every write is answered."""
    asked, never = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        asked.set()
        await never.wait()
        return web.Response(status=204)

    async def work() -> None:
        _fill(store, sealer, 1)
        async with _target(hang) as url:
            forwarder = Forwarder(store, url)
            task = asyncio.ensure_future(forwarder.run())
            await asked.wait()
            answers = [await store.write(batch) for batch in sealer.batches(20)]
            assert {answer.kind for answer in answers} == {AnswerKind.STORED}
            assert not task.done()
            assert forwarder.state.sent == 0
            task.cancel()
            await asyncio.wait([task])

    _run(work)


@pytest.mark.wall
def test_rows_a_target_refuses_are_passed_over_alone(store: EmbeddedStore, sealer: Sealer) -> None:
    taken: list[bytes] = []

    async def picky(request: web.Request) -> web.Response:
        body = await request.read()
        if b",seq=4i," in body:
            return web.json_response({"code": "invalid", "message": "field type conflict"}, status=400)
        taken.append(body)
        return web.Response(status=204)

    async def work() -> None:
        _fill(store, sealer, 7)
        async with _target(picky) as url:
            forwarder = Forwarder(store, url)
            await _all(forwarder)
        assert forwarder.state.refused == 1
        assert sum(body.count(b"batch,gateway=") for body in taken) == 6

    _run(work)


@pytest.mark.wall
def test_after_a_failure_the_last_minute_is_sent_again(
    store: EmbeddedStore, sealer: Sealer, still: StillClock
) -> None:
    """VictoriaMetrics answers before it is durable: when it was away, what it may have lost goes again."""
    is_up, taken = True, 0

    async def flaky(request: web.Request) -> web.Response:
        nonlocal taken
        taken += (await request.read()).count(b"batch,gateway=")
        return web.Response(status=204 if is_up else 503)

    async def work() -> None:
        nonlocal is_up, taken
        from store.forward import _Away

        async with _target(flaky) as url, aiohttp.ClientSession() as session:
            forwarder = Forwarder(store, url)
            _fill(store, sealer, 2)
            await forwarder.step(session)
            still.mono_ms += REWIND_MS + 1
            _fill(store, sealer, 3)
            await forwarder.step(session)
            _fill(store, sealer, 1)
            is_up = False
            with pytest.raises(_Away, match="HTTP 503") as refusal:
                await forwarder.step(session)
            forwarder._fail(str(refusal.value), 1.0)
            is_up, taken = True, 0
            await forwarder.step(session)
            assert taken == 4
            assert forwarder.state.detail == ""

    _run(work)


@pytest.mark.wall
def test_the_place_is_kept_for_its_own_target(store: EmbeddedStore, sealer: Sealer) -> None:
    async def take(_: web.Request) -> web.Response:
        return web.Response(status=204)

    async def work() -> None:
        _fill(store, sealer, 4)
        async with _target(take) as url:
            forwarder = Forwarder(store, url)
            await _all(forwarder)
            forwarder._save()
            assert Forwarder(store, url).state.next_leaf == store.log_size()
            assert Forwarder(store, f"{url}/write?db=other").state.next_leaf == 0
        path = store.directory / "forward.json"
        path.write_text(json.dumps({write_url(url): 10_000}))
        assert Forwarder(store, url).state.next_leaf == 0

    _run(work)


@pytest.mark.wall
def test_a_target_that_is_not_there_is_tried_again(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()
    monkeypatch.setattr("store.forward.WAITS_S", (0.01,))

    async def work() -> None:
        _fill(store, sealer, 1)
        forwarder = Forwarder(store, "http://127.0.0.1:1")
        real = forwarder._fail

        def fail(detail: str, wait_s: float) -> None:
            real(detail, wait_s)
            if forwarder.state.failures == 3:
                tried.set()

        monkeypatch.setattr(forwarder, "_fail", fail)
        task = asyncio.ensure_future(forwarder.run())
        await tried.wait()
        assert not task.done()
        assert forwarder.state.next_leaf == 0
        task.cancel()
        await asyncio.wait([task])

    _run(work)


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("http://vm:8428", "http://vm:8428/api/v2/write?bucket=evidence&org=mfl&precision=ns"),
        (
            "https://influx:8086/?bucket=b&org=o",
            "https://influx:8086/api/v2/write?bucket=b&org=o&precision=ns",
        ),
        ("http://old:8086/write?db=evidence", "http://old:8086/write?db=evidence"),
    ],
)
def test_urls_are_completed(given: str, full: str) -> None:
    assert write_url(given) == full


@pytest.mark.parametrize("url", ["ftp://x", "vm:8428", "http://user:secret@vm:8428", "http://"])
def test_urls_that_cannot_be_used_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        write_url(url)
    assert "secret" not in str(refusal.value)
