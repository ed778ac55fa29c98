"""Who answers on a port that does not speak Modbus? Told by the first bytes, or by asking in two other languages."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HTTP = "an HTTP server: this is a web page's port, not the device's Modbus port"
TLS = "a TLS port: Modbus here is encrypted (usually port 802), or this is an https server"
SSH = "an SSH server"
PRIVATE = (
    "a protocol shaped like Modbus TCP with protocol identifier 2, as UFACTORY's private one on port 502"
)
CHINESE = {
    HTTP: "HTTP 网页服务",
    TLS: "TLS 加密端口",
    SSH: "SSH 服务",
    PRIVATE: "外形相似的私有协议（协议标识 2）",
}
SILENT_S = 5.0
"""Longest time a stranger gets for its answer: enough across any workshop network."""
_TLS_RECORDS = frozenset({0x15, 0x16})
"""Alert and handshake (RFC 8446, 5.1): what a TLS server answers to plain bytes."""
_BANNERS = {b"SSH-": SSH, b"220 ": "a mail or FTP server", b"RFB ": "a VNC server", b"* OK": "an IMAP server"}


def name_peer(data: bytes) -> str:
    """Say who begins an answer with these bytes; nothing when that is not known."""
    if data[:5] == b"HTTP/" or data.lstrip()[:1] == b"<":
        return HTTP
    if len(data) >= 3 and data[0] in _TLS_RECORDS and data[1] == 3 and data[2] <= 4:
        return TLS
    if len(data) >= 4 and data[2:4] == b"\0\2":
        return PRIVATE
    return next((name for start, name in _BANNERS.items() if data.startswith(start)), "")


async def ask_strangers(host: str, port: int, timeout_s: float) -> str:
    """Ask a port that was silent to Modbus for a TLS greeting, then for a page; nothing when it stays silent.

    Neither question can be taken for a Modbus request: both begin with a protocol identifier that is not 0.
    """
    wait_s = min(timeout_s, SILENT_S)
    return await _greet_tls(host, port, wait_s) or await _ask_page(host, port, wait_s)


async def _greet_tls(host: str, port: int, wait_s: float) -> str:
    """Send a greeting and look at the record that comes back: whatever the handshake makes of it, it is TLS."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is told to this peer, and nothing it says is believed
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing)
    with suppress(ssl.SSLWantReadError):
        session.do_handshake()
    answer = await _exchange(host, port, outgoing.read(), wait_s, lambda data: len(data) >= 3)
    return TLS if name_peer(answer) == TLS else ""


async def _ask_page(host: str, port: int, wait_s: float) -> str:
    request = b"HEAD / HTTP/1.0\r\n\r\n"
    return name_peer(await _exchange(host, port, request, wait_s, lambda data: len(data) >= 5))


async def _exchange(
    host: str, port: int, request: bytes, wait_s: float, is_enough: Callable[[bytes], bool]
) -> bytes:
    """Send bytes and give the beginning of what comes back, at most one read's worth more than is needed."""
    answer = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(wait_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                while not is_enough(answer):
                    piece = await reader.read(256)
                    if not piece:
                        break
                    answer += piece
            finally:
                writer.transport.abort()
    return answer
