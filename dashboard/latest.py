"""Which figures does the server show? Those of the latest census, taken again in the background."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class LatestCensus:
    """Keeps one census result, the newest; `run` takes a census and gives its JSON (seconds, so off the event loop)."""

    def __init__(self, run: Callable[[], dict[str, Any]]) -> None:
        self._run = run
        self._figures: dict[str, Any] | None = None
        self.failures = 0

    def figures(self) -> dict[str, Any] | None:
        """Give the latest figures; None before the first census."""
        return self._figures

    async def refresh(self) -> bool:
        """Take a census now and tell whether it came out; a failed one leaves the last figures standing.

        Their as-of and log size then show their age. The store must go on taking evidence while a ledger is
        broken or the census has a bug, so nothing that a census raises ends the server.
        """
        try:
            self._figures = await asyncio.to_thread(self._run)
        except ConfigError as error:
            self.failures += 1
            first = str(error.problems[0])
            log.warning(
                "census=failed failures=%d problems=%d first=%r", self.failures, len(error.problems), first
            )
            return False
        except Exception:
            self.failures += 1
            log.exception("census=failed failures=%d", self.failures)
            return False
        log.info("census=done log_size=%s", self._figures.get("log_size"))
        return True

    async def keep(self, every_s: float) -> None:
        """Take a census now and then again `every_s` after the last one ended, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(every_s)
