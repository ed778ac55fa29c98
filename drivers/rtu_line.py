"""How is one request answered on a line without transaction numbers? One at a time, and after silence only.

An RTU answer does not say which request it answers. So after a fault the line is drained until it is quiet; the unit at fault is
not asked again before a whole timeout has passed; and then it is first asked for something of another length, so that a late
answer cannot fit. Late answers of one unit do not disturb the others: they are known by their unit and stepped over.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from drivers.modbus_pdu import IdentityRequest, ReadRequest
from drivers.rtu_frame import ReplyReader, frame
from telemetry.errors import BadReply, Disconnected

if TYPE_CHECKING:
    from collections.abc import Callable

SETTLE_S = 0.05
"""Quiet asked for after garbage: ten frames' gaps, and more than a serial device server holds bytes back."""
RESTLESS_TIMEOUTS = 3
"""Timeouts to wait for a line to be quiet before it is called restless."""

_Shape = tuple[int, int | None]


class RtuLine(asyncio.Protocol):
    """One line of RTU frames: a serial port, a TCP connection to a device server, or a modem that dialled in."""

    drains = True
    """A fault leaves the line standing."""
    in_flight_max = 1

    def __init__(self, timeout_s: float, gap_s: float, noise: tuple[bytes, ...] = ()) -> None:
        loop = asyncio.get_running_loop()
        self._now: Callable[[], float] = loop.time
        self._timeout_s = timeout_s
        self._gap_s = gap_s
        self._noise = noise
        self._transport: asyncio.Transport | None = None
        self._reader: ReplyReader | None = None
        self._pending: asyncio.Future[bytes] | None = None
        self._heard_s = loop.time() - timeout_s
        self._quiet_s = gap_s
        self._doubts: dict[int, set[_Shape]] = {}
        self._free_at: dict[int, float] = {}
        self._closed: asyncio.Future[None] = loop.create_future()
        self._turn = asyncio.Lock()
        self.strays = 0
        """Bytes that came when nothing was asked, and were thrown away."""
        self.stepped_over = 0
        """Echoes, repeated answers and late answers of other units, known as such and thrown away."""

    @property
    def is_lost(self) -> bool:
        """Whether the line is gone."""
        return self._transport is None or self._transport.is_closing()

    async def exchange(self, request: ReadRequest | IdentityRequest) -> bytes:
        """Send a request and give the PDU of its reply.

        BadReply: no answer in time (`timeout`), or one that cannot be its own; the line stays and is drained before it is
        used again. Disconnected: the line is gone. Refused: the unit said no to a question asked first to clear a doubt.
        """
        async with self._turn:
            if _shape(request) in self._doubts.get(request.unit, ()):
                await self._clear_doubt(request)
            return await self._ask(request)

    async def _clear_doubt(self, request: ReadRequest | IdentityRequest) -> None:
        """Ask for something of another length: whatever answers it proves that the line holds no older answer."""
        doubts = self._doubts[request.unit]
        other = _other_shape(request, doubts)
        if other is not None:
            await self._ask(other)
        # Where nothing shorter can be asked, the timeout that has passed since has to do.

    async def _ask(self, request: ReadRequest | IdentityRequest) -> bytes:
        await self._be_quiet(request.unit)
        transport = self._standing()
        loop = asyncio.get_running_loop()
        late = frozenset(unit for unit in self._doubts if unit != request.unit)
        self._reader = reader = ReplyReader(request, noise=self._noise, late=late)
        self._pending = pending = loop.create_future()
        timer = loop.call_later(self._timeout_s, self._give_up)
        try:
            transport.write(frame(request.body))
            reply: bytes = await pending
        except BadReply as error:
            self._doubt(request, is_silent=error.reason == "timeout")
            raise
        except asyncio.CancelledError:
            self._doubt(request, is_silent=False)
            raise
        finally:
            timer.cancel()
            self._pending = self._reader = None
            self.stepped_over += reader.echoes + reader.late_frames + reader.repeated
        # Answers come in the order of the requests: nothing older of this unit can still be under way.
        self._doubts.pop(request.unit, None)
        return reply

    def _standing(self) -> asyncio.Transport:
        if self._transport is None or self._transport.is_closing():
            raise Disconnected("the line is closed")
        return self._transport

    def _doubt(self, request: ReadRequest | IdentityRequest, *, is_silent: bool) -> None:
        self._doubts.setdefault(request.unit, set()).add(_shape(request))
        self._free_at[request.unit] = self._now() + self._timeout_s
        self._quiet_s = self._gap_s if is_silent else max(self._gap_s, SETTLE_S)

    async def _be_quiet(self, unit: int) -> None:
        """Wait until the line has been quiet long enough; BadReply when it never is."""
        end = self._now() + RESTLESS_TIMEOUTS * self._timeout_s
        while (ready := max(self._heard_s + self._quiet_s, self._free_at.get(unit, 0.0))) > self._now():
            self._standing()
            if ready > end:
                raise BadReply("the line is never quiet")
            await asyncio.sleep(ready - self._now())
        self._free_at.pop(unit, None)
        self._quiet_s = self._gap_s

    def _give_up(self) -> None:
        begun = self._reader.begun if self._reader is not None else 0
        self._fail(
            BadReply(f"timeout in the middle of an answer, after {begun} bytes" if begun else "timeout")
        )

    def _fail(self, error: BadReply | Disconnected) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(error)

    def drop(self) -> None:
        """Let the line go without waiting."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Let the line go, in bounded time."""
        if self._transport is not None:
            self._transport.abort()
            await asyncio.wait({self._closed}, timeout=self._timeout_s)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what arrived; what nobody asked for is counted and thrown away."""
        self._heard_s = self._now()
        if self._pending is None or self._pending.done() or self._reader is None:
            self.strays += len(data)
            return
        try:
            reply = self._reader.feed(data)
        except BadReply as error:
            self._fail(error)
            return
        if reply is not None:
            self._pending.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits."""
        if not self._closed.done():
            self._closed.set_result(None)
        self._fail(Disconnected(f"the line was closed{f': {exc}' if exc else ''}"))


def _shape(request: ReadRequest | IdentityRequest) -> _Shape:
    return (request.function, request.payload_bytes)


def _other_shape(
    request: ReadRequest | IdentityRequest, doubts: set[_Shape]
) -> ReadRequest | IdentityRequest | None:
    """Give a read inside the same addresses whose answer has a length that is not in doubt; None when there is none."""
    if isinstance(request, IdentityRequest):
        return None
    for count in range(request.count - 1, 0, -1):
        shorter = replace(request, count=count)
        if _shape(shorter) not in doubts:
            return shorter
    return None
