from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dashboard.api import api_routes, encode_figures
from dashboard.app import compose
from dashboard.cli import _census, _clock, serve
from dashboard.exposition import exposition
from dashboard.server import address, is_loopback, listen, run_server
from dashboard.view import overview
from telemetry.clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])  # noqa: S104
def test_anything_else_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104
def test_listening_beyond_loopback_in_plain_text_is_refused(host: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(serve, [str(tmp_path / "store"), "--host", host, "--port", "0"])
    assert result.exit_code == 2
    assert "--behind-proxy" in result.output
    assert not (tmp_path / "store").exists()


def test_half_a_tls_pair_is_refused(tmp_path: Path) -> None:
    certificate = tmp_path / "cert.pem"
    certificate.write_text("")
    result = CliRunner().invoke(serve, [str(tmp_path), "--tls-cert", str(certificate)])
    assert result.exit_code == 2
    assert "go together" in result.output


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(serve, [str(tmp_path), "--port", port])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in result.output


def test_an_address_is_a_url() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert address(listener, tls=False) == f"http://127.0.0.1:{port}"
        assert address(listener, tls=True) == f"https://127.0.0.1:{port}"


@pytest.mark.wall
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_prints_its_address_answers_and_ends_cleanly(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "mfl", "store", "serve", str(tmp_path / "store"), "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.fullmatch(r"serving .* on (http://127\.0\.0\.1:\d+)\n", line)
            assert match is not None, line
            for path, wanted in (("/healthz", b"ok"), ("/health", b""), ("/", "尚未进行普查".encode())):
                with urllib.request.urlopen(match[1] + path, timeout=30) as answer:  # noqa: S310
                    assert wanted in answer.read()
                    assert answer.headers["server"] is None
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 for itself, and its key."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@pytest.mark.wall
def test_tls_is_served_and_old_versions_are_not(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)

    def visit(url: str, context: ssl.SSLContext) -> bytes:
        with urllib.request.urlopen(url + "/healthz", timeout=30, context=context) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content

    async def scenario() -> None:
        new, old = (ssl.create_default_context(cafile=str(certificate)) for _ in range(2))
        with warnings.catch_warnings(), listen("127.0.0.1", 0) as listener:
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
            url = address(listener, tls=True)
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                app = compose(api_routes(lambda: 0, lambda: None))
                server = group.create_task(run_server(app, listener, tls=(certificate, key)))
                assert await asyncio.to_thread(visit, url, new) == b"ok\n"
                with pytest.raises(urllib.error.URLError):
                    await asyncio.to_thread(visit, url, old)
                server.cancel()

    asyncio.run(scenario())


def _get(url: str, path: str) -> bytes:
    with urllib.request.urlopen(url + path, timeout=30) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content


async def _life(how: str, seen: list[str]) -> None:
    """Run a server to its end, which comes by cancellation, by a signal, or by a failure beside it."""
    gate = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        seen.append("opened")
        yield
        seen.append("closed")

    async def beside() -> None:
        await gate.wait()
        raise RuntimeError("a bug beside the server")

    with listen("127.0.0.1", 0) as listener:
        app = compose(api_routes(lambda: 0, lambda: None), lifespan)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            server = group.create_task(run_server(app, listener, [beside()]))
            answer = await asyncio.to_thread(_get, address(listener, tls=False), "/healthz")
            seen.append(answer.decode().strip())
            if how == "cancel":
                server.cancel()
            elif how == "signal":
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                gate.set()
            with contextlib.suppress(asyncio.CancelledError):
                await server


@pytest.mark.wall
@pytest.mark.parametrize("how", ["cancel", "signal"])
def test_however_it_ends_the_server_closes_its_lifespan_and_lets_signals_go(how: str) -> None:
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    seen: list[str] = []
    asyncio.run(_life(how, seen))
    assert seen == ["opened", "ok", "closed"]
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.wall
def test_a_bug_beside_the_server_ends_it_and_is_told() -> None:
    with pytest.RaisesGroup(pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a bug beside"))):
        asyncio.run(_life("bug", []))


@pytest.mark.wall
def test_a_second_server_on_one_store_is_told_to_try_later(tmp_path: Path) -> None:
    from store.embedded import EmbeddedStore

    clock = Clock(lambda: 1_535_731_200_000, lambda: 0, "boot")
    store = EmbeddedStore.open(tmp_path / "store", clock)
    try:
        result = CliRunner().invoke(serve, [str(tmp_path / "store"), "--port", "0"])
    finally:
        store.close()
    assert result.exit_code == 75
    assert f"process {os.getpid()} has this store open" in result.output


def test_a_census_is_bound_to_its_ledger_and_clock(tmp_path: Path) -> None:
    from store.embedded import EmbeddedStore

    clock = Clock(lambda: 1_535_731_200_000, lambda: 0, "boot")
    store = EmbeddedStore.open(tmp_path / "store", clock)
    try:
        figures = _census(store, clock, ROOT / "config" / "ledgers" / "example", "wenzhou-2018")()
    finally:
        store.close()
    assert figures["as_of"] == "2018-09-01T00:00:00+08:00"
    assert figures["figures"]["robots_new"]["confirmed"] == 0
    view = overview(figures, "zh")
    assert [card.unit for card in view.cards] == ["台", "家"]
    assert encode_figures(figures)
    assert "mfl_census_target" in exposition(store.log_size(), figures)


def test_the_world_clock_starts_where_it_is_told() -> None:
    clock = _clock(1_535_731_200_000)
    assert 0 <= clock.wall_ms() - 1_535_731_200_000 < 60_000
    assert _clock(None).wall_ms() > 1_700_000_000_000
