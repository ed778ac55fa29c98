"""How are the devices of a Modbus line polled? Each on its own turn, over one line, whatever its framing; reads only."""

from __future__ import annotations

import asyncio
import logging
import zlib
from typing import TYPE_CHECKING, Protocol, Self

from drivers.identity import identity_reading, identity_values, told_by_points
from drivers.modbus_pdu import OBJECT_SERIES_MAX, IdentityRequest, ReadRequest
from drivers.modbus_target import make_target
from drivers.schedule import GRID_MS, Schedule
from telemetry.errors import BadReply, Disconnected, Refused
from telemetry.line import clean
from telemetry.reading import Heard, Quality, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from types import TracebackType

    from drivers.driver import Endpoint
    from drivers.modbus_reads import Read
    from drivers.modbus_target import Target
    from telemetry.clock import Clock
    from telemetry.reading import RawValue

IDENTITY_RECHECK_MS = 60_000
"""How often a device is asked again who it is; a device that is exchanged breaks the connection and is asked at once."""
PROBE_SHARE = 20
"""Silent units take at most one part in so many of a shared line's time, unless nobody waits for it."""
GIVE_UP_AFTER = 3
"""Polls that every unit of a drained line leaves unanswered before the line is opened anew."""
PHASES = 4
"""Endpoints start on one of so many grid points, so that a large site's polls are not one burst a second."""
_TRANSIENT = frozenset({5, 6, 10, 11})
"""Exceptions that mean 'not now': acknowledge, busy, and a gateway without its path or target."""
_log = logging.getLogger(__name__)


class Line(Protocol):
    """What carries requests to the units of an endpoint.

    `drains` says whether the line stands after a fault (and quietens itself) or has to be dropped.
    """

    @property
    def drains(self) -> bool:
        """Whether a fault leaves the line standing."""
        ...

    @property
    def in_flight_max(self) -> int:
        """Requests it carries at once."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether the line is gone."""
        ...

    async def exchange(self, request: ReadRequest | IdentityRequest) -> bytes:
        """Send a request and give the PDU of its reply; BadReply or Disconnected."""
        ...

    async def close(self) -> None:
        """Let it go, in bounded time."""
        ...


class ModbusPoller:
    """A driver: one line shared by the endpoint's devices.

    A refusal is its device's own affair. After a timeout or a bad frame the bad reading is given; a line that drains
    stands, another is dropped, and Disconnected follows, unless another device answers over it or is still to be tried:
    then it is opened again, once, on the spot. A silent unit rests. A line that was closed between polls, or lost over the
    question who a device is, is opened again likewise. `opener` makes one attempt; with `is_dialled` it waits for a caller,
    and a lost line is waited for and never given up.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        opener: Callable[[], Awaitable[Line]],
        *,
        is_dialled: bool = False,
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._opener = opener
        self._is_dialled = is_dialled
        now_ms = clock.mono_ms()
        self._targets = tuple(make_target(spec, endpoint.holes, now_ms) for spec in endpoint.devices)
        self._place = endpoint.url.partition("?")[0]
        self._connection: Line | None = None
        self._probe_free_ms = now_ms

    async def __aenter__(self) -> Self:
        """Open the line, once; Disconnected when it does not come."""
        await self._dial()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the line go."""
        await self._hang_up()

    def __aiter__(self) -> AsyncIterator[Heard]:
        """Poll for ever; Disconnected ends it."""
        return self._polls()

    async def _dial(self) -> None:
        await self._hang_up()
        self._connection = await self._opener()
        for target in self._targets:
            if not target.identity_failed:
                target.identity_due_ms = None

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _polls(self) -> AsyncIterator[Heard]:
        intervals = [target.spec.poll_interval_ms for target in self._targets]
        phase = zlib.crc32(self._endpoint.url.encode()) % PHASES * GRID_MS
        schedule = Schedule(intervals, self._clock.mono_ms(), phase)
        self._line()
        while True:
            wait_ms = schedule.next_ms() - self._clock.mono_ms()
            await asyncio.sleep(max(0, wait_ms) / 1000)
            turns = [(self._targets[due.index], due.overruns) for due in schedule.take(self._clock.mono_ms())]
            for target, overruns in sorted(turns, key=_urgency):
                if overruns:
                    yield Heard((self._reading(target, {}, f"overrun: {overruns} polls not made"),))
                if self._rests(target, schedule.next_ms()):
                    yield Heard((self._reading(target, {}, f"resting: {target.unanswered} unanswered"),))
                    continue
                if self._connection is None or self._connection.is_lost:
                    await self._dial()
                reading, fault = await self._turn(target, schedule.next_ms())
                yield Heard((reading,))
                if fault is not None:
                    await self._recover(target, fault)
                elif (identity := await self._identify(target)) is not None:
                    yield Heard((identity,))

    async def _turn(self, target: Target, next_ms: int) -> tuple[Reading, str | None]:
        """Make one poll of one device, and keep count of what its silence cost."""
        begun_ms = self._clock.mono_ms()
        reading, fault = await self._poll(target)
        now_ms = self._clock.mono_ms()
        if fault is not None and target.unanswered and now_ms > next_ms:
            self._probe_free_ms = now_ms + (PROBE_SHARE - 1) * (now_ms - begun_ms)
        target.note(answered=fault is None, shares_line=len(self._targets) > 1)
        return reading, fault

    def _rests(self, target: Target, next_ms: int) -> bool:
        """Whether a silent unit is left out this turn: its time is not up, or asking it would cost the others too much."""
        if target.rest:
            target.rest -= 1
            return True
        if not target.unanswered or len(self._targets) == 1:
            return False
        now_ms = self._clock.mono_ms()
        return now_ms + self._endpoint.timeout_ms > next_ms and now_ms < self._probe_free_ms

    async def _recover(self, target: Target, fault: str) -> None:
        """After a fault: let a drained line be; else open it again when others are well on it, or still to be tried."""
        device = target.spec.device
        if self._connection is not None and self._connection.drains and not self._connection.is_lost:
            if any((each.unanswered or 0) < GIVE_UP_AFTER for each in self._targets):
                return
            is_given_up = True
        else:
            is_given_up = all(each.unanswered for each in self._targets if each is not target)
        _log.info("line dropped endpoint=%s device=%s fault=%s", self._place, device, fault)
        await self._hang_up()
        if is_given_up and not self._is_dialled:
            raise Disconnected(f"{self._place}: {device}: {fault}")
        await self._dial()

    async def _poll(self, target: Target) -> tuple[Reading, str | None]:
        """Make a device's reads: its reading, and the fault of the line when there was one."""
        values: dict[str, RawValue] = {}
        refusals: list[str] = []
        results: list[tuple[Read, Refused | None]] = []
        due = target.reads.due(self._clock.mono_ms())
        width = min(target.in_flight, self._line().in_flight_max)
        for at in range(0, len(due), width):
            part = due[at : at + width]
            for read, answer in zip(part, await self._ask_all(target, part), strict=True):
                if isinstance(answer, (BadReply, Disconnected)):
                    fault = answer.reason if isinstance(answer, BadReply) else f"disconnected: {answer}"
                    return self._reading(target, {}, fault), fault
                if isinstance(answer, Refused):
                    table = read.request.function.name.lower()
                    refusals.append(f"{table} {read.request.address}: {answer.reason}")
                else:
                    values |= read.decode(answer)
                results.append((read, answer if isinstance(answer, Refused) else None))
        reason = f"refused: {'; '.join(refusals)}" if refusals else ""
        if not reason and target.reads.left_out:
            reason = f"left out, as refused before: {target.reads.left_out}"
        reading = self._reading(target, values, reason)
        self._learn(target, results)
        return reading, None

    def _learn(self, target: Target, results: list[tuple[Read, Refused | None]]) -> None:
        if target.reads.take(results, self._clock.mono_ms()):
            self._keep(target)

    def _keep(self, target: Target) -> None:
        learned, spec = target.reads.learned, target.spec
        _log.warning(
            "event=learnt device=%s left_out=%s cuts=%d",
            spec.device,
            target.reads.left_out or "nothing",
            len(learned.cuts),
        )
        if self._endpoint.holes is not None:
            self._endpoint.holes.note(spec.device, spec.profile_id, learned)

    async def _ask_all(
        self, target: Target, reads: list[Read]
    ) -> list[bytes | Refused | BadReply | Disconnected]:
        """Ask one read, or several at once; each answer as it came."""

        async def ask(read: Read) -> bytes | Refused | BadReply | Disconnected:
            try:
                return read.request.payload(await self._ask(target, read.request))
            except (Refused, BadReply, Disconnected) as error:
                return error

        if len(reads) == 1:
            return [await ask(reads[0])]
        return list(await asyncio.gather(*map(ask, reads)))

    async def _ask(self, target: Target, request: ReadRequest | IdentityRequest) -> bytes:
        """Ask a device, no sooner than its pause after its last answer allows."""
        loop = asyncio.get_running_loop()
        if target.pause_s and (wait_s := target.answered_s + target.pause_s - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        try:
            return await self._line().exchange(request)
        finally:
            target.answered_s = loop.time()

    def _line(self) -> Line:
        if self._connection is None:
            raise Disconnected(f"{self._place}: not connected")
        return self._connection

    def _reading(self, target: Target, values: Mapping[str, RawValue], reason: str) -> Reading:
        """Judge what was heard: all of it good, some of it uncertain, none of it bad and with a reason."""
        if not values:
            quality, reason = Quality.BAD, reason or "no point has a value"
        else:
            quality = Quality.UNCERTAIN if reason else Quality.GOOD
        return Reading(
            device=target.spec.device,
            kind=ReadingKind.POLL,
            received_ms=self._clock.wall_ms(),
            mono_ms=self._clock.mono_ms(),
            quality=quality,
            values=values,
            profile=target.spec.profile_id,
            reason=clean(reason),
        )

    async def _drop_unless_drained(self) -> None:
        if self._connection is not None and (self._connection.is_lost or not self._connection.drains):
            await self._hang_up()

    async def _identify(self, target: Target) -> Reading | None:
        """Ask a device who it is, when that is due; give its identity when it is new or has changed.

        'Not now' is no answer: what was known stands, and the next poll asks again. When the question costs the
        connection, what was known stands and it is asked when next due: it must not cost the polls.
        """
        if target.identity_due_ms is not None and self._clock.mono_ms() < target.identity_due_ms:
            return None
        told: dict[str, RawValue] = {}
        target.identity_due_ms = self._clock.mono_ms() + IDENTITY_RECHECK_MS
        try:
            for read in target.identity_reads:
                try:
                    told |= read.decode(read.request.payload(await self._ask(target, read.request)))
                except Refused as refusal:
                    if refusal.code in _TRANSIENT:
                        raise
            objects = await self._objects(target) if target.asks_fc43 else {}
        except Refused:
            target.identity_due_ms = None
            return None
        except (BadReply, Disconnected) as error:
            _log.warning("identity not heard device=%s reason=%s", target.spec.device, error)
            target.identity_failed = True
            await self._drop_unless_drained()
            return None
        target.identity_failed = False
        values = identity_values(
            target.spec,
            f"{self._place}/{target.unit}",
            told=told_by_points(target.spec.profile, told),
            told_as="register",
            objects=objects,
        )
        if values == target.identity:
            return None
        if (
            target.identity
        ):  # another device, or other firmware: what the one before refused, this one may answer
            target.reads.forget()
            self._keep(target)
        target.identity = values
        return identity_reading(target.spec, values, self._clock.wall_ms(), self._clock.mono_ms())

    async def _objects(self, target: Target) -> dict[int, bytes]:
        """Read the FC 43/14 objects (regular, else basic); Refused when the device says 'not now'.

        A device that has never answered FC 43/14 and drops the line over it is not asked it again by this driver.
        """
        for code in (2, 1):
            try:
                return await self._object_series(target, code)
            except Refused as refusal:
                if refusal.code in _TRANSIENT:
                    raise
                if refusal.code != 3:  # only 'illegal value' may mean this code and not the function
                    break
            except (BadReply, Disconnected) as error:
                if "fingerprint" in target.identity:
                    raise
                _log.warning("FC 43/14 given up device=%s reason=%s", target.spec.device, error)
                target.asks_fc43 = False
                await self._drop_unless_drained()
                break
        return {}

    async def _object_series(self, target: Target, code: int) -> dict[int, bytes]:
        objects: dict[int, bytes] = {}
        first = 0
        for _ in range(OBJECT_SERIES_MAX):
            request = IdentityRequest(target.unit, code, first)
            part = request.part(await self._ask(target, request))
            objects |= part.objects
            if part.next_object is None:
                return objects
            first = part.next_object
        raise BadReply("an identification without end")


def _urgency(turn: tuple[Target, int]) -> tuple[bool, float]:
    """Let silent units come last, where they delay the others least; of those the one first that waited longest."""
    target = turn[0]
    return bool(target.unanswered), target.answered_s if target.unanswered else 0.0
