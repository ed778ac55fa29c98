"""How is a probe told? As a table for people, and as one JSON document for programs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivers.modbus_plan import BIT_TABLES
from drivers.probe import COMPARE_READS_MAX, own_blocks
from drivers.probe_judge import Looks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.probe import Probe
    from drivers.profiles import LoadedProfile
    from telemetry.profile import Point

_WORDS = {
    Looks.PLAUSIBLE: "yes",
    Looks.EMPTY: "says nothing",
    Looks.DOUBTFUL: "NO",
    Looks.UNREAD: "not read",
}


def announcement(loaded: LoadedProfile, url: str, unit: int, interval_s: float) -> str:
    """Say what a probe is about to do, before it does it."""
    blocks = own_blocks(loaded.profile)
    words = sum(block.count for block in blocks)
    pace = f"one request every {interval_s:g} s" if interval_s else "as fast as it answers"
    return (
        f"Will read {words} registers or bits of {url} unit {unit} as {loaded.profile_id}: {len(blocks)} reads, {pace}.\n"
        f"If that settles nothing: each refused point by itself, and at most {COMPARE_READS_MAX} reads of what other "
        f"models have. If nothing answers: one TLS greeting and one HTTP HEAD.\n"
        "Nothing is ever written (function codes 1-4 and 43/14 only)."
    )


def as_text(result: Probe) -> str:
    """Write a probe for people: the points, what follows from them, and the verdict last."""
    lines = []
    if result.judged and result.heard.took_ms:
        rows = [("point", "where", "raw", "value", "unit", "plausible?", "ms"), *_rows(result)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines.append("")
    lines += [f"it names itself: {name} {text}" for name, text in result.told.items()]
    if result.is_library:
        lines.append(
            "That is a library's own name: a simulator, or a device that was never told its name. Review."
        )
    lines += [f"read as {one.order}: {one.mended} absurd values become plausible" for one in result.orders]
    lines += [f"{one.profile}: {one.plausible} of {one.heard} points speak for it" for one in result.better]
    lines += [result.en, result.zh]
    return "\n".join(lines)


def _rows(result: Probe) -> Iterator[tuple[str, ...]]:
    for name, point in result.loaded.profile.points.items():
        judged = result.judged[name]
        why = judged.why or _why_unread(result, point)
        verdict = _WORDS[judged.looks] + (f": {why}" if why else "")
        value = "" if judged.value is None else _shown(judged.value)
        yield (
            name,
            f"{point.table} {point.address}",
            _hex(point, judged.words),
            value,
            point.unit,
            verdict,
            _ms(result, point),
        )


def _why_unread(result: Probe, point: Point) -> str:
    if point.table is None or point.address is None:
        return ""
    key = (point.table, point.address)
    if key in result.heard.refused:
        return f"refused, {result.heard.refused[key]}"
    return result.heard.faults.get(key, "")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _hex(point: Point, words: tuple[int, ...] | None) -> str:
    digits = 1 if point.table in BIT_TABLES else 4
    return " ".join(f"{word:0{digits}x}" for word in words or ())


def _ms(result: Probe, point: Point) -> str:
    took = (
        None
        if point.table is None or point.address is None
        else result.heard.took_ms.get((point.table, point.address))
    )
    return "" if took is None else str(took)


def as_document(result: Probe, url: str, unit: int) -> dict[str, Any]:
    """Give a probe as plain data: what a program decides on is `verdict`."""
    points = []
    for name, point in result.loaded.profile.points.items():
        judged, took = result.judged[name], _ms(result, point)
        points.append(
            {
                "point": name,
                "table": point.table,
                "address": point.address,
                "raw": _hex(point, judged.words),
                "value": judged.value,
                "unit": point.unit,
                "looks": judged.looks,
                "why": judged.why or _why_unread(result, point),
                "ms": int(took) if took else None,
            }
        )
    return {
        "url": url,
        "unit": unit,
        "profile": result.loaded.profile_id,
        "verdict": result.verdict,
        "en": result.en,
        "zh": result.zh,
        "reads": result.reads,
        "points": points,
        "byte_orders": [{"order": item.order, "mended": item.mended} for item in result.orders],
        "better_models": [
            {"profile": one.profile, "plausible": one.plausible, "heard": one.heard} for one in result.better
        ],
        "identity": result.told,
        "review": ["names itself by a library"] if result.is_library else [],
    }
