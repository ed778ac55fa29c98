"""What lies between a gateway and its store? A wire that can be watched, slowed and cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

CHUNK = 65_536
CONNECT_TIMEOUT_S = 5.0
WRITE = b"POST /api/v2/write"


class Proxy:
    """A TCP proxy on loopback to a port of loopback; `answer_delay_s` holds every answer back.

    `in_flight` counts connections on which something was asked and nothing answered since; `asks` every batch asked.
    """

    def __init__(self, target_port: int, *, answer_delay_s: float = 0.0) -> None:
        self.target_port = target_port
        self.answer_delay_s = answer_delay_s
        self.in_flight = self.asks = 0
        self.is_silent = False
        self.asked = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[_Waiting] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("use the proxy inside `async with`")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def go_silent(self) -> None:
        """Swallow everything from now on and close nothing: the peer vanished without a word."""
        self.is_silent = True
        for line in self._lines:
            line.is_silent = True

    def speak(self) -> None:
        """Serve new connections again; those that went silent stay so for ever."""
        self.is_silent = False

    async def until_asked(self, timeout_s: float) -> bool:
        """Wait until something is in flight; False when nothing was within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.in_flight:
                    self.asked.clear()
                    await self.asked.wait()
        except TimeoutError:
            return False
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                upstream_reader, upstream_writer = await asyncio.open_connection(
                    "127.0.0.1", self.target_port
                )
        except OSError:
            writer.close()
            return
        waiting = _Waiting(self, is_silent=self.is_silent)
        self._lines.add(waiting)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upstream_writer, waiting, asks=True))
                group.create_task(self._pump(upstream_reader, writer, waiting, asks=False))
        except* OSError:
            pass
        finally:
            self._lines.discard(waiting)
            waiting.set(asked=False)
            upstream_writer.close()
            writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: _Waiting, *, asks: bool
    ) -> None:
        while data := await reader.read(CHUNK):
            if asks:
                self.asks += data.count(WRITE)
                waiting.set(asked=True)
            if waiting.is_silent:
                continue
            if not asks and self.answer_delay_s:
                await asyncio.sleep(self.answer_delay_s)
            writer.write(data)
            await writer.drain()
            if not asks:
                waiting.set(asked=False)
        raise ConnectionResetError("one side closed")


class _Waiting:
    """Whether one connection waits for an answer."""

    __slots__ = ("_asked", "_proxy", "is_silent")

    def __init__(self, proxy: Proxy, *, is_silent: bool) -> None:
        self._proxy = proxy
        self._asked = False
        self.is_silent = is_silent

    def set(self, *, asked: bool) -> None:
        if asked != self._asked:
            self._asked = asked
            self._proxy.in_flight += 1 if asked else -1
            if asked:
                self._proxy.asked.set()
