"""Do real clients over real sockets get what they expect, and does a killed server keep its word?"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from store.log import EvidenceLog
from store.verify import verify_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store.embedded import EmbeddedStore
    from telemetry.seal import Batch
    from tests.store.conftest import Sealer

SERVER = """
import socket, sys, time
from pathlib import Path
import uvicorn
from starlette.applications import Starlette
from store.embedded import EmbeddedStore
from store.server import applied, store_routes
from telemetry.clock import Clock

clock = Clock(lambda: time.time_ns() // 1_000_000, lambda: time.monotonic_ns() // 1_000_000, "boot")
store = EmbeddedStore.open(Path(sys.argv[1]), clock)
listener = socket.socket(fileno=int(sys.argv[2]))
app = Starlette(routes=store_routes(store), lifespan=lambda app: applied(store))
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
store.close()
"""


class Server:
    """A store server in a process of its own; its socket is ours, so it is there before the server is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        number = self._listener.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.directory), str(number)],
            pass_fds=[number],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return self.process

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self._listener.close()

    def post(self, batch: Batch, token: str) -> int | None:
        """Send a batch; None when no answer comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(
                "POST", "/api/v2/write?precision=ns", batch.data, {"Authorization": f"Token {token}"}
            )
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    with contextlib.ExitStack() as stack:

        def start(directory: Path) -> Server:
            server = Server(directory)
            stack.callback(server.close)
            return server

        yield start


MOMENT = datetime(2018, 3, 1, 8, 30, 15, 123456, tzinfo=UTC)


@pytest.mark.wall
@pytest.mark.parametrize(
    ("precision", "time_ns"),
    [
        (WritePrecision.NS, 1_519_893_015_123_456_000),
        (WritePrecision.US, 1_519_893_015_123_456_000),
        (WritePrecision.MS, 1_519_893_015_123_000_000),
        (WritePrecision.S, 1_519_893_015_000_000_000),
    ],
)
def test_the_stock_client_writes_points_and_gets_them_back(
    store: EmbeddedStore, serve: Callable[[Path], Server], precision: WritePrecision, time_ns: int
) -> None:
    token = store.add_writer("client", at_ms=0)
    store.close()
    server = serve(store.directory)
    point = (
        Point("my weather")  # type: ignore[no-untyped-call]
        .tag("place", "a b,c=d")
        .tag("城市", "温州")
        .field("float", 0.1)
        .field("tiny", 5e-324)
        .field("int", -(2**63))
        .field("yes", True)
        .field("text", 'say "x" \\ and\nmore')
        .time(MOMENT, precision)
    )
    url = f"http://127.0.0.1:{server.port}"
    with InfluxDBClient(url, token=token, org="city", timeout=20_000, enable_gzip=True) as client:
        assert client.ping()
        api = client.write_api(write_options=SYNCHRONOUS)
        api.write("telemetry", record=point, write_precision=precision)
        api.write("telemetry", record=[f"raw u=18446744073709551615u {time_ns}"], write_precision="ns")
        with pytest.raises((ApiException, InfluxDBError)) as caught:
            api.write("telemetry", record="raw v=1i 1\nraw v=oops 2")
        assert "line 2" in str(caught.value.body)  # type: ignore[attr-defined]
    text = _export(server, token, lines=3)
    assert text == (
        "my\\ weather,place=a\\ b\\,c\\=d,城市=温州 float=0.1,int=-9223372036854775808i,"
        f'text="say \\"x\\" \\\\ and\nmore",tiny=5e-324,yes=true {time_ns}\n'
        f"raw u=18446744073709551615u {time_ns}\n"
    )


def _export(server: Server, token: str, lines: int) -> str:
    """Ask until the background work has written the rows; each ask is bounded, and so are all."""
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request(
            "GET", "/api/v1/export?day=2018-03-01", headers={"Authorization": f"Bearer {token}"}
        )
        text = connection.getresponse().read().decode()
        connection.close()
        if text.count("\n") >= lines:
            return text
        threading.Event().wait(0.05)
    return text


@pytest.mark.kill
def test_every_204_survives_kills_and_nothing_is_there_twice(
    store: EmbeddedStore, serve: Callable[[Path], Server], make_sealer: type[Sealer]
) -> None:
    """Four gateways push while the server is killed six times; each goes on with the next seq only after a 204."""
    seed = 20180101
    chance = random.Random(seed)
    names = [f"edge{number}" for number in range(4)]
    sealers = {name: make_sealer(name, seed=number + 10) for number, name in enumerate(names)}
    tokens = {
        name: store.enrol(name, sealer.public_key, kind="edge", from_ms=0, at_ms=0)
        for name, sealer in sealers.items()
    }
    store.close()
    server = serve(store.directory)
    acknowledged: dict[str, int] = dict.fromkeys(names, 0)
    stop, progress = threading.Event(), threading.Semaphore(0)

    def push(name: str) -> None:
        sealer = sealers[name]
        while not stop.is_set():
            (batch,) = sealer.batches(1)
            while (status := server.post(batch, tokens[name])) != 204:
                if stop.is_set():
                    return
                assert status in (None, 503), status
            acknowledged[name] = batch.seal.seq
            progress.release()

    threads = [threading.Thread(target=push, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    try:
        for _ in range(6):
            for _ in range(chance.randrange(5, 60)):
                assert progress.acquire(timeout=30), f"no progress; seed {seed}"
            server.kill()
            server.start()
        assert progress.acquire(timeout=30)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
    server.kill()
    log = EvidenceLog(store.directory / "log", store.directory / "quarantine", is_writable=False)
    report = verify_log(log, is_live=True)  # the last kill may have left a torn tail, never acknowledged
    assert report.problems == [], f"seed {seed}"
    for name in names:
        seqs = report.progress[name, sealers[name].epoch]
        assert seqs.contiguous >= acknowledged[name] > 0, f"{name}; seed {seed}"
    server.start()
