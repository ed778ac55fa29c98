"""The network fails as networks do: a peer that vanishes, a partition, servers that stop and come back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.working import at_work, end, look, until, until_all_heard, until_delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UP = "mfl_gateway_store_up"
HOST, PEER = "198.18.77.1", "198.18.77.2"
"""Addresses for benchmarks of devices (RFC 2544): nobody's network."""
DETECT_MOST_S = 15.0


async def store_is(plant: Any, *, up: bool) -> bool:
    return bool((await plant.metric(UP)).get("") == int(up))


async def begin(plant: Any) -> dict[str, int]:
    await plant.start_store()
    await plant.start_gateway()
    await until_all_heard(plant, 2)
    await until_delivered(plant)
    return dict(plant.counts)


@pytest.mark.wall
def test_a_peer_that_vanishes_is_noticed_and_left(make_plant: Callable[..., Any]) -> None:
    """Half-open TCP: the connection stands, nobody answers; and a new one works while the old one never will."""

    async def run() -> None:
        async with make_plant() as plant:
            before = await begin(plant)
            async with at_work(plant):
                assert await plant.proxy.until_asked(timeout_s=20)
                plant.proxy.go_silent()
                noticed = await until(lambda: store_is(plant, up=False), "the silence is noticed")
                plant.proxy.speak()
                back = await until_delivered(plant)
            account = await end(plant, before)
            plant.tell_figure(
                "half-open TCP",
                account,
                f"noticed after {noticed:.1f} s, delivering again after {back:.1f} s",
            )
            assert plant.site()["store"]["timeout_s"] + 1 < DETECT_MOST_S

    asyncio.run(run())


def ip(*words: str, inside: str = "") -> None:
    prefix = ("ip", "netns", "exec", inside) if inside else ()
    subprocess.run([*prefix, "ip", *words], check=True, capture_output=True, timeout=10)


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network of its own, joined to ours by one cable."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and ip (Debian package iproute2)")
    name = f"mfl{os.getpid() % 100_000}"
    ours, theirs = f"{name}a", f"{name}b"
    try:
        ip("netns", "add", name)
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        ip("addr", "add", f"{HOST}/30", "dev", ours)
        ip("link", "set", ours, "up")
        ip("addr", "add", f"{PEER}/30", "dev", theirs, inside=name)
        ip("link", "set", theirs, "up", inside=name)
        ip("link", "set", "lo", "up", inside=name)
    except subprocess.CalledProcessError as error:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", name)
        pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
    yield name
    with contextlib.suppress(subprocess.CalledProcessError):
        ip("netns", "del", name)


@pytest.mark.wall
def test_a_partition_loses_nothing(make_plant: Callable[..., Any], namespace: str) -> None:
    """First only the answers vanish, so that every batch offered is stored and offered again; then the cable is cut."""

    async def run() -> None:
        async with make_plant(
            store_host=PEER, prefix=("ip", "netns", "exec", namespace), proxied=False
        ) as plant:
            before = await begin(plant)
            async with at_work(plant):
                ip("route", "add", "blackhole", f"{HOST}/32", inside=namespace)
                one_way = await until(lambda: store_is(plant, up=False), "the partition is noticed")
                ip("route", "del", "blackhole", f"{HOST}/32", inside=namespace)
                await until_delivered(plant)
                ip("link", "set", f"{namespace}b", "down", inside=namespace)
                cut = await until(lambda: store_is(plant, up=False), "the cut is noticed")
                ip("link", "set", f"{namespace}b", "up", inside=namespace)
                await until_delivered(plant)
            answers = await plant.metric("mfl_gateway_store_answers_total")
            account = await end(plant, before)
            account.again = answers["unavailable"]
            plant.tell_figure(
                "partition in a network namespace",
                account,
                f"answers lost noticed after {one_way:.1f} s, cable cut after {cut:.1f} s",
            )
            assert answers["unavailable"] >= 2

    asyncio.run(run())


@pytest.mark.wall
def test_a_store_that_is_stopped_and_started_again(make_plant: Callable[..., Any]) -> None:
    async def run() -> None:
        async with make_plant() as plant:
            before = await begin(plant)
            async with at_work(plant):
                assert await plant.store.stop() == 0

                async def waits() -> bool:
                    return bool((await plant.metric("mfl_gateway_outbox_batches")).get("", 0) >= 4)

                await until(waits, "four batches wait")
                told = await look(plant)
                await plant.start_store()
                back = await until_delivered(plant, told["buffered"])
            account = await end(plant, before)
            plant.tell_figure(
                "store stopped and started",
                account,
                f"{told['buffered']} readings waited, delivered after {back:.1f} s",
            )

    asyncio.run(run())
