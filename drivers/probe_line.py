"""How is a device asked by hand? One read after the other, at a pace that disturbs nobody, dialled again when it hangs up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers.modbus_pdu import TABLE_FUNCTIONS, IdentityRequest, ReadRequest
from drivers.modbus_plan import BIT_TABLES
from telemetry.errors import BadReply, Disconnected, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from drivers.modbus_plan import Block
    from drivers.modbus_poller import Line
    from drivers.modbus_url import ModbusUrl

    Dial = Callable[[], Awaitable[Line]]

SILENT_MAX = 3
"""Requests in a row without an answer before a device counts as silent: each costs a whole timeout."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one read: its words, or a refusal, or a fault with the bytes that caused it."""

    block: Block
    ms: int
    words: tuple[int, ...] = ()
    refusal: str = ""
    fault: str = ""
    data: bytes = b""


@dataclass(slots=True)
class Asker:
    """Asks one unit, never faster than `interval_s`, and remembers how it went."""

    dial: Dial
    unit: int
    interval_s: float
    mono_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    line: Line | None = None
    asked: int = 0
    silent: int = 0
    """Requests in a row that got no answer at all."""
    answered: int = 0
    _last_ms: int | None = field(default=None)

    @property
    def is_silent(self) -> bool:
        """Whether there is no use in asking on."""
        return self.silent >= SILENT_MAX

    async def read(self, block: Block) -> Answer:
        """Read one block. Disconnected only when the endpoint cannot be reached at all."""
        request = ReadRequest(self.unit, TABLE_FUNCTIONS[block.table], block.address, block.count)
        fault, data, refusal = "", b"", ""
        words: tuple[int, ...] = ()
        line = await self._turn()
        started = self.mono_ms()
        try:
            words = _words(request.payload(await line.exchange(request)), block)
        except Refused as error:
            refusal = error.reason
        except BadReply as error:
            fault, data = error.reason, error.data
        except Disconnected as error:
            fault = str(error)
        self._note(fault)
        return Answer(block, self.mono_ms() - started, words, refusal, fault, data)

    async def identify(self) -> dict[int, bytes]:
        """Ask FC 43/14 once, basic objects; nothing when it is not answered."""
        request = IdentityRequest(self.unit, 1)
        line = await self._turn()
        try:
            return request.part(await line.exchange(request)).objects
        except (Refused, BadReply, Disconnected):
            return {}

    async def close(self) -> None:
        """Hang up."""
        line, self.line = self.line, None
        if line is not None:
            await line.close()

    async def _turn(self) -> Line:
        """Wait for the next turn, and have a line."""
        if self._last_ms is not None:
            passed_s = (self.mono_ms() - self._last_ms) / 1000
            if passed_s < self.interval_s:
                await self.sleep(self.interval_s - passed_s)
        if self.line is None or self.line.is_lost:
            await self.close()
            self.line = await self.dial()
        self._last_ms = self.mono_ms()
        self.asked += 1
        return self.line

    def _note(self, fault: str) -> None:
        self.silent = self.silent + 1 if fault else 0
        self.answered += not fault


def _words(payload: bytes, block: Block) -> tuple[int, ...]:
    if block.table in BIT_TABLES:
        bits = int.from_bytes(payload, "little")
        return tuple(bits >> place & 1 for place in range(block.count))
    return tuple(int.from_bytes(payload[at : at + 2], "big") for at in range(0, len(payload), 2))


def dial(url: ModbusUrl, timeout_s: float, ca_file: str = "") -> Dial:
    """Give what opens a line to an endpoint, one attempt a call. ValueError: a modem that dials in cannot be called."""
    if url.scheme == "dtu":
        raise ValueError(
            "a modem dials in and cannot be called: probe its devices over a cable (rtu:// or rtu+tcp://)"
        )

    async def open_line() -> Line:
        from drivers.modbus_connection import connect
        from drivers.modbus_tcp import client_context
        from drivers.rtu_open import open_rtu_over_tcp, open_serial

        if url.scheme == "rtu":
            return await open_serial(url, timeout_s)
        if url.scheme == "rtu+tcp":
            return await open_rtu_over_tcp(url, timeout_s)
        tls = client_context(ca_file, "", "") if url.scheme == "tls" else None
        return await connect(url.host, url.port, timeout_s, tls=tls, server_name=url.server_name)

    return open_line
