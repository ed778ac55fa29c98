"""Does an error tell the reader where to go and what to do?"""

from __future__ import annotations

import pytest

from telemetry.errors import (
    BadReply,
    ConfigError,
    DeviceError,
    Disconnected,
    FactoryError,
    Problem,
    Refused,
    SealError,
)


def test_a_problem_reads_as_a_compiler_would_write_it() -> None:
    problem = Problem("site.yaml", 3, 5, "devices[0].unit", "is not a number", "use 1-247", "unit: x")
    assert str(problem) == ("site.yaml:3:5: devices[0].unit: is not a number (use 1-247)\n    | unit: x")


def test_a_problem_of_a_whole_file_has_no_position() -> None:
    assert str(Problem("site.yaml", 0, 0, "", "is empty")) == "site.yaml: is empty"


def test_problems_are_given_in_the_order_of_the_file() -> None:
    late, early = Problem("f", 9, 1, "b", "second"), Problem("f", 2, 1, "a", "first")
    error = ConfigError([late, early])
    assert error.problems == [early, late]
    assert str(error) == "f:2:1: a: first\nf:9:1: b: second"


def test_a_bad_reply_shows_its_bytes_but_not_without_end() -> None:
    assert str(BadReply("wrong unit", b"\x00\x01")) == "wrong unit: 00 01"
    assert str(BadReply("late")) == "late"
    assert len(str(BadReply("long", bytes(10_000)))) < 250


def test_a_refusal_names_its_code() -> None:
    assert str(Refused(2, "illegal data address")) == "exception 2: illegal data address"


@pytest.mark.parametrize("kind", [Disconnected, BadReply, Refused])
def test_what_a_device_does_is_a_device_error(kind: type[Exception]) -> None:
    assert issubclass(kind, DeviceError)
    assert issubclass(kind, FactoryError)


def test_a_seal_error_is_no_device_error() -> None:
    assert issubclass(SealError, FactoryError)
    assert not issubclass(SealError, DeviceError)
