"""What was heard on one day? Rows with their raw counters, the batches that brought them, and the profile's registers."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from census.calendar import write_day, write_instant
from telemetry.metrics import COUNTERS, GAUGES
from telemetry.profile import parse_profile, profile_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from census.day_rows import DayRows
    from census.evidence import DeviceKey
    from telemetry.profile import Point, Profile

_NAME = re.compile(r"[a-z0-9_]{1,64}")
_STATES = ("running", "ready", "paused", "fault", "off", "unknown")
_WORDS = {
    "rows": ("行", "rows"),
    "batches": ("批次", "batches"),
    "registers": ("寄存器", "registers"),
    "none": ("当日没有数据行", "no rows on this day"),
    "other": (
        "所用设备型号文件不在本机，仅列名称与摘要",
        "the profile it was read by is not packaged here; only its name and digest are known",
    ),
}


def explain_day(key: DeviceKey, day: int, found: DayRows, column: int) -> str:
    """Tell one device's day: each row with what it counted, its batch, and which registers it came from."""
    head = f"{key[0]}/{key[1]}  {write_day(day)}"
    if not found.rows:
        return f"{head}\n  {_WORDS['none'][column]}"
    lines = [f"{head}  {_WORDS['rows'][column]} {len(found.rows)}"]
    lines += [f"  {_row(row)}" for row in found.rows]
    lines.append(_WORDS["batches"][column])
    lines += [f"  {_batch(leaf, batch)}" for leaf, batch in sorted(found.batches.items())]
    lines.append(_WORDS["registers"][column])
    for profile_id in sorted({str(row["profile"]) for row in found.rows if row.get("profile")}):
        lines += [f"  {line}" for line in _registers(profile_id, column)]
    return "\n".join(lines)


def _row(row: Mapping[str, Any]) -> str:
    spent = " ".join(f"{state}={row[f'{state}_ms'] // 1000}s" for state in _STATES if row.get(f"{state}_ms"))
    counted = " ".join(
        f"{name}:{row[f'{name}_from']}→{row[f'{name}_raw']}"
        + (f"(+{row[f'{name}_inc']})" if row.get(f"{name}_inc") is not None else "")
        for name in COUNTERS
        if row.get(f"{name}_raw") is not None
    )
    aside = " ".join(f"{name}_odd={row[f'{name}_odd']}" for name in COUNTERS if row.get(f"{name}_odd"))
    measured = " ".join(
        f"{name}={row[f'{name}_sum'] // row[f'{name}_n']}" for name in GAUGES if row.get(f"{name}_n")
    )
    late = " late" if row.get("late") else ""
    told = "  ".join(part for part in (spent, counted, aside, measured) if part)
    return f"{write_instant(row['time_ms'])[11:19]} {row.get('window_ms', 0) // 1000}s{late}  leaf {row['leaf']}  {told}"


def _batch(leaf: int, batch: Mapping[str, Any]) -> str:
    return (
        f"leaf {leaf}  {batch['gateway']}/{batch['epoch']}/{batch['seq']}  sha256 {batch['hash']}  "
        f"sealed {write_instant(batch['sealed_ms'])}  received {write_instant(batch['received_ms'])}"
    )


def _registers(profile_id: str, column: int) -> Iterable[str]:
    """List the points behind states and metrics of a profile, when its very text is packaged here."""
    profile = _packaged(profile_id)
    yield profile_id if profile is not None else f"{profile_id}  {_WORDS['other'][column]}"
    if profile is not None:
        yield from (f"  {line}" for line in _points(profile))


def _packaged(profile_id: str) -> Profile | None:
    """Find the packaged profile of this very text; None when there is none, or its text is another's."""
    name = profile_id.partition("@")[0]
    entry = resources.files("config") / "profiles" / f"{name}.yaml"
    if not _NAME.fullmatch(name) or not entry.is_file():
        return None
    text = entry.read_text(encoding="utf-8")
    return parse_profile(text, entry.name) if profile_digest(name, text) == profile_id else None


def _points(profile: Profile) -> Iterable[str]:
    states = {rule.point for rule in profile.states}
    for name, point in profile.points.items():
        role = point.metric or ("state" if name in states else "")
        if role:
            yield f"{role:<20} {name}  {_where(point)}"


def _where(point: Point) -> str:
    """Say where a point is read: its register as on the wire, or its path in the payload."""
    scale = f" ×{point.multiply}/{point.divide}" if (point.multiply, point.divide) != (1, 1) else ""
    if point.table is None:
        return f"{point.path} {point.type}{scale}"
    bit = f" bit {point.bit}" if point.bit is not None else ""
    return f"{point.table} {point.address}{bit} {point.type}{scale}"
