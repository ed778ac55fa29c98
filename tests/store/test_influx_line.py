"""Is general line protocol read strictly and exactly, and are mistakes named by line and column?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.influx_line import (
    InfluxLine,
    LineError,
    Value,
    parse_lines,
    spell_measurement,
    spell_tags,
    spell_value,
)

NOW = 1_514_736_000_000_000_000


def parse(text: str, precision: str = "ns") -> list[InfluxLine]:
    return list(parse_lines(text, precision, NOW))


def fields(text: str) -> dict[str, tuple[str, str]]:
    (line,) = parse(text)
    return {name: (value.kind, value.text) for name, value in line.fields.items()}


@pytest.mark.parametrize(
    ("word", "kind", "text"),
    [
        ("1i", "i", "1"),
        ("-9223372036854775808i", "i", "-9223372036854775808"),
        ("18446744073709551615u", "u", "18446744073709551615"),
        ("1", "f", "1.0"),
        ("-1.5e-3", "f", "-0.0015"),
        ("0.1", "f", "0.1"),
        (".5", "f", "0.5"),
        ("5.", "f", "5.0"),
        ("+2", "f", "2.0"),
        ("-0.0", "f", "-0.0"),
        *[(word, "b", "true") for word in ("t", "T", "true", "True", "TRUE")],
        *[(word, "b", "false") for word in ("f", "F", "false", "False", "FALSE")],
        ('"温州 a,b=c"', "s", "温州 a,b=c"),
        ('"say \\"x\\" \\\\ \\n"', "s", 'say "x" \\ \\n'),
        ('""', "s", ""),
        ('"two\nlines"', "s", "two\nlines"),
    ],
)
def test_values(word: str, kind: str, text: str) -> None:
    assert fields(f"m v={word} 1") == {"v": (kind, text)}


def test_escapes_in_names_and_tags() -> None:
    (line,) = parse("my\\ m\\,x=y,tag\\ 1=a\\,b\\=c\\ d,z=C:\\dir f\\=1=1i 5")
    assert line == InfluxLine("my m,x=y", {"tag 1": "a,b=c d", "z": "C:\\dir"}, {"f=1": Value("i", "1")}, 5)


def test_comments_empty_lines_and_line_ends() -> None:
    lines = parse("# a comment\n\n  \nm v=1i 1\r\nm v=2i 2\n#m v=3i 3\nm v=4i 4")
    assert [line.time_ns for line in lines] == [1, 2, 4]


@pytest.mark.parametrize(("precision", "factor"), [("ns", 1), ("us", 10**3), ("ms", 10**6), ("s", 10**9)])
def test_precision_is_declared_never_guessed(precision: str, factor: int) -> None:
    assert parse("m v=1i 1514736000", precision)[0].time_ns == 1514736000 * factor


def test_a_line_without_time_gets_the_receipt() -> None:
    assert [line.time_ns for line in parse("m v=1i\nm v=2i ")] == [NOW, NOW]


WRONG = [
    ("m", 1, "field"),
    ("m ", 1, "missing"),
    ("m v", 1, "name=value"),
    ("m v=", 1, "missing"),
    ("m v=1i 1\nm v=x 2", 2, "not a value"),
    ("m v=1i 1\n\n# c\nm v=1i x", 4, "whole number"),
    ('m v="a\nb" 1\nm v=oops 2', 3, "not a value"),
    ('m v="open 1', 1, "does not end"),
    ("m v=1i,v=2i 1", 1, "twice"),
    ("m,a=1,a=2 v=1i 1", 1, "twice"),
    ("m,a= v=1i 1", 1, "missing"),
    ("m,=1 v=1i 1", 1, "missing"),
    ("m,a=b\\ v=1i 1", 1, "field"),
    (",a=b v=1i 1", 1, "measurement is missing"),
    ("m v=9223372036854775808i 1", 1, "not a value"),
    ("m v=-1u 1", 1, "not a value"),
    ("m v=18446744073709551616u 1", 1, "not a value"),
    ("m v=1.5i 1", 1, "not a value"),
    ("m v=NaN 1", 1, "not a value"),
    ("m v=inf 1", 1, "not a value"),
    ("m v=1e999 1", 1, "not a value"),
    ("m v=0x10 1", 1, "not a value"),
    ("m v=1_000 1", 1, "not a value"),
    ("m v=１i 1", 1, "not a value"),
    ("m v=tRUE 1", 1, "not a value"),
    ("m v='s' 1", 1, "not a value"),
    ("m v=1i 1 2", 1, "after the time"),
    ("m v=1i 1.5", 1, "after the time"),
    ("m v=1i 9999999999999999999", 1, "does not fit"),
    ('m v="a"b 1', 1, "space"),
    ("m v=1i, 1", 1, "missing"),
    ("m v=1i\tw=2i 1", 1, "not a value"),
    ("m time=1i 1", 1, "reserved"),
    ("m _field=1i 1", 1, "reserved"),
    ("m,a=x\x00y v=1i 1", 1, "field"),
    ("m,a=x\ny v=1i 1", 1, "field"),
    ("m,a=" + "x" * 257 + " v=1i 1", 1, "longer"),
    ("m" * 129 + " v=1i 1", 1, "longer"),
    ("m " + ",".join(f"{n:0120d}=1i" for n in range(600)) + " 1", 1, "longer"),
    ("m" + "".join(f",t{n}=x" for n in range(33)) + " v=1i 1", 1, "tags"),
    ("m v=1i 1\n" * 50_001, 50_002, "lines"),
]


@pytest.mark.parametrize(("text", "number", "reason"), WRONG)
def test_what_is_wrong_is_named_with_its_line(text: str, number: int, reason: str) -> None:
    with pytest.raises(LineError, match=reason) as caught:
        parse(text)
    assert caught.value.line == number
    assert caught.value.column >= 1


def test_a_time_beyond_64_bits_asks_for_the_precision() -> None:
    with pytest.raises(LineError, match="precision"):
        parse("m v=1i 1514736000000000000", "ms")


NAME = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\#"), min_size=1, max_size=12
)
NAMES = NAME.filter(lambda name: name != "time" and not name.startswith(("_", " ")) and name.strip() == name)
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(lambda number: ("i", str(number))),
    st.integers(0, 2**64 - 1).map(lambda number: ("u", str(number))),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: ("f", repr(number))),
    st.sampled_from([("b", "true"), ("b", "false")]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20).map(
        lambda text: ("s", text)
    ),
)


@given(
    NAMES,
    st.dictionaries(NAMES, NAMES, max_size=3),
    st.dictionaries(NAMES, VALUES, min_size=1, max_size=3),
    st.integers(-(2**63), 2**63 - 1),
)
def test_what_is_spelled_is_read_back(
    name: str, tags: dict[str, str], values: dict[str, tuple[str, str]], moment: int
) -> None:
    head = spell_measurement(name) + (f",{spell_tags(tags)}" if tags else "")
    body = ",".join(
        f"{spell_tags({key: 'x'})[:-2]}={spell_value(kind, text)}" for key, (kind, text) in values.items()
    )
    (line,) = parse(f"{head} {body} {moment}\n")
    assert (line.measurement, dict(line.tags), line.time_ns) == (name, dict(sorted(tags.items())), moment)
    assert {key: (value.kind, value.text) for key, value in line.fields.items()} == values


@given(st.text(st.sampled_from('ab1i=,\\ "\n#.-\r'), max_size=30))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        lines = parse(text)
    except LineError:
        return
    assert all(line.fields for line in lines)
