"""How does a row look on the wire? InfluxDB line protocol, canonical: one row has exactly one spelling.

Tags and fields sorted by bytes, integers with `i`, strings quoted, `true`/`false`, no floats; escaping is total, so
that nothing a device says can inject a line. `encode(decode(x)) == x` for every accepted x (decision 0001).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FieldValue = int | str | bool
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
TEXT_MAX = 256
"""Characters a tag or field string may have; longer text is cut before it gets here, never here."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_INT = re.compile(r"(0|-?[1-9][0-9]{0,18})i")
_TIME = re.compile(r"0|-?[1-9][0-9]{0,18}")
_TAG_ESCAPE = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\\": "\\\\"})
_STRING_ESCAPE = str.maketrans({'"': '\\"', "\\": "\\\\"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row before it is sealed: `time_ms` is UTC; the nanoseconds are given by its batch."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, FieldValue]
    time_ms: int


@dataclass(frozen=True, slots=True)
class Line:
    """One decoded line: as a row, with its full time in nanoseconds."""

    measurement: str
    tags: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    time_ns: int = 0


def clean(text: str) -> str:
    """Make any text fit the wire: control, bidi and surrogate characters become `?`, and it is cut to TEXT_MAX."""
    return _CONTROL.sub("?", text)[:TEXT_MAX]


def encode_line(
    measurement: str, tags: Mapping[str, str], fields: Mapping[str, FieldValue], time_ns: int
) -> str:
    """Write one canonical line, without its newline; ValueError for what the wire cannot carry."""
    if not fields or not INT64_MIN <= time_ns <= INT64_MAX:
        raise ValueError(f"{measurement}: a row without fields, or its time {time_ns} does not fit 64 bits")
    head = measurement
    for key in sorted(tags):
        value = tags[key]
        if not value:
            raise ValueError(f"{measurement}: tag {key} is empty")
        head += f",{key}={_checked(value, key).translate(_TAG_ESCAPE)}"
    body = ",".join([f"{key}={_encode_value(key, fields[key])}" for key in sorted(fields)])
    return f"{head} {body} {time_ns}"


def _encode_value(key: str, value: FieldValue) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        if not INT64_MIN <= value <= INT64_MAX:
            raise ValueError(f"{key}: {value} does not fit 64 bits")
        return f"{value}i"
    return f'"{_checked(value, key).translate(_STRING_ESCAPE)}"'


def _checked(text: str, key: str) -> str:
    if len(text) > TEXT_MAX or (not text.isprintable() and _CONTROL.search(text)):
        raise ValueError(
            f"{key}: text is longer than {TEXT_MAX} or holds control characters; clean() it first"
        )
    return text


def decode_line(text: str) -> Line:
    """Read one canonical line back; ValueError says what is not canonical."""
    if not text.isprintable() and _CONTROL.search(text):
        raise ValueError("control characters")
    line = _decode_plain(text) if text.count(" ") == 2 and "\\" not in text else _decode_escaped(text)
    _check_sorted(line.tags)
    _check_sorted(line.fields)
    return line


def _check_sorted(names: Mapping[str, object]) -> None:
    previous = ""
    for name in names:
        if name <= previous:
            raise ValueError(f"{name} stands after {previous}")
        previous = name


def _decode_plain(text: str) -> Line:
    """Take the fast way: no escapes and no spaces inside values."""
    head, body, time = text.split(" ")
    measurement, *tag_parts = head.split(",")
    tags = dict([_tag(part) for part in tag_parts])
    if len(tags) != len(tag_parts):
        raise ValueError("a tag is given twice")
    field_parts = body.split(",")
    fields = {}
    for part in field_parts:
        key, sep, value = part.partition("=")
        if not sep or (value[:1] == '"' and (len(value) == 1 or value[-1] != '"')):
            # A comma inside a quoted string; the careful way decides.
            return _decode_escaped(text)
        fields[key] = _decode_value(value)
    if len(fields) != len(field_parts):
        raise ValueError("a field is given twice")
    return _line(measurement, tags, fields, time)


def _tag(part: str) -> tuple[str, str]:
    key, sep, value = part.partition("=")
    if not sep or not value or "=" in value or '"' in key:
        raise ValueError(f"not a tag: {part!r}")
    return key, value


def _decode_value(value: str) -> FieldValue:
    if _INT.fullmatch(value):
        number = int(value[:-1])
        if len(value) > 19 and not INT64_MIN <= number <= INT64_MAX:
            raise ValueError(f"{value} does not fit 64 bits")
        return number
    if (
        len(value) >= 2
        and value[0] == value[-1] == '"'
        and '"' not in value[1:-1]
        and len(value) <= TEXT_MAX + 2
    ):
        return value[1:-1]
    if value in {"true", "false"}:
        return value == "true"
    raise ValueError(f"not a canonical value: {value!r}")


@lru_cache(maxsize=4096)
def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _line(measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], time: str) -> Line:
    if not _is_name(measurement) or not _TIME.fullmatch(time):
        raise ValueError(f"not a canonical measurement or time: {measurement!r} {time!r}")
    time_ns = int(time)
    for name in (*tags, *fields):
        if not _is_name(name):
            raise ValueError(f"not a canonical name: {name!r}")
    if not INT64_MIN <= time_ns <= INT64_MAX:
        raise ValueError(f"time {time} does not fit 64 bits")
    if any(len(value) > TEXT_MAX for value in tags.values()):
        raise ValueError(f"a tag longer than {TEXT_MAX}")
    return Line(measurement, tags, fields, time_ns)


_ESCAPED_TAG = re.compile(r",([a-z][a-z0-9_]*)=((?:[^\\,= ]|\\[,= \\])+)")
_ESCAPED_FIELD = re.compile(r'([a-z][a-z0-9_]*)=("(?:[^"\\]|\\["\\])*"|[^", ]+)(,|$| )')
_UNESCAPE = re.compile(r"\\(.)")


def _decode_escaped(text: str) -> Line:
    """Take the careful way, then insist that encoding gives the same text back."""
    comma, space = text.find(","), text.find(" ")
    at = comma if 0 <= comma < space else space
    if at < 0:
        raise ValueError("a line has a measurement, fields and a time")
    measurement, tags = text[:at], {}
    while match := _ESCAPED_TAG.match(text, at):
        tags[match[1]] = _UNESCAPE.sub(r"\1", match[2])
        at = match.end()
    if text[at : at + 1] != " ":
        raise ValueError(f"not a tag at column {at + 1}")
    fields, at = _escaped_fields(text, at + 1)
    line = _line(measurement, tags, fields, text[at:])
    if encode_line(line.measurement, line.tags, line.fields, line.time_ns) != text:
        raise ValueError("not in canonical form")
    return line


def _escaped_fields(text: str, at: int) -> tuple[dict[str, FieldValue], int]:
    fields: dict[str, FieldValue] = {}
    while match := _ESCAPED_FIELD.match(text, at):
        value = match[2]
        if value[0] == '"':
            fields[match[1]] = _UNESCAPE.sub(r"\1", value[1:-1])
        else:
            fields[match[1]] = _decode_value(value)
        at = match.end()
        if match[3] == " ":
            return fields, at
    raise ValueError(f"not a field at column {at + 1}")
