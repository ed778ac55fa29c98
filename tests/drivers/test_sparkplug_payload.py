"""The Sparkplug payload, against an encoder that knows nothing of protobuf's library: tags, varints and bytes by hand."""

from __future__ import annotations

import math
import os
import struct
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.sparkplug_payload import (
    COMPRESSED,
    METRICS_MAX,
    PAYLOAD_BYTES_MAX,
    REBIRTH,
    DataType,
    Metric,
    Quality,
    decode_payload,
    rebirth_command,
    scalar,
)
from telemetry.errors import BadReply

SENT_MS = 1_650_006_388_943
LONG = bool(os.environ.get("MFL_ALL"))
INT, LONG_ARM, FLOAT, DOUBLE, BOOL, TEXT, BYTES, DATASET, TEMPLATE, EXTENSION = range(10, 20)


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def whole(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def block(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def arm(field: int, content: Any) -> bytes:
    if field == FLOAT:
        return varint(field << 3 | 5) + struct.pack("<f", content)
    if field == DOUBLE:
        return varint(field << 3 | 1) + struct.pack("<d", content)
    return block(field, content) if isinstance(content, bytes) else whole(field, int(content))


def metric(datatype: int, field: int, content: Any, further: bytes = b"") -> bytes:
    return block(1, b"m") + whole(3, SENT_MS) + whole(4, datatype) + further + arm(field, content)


def payload(*metrics: bytes, seq: int = 3, further: bytes = b"") -> bytes:
    return whole(1, SENT_MS) + b"".join(block(2, data) for data in metrics) + whole(3, seq) + further


def read(data: bytes) -> Any:
    (found,) = decode_payload(payload(data)).metrics
    return scalar(found, found.datatype)


@pytest.mark.parametrize(
    ("datatype", "field", "content", "value"),
    [
        (DataType.INT8, INT, 127, 127),
        (DataType.INT8, INT, 2**32 - 12, -12),
        (DataType.INT8, INT, 244, -12),
        (DataType.INT8, INT, 128, -128),
        (DataType.INT16, INT, 2**32 - 300, -300),
        (DataType.INT16, INT, 2**16 - 300, -300),
        (DataType.INT32, INT, 2**32 - 1, -1),
        (DataType.INT32, INT, 2**31 - 1, 2**31 - 1),
        (DataType.INT32, LONG_ARM, 2**64 - 1, -1),
        (DataType.INT64, LONG_ARM, 2**64 - 5, -5),
        (DataType.INT64, LONG_ARM, 2**63 - 1, 2**63 - 1),
        (DataType.INT64, LONG_ARM, 2**63, -(2**63)),
        (DataType.UINT8, INT, 255, 255),
        (DataType.UINT16, INT, 65535, 65535),
        (DataType.UINT32, INT, 2**32 - 1, 2**32 - 1),
        (DataType.UINT32, LONG_ARM, 2**32 - 1, 2**32 - 1),
        (DataType.UINT64, LONG_ARM, 2**64 - 1, 2**64 - 1),
        (DataType.FLOAT, FLOAT, 1.5, 1.5),
        (DataType.DOUBLE, DOUBLE, -0.1, -0.1),
        (DataType.BOOLEAN, BOOL, 1, True),
        (DataType.STRING, TEXT, "焊接".encode(), "焊接"),
        (DataType.TEXT, TEXT, b"t", "t"),
        (DataType.UUID, TEXT, b"u", "u"),
        (DataType.DATETIME, LONG_ARM, SENT_MS, SENT_MS),
    ],
)
def test_every_scalar_type_signed_and_unsigned(datatype: int, field: int, content: Any, value: Any) -> None:
    found = read(metric(datatype, field, content))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("datatype", "field", "content", "reason"),
    [
        (DataType.INT8, INT, 300, "does not fit INT8"),
        (DataType.INT8, INT, 2**32 - 200, "does not fit INT8"),
        (DataType.INT16, INT, 70_000, "does not fit INT16"),
        (DataType.UINT8, INT, 256, "does not fit UINT8"),
        (DataType.UINT16, INT, 2**32 - 1, "does not fit UINT16"),
        (DataType.UINT32, LONG_ARM, 2**32, "does not fit UINT32"),
        (DataType.INT64, INT, 5, "INT64 stands in int_value"),
        (DataType.UINT64, INT, 5, "UINT64 stands in int_value"),
        (DataType.INT32, FLOAT, 5.0, "INT32 stands in float_value"),
        (DataType.INT32, TEXT, b"5", "INT32 stands in string_value"),
        (DataType.BOOLEAN, INT, 1, "BOOLEAN stands in int_value"),
        (DataType.STRING, INT, 1, "STRING stands in int_value"),
        (DataType.DOUBLE, FLOAT, 1.0, "DOUBLE stands in float_value"),
        (DataType.FLOAT, FLOAT, math.nan, "not finite"),
        (DataType.DOUBLE, DOUBLE, math.inf, "not finite"),
        (0, INT, 1, "datatype 0 is not supported"),
        (99, INT, 1, "datatype 99 is not supported"),
        (16, DATASET, b"", "a data set is not supported"),
        (17, BYTES, b"x", "bytes is not supported"),
        (18, BYTES, b"x", "a file is not supported"),
        (19, TEMPLATE, b"", "a template is not supported"),
        (22, BYTES, b"x", "datatype 22 is not supported"),
        (DataType.INT32, TEMPLATE, b"", "a template is not supported"),
        (DataType.INT32, EXTENSION, b"", "INT32|datatype 3 is not supported"),
    ],
)
def test_what_does_not_fit_is_no_value(datatype: int, field: int, content: Any, reason: str) -> None:
    with pytest.raises(BadReply, match=reason):
        read(metric(datatype, field, content))


def test_a_metric_says_all_there_is_of_it() -> None:
    quality = block(9, block(1, b"Quality") + block(2, whole(1, 3) + whole(3, 500)))
    data = metric(3, INT, 7, whole(2, 41) + whole(5, 1) + whole(7, 1) + quality)
    assert decode_payload(payload(data, seq=255)).seq == 255
    (found,) = decode_payload(payload(data)).metrics
    assert found == Metric("m", 41, SENT_MS, 3, "int_value", 7, True, True, Quality.STALE)


@pytest.mark.parametrize(
    ("key", "content", "quality"),
    [
        (b"Quality", whole(3, 0), Quality.BAD),
        (b"quality", whole(3, 192), Quality.GOOD),
        (b"Quality", whole(3, 193), Quality.BAD),
        (b"Quality", block(8, b"good"), Quality.BAD),
        (b"Quality", b"", Quality.BAD),
        (b"engUnit", block(8, b"mm"), Quality.GOOD),
    ],
)
def test_quality_is_good_or_it_is_not(key: bytes, content: bytes, quality: Quality) -> None:
    data = metric(3, INT, 7, block(9, block(1, key) + block(2, content)))
    assert decode_payload(payload(data)).metrics[0].quality == quality


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff", "not a Sparkplug B payload"),
        (payload(block(1, b"\xff\xfe")), "not a Sparkplug B payload"),
        (payload(metric(DataType.STRING, TEXT, b"\xff")), "not a Sparkplug B payload"),
        (payload(further=block(4, COMPRESSED.encode()) + block(5, b"\x78\x9c")), "compressed"),
        (payload(*[b""] * (METRICS_MAX + 1)), "metrics in one payload"),
        (payload(block(1, b"n" * 10_000)), "name of 10000 characters"),
        (b"\x00" * (PAYLOAD_BYTES_MAX + 1), "at most"),
        (payload(block(2, b"")[:-1] + b"\x7f"), "not a Sparkplug B payload"),
    ],
)
def test_nonsense_is_a_bad_reply(data: bytes, reason: str) -> None:
    with pytest.raises(BadReply, match=reason):
        decode_payload(data)


def test_a_template_in_a_template_is_never_entered() -> None:
    nested = b""
    for _ in range(20_000):
        nested = block(TEMPLATE, block(2, nested))[-400_000:]
    with pytest.raises(BadReply, match="template"):
        read(metric(19, TEMPLATE, nested))


def test_every_truncation_is_refused_or_says_less() -> None:
    full = payload(metric(3, INT, 7), metric(DataType.STRING, TEXT, b"abc"), metric(10, DOUBLE, 1.25))
    whole_metrics = decode_payload(full).metrics
    for length in range(len(full)):
        try:
            found = decode_payload(full[:length])
        except BadReply:
            continue
        assert found.metrics == whole_metrics[: len(found.metrics)]


def test_the_only_command_is_the_rebirth() -> None:
    found = decode_payload(rebirth_command(SENT_MS))
    assert [(metric.name, metric.datatype, metric.value) for metric in found.metrics] == [
        (REBIRTH, DataType.BOOLEAN, True)
    ]
    assert rebirth_command(SENT_MS) == whole(1, SENT_MS) + block(
        2, block(1, REBIRTH.encode()) + whole(3, SENT_MS) + whole(4, 11) + whole(14, 1)
    )


def oracle(datatype: int, field: int, number: int) -> int | None:
    """What an integer in a field means, by struct: the lowest bits, if the rest is their sign or nothing."""
    width = 32 if field == INT else 64
    form = {1: "b", 2: "h", 3: "i", 4: "q", 5: "B", 6: "H", 7: "I", 8: "Q", 13: "Q"}[datatype]
    if struct.calcsize(f"<{form}") == 8 and width == 32:
        return None
    size = struct.calcsize(f"<{form}")
    (found,) = struct.unpack(f"<{form}", number.to_bytes(8, "little")[:size])
    value = int(found)
    forms = {value & (1 << bits) - 1 for bits in (8 * size, 32, 64) if bits <= width}
    return value if number in forms else None


@settings(max_examples=5_000 if LONG else 400, deadline=None)
@given(
    st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 13]),
    st.sampled_from([INT, LONG_ARM]),
    st.integers(0, 2**64 - 1) | st.integers(0, 300) | st.integers(2**31 - 300, 2**32 - 1),
)
def test_integers_give_what_the_oracle_gives(datatype: int, field: int, number: int) -> None:
    if field == INT:
        number &= 2**32 - 1
    wanted = oracle(datatype, field, number)
    try:
        found = read(metric(datatype, field, number))
    except BadReply:
        assert wanted is None
        return
    assert found == wanted


@settings(max_examples=10_000 if LONG else 400, deadline=None)
@given(st.binary(max_size=120))
@example(b"\x12\x02\x0a\x00")
def test_any_bytes_give_a_payload_or_a_bad_reply(data: bytes) -> None:
    try:
        found = decode_payload(data)
    except BadReply:
        return
    for each in found.metrics:
        try:
            value = scalar(each, each.datatype)
        except BadReply:
            continue
        assert isinstance(value, int | float | str)
        assert not isinstance(value, float) or math.isfinite(value)


@settings(max_examples=5_000 if LONG else 300, deadline=None)
@given(st.data())
def test_a_payload_with_one_byte_changed_gives_a_payload_or_a_bad_reply(data: st.DataObject) -> None:
    good = bytearray(payload(metric(3, INT, 7), metric(DataType.STRING, TEXT, b"abc")))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_payload(bytes(good))
    except BadReply:
        return
    assert len(found.metrics) <= 2
