"""When is a lost line tried again? The only reconnect loop: one task an endpoint, none harms another.

While a line is down nothing is invented: the missing polls show as `polls_due` over `polls_ok`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.backoff import Backoff
from telemetry.errors import Disconnected

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from drivers.driver import Driver, Endpoint
    from telemetry.clock import Clock
    from telemetry.reading import Heard

STABLE_MS = 60_000
"""A line that held this long was good: the next failure starts with short waits again."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class LineState:
    """One endpoint as the metrics tell it."""

    is_connected: bool = False
    connects: int = 0
    failures: int = 0
    last_error: str = ""


async def supervise(
    endpoint: Endpoint,
    *,
    make_driver: Callable[[Endpoint, Clock], Driver],
    accept: Callable[[Endpoint, Heard], None],
    clock: Clock,
    chance: random.Random,
    line: LineState,
) -> None:
    """Keep one endpoint heard until cancelled. Anything but Disconnected is our own bug and ends the process."""
    backoff = Backoff(chance)
    while True:
        connected_ms: int | None = None
        try:
            async with make_driver(endpoint, clock) as driver:
                connected_ms = clock.mono_ms()
                line.is_connected, line.connects = True, line.connects + 1
                logger.info("event=connected endpoint=%s", endpoint.url)
                async for heard in driver:
                    accept(endpoint, heard)
            reason = "the line ended"
        except Disconnected as error:
            reason = str(error)
        finally:
            line.is_connected = False
        now_ms = clock.mono_ms()
        if connected_ms is not None and now_ms - connected_ms >= STABLE_MS:
            backoff.reset()
        wait_s = backoff.wait_s(now_ms)
        line.failures += 1
        _tell(endpoint, line, reason, wait_s)
        await asyncio.sleep(wait_s)


def _tell(endpoint: Endpoint, line: LineState, reason: str, wait_s: float) -> None:
    """Log a reason when it is new; the same one again is only counted."""
    level = logging.DEBUG if reason == line.last_error else logging.WARNING
    line.last_error = reason
    logger.log(
        level,
        "event=disconnected endpoint=%s failures=%d wait_s=%.1f reason=%s",
        endpoint.url,
        line.failures,
        wait_s,
        reason[:200],
    )
