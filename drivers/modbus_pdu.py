"""How does Modbus TCP look in bytes? Requests that can only read, and replies that must prove they answer them. Pure.

Source: Modbus Application Protocol V1.1b3 and Modbus Messaging on TCP/IP V1.0b (modbus.org). Only function codes
1, 2, 3, 4 and 43/14 can be spelled here: there is no way to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from telemetry.errors import BadReply, Refused

if TYPE_CHECKING:
    from telemetry.profile import Table

MBAP_BYTES = 7
LENGTH_MIN, LENGTH_MAX = 3, 254
"""What the MBAP length may say: unit, function and at least one byte, up to unit and a PDU of 253."""
REGISTERS_MAX, BITS_MAX = 125, 2000
IDENTIFICATION_MEI = 0x0E
OBJECT_SERIES_MAX = 64
"""Answers to one identification before it is called endless; 256 objects fit well within."""

_MBAP = Struct(">HHHB")
_READ = Struct(">HHHBBHH")
_IDENTIFY = Struct(">HHHBBBBB")
_READ_BODY = Struct(">BBHH")
_HTTP = b"HTTP/"


class Function(IntEnum):
    """The function codes that exist for us."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    READ_IDENTIFICATION = 43


TABLE_FUNCTIONS: dict[Table, Function] = {
    "coil": Function.READ_COILS,
    "discrete": Function.READ_DISCRETE_INPUTS,
    "holding": Function.READ_HOLDING_REGISTERS,
    "input": Function.READ_INPUT_REGISTERS,
}
EXCEPTIONS: dict[int, str] = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge, still working",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}


class Frame(NamedTuple):
    """One ADU: who it says it answers, and the PDU (function code first)."""

    transaction: int
    unit: int
    pdu: bytes


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A read of bits (functions 1, 2) or registers (3, 4): `count` from the 0-based `address`."""

    unit: int
    function: Function
    address: int
    count: int

    def __post_init__(self) -> None:
        """Refuse what the protocol cannot carry."""
        if self.function not in TABLE_FUNCTIONS.values():
            raise ValueError(f"function {self.function} is not a read of a table")
        limit = BITS_MAX if self._is_bits else REGISTERS_MAX
        if not 1 <= self.count <= limit or not 0 <= self.address <= 65536 - self.count:
            raise ValueError(f"cannot read {self.count} from {self.address}; at most {limit} below 65536")
        _check_unit(self.unit)

    @property
    def _is_bits(self) -> bool:
        return self.function <= Function.READ_DISCRETE_INPUTS

    @property
    def payload_bytes(self) -> int:
        """Bytes of values a true answer carries."""
        return (self.count + 7) // 8 if self._is_bits else 2 * self.count

    @property
    def body(self) -> bytes:
        """Unit and PDU, as every framing carries them."""
        return _READ_BODY.pack(self.unit, self.function, self.address, self.count)

    def encode(self, transaction: int) -> bytes:
        """Give the request's ADU on TCP."""
        return _READ.pack(transaction, 0, 6, self.unit, self.function, self.address, self.count)

    def payload(self, pdu: bytes) -> bytes:
        """Take the values' bytes out of a reply. BadReply: not an answer to this; Refused: an exception."""
        expected = self.payload_bytes
        if len(pdu) == expected + 2 and pdu[0] == self.function and pdu[1] == expected:
            return pdu[2:]
        _raise_refusal(pdu, self.function)
        if pdu[0] != self.function:
            raise BadReply(f"function {pdu[0]} answers a request with {int(self.function)}", pdu)
        if len(pdu) < 2 or pdu[1] != expected:
            given = pdu[1] if len(pdu) > 1 else "no"
            raise BadReply(f"{given} bytes of values where {expected} were asked for", pdu)
        raise BadReply(f"the frame holds {len(pdu) - 2} bytes of values and says {expected}", pdu)


@dataclass(frozen=True, slots=True)
class IdentityPart:
    """One answer to Read Device Identification: its objects, and the next object when more follows."""

    objects: dict[int, bytes]
    next_object: int | None


@dataclass(frozen=True, slots=True)
class IdentityRequest:
    """Read Device Identification (43/14): `code` 1 basic, 2 regular, 3 extended, 4 the one object `first`."""

    unit: int
    code: int = 1
    first: int = 0
    function: Function = Function.READ_IDENTIFICATION

    def __post_init__(self) -> None:
        """Refuse what the protocol cannot carry."""
        if not 1 <= self.code <= 4 or not 0 <= self.first <= 255:
            raise ValueError(f"no read device id code {self.code} with object {self.first}")
        _check_unit(self.unit)

    @property
    def body(self) -> bytes:
        """Unit and PDU, as every framing carries them."""
        return bytes((self.unit, self.function, IDENTIFICATION_MEI, self.code, self.first))

    @property
    def payload_bytes(self) -> int | None:
        """Unknown: how long an identification is, its own objects say."""
        return None

    def encode(self, transaction: int) -> bytes:
        """Give the request's ADU on TCP."""
        function, mei = Function.READ_IDENTIFICATION, IDENTIFICATION_MEI
        return _IDENTIFY.pack(transaction, 0, 5, self.unit, function, mei, self.code, self.first)

    def part(self, pdu: bytes) -> IdentityPart:
        """Take the objects out of a reply. BadReply: not an answer to this; Refused: an exception."""
        _raise_refusal(pdu, Function.READ_IDENTIFICATION)
        if len(pdu) < 7 or pdu[0] != Function.READ_IDENTIFICATION or pdu[1] != IDENTIFICATION_MEI:
            raise BadReply("not an answer to read device identification", pdu)
        _, _, code, _conformity, more, following, count = pdu[:7]
        if code != self.code or more not in {0x00, 0xFF}:
            raise BadReply("an identification of another code, or a strange 'more follows'", pdu)
        objects = _objects(pdu, count)
        if not more:
            return IdentityPart(objects, None)
        if not objects or following <= max(objects):
            raise BadReply("an identification that says more follows and does not advance", pdu)
        return IdentityPart(objects, following)


def _objects(pdu: bytes, count: int) -> dict[int, bytes]:
    """Walk `count` objects (id, length, bytes), which must fill the PDU exactly."""
    objects: dict[int, bytes] = {}
    at = 7
    for _ in range(count):
        if at + 2 > len(pdu) or at + 2 + pdu[at + 1] > len(pdu):
            raise BadReply("an identification object runs past the frame", pdu)
        if pdu[at] in objects:
            raise BadReply(f"identification object {pdu[at]} comes twice", pdu)
        objects[pdu[at]] = pdu[at + 2 : at + 2 + pdu[at + 1]]
        at += 2 + pdu[at + 1]
    if at != len(pdu):
        raise BadReply("bytes after the last identification object", pdu)
    return objects


def _check_unit(unit: int) -> None:
    # 0 is broadcast on a serial line and "the device itself" on TCP; 255 is the TCP convention for the same.
    if not 0 <= unit <= 247 and unit != 255:
        raise ValueError(f"unit {unit} is not an address")


def _raise_refusal(pdu: bytes, function: Function) -> None:
    if pdu[0] < 0x80:
        return
    if pdu[0] != function | 0x80:
        raise BadReply(f"an exception of function {pdu[0] & 0x7F} to a request with {int(function)}", pdu)
    if len(pdu) != 2:
        raise BadReply("an exception without exactly one code", pdu)
    raise Refused(pdu[1], EXCEPTIONS.get(pdu[1], "unknown exception"))


class FrameReader:
    """Cuts a byte stream into frames, whatever the pieces it arrives in.

    At most one unfinished frame is kept (LENGTH_MAX + 6 bytes). Once a header is impossible the stream has lost its
    place and every further feed raises the same BadReply: the connection has to go.
    """

    __slots__ = ("_broken", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._broken = ""

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes and give the frames now complete.

        BadReply when the stream cannot be Modbus TCP: frames before the fault are given up with it.
        """
        if self._broken:
            raise BadReply(self._broken, data)
        data = self._rest + data if self._rest else data
        frames, at = [], 0
        while len(data) - at >= MBAP_BYTES:
            transaction, protocol, length, unit = _MBAP.unpack_from(data, at)
            self._check(data, at, protocol, length)
            end = at + 6 + length
            if len(data) < end:
                break
            frames.append(Frame(transaction, unit, data[at + MBAP_BYTES : end]))
            at = end
        self._rest = data[at:]
        if self._rest[: len(_HTTP)] == _HTTP:
            self._fail("this is an HTTP server, not Modbus", self._rest)
        return frames

    def _check(self, data: bytes, at: int, protocol: int, length: int) -> None:
        if data[at : at + len(_HTTP)] == _HTTP:
            self._fail("this is an HTTP server, not Modbus", data)
        if protocol != 0:
            self._fail(f"protocol identifier {protocol} is not Modbus", data[at:])
        if not LENGTH_MIN <= length <= LENGTH_MAX:
            self._fail(f"a frame length of {length} is impossible", data[at:])

    def _fail(self, reason: str, data: bytes) -> None:
        self._broken = reason
        raise BadReply(reason, data)
