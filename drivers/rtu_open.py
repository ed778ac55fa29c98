"""How does a line of RTU frames come to stand? A serial port, or a TCP connection to a serial device server; one attempt."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from drivers.rtu_line import RtuLine
from telemetry.errors import Disconnected

if TYPE_CHECKING:
    import serial

    from drivers.modbus_url import ModbusUrl

CHUNK = 4096


async def open_rtu_over_tcp(url: ModbusUrl, timeout_s: float) -> RtuLine:
    """Connect to a serial device server, one attempt. Disconnected says why it did not come."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            _, line = await loop.create_connection(lambda: RtuLine(timeout_s, url.gap_s), url.host, url.port)
    except TimeoutError:
        raise Disconnected(f"{url.host}:{url.port} does not answer within {timeout_s:g} s") from None
    except OSError as error:  # a name that does not resolve is one
        raise Disconnected(f"{url.host}:{url.port}: {error.strerror or error}") from None
    return line


async def open_serial(url: ModbusUrl, timeout_s: float) -> RtuLine:
    """Open a serial port for ourselves alone, one attempt. Disconnected says why it did not come."""
    import serial

    try:
        port = serial.Serial(
            url.device,
            url.baudrate,
            parity=url.parity,
            stopbits=url.stopbits,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
    except (serial.SerialException, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Disconnected(f"{url.device}: {reason}") from None
    line = RtuLine(timeout_s, url.gap_s)
    line.connection_made(SerialTransport(port, line))
    return line


class SerialTransport(asyncio.Transport):
    """A serial port as an asyncio transport: read when the loop says so; a request always fits the kernel's buffer."""

    def __init__(self, port: serial.Serial, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._port = port
        self._protocol = protocol
        self._fd = port.fileno()
        self._is_closing = False
        self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:  # an adapter pulled out
            self._close(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._close(None)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send at once; a port that takes less than all of it is given up."""
        if self._is_closing:
            return
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            self._close(error)
            return
        if written < len(data):
            self._close(OSError("the serial port does not take what is sent"))

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._is_closing

    def abort(self) -> None:
        """Close at once."""
        self._close(None)

    def close(self) -> None:
        """Close at once: nothing is ever left unsent."""
        self._close(None)

    def _close(self, error: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._loop.remove_reader(self._fd)
        self._port.close()
        self._loop.call_soon(self._protocol.connection_lost, error)
