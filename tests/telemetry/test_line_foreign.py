"""Would another reader of line protocol understand our lines as we do? Compared with the influxdb-client package."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import influxdb_client
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.line import INT64_MAX, INT64_MIN, FieldValue, clean, decode_line, encode_line

CLIENT: Any = influxdb_client
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
# The client writes a backslash in a tag as it is, where we double it: our tags are ids, which have none.
TAG_TEXTS = st.text(st.sampled_from('ab,= "中🤖i1'), min_size=1, max_size=12)
FIELD_TEXTS = st.text(st.sampled_from('ab,= "\\中🤖i1'), max_size=12)
VALUES = st.one_of(st.integers(INT64_MIN, INT64_MAX), FIELD_TEXTS, st.booleans())
TAGS = st.dictionaries(NAMES, TAG_TEXTS, max_size=3)
FIELDS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=5)
TIMES = st.integers(0, INT64_MAX)


def foreign(measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], time_ns: int) -> str:
    point = CLIENT.Point(measurement).time(time_ns, CLIENT.WritePrecision.NS)
    for key, tag in tags.items():
        point.tag(key, tag)
    for key, value in fields.items():
        point.field(key, value)
    return str(point.to_line_protocol())


@settings(max_examples=300)
@given(NAMES, TAGS, FIELDS, TIMES)
def test_the_client_spells_the_same_content_the_same_way(
    measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], time_ns: int
) -> None:
    assert encode_line(measurement, tags, fields, time_ns) == foreign(measurement, tags, fields, time_ns)


@settings(max_examples=200)
@given(NAMES, TAGS, FIELDS, TIMES)
def test_what_the_client_writes_we_read(
    measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], time_ns: int
) -> None:
    line = decode_line(foreign(measurement, tags, fields, time_ns))
    assert (line.measurement, line.tags, line.fields, line.time_ns) == (measurement, tags, fields, time_ns)


@pytest.mark.parametrize("value", [1.5, 1.0, float(2**53)])
def test_a_float_as_the_client_writes_it_is_refused(value: float) -> None:
    text = str(CLIENT.Point("m").field("x", value).time(0, CLIENT.WritePrecision.NS).to_line_protocol())
    with pytest.raises(ValueError, match="not a canonical value"):
        decode_line(text)


@dataclass
class Scanner:
    """A plain reader after the published grammar, sharing no code with ours: one character at a time."""

    text: str
    at: int = 0
    fields: dict[str, FieldValue] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def until(self, stops: str, escapable: str) -> str:
        out = ""
        while self.at < len(self.text) and self.text[self.at] not in stops:
            if self.text[self.at] == "\\" and self.text[self.at + 1] in escapable:
                self.at += 1
            out += self.text[self.at]
            self.at += 1
        return out

    def skip(self, char: str) -> bool:
        found = self.text[self.at] == char
        self.at += found
        return found

    def read(self) -> tuple[str, dict[str, str], dict[str, FieldValue], int]:
        measurement = self.until(", ", ", ")
        while self.skip(","):
            key = self.until("=", ",= ")
            self.at += 1
            self.tags[key] = self.until(", ", ",= \\")
        self.at += 1
        while True:
            key = self.until("=", ",= ")
            self.at += 1
            self.fields[key] = self.value()
            if not self.skip(","):
                break
        self.at += 1
        return measurement, self.tags, self.fields, int(self.text[self.at :])

    def value(self) -> FieldValue:
        if self.skip('"'):
            text = self.until('"', '"\\')
            self.at += 1
            return text
        word = self.until(", ", "")
        if match := re.fullmatch(r"(-?\d+)i", word):
            return int(match[1])
        return {"true": True, "false": False}[word]


@settings(max_examples=300)
@given(NAMES, st.dictionaries(NAMES, st.text(min_size=1, max_size=10).map(clean), max_size=3), FIELDS, TIMES)
def test_a_plain_scanner_reads_our_lines(
    measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], time_ns: int
) -> None:
    text = encode_line(measurement, tags, fields, time_ns)
    assert Scanner(text).read() == (measurement, tags, fields, time_ns)
