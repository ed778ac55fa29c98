"""The disk fills under a running process: draining goes on, nothing that was accepted goes, and accepting comes back."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.test_network_faults import UP, begin
from tests.e2e.working import at_work, end, look, until, until_all_heard, until_delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNK = 16_384


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a tmpfs of a size; all are unmounted at the end."""
    if os.geteuid() != 0:
        pytest.skip("a tmpfs needs root")
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        place = tmp_path / "disk"
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if subprocess.run(words, capture_output=True, timeout=10, check=False).returncode != 0:
            pytest.skip("a tmpfs cannot be mounted here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=10)


def fill(disk: Path) -> Path:
    """Take all that is left of a disk; give the file to be removed again."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(CHUNK))
        except OSError:
            pass
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1))
        except OSError:
            return filler


@pytest.mark.wall
def test_a_gateway_on_a_full_disk(make_plant: Callable[..., Any], small_disk: Callable[[str], Path]) -> None:
    """Polls are refused and declared, what was accepted is delivered, and with space accepting resumes by itself."""

    async def run() -> None:
        disk = small_disk("4m")
        async with make_plant(state=disk / "state") as plant:
            before = await begin(plant)
            async with at_work(plant):
                filler = fill(disk)

                async def refuses() -> bool:
                    return await plant.health() is None

                async def drained() -> bool:
                    told = await look(plant)
                    return bool(told) and told["open"] == told["buffered"] == 0

                await until(refuses, "readings are refused")
                await until(drained, "all that was accepted is delivered")
                full = await look(plant)
                assert (await plant.metrics())["mfl_gateway_readings_refused_total"][""] > 0
                filler.unlink()

                async def accepts() -> bool:
                    now = await look(plant)
                    return bool(now["accepted_total"] > full["accepted_total"])

                resumed = await until(accepts, "readings are accepted again")
                assert await plant.health() is not None
            account = await end(plant, before)
            refused = account.refused_polls
            plant.tell_figure(
                "disk full under the gateway",
                account,
                f"{refused} polls refused, accepting {resumed:.1f} s after",
            )
            assert refused > 0

    asyncio.run(run())


@pytest.mark.wall
def test_a_store_on_a_full_disk(make_plant: Callable[..., Any], small_disk: Callable[[str], Path]) -> None:
    """The store answers 507 and keeps running; gateways keep their batches; with space it takes them, never restarted."""

    async def run() -> None:
        disk = small_disk("8m")
        async with make_plant(store=disk / "store") as plant:
            before = await begin(plant)
            async with at_work(plant):
                filler = fill(disk)

                async def away() -> bool:
                    fill(disk)
                    return bool((await plant.metric(UP)).get("") == 0)

                await until(away, "the store says that it has no room")
                await until_all_heard(plant, 5)
                waiting = (await look(plant))["buffered"]
                assert plant.store.is_running
                filler.unlink()
                resumed = await until_delivered(plant)
                assert plant.store.is_running
            account = await end(plant, before)
            plant.tell_figure(
                "disk full under the store",
                account,
                f"{waiting} readings waited, delivered after {resumed:.1f} s",
            )
            assert "HTTP 507" in (plant.folder / "gateway.log").read_text()

    asyncio.run(run())
