from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from gateway.metrics import health_problem, metrics_text, serve_metrics
from telemetry.errors import Disconnected
from telemetry.reading import Heard, Quality
from tests.gateway.conftest import HandClock, machine, poll, seal_time

if TYPE_CHECKING:
    from gateway.app import Gateway


def _value(text: str, name: str) -> float:
    match = re.search(rf"^mfl_gateway_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert match, name
    return float(match[1])


def _hear(gateway: Gateway, *readings: object) -> None:
    gateway.intake.accept(gateway.site.endpoints[0], Heard(readings))  # type: ignore[arg-type]


def test_the_account_stands_on_the_page_and_holds(gateway: Gateway, hand: HandClock) -> None:
    outbox = gateway.outbox
    for number in range(4):
        outbox.append([machine(hand.wall + number * 60_000, 10)], seal_time(hand.wall))
    outbox.ack(1)
    outbox.dead_letter(2, "HTTP 400")
    for number in range(3):
        _hear(gateway, poll(hand.wall + number))
    text = metrics_text(gateway)
    told = {
        name: _value(text, name)
        for name in (
            "readings_accepted_total",
            "readings_open",
            "readings_buffered",
            "readings_delivered_total",
            "readings_quarantined_total",
            "readings_dead_lettered_total",
            "readings_lost_total",
        )
    }
    assert list(told.values()) == [43, 3, 20, 10, 0, 10, 0]
    assert told.pop("readings_accepted_total") == sum(told.values())
    assert _value(text, "outbox_batches") == 2


def test_every_line_is_prometheus_text(gateway: Gateway) -> None:
    sample = re.compile(r'mfl_gateway_[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?[0-9.e+]+')
    for line in metrics_text(gateway).splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line), line


def test_a_device_is_up_while_it_is_heard_well(gateway: Gateway, hand: HandClock) -> None:
    assert _value(metrics_text(gateway), 'device_up{device="r1"}') == 0
    _hear(gateway, poll(hand.wall), replace(poll(hand.wall), quality=Quality.BAD, values={}, reason="late"))
    text = metrics_text(gateway)
    assert _value(text, 'device_up{device="r1"}') == 1
    assert _value(text, 'device_readings_total{device="r1"}') == 2
    assert _value(text, 'device_bad_readings_total{device="r1"}') == 1
    hand.move(11_000)
    assert _value(metrics_text(gateway), 'device_up{device="r1"}') == 0


def test_no_secret_and_no_address_is_on_the_page(gateway: Gateway) -> None:
    gateway.lines[gateway.site.endpoints[0].url].last_error = str(Disconnected("password"))
    text = metrics_text(gateway)
    assert "secret-token" not in text
    assert "127.0.0.1" not in text
    assert "password" not in text


def test_health_tells_why_nothing_is_accepted(gateway: Gateway) -> None:
    assert health_problem(gateway) == ""
    gateway.intake.refuse_reason = "outbox_full"
    assert health_problem(gateway) == "outbox_full"


@pytest.mark.wall
def test_the_pages_are_served_on_loopback(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    async def work() -> None:
        task = asyncio.create_task(serve_metrics(gateway, port))
        try:
            async with asyncio.timeout(10), aiohttp.ClientSession() as session:
                while True:
                    try:
                        page = await session.get(f"http://127.0.0.1:{port}/metrics")
                        break
                    except aiohttp.ClientConnectionError:
                        assert not task.done(), task
                        await asyncio.sleep(0.01)
                assert page.status == 200
                assert "mfl_gateway_readings_accepted_total 0" in await page.text()
                health = await session.get(f"http://127.0.0.1:{port}/healthz")
                assert (health.status, await health.json()) == (200, {"status": "ok"})
                gateway.intake.refuse_reason = "outbox_full"
                health = await session.get(f"http://127.0.0.1:{port}/healthz")
                assert health.status == 503
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(work())
