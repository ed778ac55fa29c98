"""Which measurements travel, with which tags and typed fields? The frozen wire vocabulary of sealed batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.metrics import COUNTERS, GAUGES, METRICS
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FIELDS: tuple[str, ...] = tuple(f"{state}_ms" for state in MachineState)
COUNTER_SUFFIXES = ("from", "raw", "inc", "step_max", "step_ms", "resets", "rollovers", "unexplained", "odd")
GAUGE_SUFFIXES = ("n", "sum", "min", "max")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One kind of row: its tags (all required) and its fields with their types (`int`, `str` or `bool`)."""

    name: str
    tags: tuple[str, ...]
    fields: Mapping[str, type]


def _machine_fields() -> dict[str, type]:
    fields: dict[str, type] = {"window_ms": int, "state": str, "quality": str, "profile": str, "late": bool}
    fields |= dict.fromkeys(STATE_FIELDS, int)
    fields |= dict.fromkeys(("starts", "changes", "boots", "readings", "bad", "polls_due", "polls_ok"), int)
    for counter in COUNTERS:
        fields |= {f"{counter}_{suffix}": int for suffix in COUNTER_SUFFIXES}
    for gauge in GAUGES:
        fields |= {f"{gauge}_{suffix}": int for suffix in GAUGE_SUFFIXES}
        if METRICS[gauge].squared:
            fields[f"{gauge}_sq"] = int
    return fields


def _fields(ints: str = "", strings: str = "", bools: str = "") -> dict[str, type]:
    return (
        dict.fromkeys(ints.split(), int)
        | dict.fromkeys(strings.split(), str)
        | dict.fromkeys(bools.split(), bool)
    )


MEASUREMENTS: dict[str, Measurement] = {
    measurement.name: measurement
    for measurement in (
        Measurement("machine", ("device", "gateway"), _machine_fields()),
        Measurement(
            "identity",
            ("device", "gateway"),
            _fields(
                ints="axes",
                strings="manufacturer model serial firmware kind cell endpoint fingerprint source",
            ),
        ),
        Measurement(
            "heartbeat",
            ("gateway",),
            _fields(
                ints="uptime_s mono_ms clock_offset_ms buffer_bytes oldest_s devices_up devices_due "
                "accepted_total lost_total quarantined_total",
                strings="version config boot clock_state",
            ),
        ),
        Measurement("loss", ("device", "gateway", "reason"), _fields(ints="from_ms to_ms readings polls")),
        Measurement(
            "cloud_usage",
            ("enterprise", "gateway", "provider", "service"),
            _fields(
                ints="active_users requests storage_mb cpu_s billed_fen", strings="status since contract name"
            ),
        ),
        Measurement(
            "epoch", ("gateway",), _fields(ints="previous_seq", strings="reason previous previous_hash")
        ),
    )
}
"""Every measurement a sealed batch may carry, beside its own seal line `batch`."""

SEAL_FIELDS: dict[str, type] = _fields(
    ints="v seq count sealed_ms mono_ms", strings="epoch sha256 prev clock_state boot sig"
)
