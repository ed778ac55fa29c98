"""Does the wire have one spelling only, and can nothing a device says get out of its quotes?"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from telemetry.line import (
    INT64_MAX,
    INT64_MIN,
    TEXT_MAX,
    FieldValue,
    clean,
    decode_line,
    encode_line,
)

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
HOSTILE = st.text(st.sampled_from('a,= "\\i0=\N{CJK UNIFIED IDEOGRAPH-4E2D}'), max_size=12)
TEXTS = st.one_of(HOSTILE, st.text(max_size=40)).map(clean)
INTS = st.one_of(
    st.sampled_from([INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX]),
    st.integers(INT64_MIN, INT64_MAX),
)
VALUES = st.one_of(INTS, TEXTS, st.booleans())
TAGS = st.dictionaries(NAMES, TEXTS.filter(bool), max_size=3)
FIELDS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=5)


@settings(max_examples=200)
@given(NAMES, TAGS, FIELDS, INTS)
@example("m", {}, {"a": "x,b=1i"}, 0)
@example("m", {}, {"a": ',b="c'}, 0)
@example("m", {"t": "\\"}, {"a": "\\"}, INT64_MIN)
@example("m", {"t": "a, b=c\\"}, {"a": 'a"b\\" c=1i 5'}, INT64_MAX)
def test_what_is_written_is_read_back(
    measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], time_ns: int
) -> None:
    text = encode_line(measurement, tags, fields, time_ns)
    line = decode_line(text)
    assert (line.measurement, line.tags, line.fields, line.time_ns) == (measurement, tags, fields, time_ns)
    types = {name: type(value) for name, value in fields.items()}
    assert {name: type(value) for name, value in line.fields.items()} == types
    assert encode_line(line.measurement, line.tags, line.fields, line.time_ns) == text


LINES = st.builds(encode_line, NAMES, TAGS, FIELDS, INTS)
PIECES = st.sampled_from(
    [",", "=", " ", "\\", '"', "i", "-", "0", "1i", "true", "t", "\n", "a=", ',a="', "\u202e", "A", "é", ""]
)


@settings(max_examples=350)
@given(LINES, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), PIECES), min_size=1, max_size=3))
def test_a_mutated_line_is_refused_or_is_itself_canonical(
    text: str, edits: list[tuple[float, int, str]]
) -> None:
    for share, length, piece in edits:
        at = int(share * len(text))
        text = text[:at] + piece + text[at + length :]
    try:
        line = decode_line(text)
    except ValueError:
        return
    assert encode_line(line.measurement, line.tags, line.fields, line.time_ns) == text


@settings(max_examples=400)
@given(st.text(st.sampled_from('am,= "\\i01-\ntruefalse'), max_size=30))
def test_any_text_is_refused_or_is_itself_canonical(text: str) -> None:
    try:
        line = decode_line(text)
    except ValueError:
        return
    assert encode_line(line.measurement, line.tags, line.fields, line.time_ns) == text


NON_CANONICAL = {
    "tags unsorted": "m,b=1,a=2 x=1i 0",
    "tag twice": "m,a=1,a=2 x=1i 0",
    "fields unsorted": "m y=1i,x=1i 0",
    "field twice": "m x=1i,x=1i 0",
    "field twice, quoted": 'm x="a, b",x="a, b" 0',
    "minus zero": "m x=-0i 0",
    "leading zero": "m x=01i 0",
    "plus sign": "m x=+1i 0",
    "integer without i": "m x=1 0",
    "unsigned": "m x=1u 0",
    "float": "m x=1.5 0",
    "float in exponent": "m x=1e3 0",
    "full-width digit": "m x=\uff11i 0",
    "underscore in number": "m x=1_0i 0",
    "above int64": f"m x={INT64_MAX + 1}i 0",
    "below int64": f"m x={INT64_MIN - 1}i 0",
    "T": "m x=T 0",
    "t": "m x=t 0",
    "True": "m x=True 0",
    "TRUE": "m x=TRUE 0",
    "f": "m x=f 0",
    "upper case measurement": "M x=1i 0",
    "upper case tag": "m,A=1 x=1i 0",
    "upper case field": "m X=1i 0",
    "comment": "#m x=1i 0",
    "underscore first": "_m x=1i 0",
    "no time": "m x=1i",
    "no time, trailing space": "m x=1i ",
    "time with sign": "m x=1i +5",
    "time minus zero": "m x=1i -0",
    "time leading zero": "m x=1i 05",
    "time above int64": f"m x=1i {INT64_MAX + 1}",
    "time with i": "m x=1i 5i",
    "two spaces": "m  x=1i 0",
    "leading space": " m x=1i 0",
    "trailing space": "m x=1i 0 ",
    "no fields": "m  0",
    "only a measurement": "m",
    "empty": "",
    "comma at the end of tags": "m,a=1, x=1i 0",
    "comma at the end of fields": "m x=1i, 0",
    "empty tag": "m,a= x=1i 0",
    "tag without value": "m,a x=1i 0",
    "tag with bare equals": "m,a=b=c x=1i 0",
    "empty field": "m x= 0",
    "field without value": "m x 0",
    "string not closed": 'm x="a 0',
    "string not opened": 'm x=a" 0',
    "needless escape in string": 'm x="\\a" 0',
    "needless escape of comma in string": 'm x="\\," 0',
    "needless escape in tag": "m,a=\\x x=1i 0",
    "needless escape of quote in tag": 'm,a=\\" x=1i 0',
    "lone backslash in tag": "m,a=\\ x=1i 0",
    "escaped key": "m,a\\ b=1 x=1i 0",
    "escaped measurement": "m\\ n x=1i 0",
    "long tag": f"m,a={'x' * (TEXT_MAX + 1)} x=1i 0",
    "long string": f'm x="{"x" * (TEXT_MAX + 1)}" 0',
    "long escaped string": f'm x="\\"{"x" * TEXT_MAX}" 0',
}


@pytest.mark.parametrize("name", NON_CANONICAL)
def test_another_spelling_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_line(NON_CANONICAL[name])


BREAKS = [
    "\n",
    "\r",
    "\x00",
    "\t",
    "\x7f",
    "\x85",
    "\x9b",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u2069",
    "\ud800",
]


@pytest.mark.parametrize("char", BREAKS, ids=[f"U+{ord(char):04X}" for char in BREAKS])
def test_a_line_cannot_be_injected(char: str) -> None:
    attack = f"a{char}machine,gateway=g2 cycles_raw=9i 0"
    with pytest.raises(ValueError, match="control characters"):
        encode_line("m", {"t": attack}, {"x": 1}, 0)
    with pytest.raises(ValueError, match="control characters"):
        encode_line("m", {}, {"x": attack}, 0)
    with pytest.raises(ValueError, match="control characters"):
        decode_line(f'm x="{attack}" 0')
    assert decode_line(encode_line("m", {"t": clean(attack)}, {"x": clean(attack)}, 0)).fields["x"] == clean(
        attack
    )
    assert char not in clean(attack)


@given(st.text(max_size=600))
def test_cleaned_text_always_fits_and_stays_on_its_line(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= TEXT_MAX
    assert clean(cleaned) == cleaned
    encoded = encode_line("m", {}, {"x": cleaned}, 0)
    assert len(encoded.splitlines()) == 1
    assert decode_line(encoded).fields["x"] == cleaned


@pytest.mark.parametrize("text", ["", "plain", "中文 🤖", "a" * TEXT_MAX, "no\u00a0break"])
def test_harmless_text_is_left_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("tags", "fields", "time_ns", "message"),
    [
        ({}, {}, 0, "a row without fields"),
        ({"t": ""}, {"x": 1}, 0, "tag t is empty"),
        ({}, {"x": INT64_MAX + 1}, 0, "does not fit 64 bits"),
        ({}, {"x": INT64_MIN - 1}, 0, "does not fit 64 bits"),
        ({}, {"x": 1}, INT64_MAX + 1, "does not fit 64 bits"),
        ({}, {"x": 1}, INT64_MIN - 1, "does not fit 64 bits"),
        ({}, {"x": "x" * (TEXT_MAX + 1)}, 0, "longer than 256"),
        ({"t": "x" * (TEXT_MAX + 1)}, {"x": 1}, 0, "longer than 256"),
    ],
)
def test_what_the_wire_cannot_carry_is_refused_at_the_sender(
    tags: dict[str, str], fields: dict[str, FieldValue], time_ns: int, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        encode_line("m", tags, fields, time_ns)


def test_the_spelling_of_one_line_is_pinned() -> None:
    fields: dict[str, FieldValue] = {"z": "工位 1", "b": False, "a": True, "n": -5, "q": 'say "\\"', "e": ""}
    text = encode_line("machine", {"gateway": "g1", "device": "a b,c=d\\"}, fields, 1_538_352_000_000_000_007)
    assert text == (
        "machine,device=a\\ b\\,c\\=d\\\\,gateway=g1 "
        'a=true,b=false,e="",n=-5i,q="say \\"\\\\\\"",z="工位 1" 1538352000000000007'
    )


def test_tags_and_fields_are_sorted_by_bytes_whatever_the_order_given() -> None:
    forward = encode_line("m", {"a": "1", "b": "2"}, {"c": 1, "d_e": 2, "d0": 3}, 0)
    backward = encode_line("m", {"b": "2", "a": "1"}, {"d0": 3, "d_e": 2, "c": 1}, 0)
    assert forward == backward == "m,a=1,b=2 c=1i,d0=3i,d_e=2i 0"
