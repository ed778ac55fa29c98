"""What does a JSON payload say, by its profile? Strictly: it is understood whole, or it is no value at all. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.errors import BadReply
from telemetry.line import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.profile import Profile
    from telemetry.reading import RawValue

PAYLOAD_BYTES_MAX = 262_144
"""256 KB: a device's values take under 1 KB; more is an attack or a mistake."""
SOURCE_MS_MAX = 4_102_444_800_000
"""The start of the year 2100: a later source time is in another unit, or nonsense."""
SOURCE_MS_MIN = 946_684_800_000
"""The start of the year 2000: an earlier one too."""
_RANGES = {
    f"{sign}int{bits}": (0 if sign else -(1 << bits - 1), (1 << bits if sign else 1 << bits - 1) - 1)
    for sign in ("", "u")
    for bits in (16, 32, 64)
}
_UNITS = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, 1_000_000)}
MESSAGE_ID_CHARS_MAX = 128
ISO_CHARS_MAX = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload's values by point, the time it gives itself (UTC ms), the points it does not have, and its id."""

    values: Mapping[str, RawValue]
    source_ms: int | None = None
    missing: tuple[str, ...] = field(default=())
    message_id: str = ""


class PayloadMap:
    """A profile's payload map, compiled: where each point stands, and of what type it must be."""

    def __init__(self, profile: Profile) -> None:
        if profile.mqtt is None:
            raise ValueError(f"{profile.profile} is not heard over MQTT")
        self._points = tuple(
            (name, tuple(point.path.split(".")), point.type, frozenset(point.sentinels))
            for name, point in profile.points.items()
            if point.path is not None
        )
        stamp, message_id = profile.mqtt.timestamp, profile.mqtt.message_id
        self._stamp = tuple(stamp.split(".")) if stamp else None
        self._stamp_unit = profile.mqtt.timestamp_unit or "ms"
        self._id = tuple(message_id.split(".")) if message_id else None

    def decode(self, data: bytes) -> Payload:
        """Read a payload. BadReply says why it is none: too long, not JSON, a key twice, a wrong type, a strange time.

        A point that is absent or null, or whose value is a sentinel, is missing and not an error: a publisher leaves out
        what it could not read.
        """
        root = _strict_json(data)
        values: dict[str, RawValue] = {}
        missing = []
        for name, path, type_name, sentinels in self._points:
            found = _at(root, path)
            if found is _ABSENT or found is None:
                missing.append(name)
                continue
            value = typed_value(name, found, type_name)
            if value in sentinels or value == "":
                missing.append(name)
            else:
                values[name] = value
        return Payload(values, self._source_ms(root), tuple(missing), self._message_id(root))

    def _message_id(self, root: Any) -> str:
        """Read the id that tells this message from every other; one that is not there is no way to count a delta."""
        if self._id is None:
            return ""
        found = _at(root, self._id)
        if isinstance(found, bool) or not isinstance(found, int | str) or found == "":
            raise BadReply("there is no message id")
        if len(str(found)) > MESSAGE_ID_CHARS_MAX:
            raise BadReply(f"a message id of more than {MESSAGE_ID_CHARS_MAX} characters")
        return f"{type(found).__name__}:{found}"

    def _source_ms(self, root: Any) -> int | None:
        if self._stamp is None:
            return None
        stamp = _at(root, self._stamp)
        if stamp is _ABSENT:
            return None
        source_ms = _iso_ms(stamp) if self._stamp_unit == "iso8601" else _number_ms(stamp, self._stamp_unit)
        if not SOURCE_MS_MIN <= source_ms < SOURCE_MS_MAX:
            raise BadReply(f"timestamp {stamp} is not in the declared unit")
        return source_ms


def _number_ms(stamp: Any, unit: str) -> int:
    if isinstance(stamp, bool) or not isinstance(stamp, int | float):
        raise BadReply(f"timestamp is a {type(stamp).__name__}, not a number")
    multiply, divide = _UNITS[unit]
    return int(stamp * multiply) if divide == 1 else int(stamp // divide)


def _iso_ms(stamp: Any) -> int:
    """Read an ISO 8601 time; without an offset nobody knows which zone was meant, and it is refused."""
    if not isinstance(stamp, str) or len(stamp) > ISO_CHARS_MAX:
        raise BadReply(f"timestamp is a {type(stamp).__name__}, not an ISO 8601 text")
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        raise BadReply("timestamp is not ISO 8601") from None
    if moment.tzinfo is None:
        raise BadReply("timestamp has no offset from UTC")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _strict_json(data: bytes) -> Any:
    """Read JSON with msgspec (UTF-8, no NaN, no overflow, nothing behind it), then refuse a key given twice."""
    if len(data) > PAYLOAD_BYTES_MAX:
        raise BadReply(f"a payload of {len(data)} bytes; at most {PAYLOAD_BYTES_MAX}", data)
    try:
        root = msgspec.json.decode(data)
        json.loads(data, object_pairs_hook=_unique)
    except RecursionError:
        raise BadReply("JSON nested beyond reason", data) from None
    except (msgspec.MsgspecError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
        raise BadReply(f"not strict JSON: {error}", data) from None
    if not isinstance(root, dict):
        raise BadReply(f"a JSON {type(root).__name__}, not an object", data)
    return root


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse duplicate keys: two readers would take two different values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _at(root: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(root, dict) or key not in root:
            return _ABSENT
        root = root[key]
    return root


def typed_value(name: str, value: Any, type_name: str) -> RawValue:
    """Take a value only as the type its point has; nothing is converted but a whole number into a float.

    BadReply names the point and what was there instead.
    """
    if type_name == "string" and isinstance(value, str):
        return clean(value).strip()
    if type_name == "bool" and isinstance(value, bool):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadReply(f"{name} is a {type(value).__name__}, not {type_name}")
    if type_name in _RANGES and isinstance(value, int):
        low, high = _RANGES[type_name]
        if low <= value <= high:
            return value
        raise BadReply(f"{name} does not fit {type_name}")
    if type_name.startswith("float"):
        return _float(name, value)
    raise BadReply(f"{name} is a {type(value).__name__}, not {type_name}")


def _float(name: str, value: float) -> float:
    """Take a number as a float; a whole number that no float holds exactly was none when it was sent."""
    try:
        number = float(value)
    except OverflowError:
        raise BadReply(f"{name} does not fit a float") from None
    if not isfinite(number):
        raise BadReply(f"{name} is not finite")
    if number != value:
        raise BadReply(f"{name} does not fit a float")
    return number
