"""Which device models are known, and how well? The page made from the packaged profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.profiles import list_profiles, load_profile
from mfl.reference.tables import code, table

if TYPE_CHECKING:
    from telemetry.profile import Point, Profile

SOURCE = "config/profiles/"


def page() -> str:
    """Write the page."""
    profiles = {name: load_profile(name).profile for name in list_profiles()}
    rows = [
        (
            f"[{name}](#{name})",
            profile.kind,
            "Modbus" if profile.modbus else "MQTT" if profile.mqtt else "Sparkplug",
            profile.name.zh,
            profile.name.en,
            min(source.grade for source in profile.sources),
        )
        for name, profile in profiles.items()
    ]
    sections = "\n\n".join(_section(name, profile) for name, profile in profiles.items())
    return f"""# Device profiles · 设备型号

Each is one file in `config/profiles`. The grade is that of the best source: A the vendor's own document, B a mirror of
it, C public code, D secondary, U unknown. Addresses count from 0, as on the wire. Bounds stand in the metric's unit, or
in the raw one where there is no metric; the example gives what is on the wire and what it means.

A model with parameters has addresses that the integrator chooses. They are given where a site file or a command names the
profile, as `inovance_h5u_cell?parts=2000&rejects=2002`; such a map has an id of its own.

{table(("profile", "kind", "over", "中文", "English", "grade"), rows)}

{sections}
"""


def _section(name: str, profile: Profile) -> str:
    sources = "\n".join(
        f"- {source.grade}: {_linked(source.title, source.ref)}" for source in profile.sources
    )
    caveats = (
        "\n".join(f"- {_linked(caveat.text, caveat.ref)}" for caveat in profile.caveats) or "- none known"
    )
    points = [
        (
            code(point_name),
            *_names(point),
            _where(point),
            point.type,
            _metric(point),
            _bounds(point),
            _example(point),
        )
        for point_name, point in profile.points.items()
    ]
    states = "; ".join(
        f"{rule.state} when `{rule.point}` {'is' if rule.equals else 'is none of'} "
        + ", ".join(str(value) for value in rule.equals or rule.differs)
        for rule in profile.states
    )
    return (
        f"## {name}\n\n{profile.manufacturer}: {', '.join(profile.models)}; firmware {profile.firmware}.\n\n"
        f"Sources:\n\n{sources}\n\nCaveats:\n\n{caveats}\n\n{_parameters(profile)}State: {states or 'not told'}.\n\n"
        + table(("point", "中文", "English", "where", "type", "metric", "bounds", "example"), points)
    )


def _parameters(profile: Profile) -> str:
    if not profile.parameters:
        return ""
    rows = [
        (code(name), one.default, f"{one.minimum} to {one.maximum}", one.name.zh, one.name.en)
        for name, one in profile.parameters.items()
    ]
    return "Parameters:\n\n" + table(("parameter", "default", "from, to", "中文", "English"), rows) + "\n\n"


def _names(point: Point) -> tuple[str, str]:
    return (point.name.zh, point.name.en) if point.name else ("", "")


def _bounds(point: Point) -> str:
    """Give what is plausible, and of a counter how fast it may grow and where it starts again at 0."""
    said = []
    if point.minimum is not None or point.maximum is not None:
        least, most = ("" if end is None else str(end) for end in (point.minimum, point.maximum))
        said.append(f"{least}..{most}")
    if point.rate_max is not None:
        said.append(f"at most {point.rate_max} a minute")
    if point.modulus is not None:
        said.append(f"0 again at {point.modulus}")
    return ", ".join(said)


def _example(point: Point) -> str:
    if not point.golden:
        return ""
    golden = point.golden[0]
    given = " ".join(f"{word:04x}" for word in golden.words) if golden.words else str(golden.json_value)
    unit = f" × {point.unit}" if point.unit[:1].isdigit() else f" {point.unit}"
    return f"{code(given)} = {golden.value}{unit}".rstrip()


def _linked(text: str, ref: str) -> str:
    words = " ".join(text.split())
    return f"{words} ({' '.join(ref.split())})" if ref else words


def _where(point: Point) -> str:
    if point.path is not None:
        return code(point.path)
    bit = "" if point.bit is None else f" bit {point.bit}"
    return f"{point.table} {point.address}{bit}{f' ({code(point.base)})' if point.base else ''}"


def _metric(point: Point) -> str:
    if point.metric is None:
        return ""
    scale = "" if point.multiply == 1 else f" × {point.multiply}"
    scale += "" if point.divide == 1 else f" / {point.divide}"
    return f"{code(point.metric)}{scale}"
