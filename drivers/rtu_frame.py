"""How does Modbus RTU look in bytes, and which bytes answer a request? CRC, frames, and the noise between them. Pure.

Source: Modbus over Serial Line V1.02 (modbus.org). A frame carries no transaction number, so an answer is believed only
when unit, function, byte count, length and CRC are those of the one request in flight. What is known not to be an answer is
stepped over: the request itself come back (a local echo), a modem's heartbeat, and the late answer of another unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from drivers.modbus_pdu import IDENTIFICATION_MEI, Function
from telemetry.errors import BadReply

if TYPE_CHECKING:
    from collections.abc import Collection

FRAME_MAX = 256
"""Bytes of the longest frame: unit, a PDU of 253, CRC."""
PENDING_MAX = 4 * FRAME_MAX
"""Bytes of noise that one answer may be hidden in before the wait for it is given up."""
_LONGEST_OBJECT_HEAD = 8


def _crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


_CRC = tuple(_crc_of_byte(value) for value in range(256))


class Request(Protocol):
    """What a line needs of a request."""

    @property
    def unit(self) -> int:
        """The unit asked."""
        ...

    @property
    def function(self) -> Function:
        """The function asked for."""
        ...

    @property
    def body(self) -> bytes:
        """Unit and PDU."""
        ...

    @property
    def payload_bytes(self) -> int | None:
        """Bytes of values a true answer carries; None when only the answer can tell."""
        ...


def crc16(data: bytes) -> int:
    """Give the CRC of V1.02, section 6.2.2 (polynomial 0xA001, start 0xFFFF)."""
    total = 0xFFFF
    for byte in data:
        total = total >> 8 ^ _CRC[(total ^ byte) & 0xFF]
    return total


def frame(body: bytes) -> bytes:
    """Give unit and PDU with their CRC, low byte first."""
    return body + crc16(body).to_bytes(2, "little")


def reply_length(data: bytes) -> int | None:
    """Tell how long the reply that begins so will be, CRC included; None while its head is not complete.

    BadReply: a function that is none of ours.
    """
    if len(data) < 2:
        return None
    function = data[1]
    if function & 0x80:
        return 5
    if function in {1, 2, 3, 4}:
        return 5 + data[2] if len(data) > 2 else None
    if function == Function.READ_IDENTIFICATION:
        return _identification_length(data)
    raise BadReply(f"function {function} is no answer to a read", data)


def _identification_length(data: bytes) -> int | None:
    if len(data) > 2 and data[2] != IDENTIFICATION_MEI:
        raise BadReply("not an answer to read device identification", data)
    if len(data) < _LONGEST_OBJECT_HEAD:
        return None
    at = _LONGEST_OBJECT_HEAD
    for _ in range(data[7]):
        if len(data) < at + 2:
            return None
        at += 2 + data[at + 1]
        if at + 2 > FRAME_MAX:
            raise BadReply("an identification object runs past the frame", data)
    return at + 2


class ReplyReader:
    """Finds the answer to one request in what a line brings, whatever the pieces it arrives in.

    `noise` are byte strings that may stand between frames; `late` are units whose answers may still be under way.
    `repeated`, `late_frames` and `echoes` count what was stepped over.
    """

    __slots__ = ("_data", "_echo", "_late", "_noise", "_request", "echoes", "late_frames", "repeated")

    def __init__(
        self, request: Request, *, noise: tuple[bytes, ...] = (), late: Collection[int] = frozenset()
    ) -> None:
        self._request = request
        self._echo = frame(request.body)
        self._noise = noise
        self._late = late
        self._data = b""
        self.echoes = self.late_frames = self.repeated = 0

    @property
    def begun(self) -> int:
        """Bytes of an unfinished answer."""
        return len(self._data)

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes; give the answer's PDU when it is complete. BadReply: this is no answer to the request."""
        self._data += data
        if len(self._data) > PENDING_MAX:
            raise BadReply("more bytes than any answer has", self._data)
        while self._data:
            if self._step_over():
                continue
            if self._is_begun_noise():
                return None
            length = self._checked_length()
            if length is None or len(self._data) < length:
                return None
            whole = self._data[:length]
            if crc16(whole[:-2]).to_bytes(2, "little") != whole[-2:]:
                raise BadReply("the checksum does not hold", self._data)
            self._data = self._data[length:]
            if whole[0] == self._request.unit:
                self._check_rest(whole)
                return whole[1:-2]
            self.late_frames += 1
        return None

    def _step_over(self) -> bool:
        # The echo first: that of a read of coils can be a well-formed answer to itself, and would be taken for values.
        if self._data.startswith(self._echo):
            self.echoes += 1
            self._data = self._data[len(self._echo) :]
            return True
        for noise in self._noise:
            if self._data.startswith(noise):
                self._data = self._data[len(noise) :]
                return True
        return False

    def _is_begun_noise(self) -> bool:
        """Whether these bytes may still become the echo or a noise: then more has to come before they are judged."""
        return any(known.startswith(self._data) for known in (self._echo, *self._noise))

    def _checked_length(self) -> int | None:
        request, data = self._request, self._data
        if data[0] != request.unit and data[0] not in self._late:
            raise BadReply(f"unit {data[0]} answers a request to unit {request.unit}", data)
        length = reply_length(data)
        if data[0] != request.unit or len(data) < 2:
            return length
        function = data[1]
        if function & 0x7F != request.function:
            kind = "an exception of function" if function & 0x80 else "function"
            raise BadReply(f"{kind} {function & 0x7F} answers a request with {int(request.function)}", data)
        expected = request.payload_bytes
        if len(data) > 2 and not function & 0x80 and expected is not None and data[2] != expected:
            raise BadReply(f"{data[2]} bytes of values where {expected} were asked for", data)
        return length

    def _check_rest(self, whole: bytes) -> None:
        """Let nothing follow the answer but itself again, or noise: two who talk at once are not to be believed."""
        while self._data:
            if self._data == whole[: len(self._data)] or self._data.startswith(whole):
                self.repeated += 1
                self._data = self._data[len(whole) :]
            elif not self._step_over():
                if self._is_begun_noise():
                    return
                raise BadReply("bytes after the answer", self._data)
