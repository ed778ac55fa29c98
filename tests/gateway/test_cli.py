from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from aiohttp import web
from click.testing import CliRunner

from gateway.cli import gateway, keys, system_clock
from gateway.keys import load_private_key
from gateway.lock import DirectoryLock
from telemetry.clock import ClockState
from telemetry.seal import parse_public_key, read_lines, read_seal, signature_holds
from tests.gateway.conftest import PROFILE_TEXT

if TYPE_CHECKING:
    from telemetry.seal import Batch

ROOT = Path(__file__).parents[2]
SITE = """\
gateway: g1
enterprise: {{uscc: 91330300MA0000000A, name: Test}}
window_s: 1
state_dir: state
key_file: g1.key
store: {{url: "{url}", token_file: token}}
endpoints:
  - url: tcp://127.0.0.1:{port}
    devices:
      - {{device: r1, profile: ./test_arm.yaml, poll_interval_ms: 100}}
      - {{device: r2, profile: ./test_arm.yaml, poll_interval_ms: 100, unit: 2}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "test_arm.yaml").write_text(PROFILE_TEXT, encoding="utf-8")
    (tmp_path / "token").write_text("t0ken", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    CliRunner().invoke(keys, ["new", str(tmp_path / "g1.key")])
    _write_site(tmp_path, "http://127.0.0.1:9")
    return tmp_path


def _write_site(home: Path, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    (home / "site.yaml").write_text(SITE.format(url=url, port=free), encoding="utf-8")


def test_keys_new_prints_the_public_key_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "g1"
    first = CliRunner().invoke(keys, ["new", str(path)])
    assert first.exit_code == 0
    parse_public_key(first.stdout.strip())
    assert path.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in first.output
    before = path.read_bytes()
    second = CliRunner().invoke(keys, ["new", str(path)])
    assert second.exit_code == 2
    assert "never overwritten" in second.output
    assert path.read_bytes() == before


def test_check_prints_the_plan(home: Path) -> None:
    result = CliRunner().invoke(gateway, ["check", str(home / "site.yaml")])
    assert result.exit_code == 0, result.output
    assert "1 endpoint(s), 2 device(s)" in result.output
    assert "reads holding 0-2" in result.output
    assert "t0ken" not in result.output


def test_the_example_site_is_sound_but_for_its_token(tmp_path: Path) -> None:
    shutil.copy(ROOT / "config" / "sites" / "workshop.yaml", tmp_path / "workshop.yaml")
    (tmp_path / "keys").mkdir()
    token = tmp_path / "keys" / "wz-demo-01.token"
    token.write_text("t0ken", encoding="utf-8")
    token.chmod(0o600)
    result = CliRunner().invoke(gateway, ["check", str(tmp_path / "workshop.yaml")])
    assert result.exit_code == 0, result.output
    assert "3 endpoint(s), 3 device(s)" in result.output


def test_check_tells_every_problem_and_exits_2(home: Path) -> None:
    text = (home / "site.yaml").read_text(encoding="utf-8")
    (home / "site.yaml").write_text(
        text.replace("unit: 2", "unit: 1").replace("device: r2", "device: r1"), encoding="utf-8"
    )
    result = CliRunner().invoke(gateway, ["check", str(home / "site.yaml")])
    assert result.exit_code == 2
    assert "2 problem(s)" in result.output


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_missing_site_exits_2(home: Path, command: str) -> None:
    result = CliRunner().invoke(gateway, [command, str(home / "none.yaml")])
    assert result.exit_code == 2
    assert "cannot be read" in result.output


def test_a_key_others_can_read_is_refused(home: Path) -> None:
    (home / "g1.key").chmod(0o640)
    result = CliRunner().invoke(gateway, ["run", str(home / "site.yaml")])
    assert result.exit_code == 2
    assert "chmod 600 g1.key" in result.output


def test_a_locked_state_exits_75_with_the_pid(home: Path) -> None:
    lock = DirectoryLock(home / "state" / "outbox")
    result = CliRunner().invoke(gateway, ["run", str(home / "site.yaml")])
    lock.close()
    assert result.exit_code == 75
    assert f"process {os.getpid()}" in result.output


def test_buffer_of_a_gateway_that_never_ran(home: Path) -> None:
    stat = CliRunner().invoke(gateway, ["buffer", "stat", str(home / "site.yaml")])
    assert (stat.exit_code, "outbox: none yet" in stat.output) == (0, True)
    verify = CliRunner().invoke(gateway, ["buffer", "verify", str(home / "site.yaml")])
    assert (verify.exit_code, "0 batches checked, 0 problem(s)" in verify.output) == (0, True)


def test_a_world_clock_starts_where_it_is_told() -> None:
    clock = system_clock(1_530_000_000_000)
    assert 0 <= clock.wall_ms() - 1_530_000_000_000 < 60_000
    assert clock.state() is ClockState.SYNCED
    assert clock.boot != system_clock().boot


class FakeStore:
    """A store over HTTP that keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.tokens: set[str] = set()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        self.batches.append(read_seal(await request.read()))
        return web.Response(status=204)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2_000_000)
        app.router.add_post("/api/v2/write", self.take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def polls_ok(self) -> list[object]:
        rows = [line for batch in self.batches for line in read_lines(batch)]
        return [line.fields["polls_ok"] for line in rows if line.measurement == "machine"]


def _start(home: Path) -> subprocess.Popen[bytes]:
    code = "from gateway.cli import gateway; gateway()"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, "run", str(home / "site.yaml"), "--assume-synced"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )


async def _until(claim: object, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(30):
        while not claim():  # type: ignore[operator]
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            await asyncio.sleep(0.02)


@pytest.mark.wall
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_real_process_reports_silence_and_stops_well(home: Path, number: signal.Signals) -> None:
    async def work() -> tuple[FakeStore, int, bytes]:
        async with FakeStore() as store:
            _write_site(home, store.url)
            process = _start(home)
            try:
                await _until(lambda: len(store.polls_ok()) >= 4, process)
                process.send_signal(number)
                _, log = await asyncio.to_thread(process.communicate, timeout=30)
            finally:
                process.kill()
            return store, process.returncode, log

    store, code, log = asyncio.run(work())
    assert code == 0, log
    assert set(store.polls_ok()) == {0}
    assert store.tokens == {"Token t0ken"}
    assert b"t0ken" not in log
    assert b"Traceback" not in log
    seqs = [batch.seal.seq for batch in store.batches]
    assert sorted(seqs) == list(range(1, len(seqs) + 1))
    verify = CliRunner().invoke(gateway, ["buffer", "verify", str(home / "site.yaml")])
    assert verify.exit_code == 0, verify.output
    stat = CliRunner().invoke(gateway, ["buffer", "stat", str(home / "site.yaml")])
    assert "batches_waiting: 0" in stat.output


@pytest.mark.kill
def test_killed_again_and_again_every_seq_arrives_once_with_one_hash(home: Path) -> None:
    async def work() -> FakeStore:
        async with FakeStore() as store:
            _write_site(home, store.url)
            for _ in range(4):
                process = _start(home)
                before = len(store.batches)
                try:
                    await _until(lambda before=before: len(store.batches) > before, process)
                finally:
                    process.kill()
                    await asyncio.to_thread(process.communicate)
            return store

    store = asyncio.run(work())
    by_seq: dict[int, set[str]] = {}
    for batch in store.batches:
        by_seq.setdefault(batch.seal.seq, set()).add(batch.hash)
    assert all(len(hashes) == 1 for hashes in by_seq.values())
    assert sorted(by_seq) == list(range(1, len(by_seq) + 1))
    assert len({batch.seal.epoch for batch in store.batches}) == 1
    key = CliRunner().invoke(gateway, ["buffer", "verify", str(home / "site.yaml")])
    assert key.exit_code == 0, key.output
    public = load_private_key(home / "g1.key").public_key()
    assert all(signature_holds(batch.seal, public) for batch in store.batches)
