"""What went over the wire? A TCP proxy and a pair of socat pseudo-terminals that record every byte the driver sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.rtu_frame import frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

PATIENCE_S = 20.0
_DUMP = re.compile(r"^([<>]) [^\n]*length=\d+[^\n]*\n((?: [0-9a-f]{2}| *\n)*)", re.MULTILINE)


def functions_on_tcp(data: bytes) -> list[int]:
    """The function codes of a stream of MBAP frames; every byte has to belong to one."""
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 6], "big")
        assert len(data) >= at + 6 + length
        found.append(data[at + 7])
        at += 6 + length
    return found


def functions_on_rtu(data: bytes) -> list[int]:
    """The function codes of a stream of RTU requests; every byte has to belong to one whose checksum holds."""
    found, at = [], 0
    while at < len(data):
        size = 7 if data[at + 1] == 43 else 8
        assert frame(data[at : at + size - 2]) == data[at : at + size]
        found.append(data[at + 1])
        at += size
    return found


class Tap:
    """A TCP proxy on loopback; `sent` is what came from the driver."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.port = 0
        self.sent = b""
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, ours: bool) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(4096):
                    self.sent += data if ours else b""
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(carry(reader, far_writer, ours=True), carry(far_reader, writer, ours=False))
        for end in (writer, far_writer):
            with contextlib.suppress(OSError):
                await end.wait_closed()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Tap]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
        await asyncio.wait_for(asyncio.gather(*(task for task in self._tasks if task)), PATIENCE_S)


class SerialPair:
    """Two pseudo-terminals joined by socat: the device's end, ours, and what ours sent."""

    def __init__(self, directory: Path) -> None:
        self.theirs, self.ours = str(directory / "device"), str(directory / "gateway")
        self._dump = directory / "dump"

    @contextlib.contextmanager
    def joined(self) -> Iterator[SerialPair]:
        binary = shutil.which("socat")
        if binary is None:
            pytest.skip("no socat binary: install the Debian package to run this test")
        with self._dump.open("wb") as dump:
            ends = [f"pty,raw,echo=0,link={end}" for end in (self.theirs, self.ours)]
            process = subprocess.Popen([binary, "-x", *ends], stderr=dump)
            try:
                wait_for(lambda: all(Path(end).exists() for end in (self.theirs, self.ours)))
                yield self
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    @property
    def sent(self) -> bytes:
        parts = _DUMP.findall(self._dump.read_text(encoding="ascii"))
        return b"".join(bytes.fromhex(text) for direction, text in parts if direction == "<")


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, in bounded time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        os.sched_yield()
