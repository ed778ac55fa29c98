"""A late reading's row is sealed together with the journal segment that holds it: never before, never after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.replay import find_leftovers
from telemetry.reading import Heard
from telemetry.seal import read_lines
from tests.gateway.conftest import poll

if TYPE_CHECKING:
    import pytest

    from gateway.app import Gateway
    from gateway.config import Site
    from tests.gateway.conftest import HandClock

MINUTE = 60_000


def _sealed(gateway: Gateway) -> tuple[int, int]:
    """Count the readings in sealed rows, and those declared lost."""
    rows = lost = 0
    for index in range(1, gateway.outbox.newest + 1):
        batch = gateway.outbox.batch(index)
        assert batch is not None
        for line in read_lines(batch):
            rows += int(line.fields["readings"]) if line.measurement == "machine" else 0
            lost += int(line.fields["readings"]) if line.measurement == "loss" else 0
    return rows, lost


def _kept(site: Site) -> int:
    return sum(item.readings for run in find_leftovers(site.state_dir / "journal") for item in run)


def test_a_late_reading_of_a_new_run_waits_for_its_segment(
    site: Site, gateway: Gateway, hand: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Found by killing (seed 11): after a leap of the clock the old run is sealed while the new one has late readings."""
    endpoint = site.endpoints[0]

    def say() -> None:
        gateway.intake.accept(endpoint, Heard((poll(hand.wall, 1, mono_ms=hand.mono),)))

    async def work() -> None:
        say()
        hand.wall += 80_000
        say()  # the leap: a new run begins
        hand.wall -= 20_000
        say()  # late in the new run
        say()
        await gateway.sealer.seal(gateway.intake.watermark_ms)
        assert _sealed(gateway) == (1, 0)
        assert _kept(site) == 3
        hand.move(2 * MINUTE)
        await gateway.sealer.seal(hand.wall - hand.wall % MINUTE)

    asyncio.run(work())
    assert _sealed(gateway) == (4, 0)
    assert _kept(site) == 0
    assert "account_differs" not in caplog.text


def test_a_late_reading_kept_in_a_later_window_waits_for_that_window(
    site: Site, gateway: Gateway, hand: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The clock ran ahead over three windows and came back: late readings lie in segments not yet to be sealed."""
    endpoint = site.endpoints[0]
    start = gateway.intake.watermark_ms

    async def work() -> None:
        for offset_ms in (1_000, 59_000, 59_000 + MINUTE, 59_000 + 2 * MINUTE, 30_000 + 2 * MINUTE):
            reading = poll(start + offset_ms, 1)
            gateway.intake.accept(endpoint, Heard((reading,)))
        gateway.intake.accept(endpoint, Heard((poll(start + 30_000 + MINUTE, 1),)))
        await gateway.sealer.seal(start + MINUTE)
        assert _sealed(gateway)[0] + _kept(site) == 6
        await gateway.sealer.seal(start + 3 * MINUTE)

    asyncio.run(work())
    assert _sealed(gateway) == (6, 0)
    assert _kept(site) == 0
    assert "account_differs" not in caplog.text
