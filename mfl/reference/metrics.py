"""Which metrics exist, and what are they? The page made from the closed vocabulary."""

from __future__ import annotations

from mfl.reference.tables import code, table
from telemetry.metrics import METRICS

SOURCE = "telemetry/metrics.py"


def page() -> str:
    """Write the page."""
    rows = [
        (code(metric.name), metric.kind, metric.unit, metric.zh, metric.en) for metric in METRICS.values()
    ]
    return f"""# Metrics · 指标

The closed vocabulary: a profile that names another metric is refused. Values are whole numbers in the unit given;
a counter only grows, a gauge moves both ways. Names end in their unit.

{table(("metric", "kind", "unit", "中文", "English"), rows)}
"""
