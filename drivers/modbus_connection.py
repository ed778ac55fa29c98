"""How is one Modbus TCP request answered, or not? One connection, a request known by its transaction, nothing taken on trust.

A reply counts only when its transaction, unit, function and length are those of a request in flight (one, unless the profile
says that the device takes more). After a timeout or an impossible frame the connection is dropped, so that no late answer is
ever taken for another's.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol

from drivers.modbus_pdu import FrameReader
from telemetry.errors import BadReply, Disconnected

if TYPE_CHECKING:
    from drivers.modbus_pdu import Frame

BUFFER_BYTES = 65_536
"""One receive buffer serves all connections of a loop: it is emptied within the call that fills it."""
IN_FLIGHT_MAX = 16
"""What Modbus Messaging on TCP/IP V1.0b advises a server to take (4.4.1)."""
PAST_TRANSACTIONS = 2 * IN_FLIGHT_MAX
"""Transactions remembered, so that a repeated answer is known and dropped; more than ever repeats in practice."""
_shared = threading.local()
_transactions = itertools.count()
"""One count for all connections, so that an answer held back by a gateway fits no request of the next connection. It is
taken as 1..65535: a device that always answers 0 is never believed."""


class Request(Protocol):
    """What a connection needs of a request."""

    @property
    def unit(self) -> int:
        """The unit asked."""
        ...

    def encode(self, transaction: int) -> bytes:
        """Give the request's bytes."""
        ...


class ModbusConnection(asyncio.BufferedProtocol):
    """One TCP connection to a Modbus server."""

    drains = False
    """A fault costs the connection."""
    in_flight_max = IN_FLIGHT_MAX

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._pending: dict[int, tuple[int, asyncio.Future[bytes]]] = {}
        self._past: deque[int] = deque(maxlen=PAST_TRANSACTIONS)
        self._fault = ""
        self._closed = asyncio.get_running_loop().create_future()
        self.repeated = 0
        """Well-formed answers to requests that were already answered: dropped and counted."""

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self._transport is None or self._transport.is_closing()

    async def exchange(self, request: Request) -> bytes:
        """Send a request and give the PDU of its reply.

        BadReply: no answer in time (`timeout`) or an answer that cannot be its own; the connection is dropped.
        Disconnected: the peer is gone.
        """
        transport = self._transport
        if self._fault:
            raise BadReply(self._fault)
        if transport is None or transport.is_closing():
            raise Disconnected("the device closed the connection")
        loop = asyncio.get_running_loop()
        transaction = next(_transactions) % 0xFFFF + 1
        pending: asyncio.Future[bytes] = loop.create_future()
        self._pending[transaction] = (request.unit, pending)
        timer = loop.call_later(self._timeout_s, self._fail, "timeout")
        try:
            transport.write(request.encode(transaction))
            return await pending
        except asyncio.CancelledError:
            transport.abort()
            raise
        finally:
            timer.cancel()
            del self._pending[transaction]
            self._past.append(transaction)

    def _fail(self, reason: str, data: bytes = b"") -> None:
        """Give up the requests in flight, and the connection with them."""
        self._fault = reason
        if self._transport is not None:
            self._transport.abort()
        for _, pending in self._pending.values():
            if not pending.done():
                pending.set_exception(BadReply(reason, data))

    def _take(self, frame: Frame) -> None:
        unit, pending = self._pending.get(frame.transaction, (0, None))
        if pending is None or pending.done():
            if frame.transaction in self._past or pending is not None:
                self.repeated += 1
            else:
                self._fail(f"transaction {frame.transaction} was never asked", frame.pdu)
        elif frame.unit != unit:
            self._fail(f"unit {frame.unit} answers a request to unit {unit}", frame.pdu)
        else:
            pending.set_result(frame.pdu)

    async def close(self) -> None:
        """Drop the connection and wait until the socket is let go (asyncio does it in the loop's next turns)."""
        if self._transport is not None:
            self._transport.abort()
            await asyncio.wait({self._closed}, timeout=self._timeout_s)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 the size is ours to choose
        """Lend the loop's receive buffer."""
        buffer: memoryview | None = getattr(_shared, "buffer", None)
        if buffer is None:
            buffer = _shared.buffer = memoryview(bytearray(BUFFER_BYTES))
        return buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what arrived."""
        if self._fault:
            return
        try:
            for frame in self._reader.feed(bytes(_shared.buffer[:nbytes])):
                self._take(frame)
        except BadReply as error:
            self._fail(error.reason, error.data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits."""
        if not self._closed.done():
            self._closed.set_result(None)
        why = f": {exc}" if exc else ""
        for _, pending in self._pending.values():
            if not pending.done():
                pending.set_exception(Disconnected(f"the device closed the connection{why}"))


async def connect(
    host: str, port: int, timeout_s: float, *, tls: ssl.SSLContext | None = None, server_name: str = ""
) -> ModbusConnection:
    """Open a connection, one attempt. Disconnected says why it did not come."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            _, connection = await loop.create_connection(
                lambda: ModbusConnection(timeout_s),
                host,
                port,
                ssl=tls,
                server_hostname=(server_name or host) if tls else None,
            )
    except TimeoutError:
        raise Disconnected(f"{host}:{port} does not answer within {timeout_s:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise Disconnected(f"{host}:{port}: its certificate is refused: {error.verify_message}") from None
    except OSError as error:  # a name that does not resolve is one
        raise Disconnected(f"{host}:{port}: {error.strerror or error}") from None
    return connection
