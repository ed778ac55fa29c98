"""What does a server that carries the store need? Its routes, and the work beside them: rows, inbox, closed days."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from store.inbox import take_inbox
from store.reading_routes import ReadRoutes
from store.routes import write_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import Route

    from store.embedded import EmbeddedStore

INTERVAL_S = 1.0
"""How often rows follow the log while it grows: what a dashboard shows is at most this old."""
COMPACT_EVERY = 60
"""Passes between looks for a closed day to compact."""
FAILED_WAIT_S = 15.0
_logger = logging.getLogger(__name__)


def store_routes(store: EmbeddedStore) -> list[Route]:
    """Give every route of the store, for a Starlette application."""
    return [*write_routes(store), *ReadRoutes(store).routes()]


async def keep_applied(store: EmbeddedStore, *, interval_s: float = INTERVAL_S) -> None:
    """Keep row files, enrolments and closed days up to date, until cancelled.

    A full disk is waited out. So is anything else: batches are taken meanwhile, and a standing failure is logged again
    and again rather than once.
    """
    passes = 0
    while True:
        try:
            await asyncio.to_thread(keep_once, store, compacts=passes % COMPACT_EVERY == 0)
            await asyncio.sleep(interval_s)
        except OSError as error:
            _logger.warning("apply_failed error=%s retry_in_s=%g", error, FAILED_WAIT_S)
            await asyncio.sleep(FAILED_WAIT_S)
        except Exception:
            _logger.exception("apply_failed retry_in_s=%g", FAILED_WAIT_S)
            await asyncio.sleep(FAILED_WAIT_S)
        passes += 1


def keep_once(store: EmbeddedStore, *, compacts: bool) -> None:
    """Do one pass of what `keep_applied` does."""
    take_inbox(store)
    if store.is_behind:
        store.apply()
    if compacts:
        store.compact_closed()


@contextlib.asynccontextmanager
async def applied(store: EmbeddedStore) -> AsyncIterator[None]:
    """Keep a store applied for the length of a Starlette lifespan."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(keep_applied(store))
        try:
            yield
        finally:
            task.cancel()
