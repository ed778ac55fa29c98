"""Does the probe name what is no Modbus device? Web servers, TLS, SSH, a private protocol, silence, a closed port."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from drivers.cli import probe
from drivers.probe_line import SILENT_MAX
from drivers.probe_peer import CHINESE, HTTP, PRIVATE, SSH, TLS, name_peer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_S = 20.0
pytestmark = pytest.mark.wall


async def _serve(answer: Callable[[bytes], bytes], **options: object) -> tuple[asyncio.Server, int]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(answer(data))
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, **options)  # type: ignore[arg-type]
    return server, server.sockets[0].getsockname()[1]


def run(port: int) -> tuple[int, dict[str, Any]]:
    words = [f"tcp://127.0.0.1:{port}", "-p", "jaka_zu", "--fast", "--timeout-ms", "400", "--json"]
    result = CliRunner().invoke(probe, words)
    return result.exit_code, json.loads(result.stdout)


def against(answer: Callable[[bytes], bytes], **options: object) -> dict[str, Any]:
    async def main() -> tuple[int, dict[str, Any]]:
        async with asyncio.timeout(PATIENCE_S):
            server, port = await _serve(answer, **options)
            async with server:
                return await asyncio.to_thread(run, port)

    code, document = asyncio.run(main())
    assert code == 1
    return document


def _page(data: bytes) -> bytes:
    """Answer as web servers do: nothing until the request has its empty line."""
    return b"HTTP/1.1 200 OK\r\n\r\n" if data.endswith(b"\r\n\r\n") else b""


@pytest.mark.parametrize(
    ("answer", "who"),
    [
        (lambda _data: b"HTTP/1.1 400 Bad Request\r\n\r\n", HTTP),
        (_page, HTTP),
        (lambda _data: b"SSH-2.0-OpenSSH_9.2\r\n", SSH),
        (lambda _data: bytes.fromhex("15030300020250"), TLS),
        (lambda data: data[:2] + bytes.fromhex("0002000401020304"), PRIVATE),
    ],
    ids=["http", "http that waits", "ssh", "tls alert", "private"],
)
def test_what_is_no_modbus_is_called_by_its_name(answer: Callable[[bytes], bytes], who: str) -> None:
    result = against(answer)
    assert result["verdict"] == "not_modbus"
    assert result["en"] == f"this is {who}"
    assert CHINESE[who] in result["zh"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its own certificate, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])
    start = datetime(2025, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=10_000))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "device.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return path


def test_a_tls_port_is_called_by_its_name_even_when_it_only_hangs_up(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    assert against(lambda _data: b"", ssl=context)["en"] == f"this is {TLS}"


def test_a_port_where_nobody_answers_is_left_after_a_few_tries() -> None:
    result = against(lambda _data: b"")
    assert result["verdict"] == "silent"
    assert result["reads"] == SILENT_MAX
    assert "check the unit" in result["en"]


def test_a_port_that_is_closed_is_unreachable() -> None:
    async def main() -> int:
        server, port = await _serve(lambda data: data)
        server.close()
        await server.wait_closed()
        return port

    code, result = run(asyncio.run(main()))
    assert code == 1
    assert result["verdict"] == "unreachable"
    assert result["reads"] == 0


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\1\0\0\0\5\1\3\2\0\0", b"hello"])
def test_bytes_that_say_nothing_get_no_name(data: bytes) -> None:
    assert name_peer(data) == ""
