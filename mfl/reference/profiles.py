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
            "Modbus" if profile.modbus else "MQTT",
            profile.name.zh,
            profile.name.en,
            min(source.grade for source in profile.sources),
        )
        for name, profile in profiles.items()
    ]
    sections = "\n\n".join(_section(name, profile) for name, profile in profiles.items())
    return f"""# Device profiles · 设备型号

Each is one file in `config/profiles`. The grade is that of the best source: A the vendor's own document, B a mirror of
it, C public code, D secondary, U unknown. Addresses count from 0, as on the wire.

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
        (code(point_name), _where(point), point.type, _metric(point))
        for point_name, point in profile.points.items()
    ]
    states = "; ".join(
        f"{rule.state} when `{rule.point}` {'is' if rule.equals else 'is none of'} "
        + ", ".join(str(value) for value in rule.equals or rule.differs)
        for rule in profile.states
    )
    return (
        f"## {name}\n\n{profile.manufacturer}: {', '.join(profile.models)}; firmware {profile.firmware}.\n\n"
        f"Sources:\n\n{sources}\n\nCaveats:\n\n{caveats}\n\nState: {states or 'not told'}.\n\n"
        + table(("point", "where", "type", "metric"), points)
    )


def _linked(text: str, ref: str) -> str:
    words = " ".join(text.split())
    return f"{words} ({' '.join(ref.split())})" if ref else words


def _where(point: Point) -> str:
    if point.path is not None:
        return code(point.path)
    bit = "" if point.bit is None else f" bit {point.bit}"
    return f"{point.table} {point.address}{bit}"


def _metric(point: Point) -> str:
    if point.metric is None:
        return ""
    scale = "" if point.multiply == 1 else f" × {point.multiply}"
    scale += "" if point.divide == 1 else f" / {point.divide}"
    return f"{code(point.metric)}{scale}"
