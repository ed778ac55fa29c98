from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from dashboard.latest import LatestCensus
from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    import pytest


def test_figures_appear_with_the_first_census_and_are_replaced_by_the_next() -> None:
    sizes = iter((1, 2))
    latest = LatestCensus(lambda: {"log_size": next(sizes)})
    assert latest.figures() is None
    for size in (1, 2):
        assert asyncio.run(latest.refresh())
        assert latest.figures() == {"log_size": size}


def test_a_broken_ledger_or_a_bug_leaves_the_last_figures_standing(caplog: pytest.LogCaptureFixture) -> None:
    outcomes: list[dict[str, Any] | Exception] = [
        {"log_size": 1},
        ConfigError([Problem("robots.csv", 3, 1, "axes", "is missing")]),
        RuntimeError("a bug"),
    ]

    def run() -> dict[str, Any]:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    latest = LatestCensus(run)
    assert [asyncio.run(latest.refresh()) for _ in range(3)] == [True, False, False]
    assert latest.figures() == {"log_size": 1}
    assert latest.failures == 2
    assert "robots.csv:3:1" in caplog.text
    assert "a bug" in caplog.text


def test_a_census_runs_off_the_event_loop_again_and_again() -> None:
    ran_in = []
    enough = asyncio.Event()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        def run() -> dict[str, Any]:
            ran_in.append(threading.get_ident())
            if len(ran_in) == 3:
                loop.call_soon_threadsafe(enough.set)
            return {"log_size": len(ran_in)}

        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(LatestCensus(run).keep(0))
            await asyncio.wait_for(enough.wait(), 20)
            keeper.cancel()

    asyncio.run(scenario())
    assert threading.get_ident() not in ran_in
