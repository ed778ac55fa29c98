"""Which drivers hear Modbus RTU? On a serial port, through a serial device server, and over a modem that dials in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from drivers.dtu_port import leave_seat, take_seat
from drivers.modbus_poller import ModbusPoller
from drivers.modbus_url import parse_modbus_url
from drivers.rtu_open import open_rtu_over_tcp, open_serial
from telemetry.errors import Disconnected

if TYPE_CHECKING:
    from types import TracebackType

    from drivers.driver import Endpoint
    from drivers.dtu_port import Seat
    from drivers.rtu_line import RtuLine
    from telemetry.clock import Clock


class ModbusSerial(ModbusPoller):
    """Modbus RTU on a serial port: `rtu:///dev/ttyS0?baudrate=9600&parity=E&stopbits=1`."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        url, timeout_s = parse_modbus_url(endpoint.url), endpoint.timeout_ms / 1000
        super().__init__(endpoint, clock, lambda: open_serial(url, timeout_s))


class ModbusRtuOverTcp(ModbusPoller):
    """Modbus RTU frames through a serial device server: `rtu+tcp://host:port`."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        url, timeout_s = parse_modbus_url(endpoint.url), endpoint.timeout_ms / 1000
        super().__init__(endpoint, clock, lambda: open_rtu_over_tcp(url, timeout_s))


class ModbusDtu(ModbusPoller):
    """Modbus RTU over a 4G modem that dials in: `dtu://0.0.0.0:port?registration=HEX&heartbeat=HEX`.

    The port stays open for as long as the driver is entered, so that a call is never refused while another is lost.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._url = parse_modbus_url(endpoint.url)
        self._timeout_s = endpoint.timeout_ms / 1000
        self._seat: Seat | None = None
        super().__init__(endpoint, clock, self._next_line, is_dialled=True)

    async def _next_line(self) -> RtuLine:
        if self._seat is None:
            raise Disconnected(f"{self._url.label}: not listening")
        return await self._seat.next_line()

    async def __aenter__(self) -> Self:
        """Open the port and wait for the call; Disconnected when the port is taken, or nobody calls."""
        self._seat = await take_seat(self._url, self._timeout_s)
        try:
            return await super().__aenter__()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up, and close the port when nobody else waits on it."""
        await super().__aexit__(kind, error, trace)
        self._leave()

    def _leave(self) -> None:
        seat, self._seat = self._seat, None
        if seat is not None:
            leave_seat(seat)
