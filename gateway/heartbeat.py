"""How does the gateway say that it lives? One `heartbeat` row a window, with the totals of the account."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from telemetry.line import Row

if TYPE_CHECKING:
    from telemetry.clock import Clock

DISTRIBUTION = "machine-for-labor"


@dataclass(frozen=True, slots=True)
class Totals:
    """The account over the gateway's life, in readings.

    `lost` is the sum of `readings` over all loss rows but those of rotten outbox files, which are `quarantined`.
    """

    accepted: int
    lost: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Buffer:
    """What waits to be taken by the store: bytes on disk, age of the oldest batch in seconds."""

    size: int
    oldest_s: int


@cache
def code_version() -> str:
    """Give the installed version; `0+unknown` when run from a bare tree."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+unknown"


def heartbeat_row(
    gateway: str,
    clock: Clock,
    *,
    time_ms: int,
    started_mono_ms: int,
    config: str,
    buffer: Buffer,
    totals: Totals,
    devices: tuple[int, int],
) -> Row:
    """Write the heartbeat of the window that starts at `time_ms`; `devices` are (heard well in it, due)."""
    mono_ms = clock.mono_ms()
    return Row(
        "heartbeat",
        {"gateway": gateway},
        {
            "version": code_version(),
            "config": config,
            "uptime_s": (mono_ms - started_mono_ms) // 1000,
            "boot": clock.boot,
            "mono_ms": mono_ms,
            "clock_state": str(clock.state()),
            "buffer_bytes": buffer.size,
            "oldest_s": buffer.oldest_s,
            "devices_up": devices[0],
            "devices_due": devices[1],
            "accepted_total": totals.accepted,
            "lost_total": totals.lost,
            "quarantined_total": totals.quarantined,
        },
        time_ms,
    )
