"""The same uplink writes to a foreign InfluxDB, and rows are copied to dashboards' servers; both are real."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.config import StoreTarget
from gateway.influx_sink import InfluxSink
from gateway.outbox import Outbox
from gateway.uplink import Uplink
from store.embedded import EmbeddedStore
from store.forward import Forwarder
from store.influx_check import InfluxAway, InfluxSource, check_influx
from telemetry.clock import Clock
from telemetry.line import Row
from telemetry.seal import SealTime, read_lines, write_public_key
from tests.e2e.figures import FIGURES, Figure
from tests.e2e.servers import Influx, Victoria

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_MS = 1_514_736_000_000
MINUTE = 60_000
CLOCK = Clock(lambda: START_MS + 86_400_000, lambda: 0, "boot-e2e")
KEY = Ed25519PrivateKey.from_private_bytes(b"e" * 32)
PUBLIC = write_public_key(KEY.public_key())
SPAN = (START_MS - MINUTE, START_MS + 86_400_000)
BATCHES = 12


def rows(minute: int) -> list[Row]:
    """Rows with everything that can go wrong on the way: 2^62, quotes, commas, Chinese, truth values, a loss's reason."""
    at_ms = START_MS + minute * MINUTE
    machines = [
        Row(
            "machine",
            {"device": f"r{number}", "gateway": "g1"},
            {
                "window_ms": MINUTE, "running_ms": MINUTE, "readings": 10, "state": "running", "late": number == 1,
                "energy_wh_raw": 2**62 + minute, "profile": 'a "quoted" \\ name@0123456789ab',
            },
            at_ms,
        )
        for number in range(3)
    ]  # fmt: skip
    beat = Row("heartbeat", {"gateway": "g1"}, {"accepted_total": 30 * (minute + 1), "boot": "b"}, at_ms)
    loss = Row(
        "loss",
        {"device": "r0", "gateway": "g1", "reason": "dead_letter seq=1, 磁盘 满"},
        {"from_ms": at_ms, "to_ms": at_ms, "readings": 0, "polls": 3},
        at_ms,
    )
    return [*machines, beat, loss]


def fill(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        minute = outbox.newest
        outbox.append(rows(minute), SealTime(START_MS + (minute + 1) * MINUTE, minute, "boot-e2e"))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox.open(tmp_path / "state" / "outbox", "g1", KEY)
    yield box
    box.close()


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[Influx]:
    server = Influx(tmp_path / "influx")
    try:
        server.start()
        yield server
    finally:
        server.stop()


async def push(outbox: Outbox, url: str) -> dict[str, int]:
    """Push all there is with the gateway's own uplink and sink; gives its answers."""
    target = StoreTarget(url, "mfl", "evidence", 10, "secret")
    async with InfluxSink(target, CLOCK) as sink:
        uplink = Uplink(outbox, sink, CLOCK, random.Random(1), lambda: SealTime(START_MS, 0, "boot-e2e"))
        async with asyncio.timeout(60):
            await uplink.drain()
        return uplink.state.answers


def check(influx: Influx, **keys: str) -> Any:
    async def work() -> Any:
        async with asyncio.timeout(60):
            return await check_influx(InfluxSource(influx.url, "evidence"), SPAN, keys)

    return asyncio.run(work())


def write(url: str, body: bytes) -> int:
    with urlopen(Request(url, data=body, method="POST"), timeout=10) as answer:  # noqa: S310 - loopback
        return int(answer.status)


@pytest.mark.kill
@pytest.mark.wall
def test_a_real_influxdb_gives_every_seal_back(outbox: Outbox, influx: Influx) -> None:
    fill(outbox, BATCHES)
    assert asyncio.run(push(outbox, influx.url)) == {"stored": BATCHES}
    influx.server.kill()
    influx.server.start()
    report = check(influx, g1=PUBLIC)
    assert (report.batches, report.problems) == (BATCHES, [])
    FIGURES.append(
        Figure(
            "InfluxDB 1.6 written, killed, read back", 30 * BATCHES, 30 * report.batches, 0, 0, 0,
            f"{report.batches} seals of {report.rows} rows hold",
        )
    )  # fmt: skip
    line = f"machine,device=r2,gateway=g1 readings=11i {(START_MS + 3 * MINUTE) * 1_000_000 + 4}"
    assert write(f"{influx.direct}/write?db=evidence", line.encode()) == 204
    (problem,) = check(influx, g1=PUBLIC).problems
    assert "seq 4" in problem
    assert "sha256" in problem


@pytest.mark.wall
def test_what_influxdb_refuses_is_a_dead_letter_and_never_delivered(outbox: Outbox, influx: Influx) -> None:
    """Somebody wrote a float into a field of ours: a partial write, of which InfluxDB keeps the other rows."""
    spoiler = f"machine,device=r0,gateway=g1 readings=1.5 {START_MS * 1_000_000 + 999_999}"
    assert write(f"{influx.direct}/write?db=evidence", spoiler.encode()) == 204
    fill(outbox, 1)
    assert asyncio.run(push(outbox, influx.url)) == {"invalid": 1}
    stat = outbox.stat()
    assert (stat.delivered, stat.dead_lettered, stat.buffered) == (0, 30, 0)
    (owed, *_) = outbox.owed()
    assert owed.reason.startswith("dead_letter seq=1 sha256=")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "store", CLOCK)
    opened.enrol("g1", PUBLIC, kind="edge", from_ms=0, at_ms=START_MS)
    yield opened
    opened.close()


def store_all(store: EmbeddedStore, outbox: Outbox) -> int:
    """Store what an outbox holds, and one unsigned line; gives the number of rows."""
    count = 0
    for index in range(1, outbox.newest + 1):
        batch = outbox.batch(index)
        assert batch is not None
        assert store.write_many([(batch, START_MS + index * MINUTE)])[0].kind == "stored"
        count += len(read_lines(batch))
    store.write_unsigned("telegraf", "cpu,host=a usage=1.5,cores=4i", "ns")
    return count


async def forward(store: EmbeddedStore, url: str) -> Forwarder:
    forwarder = Forwarder(store, url)
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while await forwarder.step(session):
            pass
    forwarder._save()
    return forwarder


@pytest.mark.wall
def test_rows_are_copied_to_a_real_influxdb(outbox: Outbox, influx: Influx, store: EmbeddedStore) -> None:
    fill(outbox, BATCHES)
    store_all(store, outbox)
    for _ in range(2):  # copied twice: the same rows lie over each other
        (store.directory / "forward.json").unlink(missing_ok=True)
        forwarder = asyncio.run(forward(store, f"{influx.direct}/write?db=evidence"))
        assert forwarder.state.refused == 0
    report = check(influx, g1=PUBLIC)
    assert (report.batches, report.problems) == (BATCHES, [])


@pytest.mark.wall
def test_rows_are_copied_to_a_real_victoriametrics(
    outbox: Outbox, tmp_path: Path, store: EmbeddedStore
) -> None:
    victoria = Victoria(tmp_path / "victoria")
    fill(outbox, BATCHES)
    store_all(store, outbox)
    try:
        victoria.server.start()
        for _ in range(2):
            (store.directory / "forward.json").unlink(missing_ok=True)
            asyncio.run(forward(store, victoria.url))
        victoria.flush()
        selector = quote('{__name__="machine_readings"}')
        with urlopen(f"{victoria.url}/api/v1/export?match[]={selector}", timeout=10) as answer:  # noqa: S310
            series = [json.loads(line) for line in answer.read().splitlines()]
    finally:
        victoria.server.kill()
    distinct = {(item["metric"]["device"], time) for item in series for time in item["timestamps"]}
    assert len(distinct) == 3 * BATCHES
    assert {value for item in series for value in item["values"]} == {10}


def test_a_server_that_is_away_is_said() -> None:
    async def work() -> None:
        await check_influx(InfluxSource("http://127.0.0.1:1", "evidence"), SPAN)

    with pytest.raises(InfluxAway, match=r"127\.0\.0\.1:1"):
        asyncio.run(work())
