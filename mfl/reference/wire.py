"""What travels from gateway to store? The page made from the frozen schema and the seal's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfl.reference.tables import code, table
from telemetry.metrics import METRICS
from telemetry.schema import COUNTER_SUFFIXES, GAUGE_SUFFIXES, MEASUREMENTS, SEAL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.schema import Measurement

SOURCE = "telemetry/schema.py"
_WORDS = {int: "integer", str: "string", bool: "boolean"}
_SUFFIXES = {
    "from": "last accepted raw value before the window",
    "raw": "last accepted raw value",
    "inc": "increase in the window",
    "step_max": "largest single step",
    "step_ms": "time of that step's two readings",
    "resets": "declared resets, when any",
    "rollovers": "passes of the known modulus, when any",
    "unexplained": "falls that neither explains, when any; no increase is guessed",
    "odd": "readings set aside, when any",
    "n": "readings",
    "sum": "sum of the readings",
    "min": "smallest",
    "max": "largest",
}


def page() -> str:
    """Write the page."""
    suffixes = [
        (kind, code(f"_{suffix}"), _SUFFIXES[suffix])
        for kind, names in (("counter", COUNTER_SUFFIXES), ("gauge", GAUGE_SUFFIXES))
        for suffix in names
    ]
    sections = "\n\n".join(_section(measurement) for measurement in MEASUREMENTS.values())
    return f"""# Wire format · 传输格式

Canonical InfluxDB line protocol, sealed: data lines sorted by bytes, then one seal line. Tags and fields are sorted,
integers end in `i`, there are no floats, and one row has exactly one spelling
(decision [0001](../decisions/0001-canonical-line-protocol.md)). A row's time is its time in ms × 10⁶ plus seq mod 10⁶,
in ns.

## The seal line `batch`

Tag `gateway`. `sig` is Ed25519 over `mfl-batch-v1` and the lines `name=value` of gateway, epoch, seq, count, sha256,
prev, sealed_ms, clock_state, boot, mono_ms, in that order.

{_fields(SEAL_FIELDS)}

## Fields of a counter and of a gauge

In `machine`, each metric of the vocabulary ([metrics](metrics.md)) has these, after its name.

{table(("kind", "suffix", "meaning"), suffixes)}

{sections}
"""


def _section(measurement: Measurement) -> str:
    fields = {name: kind for name, kind in measurement.fields.items() if not _is_of_a_metric(name)}
    tags = ", ".join(code(tag) for tag in measurement.tags)
    return f"## Measurement `{measurement.name}`\n\nTags, all required: {tags}.\n\n{_fields(fields)}"


def _is_of_a_metric(name: str) -> bool:
    suffixes = (*COUNTER_SUFFIXES, *GAUGE_SUFFIXES, "sq")
    return any(name == f"{metric}_{suffix}" for metric in METRICS for suffix in suffixes)


def _fields(fields: Mapping[str, type]) -> str:
    return table(("field", "type"), [(code(name), _WORDS[kind]) for name, kind in fields.items()])
