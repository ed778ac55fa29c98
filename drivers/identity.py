"""Who does a device say it is? What it told, what FC 43/14 told, and what was declared, as one identity reading. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from telemetry.line import clean
from telemetry.profile import Kind
from telemetry.reading import Quality, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.driver import DeviceSpec
    from telemetry.profile import Profile
    from telemetry.reading import RawValue

FIELDS = ("manufacturer", "model", "serial", "firmware")
_VENDOR, _PRODUCT_CODE, _REVISION, _PRODUCT, _MODEL = 0, 1, 2, 4, 5
_PLC = re.compile(r"PLC", re.IGNORECASE)


def told_by_points(profile: Profile, values: Mapping[str, RawValue]) -> dict[str, str]:
    """Take the identity fields out of a reading's values; numbers become their decimal text."""
    named = {name: getattr(profile.identity, name) for name in FIELDS}
    found = {name: values[point] for name, point in named.items() if point is not None and point in values}
    return {name: text for name, value in found.items() if (text := clean(str(value)).strip())}


def told_by_objects(objects: Mapping[int, bytes]) -> dict[str, str]:
    """Read FC 43/14 objects as identity fields. No standard object is a serial number."""
    texts = {number: clean(raw.decode("utf-8", "replace")).strip() for number, raw in objects.items()}
    model = texts.get(_MODEL) or texts.get(_PRODUCT) or texts.get(_PRODUCT_CODE)
    told = {"manufacturer": texts.get(_VENDOR), "model": model, "firmware": texts.get(_REVISION)}
    return {name: text for name, text in told.items() if text}


def identity_values(
    spec: DeviceSpec,
    endpoint: str,
    *,
    told: Mapping[str, str],
    told_as: str,
    objects: Mapping[int, bytes],
) -> dict[str, RawValue]:
    """Put an identity together; `told_as` names where the points' own words come from (register, birth).

    Manufacturer and model are taken from FC 43/14 before a register, so that a library's default answer
    ("pymodbus") shows; serial and firmware from the points before FC 43/14. What was declared fills the gaps and
    replaces nothing; last, the profile's manufacturer does. `source` says where the serial comes from.
    """
    by_objects = told_by_objects(objects)
    declared = {name: clean(str(spec.declared[name])) for name in FIELDS if spec.declared.get(name)}
    values: dict[str, RawValue] = {"manufacturer": spec.profile.manufacturer}
    values |= declared
    values |= {**by_objects, **told}
    values |= {name: by_objects[name] for name in ("manufacturer", "model") if name in by_objects}
    values |= {"kind": _kind(spec.profile, objects), "axes": spec.profile.axes, "endpoint": clean(endpoint)}
    if spec.cell:
        values["cell"] = clean(spec.cell)
    if objects:
        values["fingerprint"] = _fingerprint(objects)
    values["source"] = _source(told_as, told, declared, objects)
    return values


def _source(
    told_as: str, told: Mapping[str, str], declared: Mapping[str, str], objects: Mapping[int, bytes]
) -> str:
    if "serial" in told:
        return told_as
    return "fc43" if objects and "serial" not in declared else "declared"


def _kind(profile: Profile, objects: Mapping[int, bytes]) -> str:
    """Give the profile's kind, unless the device's product or model name says that it is a PLC."""
    names = (objects.get(number, b"").decode("utf-8", "replace") for number in (_PRODUCT, _MODEL))
    return str(Kind.PLC if any(_PLC.search(name) for name in names) else profile.kind)


def _fingerprint(objects: Mapping[int, bytes]) -> str:
    """Give 16 hex digits over the sorted objects; lengths keep two lists of objects from hashing alike."""
    digest = hashlib.sha256()
    for number, raw in sorted(objects.items()):
        digest.update(bytes([number]) + len(raw).to_bytes(2, "big") + raw)
    return digest.hexdigest()[:16]


def identity_reading(
    spec: DeviceSpec, values: Mapping[str, RawValue], received_ms: int, mono_ms: int
) -> Reading:
    """Wrap identity values as a reading."""
    return Reading(
        device=spec.device,
        kind=ReadingKind.IDENTITY,
        received_ms=received_ms,
        mono_ms=mono_ms,
        quality=Quality.GOOD,
        values=values,
        profile=spec.profile_id,
    )
