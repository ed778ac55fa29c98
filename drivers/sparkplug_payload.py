"""What does a Sparkplug B payload say? Bytes → metrics and their values, strictly; and the one command we ever send. Pure.

Source: Eclipse Sparkplug 3.0, chapter 6. Supported are the fifteen scalar datatypes. Data sets, templates, bytes, files,
arrays and property sets are refused by name: nothing in them is a machine's state or counter, and a nested value has no
place in a profile. A compressed payload (`uuid` SPBV1.0_COMPRESSED, of version 2 only) is refused too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from drivers.sparkplug_schema import REFUSED_FIELDS, PayloadMessage
from telemetry.errors import BadReply

if TYPE_CHECKING:
    from telemetry.reading import RawValue

PAYLOAD_BYTES_MAX = 1_048_576
"""1 MB: a birth of 10,000 metrics takes half of it."""
METRICS_MAX = 10_000
"""In one payload; a node of more is split into devices."""
NAME_CHARS_MAX = 1_024
SEQ_MAX = 255
TIME_MS_MAX = 4_102_444_800_000
"""The start of the year 2100: a later time is in another unit, or nonsense."""
REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"
COMPRESSED = "SPBV1.0_COMPRESSED"


class DataType(IntEnum):
    """The scalar datatypes, by their numbers."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15


_NAMES = {
    16: "a data set",
    17: "bytes",
    18: "a file",
    19: "a template",
    20: "a property set",
    21: "property sets",
}
_ARMS = {"bytes_value": "bytes", "dataset_value": "a data set", "template_value": "a template"}
_SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
_UNSIGNED = {
    DataType.UINT8: 8, DataType.UINT16: 16, DataType.UINT32: 32, DataType.UINT64: 64, DataType.DATETIME: 64,
}  # fmt: skip
_TEXTS = {DataType.STRING, DataType.TEXT, DataType.UUID}
_LONG = {DataType.INT64, DataType.UINT64, DataType.DATETIME}


class Quality(IntEnum):
    """The `Quality` property of a metric."""

    BAD = 0
    GOOD = 192
    STALE = 500


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it stands in a payload; `arm` names the value's field, empty when there is none."""

    name: str = ""
    alias: int | None = None
    time_ms: int | None = None
    datatype: int = 0
    arm: str = ""
    value: int | float | str | bool | None = None
    is_null: bool = False
    is_historical: bool = False
    quality: int = Quality.GOOD


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload: its own time (UTC ms), its sequence number, its metrics in order."""

    time_ms: int | None
    seq: int | None
    metrics: tuple[Metric, ...]

    def bd_seq(self) -> int | None:
        """Give the birth-death number, whatever integer field it was put in; None when there is none."""
        for metric in self.metrics:
            if metric.name == BD_SEQ and metric.arm in {"int_value", "long_value"}:
                return int(metric.value or 0)
        return None


def decode_payload(data: bytes) -> Payload:
    """Read a payload. BadReply says why it is none: too long, no protocol buffer, compressed, too many metrics."""
    if len(data) > PAYLOAD_BYTES_MAX:
        raise BadReply(f"a payload of {len(data)} bytes; at most {PAYLOAD_BYTES_MAX}", data)
    try:
        message = PayloadMessage.FromString(data)
        if message.HasField("uuid") and message.uuid == COMPRESSED.encode():
            raise BadReply("a compressed payload: turn compression off at the edge node")
        if len(message.metrics) > METRICS_MAX:
            raise BadReply(f"{len(message.metrics)} metrics in one payload; at most {METRICS_MAX}")
        return Payload(
            time_ms=message.timestamp if message.HasField("timestamp") else None,
            seq=message.seq if message.HasField("seq") else None,
            metrics=tuple(_metric(metric) for metric in message.metrics),
        )
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadReply(f"not a Sparkplug B payload: {error}", data) from None


def _metric(message: Any) -> Metric:
    name = message.name.decode()
    if len(name) > NAME_CHARS_MAX:
        raise BadReply(f"a metric's name of {len(name)} characters; at most {NAME_CHARS_MAX}")
    arm = message.WhichOneof("value") or ""
    return Metric(
        name=name,
        alias=message.alias if message.HasField("alias") else None,
        time_ms=message.timestamp if message.HasField("timestamp") else None,
        datatype=message.datatype,
        arm=arm,
        value=_content(message, arm) if arm and arm not in REFUSED_FIELDS else None,
        is_null=message.is_null,
        is_historical=message.is_historical,
        quality=_quality(message) if message.HasField("properties") else Quality.GOOD,
    )


def _content(message: Any, arm: str) -> int | float | str | bool:
    value: int | float | bool | bytes = getattr(message, arm)
    return value.decode() if isinstance(value, bytes) else value


def _quality(message: Any) -> int:
    """Read the `Quality` property; one that is no known word is bad, for nobody said good."""
    for key, value in zip(message.properties.keys, message.properties.values, strict=False):
        if key.lower() == b"quality":
            known = value.WhichOneof("value") == "int_value" and value.int_value in set(Quality)
            return int(value.int_value) if known else int(Quality.BAD)
    return Quality.GOOD


def scalar(metric: Metric, datatype: int) -> RawValue:
    """Give a metric's value as the datatype its birth declared. BadReply: no scalar, the wrong field, out of range.

    Signed integers stand in unsigned fields as two's complement of their own width or of the field's (both are in use;
    they cannot be mistaken for one another).
    """
    if metric.arm in REFUSED_FIELDS or datatype not in set(DataType):
        by_arm = _ARMS.get(metric.arm, f"datatype {datatype}")
        what = by_arm if datatype in set(DataType) else _NAMES.get(datatype, f"datatype {datatype}")
        raise BadReply(f"{what} is not supported, only scalar values are")
    if metric.value is None:
        raise BadReply("there is no value")
    kind, value = DataType(datatype), metric.value
    if kind in _SIGNED or kind in _UNSIGNED:
        return _integer(kind, metric.arm, value)
    wanted = "boolean_value" if kind is DataType.BOOLEAN else "string_value" if kind in _TEXTS else ""
    wanted = wanted or ("float_value" if kind is DataType.FLOAT else "double_value")
    if metric.arm != wanted:
        raise BadReply(f"{kind.name} stands in {metric.arm}")
    if isinstance(value, float) and not isfinite(value):
        raise BadReply(f"{kind.name} is not finite")
    return value


def _integer(kind: DataType, arm: str, value: Any) -> int:
    width = {"int_value": 32, "long_value": 64}.get(arm)
    if width is None or (kind in _LONG and width == 32):
        raise BadReply(f"{kind.name} stands in {arm}")
    bits = _SIGNED.get(kind) or _UNSIGNED[kind]
    number = int(value)
    if kind in _UNSIGNED:
        if number >> bits:
            raise BadReply(f"{number} does not fit {kind.name}")
        return number
    half = 1 << bits - 1
    if number < half:
        return number
    for size in (bits, 32, 64):
        if size <= width and (1 << size) - half <= number < 1 << size:
            return number - (1 << size)
    raise BadReply(f"{number} does not fit {kind.name}")


def rebirth_command(at_ms: int) -> bytes:
    """Write the one command this house sends: `Node Control/Rebirth` = true, in an NCMD."""
    message = PayloadMessage(timestamp=at_ms)
    message.metrics.add(
        name=REBIRTH.encode(), timestamp=at_ms, datatype=int(DataType.BOOLEAN), boolean_value=True
    )
    data: bytes = message.SerializeToString()
    return data
