"""How is any client's InfluxDB line protocol read? Strictly, with the number and column of the first wrong line.

The general syntax of InfluxDB 2 ("Line protocol", InfluxData documentation): escapes, floats, `i` and `u` integers, the
eight spellings of booleans, quoted strings with line breaks, comments, a time in the declared precision. Where servers
differ this one refuses: a field or tag given twice, an empty tag value, NaN and infinities, numbers out of range.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.errors import FactoryError
from telemetry.line import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NS_PER = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
LINES_MAX = 50_000
LINE_CHARS_MAX = 65_536
TAGS_MAX = 32
NAME_CHARS_MAX = 128
VALUE_CHARS_MAX = 256
STRING_CHARS_MAX = 16_384
"""Bounds on what one request may hold; peers without them were blocked or filled by one client."""
_UINT64_MAX = 2**64 - 1
_MEASUREMENT = re.compile(r"(?:[^\\, \n\r\x00]|\\[^\n\r\x00])+")
_KEY = re.compile(r"(?:[^\\,= \n\r\x00]|\\[^\n\r\x00])+")
_STRING = re.compile(r'"((?:[^"\\\x00]|\\[^\x00])*)"')
_BARE = re.compile(r'[^", \n\r\x00]+')
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_TIME = re.compile(r"-?[0-9]{1,19}")
_NAME_ESCAPES = re.compile(r"\\([,= ])")
_MEASUREMENT_ESCAPES = re.compile(r"\\([, ])")
_STRING_ESCAPES = re.compile(r'\\(["\\])')
_TRUE, _FALSE = (
    frozenset({"t", "T", "true", "True", "TRUE"}),
    frozenset({"f", "F", "false", "False", "FALSE"}),
)
_TO_NAME = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})


class LineError(FactoryError):
    """A line that is not line protocol; `line` counts from 1, `column` in characters from 1."""

    def __init__(self, line: int, column: int, message: str) -> None:
        self.line = line
        self.column = column
        super().__init__(f"line {line}, column {column}: {message}")


@dataclass(frozen=True, slots=True)
class Value:
    """A field's value: kind i, u, f, s or b; text in one spelling (`true`, shortest float, digits, unescaped)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class InfluxLine:
    """One line, with its time in nanoseconds."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, Value]
    time_ns: int


def parse_lines(text: str, precision: str, now_ns: int) -> Iterator[InfluxLine]:
    """Read all lines; `now_ns` is the time of those that give none. LineError at the first wrong one."""
    reader = _Reader(text, NS_PER[precision], now_ns)
    count = 0
    while (line := reader.next_line()) is not None:
        count += 1
        if count > LINES_MAX:
            raise reader.error(f"more than {LINES_MAX} lines in one request")
        yield line


class _Reader:
    def __init__(self, text: str, ns_per_unit: int, now_ns: int) -> None:
        self._text = text
        self._ns_per_unit = ns_per_unit
        self._now_ns = now_ns
        self._at = 0
        self._number = 1
        self._start = 0

    def error(self, message: str) -> LineError:
        return LineError(self._number, self._at - self._start + 1, message)

    def next_line(self) -> InfluxLine | None:
        """Read the next line that is neither empty nor a comment."""
        text = self._text
        while self._at < len(text):
            self._start = self._at
            if text[self._at] == "#":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            else:
                self._skip(" \t")
                if not self._at_end():
                    return self._line()
            self._end_line()
        return None

    def _line(self) -> InfluxLine:
        measurement = self._match(_MEASUREMENT, "a measurement", NAME_CHARS_MAX)
        tags = self._tags()
        if not self._skip(" "):
            raise self.error("a space and at least one field must follow measurement and tags")
        fields = self._fields()
        time_ns = self._time()
        if self._at - self._start > LINE_CHARS_MAX:
            raise self.error(f"longer than {LINE_CHARS_MAX} characters")
        self._end_line()
        name = _MEASUREMENT_ESCAPES.sub(r"\1", measurement)
        return InfluxLine(name, tags, fields, time_ns)

    def _tags(self) -> dict[str, str]:
        tags: dict[str, str] = {}
        while self._peek() == ",":
            self._at += 1
            key = self._name("a tag's name")
            self._expect("=", "a tag is written name=value")
            value = _NAME_ESCAPES.sub(r"\1", self._match(_KEY, "a tag's value", VALUE_CHARS_MAX))
            if value.endswith("\\"):
                raise self.error("a tag's value ends with a backslash")
            if key in tags:
                raise self.error(f"the tag {key!r} is given twice")
            tags[key] = value
            if len(tags) > TAGS_MAX:
                raise self.error(f"more than {TAGS_MAX} tags")
        return dict(sorted(tags.items()))

    def _fields(self) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        while True:
            key = self._name("a field's name")
            self._expect("=", "a field is written name=value")
            if key in fields:
                raise self.error(f"the field {key!r} is given twice")
            fields[key] = self._value()
            if self._peek() != ",":
                return fields
            self._at += 1

    def _value(self) -> Value:
        if self._peek() == '"':
            start_line, start = self._number, self._at
            match = _STRING.match(self._text, self._at)
            if match is None or match.end() - start > STRING_CHARS_MAX:
                raise self.error(f"a string that does not end within {STRING_CHARS_MAX} characters")
            self._at = match.end()
            self._number = start_line + match[1].count("\n")
            return Value("s", _STRING_ESCAPES.sub(r"\1", match[1]))
        word = self._match(_BARE, "a field's value", STRING_CHARS_MAX)
        value = _bare_value(word)
        if value is None:
            raise self.error(f"not a value: {word[:40]!r}; strings are quoted, integers end with i")
        return value

    def _time(self) -> int:
        spaces = self._skip(" ")
        if self._at_end():
            return self._now_ns
        if not spaces:
            raise self.error("a space must stand before the time")
        match = _TIME.match(self._text, self._at)
        if match is None:
            raise self.error("the time is not a whole number")
        self._at = match.end()
        time_ns = int(match[0]) * self._ns_per_unit
        if not INT64_MIN <= time_ns <= INT64_MAX:
            raise self.error("the time does not fit; is the precision right?")
        self._skip(" ")
        if not self._at_end():
            raise self.error("something stands after the time")
        return time_ns

    def _name(self, what: str) -> str:
        name = _NAME_ESCAPES.sub(r"\1", self._match(_KEY, what, NAME_CHARS_MAX))
        if name == "time" or name.startswith("_"):
            raise self.error(f"{name!r} is a reserved name")
        return name

    def _match(self, pattern: re.Pattern[str], what: str, chars_max: int) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise self.error(f"{what} is missing")
        if len(match[0]) > chars_max:
            raise self.error(f"{what} is longer than {chars_max} characters")
        self._at = match.end()
        return match[0]

    def _expect(self, char: str, message: str) -> None:
        if self._peek() != char:
            raise self.error(message)
        self._at += 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, chars: str) -> int:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in chars:
            self._at += 1
        return self._at - start

    def _at_end(self) -> bool:
        return self._peek() in {"", "\n"} or self._text.startswith("\r\n", self._at)

    def _end_line(self) -> None:
        """Step over the line break; the next line begins behind it."""
        if self._peek() == "\r":
            self._at += 1
        if self._peek() == "\n":
            self._at += 1
            self._number += 1


def _bare_value(word: str) -> Value | None:
    if word in _TRUE:
        return Value("b", "true")
    if word in _FALSE:
        return Value("b", "false")
    if word[-1] in "iu":
        low, high = (INT64_MIN, INT64_MAX) if word[-1] == "i" else (0, _UINT64_MAX)
        if _INTEGER.fullmatch(word[:-1]) and low <= int(word[:-1]) <= high:
            return Value(word[-1], str(int(word[:-1])))
        return None
    if _FLOAT.fullmatch(word) and math.isfinite(float(word)):
        return Value("f", repr(float(word)))
    return None


def spell_tags(tags: Mapping[str, str]) -> str:
    """Give tags in line protocol, sorted and escaped; empty when there are none."""
    return ",".join([f"{_spell(key)}={_spell(tags[key])}" for key in sorted(tags)])


def _spell(name: str) -> str:
    return name.translate(_TO_NAME)


def spell_measurement(name: str) -> str:
    """Give a measurement's name in line protocol."""
    return name.replace(",", "\\,").replace(" ", "\\ ")


def spell_value(kind: str, text: str) -> str:
    """Give a value in line protocol; a float as the shortest text that reads back as the same number."""
    if kind == "s":
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return f"{text}{kind}" if kind in "iu" else text


def spell_line(line: InfluxLine) -> str:
    """Write a whole line, its time in ns."""
    tags = spell_tags(line.tags)
    head = spell_measurement(line.measurement) + (f",{tags}" if tags else "")
    fields = ",".join(
        f"{_spell(name)}={spell_value(value.kind, value.text)}" for name, value in line.fields.items()
    )
    return f"{head} {fields} {line.time_ns}"
