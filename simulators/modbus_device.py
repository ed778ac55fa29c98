"""How does a simulated Modbus device answer? As pymodbus does: a foreign server with a foreign encoder, on loopback.

Register contents are made by pymodbus's `convert_to_registers`, never by our own codec, so that a round trip through
this server proves our decoder against an independent one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Self, cast

from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from telemetry.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from pymodbus.pdu import ModbusPDU

    from telemetry.profile import Point, Table
    from telemetry.reading import RawValue

OBJECTS = {
    "VendorName": 0,
    "ProductCode": 1,
    "MajorMinorRevision": 2,
    "VendorUrl": 3,
    "ProductName": 4,
    "ModelName": 5,
    "UserApplicationName": 6,
}
"""FC 43/14 object names (Modbus Application Protocol V1.1b3, 6.21) → object id."""
SERIAL_BAUDRATE = 115_200
LIBRARY_DEFAULT = {
    "VendorName": "pymodbus",
    "ProductName": "pymodbus Server",
    "MajorMinorRevision": "1.0",
}
"""What a server says that was built on the library and never told who it is."""
_TABLES: tuple[Table, ...] = ("coil", "discrete", "holding", "input")
_BY_FUNCTION: dict[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_IDENTIFICATION = 43
_BCD = {"bcd16": "UINT16", "bcd32": "UINT32"}


def encode_registers(point: Point, value: RawValue, order: str) -> list[int]:
    """Encode a point's raw value as registers, by pymodbus. ValueError: text that is too long for its point."""
    if point.type == "string":
        words = _registers(str(value), "STRING", "big")
        if len(words) > point.words:
            raise ValueError(f"{value!r} is longer than {point.words} registers")
        words += [0] * (point.words - len(words))
    elif point.type == "bool":
        words = [int(bool(value))]
    elif point.type.startswith("bcd"):
        little = order in {"CDAB", "DCBA"}
        words = _registers(int(str(int(value)), 16), _BCD[point.type], "little" if little else "big")
    else:
        number = float(value) if point.type.startswith("float") else int(value)
        little = order in {"CDAB", "DCBA"}
        words = _registers(number, point.type.upper(), "little" if little else "big")
    if order in {"BADC", "DCBA"}:
        words = [(word >> 8) | (word & 0xFF) << 8 for word in words]
    return words


def _registers(value: RawValue, type_name: str, word_order: str) -> list[int]:
    data_type = ModbusClientMixin.DATATYPE[type_name]
    return list(ModbusClientMixin.convert_to_registers(value, data_type, word_order=word_order))  # type: ignore[arg-type]


class _Unit:
    """One simulated unit: its memory by table, and what it refuses."""

    def __init__(self, profile: Profile, identity: Mapping[str, str] | None) -> None:
        self.profile = profile
        self.identity = None if identity is None else {OBJECTS[name]: text for name, text in identity.items()}
        self.words: dict[Table, dict[int, int]] = {table: {} for table in _TABLES}
        self.refused: dict[tuple[Table, int], ExcCodes] = {}
        for point in profile.points.values():
            if point.table is not None and point.address is not None:
                span = range(point.address, point.address + point.words)
                self.words[point.table] |= dict.fromkeys(span, 0)
        gap_max = profile.modbus.gap_max if profile.modbus is not None else 0
        for words in self.words.values():
            words.update(dict.fromkeys(_gaps(sorted(words), gap_max), 0))

    def set(self, name: str, value: RawValue) -> None:
        point = self.profile.points[name]
        table, address = cast("Table", point.table), cast("int", point.address)
        words = self.words[table]
        if point.bit is not None:
            mask = (1 << (point.width or 1)) - 1
            words[address] = words[address] & ~(mask << point.bit) | (int(value) & mask) << point.bit
            return
        modbus = self.profile.modbus
        order = point.order or (modbus.order if modbus else "ABCD")
        for offset, word in enumerate(encode_registers(point, value, order)):
            words[address + offset] = word

    def device(self, unit: int) -> SimDevice:
        coils, discrete = (_runs(self.words[table], DataType.BITS) for table in ("coil", "discrete"))
        holding, inputs = (_runs(self.words[table], DataType.REGISTERS) for table in ("holding", "input"))
        return SimDevice(id=unit, simdata=(coils, discrete, holding, inputs), action=self._act)

    async def _act(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        current: list[int],
        _written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Answer a read: put this unit's memory into the server's registers just before it is read."""
        table = _BY_FUNCTION[function]
        for place, word in self.words[table].items():
            if table in {"coil", "discrete"}:
                at, bit = place // 16 - start, place % 16
                current[at] = current[at] & ~(1 << bit) | (word & 1) << bit
            else:
                current[place - start] = word
        asked = ((table, place) for place in range(address, address + count))
        return next((self.refused[place] for place in asked if place in self.refused), None)


def _gaps(addresses: list[int], gap_max: int) -> list[int]:
    """Give the unused addresses that the profile says a read may bridge: the device answers them with 0."""
    gaps: list[int] = []
    for last, following in pairwise(addresses):
        if following - last - 1 <= gap_max:
            gaps += range(last + 1, following)
    return gaps


def _runs(words: Mapping[int, int], datatype: DataType) -> list[SimData]:
    """Describe a table as its runs of neighbouring addresses; pymodbus refuses everything between them."""
    runs: list[list[int]] = []
    for address in sorted(words):
        if runs and runs[-1][-1] == address - 1:
            runs[-1].append(address)
        else:
            runs.append([address])
    zero = [False] if datatype is DataType.BITS else [0]
    if not runs:  # the library wants something in every table; nobody asks for this address
        return [SimData(address=65520, values=zero * 16, datatype=datatype)]
    return [SimData(address=run[0], values=zero * len(run), datatype=datatype) for run in runs]


class ModbusDeviceServer:
    """A pymodbus server for one device, or for several units behind one port: Modbus TCP, or RTU frames over TCP.

    `serial` names a serial port to serve instead, in RTU frames.

    `profile` is a profile, or unit → profile. `identity` gives FC 43/14 objects by name for every unit, or unit →
    such a mapping; None refuses FC 43 as a controller does that does not know it. `requests` counts the function codes
    that came in.
    """

    def __init__(
        self,
        profile: Profile | Mapping[int, Profile],
        *,
        identity: Mapping[str, str] | Mapping[int, Mapping[str, str]] | None = None,
        unit: int | None = None,
        port: int = 0,
        rtu: bool = False,
        serial: str = "",
    ) -> None:
        if isinstance(profile, Profile):
            own = profile.modbus.unit if profile.modbus is not None else 1
            profile = {own if unit is None else unit: profile}
        self._units = {
            number: _Unit(each, _identity_of(identity, number)) for number, each in profile.items()
        }
        self._port = port
        self._rtu = rtu
        self._serial = serial
        self._server: ModbusTcpServer | ModbusSerialServer | None = None
        self.requests: Counter[int] = Counter()

    @property
    def url(self) -> str:
        """Where it listens: `tcp://127.0.0.1:PORT`, `rtu+tcp://127.0.0.1:PORT`; nowhere when it serves a serial port."""
        return f"{'rtu+tcp' if self._rtu else 'tcp'}://127.0.0.1:{self._port}"

    def set(self, name: str, value: RawValue, *, unit: int | None = None) -> None:
        """Let the named point read as this raw value from now on."""
        self._unit(unit).set(name, value)

    def refuse(self, name: str, *, code: int = ExcCodes.ILLEGAL_ADDRESS, unit: int | None = None) -> None:
        """Answer every read of the named point with this exception; code 0 answers it again."""
        chosen = self._unit(unit)
        point = chosen.profile.points[name]
        place = (cast("Table", point.table), cast("int", point.address))
        if code:
            chosen.refused[place] = ExcCodes(code)
        else:
            chosen.refused.pop(place, None)

    def _unit(self, unit: int | None) -> _Unit:
        return self._units[next(iter(self._units)) if unit is None else unit]

    async def __aenter__(self) -> Self:
        """Listen on loopback; with port 0 on a free one, which a later start of this object keeps."""
        devices = [unit.device(number) for number, unit in self._units.items()]
        if self._serial:
            self._server = ModbusSerialServer(
                devices, port=self._serial, baudrate=SERIAL_BAUDRATE, trace_pdu=self._trace
            )
            await self._server.serve_forever(background=True)
            return self
        framer = FramerType.RTU if self._rtu else FramerType.SOCKET
        self._server = ModbusTcpServer(
            devices, framer=framer, address=("127.0.0.1", self._port), trace_pdu=self._trace
        )
        await self._server.serve_forever(background=True)
        listener = cast("asyncio.Server", self._server.transport)
        self._port = int(listener.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and let the loop take its turns to close every socket."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None
        for _ in range(3):
            await asyncio.sleep(0)

    def _trace(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:  # noqa: FBT001 the library calls it so
        """Count what comes in, and answer FC 43 with this unit's identity: the library has one for all servers."""
        if not sending:
            self.requests[pdu.function_code] += 1
        elif isinstance(pdu, ReadDeviceInformationResponse):
            unit = self._units.get(pdu.dev_id)
            if unit is None or unit.identity is None:
                refusal = ExceptionResponse(_IDENTIFICATION, ExcCodes.ILLEGAL_FUNCTION)
                refusal.transaction_id, refusal.dev_id = pdu.transaction_id, pdu.dev_id
                return refusal
            last = 2 if pdu.read_code == 1 else 6
            pdu.information = {number: text for number, text in unit.identity.items() if number <= last}
        return pdu


def _identity_of(
    identity: Mapping[str, str] | Mapping[int, Mapping[str, str]] | None, unit: int
) -> Mapping[str, str] | None:
    if identity is None:
        return None
    by_unit = {key: value for key, value in identity.items() if isinstance(key, int)}
    if by_unit:
        return cast("Mapping[int, Mapping[str, str]]", by_unit).get(unit)
    return cast("Mapping[str, str]", identity)
