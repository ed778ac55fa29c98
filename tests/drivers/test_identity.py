from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from drivers.identity import identity_reading, identity_values, told_by_objects, told_by_points
from drivers.profiles import load_profile
from telemetry.reading import Quality, ReadingKind
from telemetry.schema import MEASUREMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import DeviceSpec

OBJECTS = {0: b"JAKA", 1: b"Zu7", 2: b"1.5", 5: b"Zu 7"}


def test_objects_become_fields_and_none_is_a_serial() -> None:
    assert told_by_objects(OBJECTS) == {"manufacturer": "JAKA", "model": "Zu 7", "firmware": "1.5"}
    assert told_by_objects({4: b"Product", 1: b"Code"}) == {"model": "Product"}
    assert told_by_objects({1: b"Code", 0x80: b"private"}) == {"model": "Code"}
    assert told_by_objects({0: b"  ", 5: b""}) == {}


def test_objects_cannot_inject_or_break() -> None:
    assert told_by_objects({0: b"A\nB,c=\xff" + b"x" * 400})["manufacturer"].startswith("A?B,c=\ufffdx")
    assert len(told_by_objects({0: b"x" * 400})["manufacturer"]) == 256


def test_numbers_of_points_become_decimal_text() -> None:
    profile = load_profile("jaka_zu").profile
    assert told_by_points(profile, {"serial": 20180417, "power": 1.0}) == {"serial": "20180417"}
    assert told_by_points(profile, {"power": 1.0}) == {}


def test_the_fingerprint_is_of_the_objects_and_not_of_their_order(
    make_spec: Callable[..., DeviceSpec],
) -> None:
    spec = make_spec("jaka_zu")

    def fingerprint(objects: dict[int, bytes]) -> object:
        return identity_values(spec, "e", told={}, told_as="register", objects=objects)["fingerprint"]

    assert fingerprint(OBJECTS) == fingerprint(dict(reversed(OBJECTS.items())))
    assert fingerprint({0: b"A", 1: b"B"}) != fingerprint({0: b"A\x01\x00\x01B"})
    assert len(str(fingerprint(OBJECTS))) == 16


@pytest.mark.parametrize(
    ("name", "kind"),
    [(b"H5U PLC", "plc"), (b"soft-plc", "plc"), (b"Zu 7", "robot"), (b"", "robot")],
)
def test_a_plc_that_says_so_is_no_robot(make_spec: Callable[..., DeviceSpec], name: bytes, kind: str) -> None:
    for number in (4, 5):
        values = identity_values(
            make_spec("jaka_zu"), "e", told={}, told_as="register", objects={number: name, 0: b"V"}
        )
        assert values["kind"] == kind


def test_declared_words_fill_gaps_and_replace_nothing(make_spec: Callable[..., DeviceSpec]) -> None:
    declared = {
        "manufacturer": "M",
        "model": "D",
        "serial": 7,
        "firmware": "F",
        "kind": "meter",
        "source": "fc43",
    }
    spec = make_spec("jaka_zu", declared=declared)
    bare = identity_values(spec, "e", told={}, told_as="register", objects={})
    assert (bare["manufacturer"], bare["model"], bare["serial"], bare["kind"]) == ("M", "D", "7", "robot")
    assert bare["source"] == "declared"
    full = identity_values(spec, "e", told={"serial": "9"}, told_as="birth", objects=OBJECTS)
    assert (full["manufacturer"], full["model"], full["serial"], full["firmware"]) == (
        "JAKA",
        "Zu 7",
        "9",
        "1.5",
    )
    assert full["source"] == "birth"


def test_an_identity_reading_fits_the_wire(make_spec: Callable[..., DeviceSpec]) -> None:
    spec = replace(make_spec("jaka_zu"), cell="c1")
    values = identity_values(spec, "tcp://h:502/1", told={"serial": "9"}, told_as="register", objects=OBJECTS)
    reading = identity_reading(spec, values, 5, 6)
    assert (reading.kind, reading.quality, reading.received_ms) == (ReadingKind.IDENTITY, Quality.GOOD, 5)
    fields = MEASUREMENTS["identity"].fields
    assert {name: type(value) for name, value in values.items()} == {name: fields[name] for name in values}
