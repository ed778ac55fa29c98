"""A wire in virtual time: what a driver's line writes goes to a device function, and its answers come back when it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from drivers.rtu_frame import frame
from drivers.rtu_line import RtuLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Device = Callable[[bytes], Iterable[tuple[float, bytes]]]

TIMEOUT_S = 1.0
GAP_S = 0.004


class VirtualWire(asyncio.Transport):
    """The transport; `sent` holds (virtual time, bytes) of everything written."""

    def __init__(self, protocol: asyncio.Protocol, device: Device) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._device = device
        self._is_closing = False
        self.sent: list[tuple[float, bytes]] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append((self._loop.time(), bytes(data)))
        for delay_s, answer in self._device(bytes(data)):
            self.say(delay_s, answer)

    def say(self, delay_s: float, data: bytes) -> None:
        """Let bytes arrive, asked for or not."""
        self._loop.call_later(delay_s, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if not self._is_closing:
            self._protocol.data_received(data)

    def is_closing(self) -> bool:
        return self._is_closing

    def abort(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    @property
    def requests(self) -> list[bytes]:
        return [data for _, data in self.sent]


def joined(device: Device, noise: tuple[bytes, ...] = ()) -> tuple[RtuLine, VirtualWire]:
    """A line that stands, with this device at its other end."""
    line = RtuLine(TIMEOUT_S, GAP_S, noise)
    wire = VirtualWire(line, device)
    line.connection_made(wire)
    return line, wire


def registers(request: bytes, first: int = 7) -> bytes:
    """The true answer to a read of registers: first, first + 1, ..."""
    count = int.from_bytes(request[4:6], "big")
    words = b"".join((first + at).to_bytes(2, "big") for at in range(count))
    return frame(request[:2] + bytes([len(words)]) + words)
