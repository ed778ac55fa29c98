"""What of the live part is in the store? Readings and counter increases, read back from its Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.live import live_start_ms
from telemetry.metrics import COUNTERS

if TYPE_CHECKING:
    from simulators.world import World
    from store.embedded import EmbeddedStore


@dataclass(frozen=True, slots=True)
class LiveAccount:
    """The live part as the store knows it; `heard` is what the gateways themselves report as accepted."""

    heard: int
    stored: int
    lost: int
    counter_increase: int


def live_account(store: EmbeddedStore, world: World) -> LiveAccount:
    """Add up the rows of the live gateways since the live part began."""
    names = {item.gateway for item in world.gateways if item.live}
    since_ms = live_start_ms(world)
    stored = lost = increase = 0
    accepted = dict.fromkeys(names, 0)
    for measurement in ("machine", "loss", "heartbeat"):
        for day in store.days(measurement):
            for row in store.scan(day, measurement).to_pylist():
                if row["gateway"] not in names or row["time_ms"] < since_ms:
                    continue
                if measurement == "machine":
                    stored += row["readings"]
                    increase += sum(row.get(f"{counter}_inc") or 0 for counter in COUNTERS)
                elif measurement == "loss":
                    lost += row["readings"]
                else:
                    accepted[row["gateway"]] = max(accepted[row["gateway"]], row["accepted_total"])
    return LiveAccount(sum(accepted.values()), stored, lost, increase)
