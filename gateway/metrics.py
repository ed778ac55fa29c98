"""What can a local monitor see? `/metrics` in Prometheus text and `/healthz`, on the loopback address only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.heartbeat import code_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.app import Gateway

HOST = "127.0.0.1"
"""Never another address: the pages name devices and need no password."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The Prometheus text exposition format, version 0.0.4."""
STALE_POLLS = 3
"""A device not heard well for this many poll intervals (at least STALE_MIN_MS) is down."""
STALE_MIN_MS = 10_000

_Value = tuple[dict[str, str], int | float]


async def serve_metrics(gateway: Gateway, port: int) -> None:
    """Serve until cancelled. OSError when the port is taken."""

    async def metrics(_: web.Request) -> web.Response:
        text = await asyncio.to_thread(metrics_text, gateway)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def health(_: web.Request) -> web.Response:
        problem = health_problem(gateway)
        return web.json_response({"status": problem or "ok"}, status=503 if problem else 200)

    app = web.Application(client_max_size=1024)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def health_problem(gateway: Gateway) -> str:
    """Say why the gateway cannot accept readings now; empty when it can."""
    if gateway.sealer.is_pending:
        return "the disk refuses sealed batches"
    return gateway.intake.refuse_reason


def metrics_text(gateway: Gateway) -> str:
    """Write the page. The account holds on every page: accepted = open + buffered + delivered + quarantined + dead + lost."""
    return "".join(_page(gateway))


def _page(gateway: Gateway) -> Iterator[str]:
    yield from _series("build_info", "gauge", "Version of the code.", [({"version": code_version()}, 1)])
    yield from _account(gateway)
    yield from _outbox(gateway)
    yield from _uplink(gateway)
    yield from _lines(gateway)
    yield from _devices(gateway)


def _account(gateway: Gateway) -> Iterator[str]:
    account = gateway.account()
    yield from _series(
        "readings_accepted_total", "counter", "Readings accepted, ever.", [({}, account.accepted)]
    )
    yield from _series("readings_open", "gauge", "Readings in windows not yet sealed.", [({}, account.open)])
    yield from _series(
        "readings_buffered", "gauge", "Readings sealed, not yet taken.", [({}, account.buffered)]
    )
    yield from _series(
        "readings_delivered_total", "counter", "Readings taken by the store.", [({}, account.delivered)]
    )
    yield from _series(
        "readings_quarantined_total",
        "counter",
        "Readings in rotten outbox files.",
        [({}, account.quarantined)],
    )
    yield from _series(
        "readings_dead_lettered_total", "counter", "Readings in dead letters.", [({}, account.dead_lettered)]
    )
    yield from _series("readings_lost_total", "counter", "Readings accepted and lost.", [({}, account.lost)])
    intake = gateway.intake
    yield from _series(
        "readings_refused_total",
        "counter",
        "Readings refused since start: no room.",
        [({}, intake.refused_total)],
    )
    yield from _series(
        "readings_foreign_total",
        "counter",
        "Readings of unknown devices since start.",
        [({}, intake.foreign)],
    )
    yield from _series(
        "messages_redelivered_total",
        "counter",
        "Messages that a broker delivered again since start: known, and not counted twice.",
        [({}, intake.redelivered)],
    )


def _outbox(gateway: Gateway) -> Iterator[str]:
    stat = gateway.outbox.stat()
    now_ms = gateway.clock.wall_ms()
    age_s = 0.0 if stat.oldest_ms is None else max(0, now_ms - stat.oldest_ms) / 1000
    yield from _series("outbox_batches", "gauge", "Batches not yet taken.", [({}, stat.batches)])
    yield from _series("outbox_bytes", "gauge", "Bytes of the outbox.", [({}, stat.size)])
    yield from _series(
        "outbox_oldest_seconds", "gauge", "Age of the oldest batch not yet taken.", [({}, age_s)]
    )
    letters = gateway.outbox.dead_letters
    yield from _series("dead_letters", "gauge", "Dead letters kept on disk.", [({}, len(letters.paths()))])
    yield from _series("dead_letter_bytes", "gauge", "Bytes of the dead letters.", [({}, letters.size)])
    yield from _series("journal_bytes", "gauge", "Bytes of the journal.", [({}, gateway.journal.size)])
    yield from _series(
        "journal_sync_failures_total",
        "counter",
        "Syncs the disk refused.",
        [({}, gateway.journal.sync_failures)],
    )


def _uplink(gateway: Gateway) -> Iterator[str]:
    if gateway.uplink is None:
        return
    state = gateway.uplink.state
    yield from _series(
        "store_up", "gauge", "Whether the store stored the last batch offered.", [({}, int(state.is_up))]
    )
    yield from _series(
        "store_doubted",
        "gauge",
        "Whether the store refuses batch after batch as invalid: the backlog is kept, none becomes a dead letter.",
        [({}, int(state.is_doubted))],
    )
    answers = [({"kind": str(kind)}, count) for kind, count in sorted(state.answers.items())]
    yield from _series("store_answers_total", "counter", "Answers of the store since start.", answers)
    foreign = [({"status": str(status)}, count) for status, count in sorted(state.foreign.items())]
    yield from _series(
        "store_foreign_answers_total",
        "counter",
        "Answers since start that no store gives to a write: a proxy's, a login page's.",
        foreign,
    )


def _lines(gateway: Gateway) -> Iterator[str]:
    lines = [({"endpoint": str(number)}, line) for number, line in enumerate(gateway.lines.values())]
    yield from _series(
        "endpoint_up",
        "gauge",
        "Whether the line is there.",
        [(tags, int(line.is_connected)) for tags, line in lines],
    )
    yield from _series(
        "endpoint_connects_total",
        "counter",
        "Connections since start.",
        [(tags, line.connects) for tags, line in lines],
    )
    yield from _series(
        "endpoint_failures_total",
        "counter",
        "Lines lost or refused since start.",
        [(tags, line.failures) for tags, line in lines],
    )


def _devices(gateway: Gateway) -> Iterator[str]:
    """Devices by their opaque ids; what they do is the store's to show."""
    now_ms, intake = gateway.clock.wall_ms(), gateway.intake
    up: list[_Value] = []
    for spec in gateway.site.devices():
        last_ms = intake.last_good_ms.get(spec.device)
        stale_ms = max(STALE_MIN_MS, STALE_POLLS * spec.poll_interval_ms)
        up.append(({"device": spec.device}, int(last_ms is not None and now_ms - last_ms <= stale_ms)))
    yield from _series("device_up", "gauge", "Whether the device was heard well lately.", up)
    polls = [({"device": device}, count) for device, count in sorted(intake.polls.items())]
    yield from _series("device_readings_total", "counter", "Readings heard since start.", polls)
    bad = [({"device": device}, count) for device, count in sorted(intake.bad_polls.items())]
    yield from _series("device_bad_readings_total", "counter", "Bad readings heard since start.", bad)
    books = {id(endpoint.holes): endpoint.holes for endpoint in gateway.site.endpoints if endpoint.holes}
    refused = [({"device": name}, count) for book in books.values() for name, count in book.count().items()]
    yield from _series("device_refused_ranges", "gauge", "Register ranges the device refuses.", refused)


def _series(name: str, kind: str, text: str, values: Iterable[_Value]) -> Iterator[str]:
    full = f"mfl_gateway_{name}"
    yield f"# HELP {full} {text}\n# TYPE {full} {kind}\n"
    for tags, value in values:
        inner = ",".join(f'{key}="{_escaped(tag)}"' for key, tag in tags.items())
        yield f"{full}{{{inner}}} {value}\n" if inner else f"{full} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
