"""How does the server run and stop? Uvicorn on a socket already bound, background work beside it, SIGTERM as the end."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from starlette.applications import Starlette

CONNECTIONS_MAX = 512
"""A city's gateways at one keep-alive connection each, and readers; beyond it the one idle longest is closed, and when none
is idle uvicorn answers 503."""
HEAD_WAIT_S = 10
"""How long a connection may take to say what it wants; uvicorn alone would wait for ever."""
KEEP_ALIVE_S = 75
"""Longer than the gateways' 60 s window, so that each push finds its connection open."""
GRACE_S = 10
"""What a request under way gets at the end before it is cut; a batch is stored in far less, or sent again."""
HEADER_BYTES_MAX = 16_384
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; port 0 takes a free one. OSError when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def address(listener: socket.socket, *, tls: bool) -> str:
    """Write where a listener is reached, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 whose idle connections keep nobody out: a request's head has HEAD_WAIT_S, and a full house sends an idle one away."""

    head_timer: asyncio.TimerHandle | None = None

    @property
    def ends_at(self) -> float:
        """Loop time at which it is closed if it goes on saying nothing; infinite while a request is under way."""
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            return math.inf
        timer = self.timeout_keep_alive_task or self.head_timer
        return timer.when() if timer else math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head; when all places are taken, the idle one that would end first ends now."""
        super().connection_made(transport)
        self.head_timer = self.loop.call_later(HEAD_WAIT_S, self.timeout_keep_alive_handler)
        others = [
            other for other in self.connections if isinstance(other, BoundedProtocol) and other is not self
        ]
        first = min(others, key=lambda other: other.ends_at, default=self)
        if len(self.connections) >= CONNECTIONS_MAX and first.ends_at < math.inf and first is not self:
            first.timeout_keep_alive_handler()
            self.connections.discard(first)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait anew when this did not begin a request: after the first, uvicorn stops its own clock at the first byte."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._cancel()
        elif self.head_timer is None:
            self.head_timer = self.loop.call_later(HEAD_WAIT_S, self.timeout_keep_alive_handler)

    def _cancel(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None


async def run_server(
    app: Starlette,
    listener: socket.socket,
    background: Sequence[Coroutine[None, None, None]] = (),
    tls: tuple[Path, Path] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; finish what is under way (at most GRACE_S) and return.

    `tls` is (certificate, key). When a piece of background work fails, so does the server: it is our own bug.
    """
    loop = asyncio.get_running_loop()
    server = uvicorn.Server(_config(app, tls))
    for number in SIGNALS:
        # Uvicorn raises the signal again once it has closed; caught here, the process ends with 0.
        loop.add_signal_handler(number, lambda: None)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in background]
            serving = group.create_task(server.serve(sockets=[listener]))
            try:
                await asyncio.shield(serving)
            except asyncio.CancelledError:
                # Uvicorn cut off in mid-loop would leave its sockets and the lifespan open.
                server.should_exit = True
                await serving
                raise
            finally:
                for task in tasks:
                    task.cancel()
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def _config(app: Starlette, tls: tuple[Path, Path] | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
