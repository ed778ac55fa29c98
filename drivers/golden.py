"""Does a profile mean what its sources say? Its golden examples, put through the real decoders. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from drivers.json_payload import PayloadMap, typed_value
from drivers.modbus_decode import compile_block
from drivers.modbus_plan import BIT_TABLES, Block
from telemetry.errors import BadReply

if TYPE_CHECKING:
    from telemetry.profile import Golden, Point, Profile
    from telemetry.reading import RawValue


def golden_faults(profile: Profile) -> list[str]:
    """Give what is wrong with the profile's golden examples, empty when each point has one and each holds."""
    faults = []
    for name, point in profile.points.items():
        if not point.golden:
            faults.append(f"{name}: has no golden example; add one from its source or an independent encoder")
        for golden in point.golden:
            found = _decoded(profile, name, point, golden)
            if type(found) is not type(_expected(point, golden)) or found != _expected(point, golden):
                faults.append(f"{name}: {_given(golden)} decodes to {found!r}, not {golden.value!r}")
    return faults


def _given(golden: Golden) -> str:
    return f"words {list(golden.words)}" if golden.words else f"json {golden.json_value!r}"


def _expected(point: Point, golden: Golden) -> RawValue:
    """Give the golden value in the point's own type: YAML writes a whole float as `5`."""
    whole = isinstance(golden.value, int) and not isinstance(golden.value, bool)
    return float(golden.value) if whole and point.type.startswith("float") else golden.value


def _decoded(profile: Profile, name: str, point: Point, golden: Golden) -> RawValue | None:
    if profile.sparkplug is not None:
        return _from_metric(name, point, golden.json_value)
    if point.path is not None:
        return _from_json(profile, name, point.path, golden.json_value)
    if point.table is None or point.address is None or len(golden.words) != point.words:
        return None
    if point.table in BIT_TABLES:
        payload = bytes(golden.words)
    else:
        payload = b"".join(word.to_bytes(2, "big") for word in golden.words)
    block = Block(point.table, point.address, point.words, (name,))
    return compile_block(block, profile)(payload).get(name)


def _from_metric(name: str, point: Point, value: Any) -> RawValue | None:
    try:
        return typed_value(name, value, point.type)
    except BadReply:
        return None


def _from_json(profile: Profile, name: str, path: str, value: Any) -> RawValue | None:
    for key in reversed(path.split(".")):
        value = {key: value}
    try:
        return PayloadMap(profile).decode(msgspec.json.encode(value)).values.get(name)
    except BadReply:
        return None
