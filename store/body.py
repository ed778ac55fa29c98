"""How is a request's body taken in without trusting it? Streamed, bounded on the wire and inflated, in bounded time."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from telemetry.errors import FactoryError

if TYPE_CHECKING:
    from starlette.requests import Request

READ_TIMEOUT_S = 30.0
"""A body must be whole by then: 1 MB at 35 KB/s, and the end of a client that sends a byte a second."""
_STEP = 65_536


class BadBody(FactoryError):
    """A body that is not taken; `status` is the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Read a body of at most `bytes_max` bytes, on the wire and inflated. BadBody: 400, 408, 413 or 415."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise BadBody(415, f"content-encoding {encoding[:40]!r} is not taken; send identity or gzip")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > bytes_max:
        raise BadBody(413, f"the body has {declared[:20]} bytes; at most {bytes_max}")
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await (_Inflater if encoding == "gzip" else _Plain)(bytes_max).read(request)
    except TimeoutError:
        raise BadBody(408, f"the body was not whole after {READ_TIMEOUT_S:g} s") from None


class _Plain:
    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._parts: list[bytes] = []
        self._size = 0

    async def read(self, request: Request) -> bytes:
        async for chunk in request.stream():
            self._take(chunk)
        return self._finish()

    def _take(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._bytes_max:
            raise BadBody(413, f"the body has more than {self._bytes_max} bytes")
        self._parts.append(chunk)

    def _finish(self) -> bytes:
        return b"".join(self._parts)


class _Inflater(_Plain):
    """Inflates one gzip member step by step, so that a bomb is seen before it goes off."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self._stream = zlib.decompressobj(wbits=31)

    def _take(self, chunk: bytes) -> None:
        try:
            while chunk:
                super()._take(self._stream.decompress(chunk, _STEP))
                if self._stream.unused_data:
                    raise BadBody(400, "bytes follow the end of the gzip stream")
                chunk = self._stream.unconsumed_tail
        except zlib.error as error:
            raise BadBody(400, f"not gzip: {error}") from None

    def _finish(self) -> bytes:
        # What the last step left inside is given out with the next input only; there is none, so ask for it.
        while not self._stream.eof:
            rest = self._stream.decompress(b"", _STEP)
            if not rest:
                raise BadBody(400, "the gzip stream ends early")
            super()._take(rest)
        return super()._finish()
