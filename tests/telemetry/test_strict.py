"""Does the strict reader refuse every trap of YAML, and say where it stands?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.errors import ConfigError, Problem
from telemetry.strict import DEPTH_MAX, FILE_BYTES_MAX, parse_yaml


def refused(text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    return caught.value.problems


def places(text: str) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.message) for problem in refused(text)]


def test_a_key_given_twice_names_both_lines() -> None:
    assert refused("a: 1\nb: 2\na: 3\n") == [
        Problem("f.yaml", 3, 1, "a", "is given twice (first on line 1)", "remove one", "a: 3")
    ]


def test_every_key_given_twice_is_reported_wherever_it_stands() -> None:
    text = "a:\n  b: 1\n  b: 2\nc:\n  - d: 1\n    e: 2\n    d: 3\n  - {f: 1, f: 2, f: 3}\n"
    assert [(p.line, p.column, p.key, p.message) for p in refused(text)] == [
        (3, 3, "a.b", "is given twice (first on line 2)"),
        (7, 5, "c[0].d", "is given twice (first on line 5)"),
        (8, 12, "c[1].f", "is given twice (first on line 8)"),
        (8, 18, "c[1].f", "is given twice (first on line 8)"),
    ]


def test_a_key_given_three_times_names_its_first_line_each_time() -> None:
    assert places("a: 1\na: 2\na: 3\n") == [
        (2, 1, "is given twice (first on line 1)"),
        (3, 1, "is given twice (first on line 1)"),
    ]


def test_quotes_do_not_make_another_key() -> None:
    assert places("1: a\n'1': b\n") == [(2, 1, "is given twice (first on line 1)")]


ANCHORS = "anchors, aliases and tags are not allowed"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: &x 1\n", [(1, 4)]),
        ("a: &x 1\nb: *x\n", [(1, 4), (2, 4)]),
        ("a: &x {b: 1}\n", [(1, 4)]),
        ("&a a: 1\n", [(1, 1)]),
        ("a: *nope\n", [(1, 4)]),
        ("a: &x [*x]\n", [(1, 4), (1, 8)]),
        ("a: !!str 1\n", [(1, 4)]),
        ("a: !!int '1'\n", [(1, 4)]),
        ("a: !!binary aGk=\n", [(1, 4)]),
        ("!!set {a, b}\n", [(1, 1)]),
        ("a: !local 1\n", [(1, 4)]),
        ("a: ! 1\n", [(1, 4)]),
        ("a: !<tag:yaml.org,2002:str> 1\n", [(1, 4)]),
        ("a: !!python/object/apply:os.system ['x']\n", [(1, 4)]),
    ],
)
def test_anchors_aliases_and_tags_are_refused(text: str, where: list[tuple[int, int]]) -> None:
    problems = refused(text)
    assert [(p.line, p.column) for p in problems] == where
    assert {(p.message, p.hint) for p in problems} == {(ANCHORS, "write the value out")}


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert len(refused(bomb)) == 30 + 29 * 9


def test_an_alias_to_itself_is_refused_at_once() -> None:
    assert len(refused(f"a: &x [{', '.join(['*x'] * 50)}]\n")) == 51


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\n---\nb: 2\n", 2, 1, "another document"),
        ("a: 1\n---\n", 2, 1, "another document"),
        ("%YAML 1.1\n---\na: NO\n", 2, 1, "directives are not allowed"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", 2, 1, "directives are not allowed"),
        ("a:\t1\n", 1, 3, "found character '\\t'"),
        ("a:\n\t- 1\n", 2, 1, "found character '\\t'"),
        ("a: b: c\n", 1, 5, "mapping values are not allowed here"),
        ("a: 'x\n", 2, 1, "unexpected end of stream"),
        ("a: [1, 2\nb: 3\n", 2, 2, "expected ',' or ']'"),
        ("a: 1\n b: 2\n", 2, 3, "mapping values are not allowed here"),
        ("a: %x\n", 1, 4, "cannot start any token"),
        ("a: @x\n", 1, 4, "cannot start any token"),
        ("ok: 1\na: b\x00\n", 2, 5, "the character U+0000 is not allowed"),
        ("a: \ud800\n", 1, 4, "the character U+D800 is not allowed"),
    ],
)
def test_what_is_not_yaml_is_placed(text: str, line: int, column: int, message: str) -> None:
    (problem,) = refused(text)
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_says_so(text: str) -> None:
    assert refused(text) == [Problem("f.yaml", 0, 0, "", "is empty")]


def test_a_file_has_a_largest_size() -> None:
    assert refused("x" * (FILE_BYTES_MAX + 1))[0].message == "is larger than 1000000 bytes"
    assert refused("中" * (FILE_BYTES_MAX // 3 + 1))[0].message == "is larger than 1000000 bytes"
    assert parse_yaml("x" * FILE_BYTES_MAX, "f")[1] == "x" * FILE_BYTES_MAX


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_nesting_ends_somewhere() -> None:
    value: Any = parse_yaml(nested(DEPTH_MAX), "f")[1]
    for _ in range(DEPTH_MAX - 1):
        (value,) = value
    assert value == []
    assert places(nested(DEPTH_MAX + 1)) == [(1, DEPTH_MAX + 1, "is nested deeper than 32")]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 20_000, "- " * 100_000, nested(50_000)])
def test_bottomless_nesting_is_refused_at_once(text: str) -> None:
    assert [problem.message for problem in refused(text)] == ["is nested deeper than 32"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("012", 12),
        ("0o14", 12),
        ("0x1f", 31),
        ("1e3", 1000.0),
        ("1.", 1.0),
        ("+1", 1),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("'null'", "null"),
        ('"1"', "1"),
        ("2018-10-01", "2018-10-01"),
        ("2018-10-01T00:00:00Z", "2018-10-01T00:00:00Z"),
        ("2018-99-99", "2018-99-99"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("330302", 330302),
        ("99999999999999999999", 99999999999999999999),
    ],
)
def test_words_are_read_as_yaml_1_2_reads_them(written: str, read: object) -> None:
    value = parse_yaml(f"a: {written}\n", "f")[1]["a"]
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<<: {a: 1}\n", "merge keys are not allowed"),
        ("? [a, b]\n: 1\n", "a key is text, not a list or a mapping"),
        ("? {a: b}\n: 1\n", "a key is text, not a list or a mapping"),
        ("true: 1\n", "this key is read as bool, not as text"),
        ("~: 1\n", "this key is read as null, not as text"),
        (": 1\n", "this key is read as null, not as text"),
        ("1.5: 1\n", "this key is read as float, not as text"),
        ("012: 1\n", "this key is read as int, not as text"),
        ("0x1f: 1\n", "this key is read as int, not as text"),
    ],
)
def test_a_key_that_is_not_the_text_it_looks_like_is_refused(text: str, message: str) -> None:
    assert [problem.message for problem in refused(text)] == [message]


@pytest.mark.parametrize(
    "key", ["330302", "0", "-1", "NO", "on", "2018-10-01", "'012'", "'true'", "温州", "1:30"]
)
def test_a_key_that_reads_as_it_looks_is_taken(key: str) -> None:
    assert [str(name) for name in parse_yaml(f"{key}: 1\n", "f")[1]] == [key.strip("'")]


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm() -> None:
    assert parse_yaml("\ufeffa: 1\r\nb: 2\r\n", "f")[1] == {"a": 1, "b": 2}


def test_traps_of_different_kinds_are_reported_together() -> None:
    assert [line for line, _, _ in places("a: &x 1\nb: !t 2\na: 3\ntrue: 4\n")] == [1, 2, 3, 4]


def test_a_long_line_is_shown_short() -> None:
    assert len(refused(f"a: 1\na: {'x' * 5000}\n")[0].source) == 160


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("ab:-[]{}&*!%#|>'\"\\ \n\t,?~<01=\x00é"), max_size=40))
def test_any_text_is_read_or_refused_in_order(text: str) -> None:
    problems: list[Problem] = []
    try:
        parse_yaml(text, "f")
    except ConfigError as error:
        problems = error.problems
    assert all(problem.line <= text.count("\n") + 1 for problem in problems)
