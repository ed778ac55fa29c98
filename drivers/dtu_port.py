"""Who is calling? A port on which 4G modems (DTUs) dial in, each known by the registration it sends first.

A DTU behind a mobile network cannot be dialled: it dials the gateway, says who it is, and from then on carries the frames of
the units on its serial side. Several DTUs may share a port. A registration is a name, not a secret: it keeps strays out, not
an attacker; put the port behind a VPN or the operator's private APN.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from drivers.rtu_line import RtuLine
from telemetry.errors import Disconnected

if TYPE_CHECKING:
    from drivers.modbus_url import ModbusUrl

CALL_WAIT_S = 900.0
"""How long a call is waited for before the supervisor is told; a DTU calls again within minutes of losing its line."""
REGISTER_S = 10.0
"""What a caller is given to say who it is."""
CALLERS_MAX = 32
"""Callers at once who have not yet said who they are; more are strays, or an attack."""
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Seat:
    """The place of one DTU on a port: its latest call, until its driver takes it."""

    url: ModbusUrl
    timeout_s: float
    line: RtuLine | None = None
    called: asyncio.Event = field(default_factory=asyncio.Event)
    replaced: int = 0
    """Calls that came while another of the same DTU stood: the older one was dropped."""

    def take(self, line: RtuLine) -> None:
        """Take a new call; an older one is dead, or a modem that restarted."""
        if self.line is not None and not self.line.is_lost:
            self.replaced += 1
            self.line.drop()
        self.line = line
        self.called.set()

    async def next_line(self) -> RtuLine:
        """Wait for a call that stands; Disconnected when none comes."""
        try:
            async with asyncio.timeout(CALL_WAIT_S):
                while True:
                    await self.called.wait()
                    self.called.clear()
                    if self.line is not None and not self.line.is_lost:
                        return self.line
        except TimeoutError:
            raise Disconnected(f"no DTU has called {self.url.label} within {CALL_WAIT_S:g} s") from None


class DtuPort:
    """A listening port with a seat for each DTU that is expected."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self.seats: dict[bytes, Seat] = {}
        self.callers: set[Caller] = set()
        self.strays = 0
        """Callers that were sent away."""

    async def listen(self, host: str, port: int) -> None:
        """Open the port. OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Caller(self), host, port, reuse_address=True)

    def close(self) -> None:
        """Stop listening and send everybody away who has no driver yet."""
        if self._server is not None:
            self._server.close()
        for caller in list(self.callers):
            caller.send_away("the port closes")

    def seat_of(self, data: bytes) -> Seat | None:
        """Find whose registration begins these bytes."""
        known = (seat for registration, seat in self.seats.items() if data.startswith(registration))
        return next(known, None)

    def may_become(self, data: bytes) -> bool:
        """Whether these bytes may still become a registration."""
        return any(registration.startswith(data) for registration in self.seats)


class Caller(asyncio.Protocol):
    """A connection that has not yet said who it is."""

    def __init__(self, port: DtuPort) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the registration; an unregistered port takes the call as it is."""
        if not isinstance(transport, asyncio.Transport):
            return
        self._transport = transport
        self._port.callers.add(self)
        handle = transport.get_extra_info("socket")
        if handle is not None:  # a modem that lost its network says nothing: the kernel finds out
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if len(self._port.callers) > CALLERS_MAX:
            self.send_away("too many callers")
            return
        self._timer = asyncio.get_running_loop().call_later(REGISTER_S, self.send_away, "no registration")
        if b"" in self._port.seats:
            self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        """Look for a registration; what follows it belongs to the line."""
        self._data += data
        seat = self._port.seat_of(self._data)
        if seat is not None and self._transport is not None:
            self._forget()
            line = RtuLine(seat.timeout_s, seat.url.gap_s, seat.url.noise)
            self._transport.set_protocol(line)
            line.connection_made(self._transport)
            seat.take(line)
        elif not self._port.may_become(self._data):
            self.send_away("an unknown registration")

    def send_away(self, reason: str) -> None:
        """End the call."""
        self._port.strays += 1
        _log.warning("event=caller_sent_away reason=%s bytes=%d", reason.replace(" ", "_"), len(self._data))
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 asyncio calls it so
        """Forget the caller."""
        self._forget()

    def _forget(self) -> None:
        self._port.callers.discard(self)
        if self._timer is not None:
            self._timer.cancel()


_PORTS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], DtuPort]] = WeakKeyDictionary()
"""The open ports of each loop: drivers of several DTUs share one, and the last to leave closes it."""


async def take_seat(url: ModbusUrl, timeout_s: float) -> Seat:
    """Take the seat of this DTU, opening the port when nobody has; Disconnected when it is taken."""
    ports = _PORTS.setdefault(asyncio.get_running_loop(), {})
    place = (url.host, url.port)
    port = ports.get(place)
    if port is None:
        port = ports[place] = DtuPort()
        try:
            await port.listen(*place)
        except OSError as error:
            del ports[place]
            raise Disconnected(f"{url.label}: {error.strerror or error}") from None
    if url.registration in port.seats or (port.seats and b"" in {url.registration, *port.seats}):
        raise Disconnected(f"{url.label}: another endpoint waits for the same calls")
    seat = port.seats[url.registration] = Seat(url, timeout_s)
    return seat


def leave_seat(seat: Seat) -> None:
    """Give the seat back; the last one closes the port."""
    ports = _PORTS.get(asyncio.get_running_loop(), {})
    place = (seat.url.host, seat.url.port)
    port = ports.get(place)
    if port is None or port.seats.get(seat.url.registration) is not seat:
        return
    del port.seats[seat.url.registration]
    if seat.line is not None:
        seat.line.drop()
    if not port.seats:
        port.close()
        del ports[place]
