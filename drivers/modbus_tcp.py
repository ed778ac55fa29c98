"""How are the devices of a Modbus TCP endpoint polled? Each on its own turn, over one connection, reads only."""

from __future__ import annotations

import asyncio
import logging
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from drivers.identity import identity_reading, identity_values, told_by_points
from drivers.modbus_connection import connect
from drivers.modbus_decode import compile_block
from drivers.modbus_pdu import OBJECT_SERIES_MAX, TABLE_FUNCTIONS, IdentityRequest, ReadRequest
from drivers.modbus_plan import identity_points, plan_reads, polled_points
from drivers.schedule import GRID_MS, Schedule
from telemetry.errors import BadReply, Disconnected, Refused
from telemetry.line import clean
from telemetry.reading import Heard, Quality, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from types import TracebackType

    from drivers.driver import DeviceSpec, Endpoint
    from drivers.modbus_connection import ModbusConnection
    from drivers.modbus_decode import Decoder
    from telemetry.clock import Clock
    from telemetry.reading import RawValue

IDENTITY_RECHECK_MS = 60_000
"""How often a device is asked again who it is; a device that is exchanged breaks the connection and is asked at once."""
REST_MAX = 15
"""Turns a silent unit is left out at most: on a shared line each of its timeouts is time the others wait."""
PHASES = 4
"""Endpoints start on one of so many grid points, so that a large site's polls are not one burst a second."""
_TRANSIENT = frozenset({5, 6, 10, 11})
"""Exceptions that mean 'not now': acknowledge, busy, and a gateway without its path or target."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Device:
    """One device of the endpoint: its requests, compiled, and what is known of it on this connection."""

    spec: DeviceSpec
    unit: int
    pause_s: float
    reads: tuple[tuple[ReadRequest, Decoder], ...]
    identity_reads: tuple[tuple[ReadRequest, Decoder], ...]
    asks_fc43: bool
    identity_due_ms: int | None = None
    identity_failed: bool = False
    """Whether asking who it is last cost the connection: then a new connection does not ask before it is due."""
    identity: Mapping[str, RawValue] = field(default_factory=dict)
    unanswered: int | None = None
    """Polls in a row without an answer (a refusal is one); None before its first poll."""
    rest: int = 0
    """Turns it is still left out, because it did not answer and the line is not its own."""

    def note(self, *, answered: bool, shares_line: bool) -> None:
        """Keep count of silence; on a shared line rest it for 0, 1, 3, 7, then REST_MAX turns."""
        self.unanswered = 0 if answered else (self.unanswered or 0) + 1
        if self.unanswered and shares_line:
            self.rest = min(2 ** (self.unanswered - 1) - 1, REST_MAX)


def _device(spec: DeviceSpec) -> _Device:
    modbus = spec.profile.modbus
    if modbus is None:
        raise ValueError(f"{spec.device}: {spec.profile.profile} is not heard over Modbus")
    unit = modbus.unit if spec.unit is None else spec.unit

    def compiled(names: Collection[str]) -> tuple[tuple[ReadRequest, Decoder], ...]:
        blocks = plan_reads(spec.profile, names)
        return tuple(
            (
                ReadRequest(unit, TABLE_FUNCTIONS[block.table], block.address, block.count),
                compile_block(block, spec.profile),
            )
            for block in blocks
        )

    return _Device(
        spec=spec,
        unit=unit,
        pause_s=modbus.pause_ms / 1000,
        reads=compiled(polled_points(spec.profile)),
        identity_reads=compiled(identity_points(spec.profile)),
        asks_fc43=spec.profile.identity.fc43,
    )


class ModbusTcp:
    """A driver: one connection shared by the endpoint's devices, one request in flight.

    A refusal is its device's own affair. After a timeout or a bad frame the bad reading is given and the connection
    dropped; Disconnected follows, unless another device answers over the same line or is still to be tried: then it is
    dialled again, once, on the spot, and the silent one rests. A connection that the device closed between polls, or
    that was lost over the question who it is, is dialled again likewise.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        ports = [spec.profile.modbus.port for spec in endpoint.devices if spec.profile.modbus is not None]
        self._endpoint = endpoint
        self._clock = clock
        self._host, self._port = endpoint.address(ports[0] if ports else 502)
        self._devices = tuple(_device(spec) for spec in endpoint.devices)
        self._connection: ModbusConnection | None = None

    async def __aenter__(self) -> Self:
        """Connect, once; Disconnected when it does not come."""
        await self._dial()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the socket go."""
        await self._hang_up()

    def __aiter__(self) -> AsyncIterator[Heard]:
        """Poll for ever; Disconnected ends it."""
        return self._polls()

    async def _dial(self) -> None:
        await self._hang_up()
        self._connection = await connect(self._host, self._port, self._endpoint.timeout_ms / 1000)
        for device in self._devices:
            if not device.identity_failed:
                device.identity_due_ms = None

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _polls(self) -> AsyncIterator[Heard]:
        intervals = [device.spec.poll_interval_ms for device in self._devices]
        phase = zlib.crc32(self._endpoint.url.encode()) % PHASES * GRID_MS
        schedule = Schedule(intervals, self._clock.mono_ms(), phase)
        self._line()
        while True:
            wait_ms = schedule.next_ms() - self._clock.mono_ms()
            await asyncio.sleep(max(0, wait_ms) / 1000)
            turns = [(self._devices[due.index], due.overruns) for due in schedule.take(self._clock.mono_ms())]
            # A unit that did not answer last time comes last: its silence delays the others least.
            for device, overruns in sorted(turns, key=lambda turn: bool(turn[0].unanswered)):
                if overruns:
                    yield Heard((self._reading(device, {}, f"overrun: {overruns} polls not made"),))
                if device.rest:
                    device.rest -= 1
                    yield Heard((self._reading(device, {}, f"resting: {device.unanswered} unanswered"),))
                    continue
                if self._connection is None or self._connection.is_lost:
                    await self._dial()
                reading, fault = await self._poll(device)
                device.note(answered=fault is None, shares_line=len(self._devices) > 1)
                yield Heard((reading,))
                if fault is not None:
                    await self._recover(device, fault)
                elif (identity := await self._identify(device)) is not None:
                    yield Heard((identity,))

    async def _recover(self, device: _Device, fault: str) -> None:
        """Drop the line after a fault: dial again when others are well on it, or still to be tried; else give it up."""
        _log.info(
            "line dropped endpoint=%s device=%s fault=%s", self._endpoint.url, device.spec.device, fault
        )
        others = [other for other in self._devices if other is not device]
        await self._hang_up()
        if all(other.unanswered for other in others):
            raise Disconnected(f"{self._endpoint.url}: {device.spec.device}: {fault}")
        await self._dial()

    async def _poll(self, device: _Device) -> tuple[Reading, str | None]:
        """Read a device's blocks: its reading, and the fault of the line when there was one."""
        values: dict[str, RawValue] = {}
        refusals = []
        for request, decode in device.reads:
            try:
                values |= decode(request.payload(await self._ask(device, request)))
            except Refused as refusal:
                refusals.append(f"{request.function.name.lower()} {request.address}: {refusal.reason}")
            except (BadReply, Disconnected) as error:
                fault = error.reason if isinstance(error, BadReply) else f"disconnected: {error}"
                return self._reading(device, {}, fault), fault
        return self._reading(device, values, f"refused: {'; '.join(refusals)}" if refusals else ""), None

    async def _ask(self, device: _Device, request: ReadRequest | IdentityRequest) -> bytes:
        if device.pause_s:
            await asyncio.sleep(device.pause_s)
        return await self._line().exchange(request)

    def _line(self) -> ModbusConnection:
        if self._connection is None:
            raise Disconnected(f"{self._endpoint.url}: not connected")
        return self._connection

    def _reading(self, device: _Device, values: Mapping[str, RawValue], reason: str) -> Reading:
        """Judge what was heard: all of it good, some of it uncertain, none of it bad and with a reason."""
        if not values:
            quality, reason = Quality.BAD, reason or "no point has a value"
        else:
            quality = Quality.UNCERTAIN if reason else Quality.GOOD
        return Reading(
            device=device.spec.device,
            kind=ReadingKind.POLL,
            received_ms=self._clock.wall_ms(),
            mono_ms=self._clock.mono_ms(),
            quality=quality,
            values=values,
            profile=device.spec.profile_id,
            reason=clean(reason),
        )

    async def _identify(self, device: _Device) -> Reading | None:
        """Ask a device who it is, when that is due; give its identity when it is new or has changed.

        'Not now' is no answer: what was known stands, and the next poll asks again. When the question costs the
        connection, what was known stands and it is asked when next due: it must not cost the polls.
        """
        if device.identity_due_ms is not None and self._clock.mono_ms() < device.identity_due_ms:
            return None
        told: dict[str, RawValue] = {}
        device.identity_due_ms = self._clock.mono_ms() + IDENTITY_RECHECK_MS
        try:
            for request, decode in device.identity_reads:
                try:
                    told |= decode(request.payload(await self._ask(device, request)))
                except Refused as refusal:
                    if refusal.code in _TRANSIENT:
                        raise
            objects = await self._objects(device) if device.asks_fc43 else {}
        except Refused:
            device.identity_due_ms = None
            return None
        except (BadReply, Disconnected) as error:
            _log.warning("identity not heard device=%s reason=%s", device.spec.device, error)
            device.identity_failed = True
            await self._hang_up()
            return None
        device.identity_failed = False
        values = identity_values(
            device.spec,
            f"{self._endpoint.url}/{device.unit}",
            told=told_by_points(device.spec.profile, told),
            told_as="register",
            objects=objects,
        )
        if values == device.identity:
            return None
        device.identity = values
        return identity_reading(device.spec, values, self._clock.wall_ms(), self._clock.mono_ms())

    async def _objects(self, device: _Device) -> dict[int, bytes]:
        """Read the FC 43/14 objects (regular, else basic); Refused when the device says 'not now'.

        A device that has never answered FC 43/14 and drops the line over it is not asked it again by this driver.
        """
        for code in (2, 1):
            try:
                return await self._object_series(device, code)
            except Refused as refusal:
                if refusal.code in _TRANSIENT:
                    raise
                if refusal.code != 3:  # only 'illegal value' may mean this code and not the function
                    break
            except (BadReply, Disconnected) as error:
                if "fingerprint" in device.identity:
                    raise
                _log.warning("FC 43/14 given up device=%s reason=%s", device.spec.device, error)
                device.asks_fc43 = False
                await self._hang_up()
                break
        return {}

    async def _object_series(self, device: _Device, code: int) -> dict[int, bytes]:
        objects: dict[int, bytes] = {}
        first = 0
        for _ in range(OBJECT_SERIES_MAX):
            request = IdentityRequest(device.unit, code, first)
            part = request.part(await self._ask(device, request))
            objects |= part.objects
            if part.next_object is None:
                return objects
            first = part.next_object
        raise BadReply("an identification without end")
