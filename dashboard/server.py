"""How does the server run and stop? Uvicorn on a socket already bound, background work beside it, SIGTERM as the end."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from starlette.applications import Starlette

CONNECTIONS_MAX = 512
"""A city's gateways at one keep-alive connection each, and readers; beyond it uvicorn answers 503."""
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
        http="h11",
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
