"""What does SIGKILL cost? A real process killed over and over at random moments, and the account of all it promised."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.account import Account
from simulators.storm_checks import (
    check_balance,
    check_chain,
    check_counters,
    check_rows,
    check_verified,
    read_evidence,
    stored_readings,
)
from simulators.storm_hosts import write_key
from simulators.storm_world import World

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

LIFE_S = (0.0, 0.4)
"""How long after its first acknowledgement a process lives."""
START_SHARE, START_S = 0.2, 1.2
"""Share of the kills that fall on the start itself, up to so many seconds after it."""
WAIT_S = 120.0


@dataclass(slots=True)
class KillTally:
    """How many kills there were, and what they cost."""

    kills: int = 0
    in_start: int = 0
    accepted: int = 0
    delivered: int = 0
    problems: list[str] = field(default_factory=list)


class _Victim:
    """One process, and what it has said on its standard output."""

    def __init__(self, process: asyncio.subprocess.Process, world: World) -> None:
        self._process, self._world = process, world
        self.account: Account | None = None

    async def hear(self, *, until_ack: bool) -> None:
        """Read facts up to the first acknowledgement, or to the end."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        while line := await self._process.stdout.readline():
            kind, _, rest = line.decode().partition(" ")
            if not rest.endswith("\n"):
                return
            if kind == "s":
                self._world.said["r1"] += 1
            elif kind == "a":
                self._world.acked["r1"] += 1
                self._world.acked_r1.append(int(rest))
                if until_ack:
                    return
            elif kind == "e":
                self.account = Account(**json.loads(rest))

    async def kill(self) -> None:
        """Kill it, and take in what it still had said."""
        self._process.kill()
        await self.hear(until_ack=False)
        await self._process.wait()

    async def stop(self) -> None:
        """End it well."""
        self._process.terminate()
        await self.hear(until_ack=False)
        await self._process.wait()


async def kill_often(
    kills: int, chance: random.Random, folder: Path, seen: Callable[[int], None] = lambda _: None
) -> KillTally:
    """Kill a gateway and store that many times, let it end well, and balance the books."""
    write_key(folder / "g1.key")
    start_ns, world, tally = time.time_ns(), World(chance), KillTally()
    for number in range(kills):
        victim = await _start(folder, start_ns, world)
        if chance.random() < START_SHARE:
            tally.in_start += 1
            await asyncio.sleep(chance.uniform(0, START_S))
        else:
            async with asyncio.timeout(WAIT_S):
                await victim.hear(until_ack=True)
            await asyncio.sleep(chance.uniform(*LIFE_S))
        async with asyncio.timeout(WAIT_S):
            await victim.kill()
        tally.kills += 1
        seen(number + 1)
    victim = await _start(folder, start_ns, world)
    async with asyncio.timeout(WAIT_S):
        await victim.hear(until_ack=True)
        await victim.stop()
    _settle(folder, world, victim.account, tally)
    return tally


async def _start(folder: Path, start_ns: int, world: World) -> _Victim:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulators.kill_child",
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "KILL_RUN_START_NS": str(start_ns)},
    )
    return _Victim(process, world)


def _settle(folder: Path, world: World, account: Account | None, tally: KillTally) -> None:
    if account is None:
        tally.problems.append("the last process did not end well")
        return
    evidence = read_evidence(folder / "store")
    tally.accepted, tally.delivered = account.accepted, stored_readings(evidence)["r1"]
    tally.problems += check_chain(evidence, may_break=False)
    tally.problems += check_balance(evidence, account, world, may_lose=False)
    tally.problems += check_counters(evidence, world, may_lose=False)
    tally.problems += check_rows(evidence)
    tally.problems += check_verified(folder / "store")
