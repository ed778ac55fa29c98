"""What is in a number? The claims behind a figure, or behind one row of one of its tables, by verdict and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.breakdown import DIMENSIONS, ELSEWHERE
from census.report_tables import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from census.breakdown import Judged
    from census.run import CensusResult

FIGURES = ("robots_new", "enterprises_on_cloud")
OUTCOMES = ("confirmed", "refuted", "unproven")
SHOWN = 2_000
"""Claims listed: more than the largest target of robots; the JSON of `run` has every enterprise."""
_HEAD = {
    "next": (
        "再看其中一项：mfl census explain 编号",
        "for one of them: mfl census explain SUBJECT",
    ),
}


def parse_figure(subject: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Read `robots_new`, `robots_new/refuted` or `robots_new/confirmed/division/330302`; None when it is no figure.

    ValueError says what was expected.
    """
    name, *parts = subject.split("/")
    if name not in FIGURES:
        return None
    outcome = parts.pop(0) if parts and parts[0] in OUTCOMES else ""
    if parts and (len(parts) != 2 or parts[0] not in DIMENSIONS):
        raise ValueError(
            f"expected FIGURE[/{'|'.join(OUTCOMES)}][/{'|'.join(DIMENSIONS)}/CODE], not {subject!r}"
        )
    return name, outcome, tuple(parts)


def explain_figure(result: CensusResult, asked: tuple[str, str, tuple[str, ...]], column: int) -> str:
    """List the claims that a figure counts, the reason first that stands in the way of each."""
    name, outcome, place = asked
    judged = result.robots if name == "robots_new" else result.enterprises
    figure = result.robots_new if name == "robots_new" else result.enterprises_on_cloud
    chosen = {
        subject: one
        for subject, one in judged.items()
        if (not outcome or one.verdict.outcome == outcome)
        and (not place or _code(result, one, place[0]) == place[1])
    }
    title = (figure.target.zh, figure.target.en)[column]
    where = f" / {names_of(result.policy)[place[0]].get(place[1], (place[1],) * 2)[column]}" if place else ""
    lines = [f"{title}{where}{f' / {outcome}' if outcome else ''}: {len(chosen)}"]
    lines += _listed(chosen)
    lines.append(_HEAD["next"][column])
    return "\n".join(lines) + "\n"


def _code(result: CensusResult, one: Judged, dimension: str) -> str:
    """Give a claim's row in a table; one that names none of the policy's codes is in the last."""
    code = str(getattr(one, dimension))
    return code if dimension == "month" or code in names_of(result.policy)[dimension] else ELSEWHERE


def _listed(chosen: Mapping[str, Judged]) -> list[str]:
    ordered = sorted(
        chosen.items(), key=lambda item: (item[1].verdict.outcome, item[1].verdict.reason, item[0])
    )
    lines = [
        f"  {subject}  {one.verdict.outcome} {one.verdict.grade or '-'} {one.verdict.reason}".rstrip()
        + ("  *" if one.verdict.review else "")
        for subject, one in ordered[:SHOWN]
    ]
    if len(ordered) > SHOWN:
        lines.append(f"  … {len(ordered) - SHOWN}")
    return lines
