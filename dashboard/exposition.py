"""Which metrics does the server tell, and how are they spelled? One declared table, Prometheus text format 0.0.4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Exposed:
    """A metric's name (base unit last, `_total` for a counter), type and help; `key` is its key in a figure."""

    name: str
    type: Literal["counter", "gauge"]
    help: str
    key: str = ""


STORE_LEAVES = Exposed("mfl_store_leaves_total", "counter", "Leaves in the evidence log.")
CENSUS_READY = Exposed(
    "mfl_census_ready", "gauge", "1 when a census has run since the server started, else 0."
)
CENSUS_LOG_SIZE = Exposed(
    "mfl_census_log_size", "gauge", "Leaves the latest census judged; far below the store's means it is late."
)
CENSUS_PROBLEMS = Exposed("mfl_census_ledger_problems", "gauge", "Ledger rows that could not be read.")
COUNTS: tuple[Exposed, ...] = (
    Exposed("mfl_census_claimed", "gauge", "Claims made.", "claimed"),
    Exposed("mfl_census_confirmed", "gauge", "Claims confirmed by evidence.", "confirmed"),
    Exposed("mfl_census_refuted", "gauge", "Claims that evidence speaks against.", "refuted"),
    Exposed("mfl_census_unproven", "gauge", "Claims with too little evidence.", "unproven"),
    Exposed("mfl_census_review", "gauge", "Claims waiting for a person.", "review"),
    Exposed("mfl_census_target", "gauge", "The policy's target.", "target"),
)
RATIOS: tuple[Exposed, ...] = (
    Exposed("mfl_census_completion_ratio", "gauge", "Confirmed by target.", "completion_percent"),
    Exposed(
        "mfl_census_time_progress_ratio", "gauge", "Share of the period elapsed.", "time_progress_percent"
    ),
)
BY_RULE: tuple[Exposed, ...] = (
    Exposed("mfl_census_refuted_by_rule", "gauge", "Claims refuted, by rule.", "refuted_by_rule"),
    Exposed("mfl_census_unproven_by_rule", "gauge", "Claims left unproven, by rule.", "unproven_by_rule"),
)
ALL: tuple[Exposed, ...] = (
    STORE_LEAVES,
    CENSUS_READY,
    CENSUS_LOG_SIZE,
    CENSUS_PROBLEMS,
    *COUNTS,
    *RATIOS,
    *BY_RULE,
)
"""Every metric the server can tell; the reference page lists them."""


def exposition(leaves: int, figures: Mapping[str, Any] | None) -> str:
    """Write the metrics as text, each family with its HELP and TYPE once."""
    lines = [*_family(STORE_LEAVES), _sample(STORE_LEAVES, leaves)]
    lines += [*_family(CENSUS_READY), _sample(CENSUS_READY, int(figures is not None))]
    if figures is not None:
        lines += [*_family(CENSUS_LOG_SIZE), _sample(CENSUS_LOG_SIZE, figures["log_size"])]
        lines += [*_family(CENSUS_PROBLEMS), _sample(CENSUS_PROBLEMS, len(figures["problems"]))]
        lines += _figures(figures["figures"])
    return "\n".join(lines) + "\n"


def _figures(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for metric in COUNTS:
        yield from _family(metric)
        for indicator, figure in parts.items():
            yield _sample(metric, figure[metric.key], indicator=indicator)
    for metric in RATIOS:
        yield from _family(metric)
        for indicator, figure in parts.items():
            yield _sample(metric, round(float(figure[metric.key]) / 100, 6), indicator=indicator)
    for metric in BY_RULE:
        yield from _family(metric)
        for indicator, figure in parts.items():
            for rule, count in sorted(figure[metric.key].items()):
                yield _sample(metric, count, indicator=indicator, rule=rule)


def _family(metric: Exposed) -> tuple[str, str]:
    return f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.type}"


def _sample(metric: Exposed, value: float, **labels: str) -> str:
    inside = ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items())
    return f"{metric.name}{{{inside}}} {value}" if inside else f"{metric.name} {value}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
