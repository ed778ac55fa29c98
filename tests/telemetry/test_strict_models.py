"""Does a wrong value in a file become a problem with its place, its key and a way out, all at once?"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from telemetry.errors import ConfigError, Problem
from telemetry.strict import Model, decode_yaml


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Device(Model):
    device: Annotated[str, Field(pattern=r"^[a-z]+$")]
    unit: int = Field(default=1, ge=1, le=247)
    colour: Colour = Colour.RED
    order: Literal["ABCD", "CDAB"] = "ABCD"
    share: float = 0.5
    equals: tuple[int | str | bool, ...] = ()
    json_value: int | None = Field(default=None, alias="json")

    @model_validator(mode="after")
    def _check(self) -> Device:
        if self.unit == 13:
            raise ValueError("unit 13 brings bad luck")
        return self


class Line(Model):
    devices: tuple[Device, ...] = Field(min_length=1)


class Site(Model):
    gateway: str
    lines: tuple[Line, ...] = ()
    devices: tuple[Device, ...] = ()
    named: dict[Annotated[str, Field(pattern=r"^[a-z\[]+$")], Device] = Field(default_factory=dict)


def problems(text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        decode_yaml(Site, text, "site.yaml")
    return caught.value.problems


def test_one_mistake_is_one_message_however_deep_it_stands() -> None:
    """Pydantic also calls a list too short when its items fail; that is no second mistake of the operator's."""
    (problem,) = problems("gateway: g\nlines:\n  - devices:\n      - {device: a, unti: 2}\n")
    assert (problem.line, problem.column, problem.key) == (4, 21, "lines[0].devices[0].unti")
    (problem,) = problems("gateway: g\nlines:\n  - devices: []\n")
    assert (problem.line, problem.key) == (3, "lines[0].devices")


def test_a_good_file_is_read() -> None:
    text = "gateway: g\ndevices:\n  - {device: a, unit: 2, colour: green, equals: [1, x, true], json: 5}\n"
    site = decode_yaml(Site, text, "site.yaml")
    assert site.devices == (Device(device="a", unit=2, colour=Colour.GREEN, equals=(1, "x", True), json=5),)
    assert [type(value) for value in site.devices[0].equals] == [int, str, bool]


def test_what_was_read_cannot_be_changed() -> None:
    site = decode_yaml(Site, "gateway: g\n", "site.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        site.gateway = "other"


WRONG = """\
gatway: g
devices:
  - device: a
    untt: 2
  - device: B7
    unit: 300
    colour: gren
    order: ABDC
  - {device: c, unit: "1"}
"""


def test_all_problems_come_at_once_each_at_its_place() -> None:
    assert [(p.line, p.column, p.key, p.hint) for p in problems(WRONG)] == [
        (1, 1, "gateway", ""),
        (1, 1, "gatway", "did you mean 'gateway'?"),
        (4, 5, "devices[0].untt", "did you mean 'unit'?"),
        (5, 13, "devices[1].device", ""),
        (6, 11, "devices[1].unit", ""),
        (7, 13, "devices[1].colour", "did you mean 'green'?"),
        (8, 12, "devices[1].order", "did you mean 'ABCD'?"),
        (9, 23, "devices[2].unit", ""),
    ]


def test_the_words_say_what_is_wanted_and_what_was_found() -> None:
    by_key = {problem.key: problem for problem in problems(WRONG)}
    assert by_key["gateway"].message == "is missing"
    assert by_key["gatway"].message == "is not a known key"
    assert by_key["devices[1].unit"].message == "Input should be less than or equal to 247, not 300"
    assert by_key["devices[1].unit"].source == "unit: 300"
    assert by_key["devices[1].colour"].message == "Input should be 'red' or 'green'"
    assert by_key["devices[2].unit"].message == "Input should be a valid integer, not '1'"


def test_the_error_reads_as_a_compiler_would_write_it() -> None:
    assert str(ConfigError(problems(WRONG)[2:3])) == (
        "site.yaml:4:5: devices[0].untt: is not a known key (did you mean 'unit'?)\n    | untt: 2"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("'1'", "Input should be a valid integer, not '1'"),
        ("1.5", "Input should be a valid integer, not 1.5"),
        ("true", "Input should be a valid integer, not True"),
        ("NO", "Input should be a valid integer, not 'NO'"),
        ("~", "Input should be a valid integer, not None"),
        ("0", "Input should be greater than or equal to 1, not 0"),
        ("99999999999999999999999", "Input should be less than or equal to 247, not 99999999999999999999999"),
    ],
)
def test_a_number_is_a_number(value: str, message: str) -> None:
    text = f"gateway: g\ndevices: [{{device: a, unit: {value}}}]\n"
    assert [problem.message for problem in problems(text)] == [message]


@pytest.mark.parametrize("value", ["012", "1", "true", "~", "1.5", "[a]"])
def test_text_that_yaml_reads_as_something_else_is_refused_not_guessed(value: str) -> None:
    (problem,) = problems(f"gateway: {value}\n")
    assert problem.message.startswith("Input should be a valid string, not ")
    assert (problem.line, problem.column) == (1, 10)


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
def test_a_threshold_is_finite(value: str) -> None:
    (problem,) = problems(f"gateway: g\ndevices: [{{device: a, share: {value}}}]\n")
    assert problem.message.startswith("Input should be a finite number")


def test_a_models_own_check_is_placed_at_the_model() -> None:
    (problem,) = problems("gateway: g\ndevices:\n  - device: a\n    unit: 13\n")
    assert (problem.line, problem.column, problem.key) == (3, 5, "devices[0]")
    assert problem.message.startswith("unit 13 brings bad luck")


def test_a_missing_key_is_placed_at_the_mapping_that_lacks_it() -> None:
    (problem,) = problems("gateway: g\ndevices:\n  - device: a\n  - unit: 1\n")
    assert (problem.line, problem.column, problem.key) == (4, 5, "devices[1].device")


def test_a_bad_name_in_a_mapping_is_placed_at_the_name() -> None:
    (problem,) = problems("gateway: g\nnamed:\n  good: {device: a}\n  Bad1: {device: b}\n")
    assert (problem.line, problem.column, problem.key) == (4, 3, "named.Bad1")


@pytest.mark.parametrize("name", ["int", "str", "bool", "a[b"])
def test_a_name_that_looks_like_the_checkers_own_label_is_still_found(name: str) -> None:
    (problem,) = problems(f"gateway: g\nnamed:\n  {name}:\n    device: a\n    unit: 0\n")
    assert (problem.line, problem.column, problem.key) == (5, 11, f"named.{name}.unit")


def test_every_branch_of_a_choice_is_explained_at_the_value() -> None:
    found = problems("gateway: g\ndevices: [{device: a, equals: [1, [2]]}]\n")
    assert {(p.line, p.column, p.key) for p in found} == {(2, 35, "devices[0].equals[1]")}


def test_the_suggestion_is_the_name_used_in_the_file() -> None:
    (problem,) = problems("gateway: g\ndevices: [{device: a, jsn: 1}]\n")
    assert problem.hint == "did you mean 'json'?"


@pytest.mark.parametrize("text", ["- a\n", "text\n", "5\n", "~\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    (problem,) = problems(text)
    assert (problem.line, problem.column) == (1, 1)


def test_an_unknown_key_far_from_all_known_ones_gets_no_suggestion() -> None:
    (problem,) = problems("gateway: g\nxyzzy: 1\n")
    assert problem.hint == ""
