"""What gateway tests share: a site of one robot, a clock that is moved by hand, a driver that says what it is told."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.driver import DeviceSpec, Endpoint
from gateway.app import Gateway
from gateway.ballast import Ballast
from gateway.config import Limits, Site, StoreTarget
from gateway.keys import load_private_key, new_key
from gateway.outbox import Outbox
from telemetry.clock import Clock, ClockState
from telemetry.line import Row
from telemetry.profile import parse_profile, profile_digest
from telemetry.reading import Heard, Quality, Reading, ReadingKind
from telemetry.seal import SealTime, read_lines
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from telemetry.reading import RawValue
    from telemetry.seal import Batch

NOW_MS = 1_530_000_000_000
PROFILE_TEXT = """\
profile: test_arm
kind: robot
manufacturer: Test
models: [Arm]
name: {zh: 测试臂, en: test arm}
axes: 6
category: articulated
firmware: any
sources: [{title: made for tests, grade: U}]
modbus: {port: 502, unit: 1}
points:
  state: {table: holding, address: 0, type: uint16}
  cycles: {table: holding, address: 1, type: uint32, metric: cycles, rate_max: 600}
states:
  - {state: running, point: state, equals: [1]}
  - {state: ready, point: state, equals: [0]}
"""
PROFILE = parse_profile(PROFILE_TEXT, "test_arm.yaml")
PROFILE_ID = profile_digest("test_arm", PROFILE_TEXT)
URL = "tcp://127.0.0.1:1502"


@dataclass(slots=True)
class HandClock:
    """A clock that stands until it is moved."""

    wall: int = NOW_MS
    mono: int = 1_000
    synced: bool = True

    def move(self, ms: int) -> None:
        self.wall += ms
        self.mono += ms

    def clock(self, boot: str = "boot-1") -> Clock:
        return Clock(
            lambda: self.wall,
            lambda: self.mono,
            boot,
            lambda: ClockState.SYNCED if self.synced else ClockState.UNSYNCED,
        )


def spec(device: str = "r1", poll_interval_ms: int = 1000) -> DeviceSpec:
    return DeviceSpec(device, PROFILE, PROFILE_ID, poll_interval_ms)


def poll(at_ms: int, cycles: int = 0, device: str = "r1", *, mono_ms: int = 0, state: int = 1) -> Reading:
    values: Mapping[str, RawValue] = {"state": state, "cycles": cycles}
    return Reading(device, ReadingKind.POLL, at_ms, mono_ms, Quality.GOOD, values, PROFILE_ID)


def machine(at_ms: int, readings: int = 1, device: str = "r1", gateway: str = "g1") -> Row:
    fields = {"readings": readings, "window_ms": 60_000, "running_ms": 60_000}
    return Row("machine", {"device": device, "gateway": gateway}, fields, at_ms)


def seal_time(at_ms: int = NOW_MS) -> SealTime:
    return SealTime(at_ms, 1, "boot-1")


@pytest.fixture
def hand() -> HandClock:
    return HandClock()


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"gateway tests").digest())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    new_key(tmp_path / "g1.key")
    return Site(
        gateway="g1",
        uscc="91330300MA0000000A",
        enterprise="Test",
        window_ms=60_000,
        clock_wait_s=900,
        state_dir=tmp_path / "state",
        key_file=tmp_path / "g1.key",
        store=StoreTarget("http://127.0.0.1:1", "mfl", "evidence", 2, "secret-token"),
        endpoints=(Endpoint(URL, (spec(),)),),
        profile_texts={PROFILE_ID: PROFILE_TEXT},
        limits=Limits(),
        digest="0" * 12,
    )


@pytest.fixture
def gateway(site: Site, hand: HandClock) -> Iterator[Gateway]:
    ballast = Ballast(site.state_dir / "ballast")
    outbox = Outbox.open(site.state_dir / "outbox", "g1", load_private_key(site.key_file))
    made = Gateway(site, hand.clock(), outbox, ballast, secrets.token_hex(4))
    made.adopt_leftovers()
    yield made
    asyncio.run(made.journal.close())
    outbox.close()


class Box:
    """One outbox directory, opened again and again."""

    def __init__(self, directory: Path, key: Ed25519PrivateKey) -> None:
        self.directory = directory
        self.key = key
        self.epochs = 0

    def open(self, *, gateway: str = "g1") -> Outbox:
        def new_epoch() -> str:
            self.epochs += 1
            return f"{self.epochs:032x}"

        return Outbox.open(self.directory, gateway, self.key, new_epoch=new_epoch)


@pytest.fixture
def box(tmp_path: Path, key: Ed25519PrivateKey) -> Box:
    return Box(tmp_path / "outbox", key)


def fill(outbox: Outbox, count: int, *, start: int = 0) -> None:
    for number in range(start, start + count):
        outbox.append(
            [machine(NOW_MS + number * 60_000, readings=10)],
            seal_time(NOW_MS + number),
            consumed=[f"s{number}"],
        )


def assert_books(outbox: Outbox) -> None:
    stat = outbox.stat()
    assert stat.rowed == stat.buffered + stat.delivered + stat.quarantined + stat.dead_lettered
    assert min(stat.buffered, stat.delivered, stat.quarantined, stat.dead_lettered) >= 0


@dataclass(slots=True)
class ListSink:
    """A store in memory: takes what it is told to take, and counts readings once a batch, as a store does."""

    answer: Callable[[Batch], Answer] = lambda _: Answer(AnswerKind.STORED)
    batches: list[Batch] = field(default_factory=list)
    offered: list[tuple[str, int]] = field(default_factory=list)

    async def write(self, batch: Batch) -> Answer:
        await asyncio.sleep(0)
        self.offered.append((batch.seal.epoch, batch.seal.seq))
        answer = self.answer(batch)
        if answer.kind is AnswerKind.STORED and all(known.hash != batch.hash for known in self.batches):
            self.batches.append(batch)
        return answer

    def readings(self) -> int:
        return sum(
            int(line.fields["readings"])
            for batch in self.batches
            for line in read_lines(batch)
            if line.measurement == "machine"
        )


@dataclass(slots=True)
class Script:
    """What the scripted drivers of one test say: each item is heard, or raised, in order; then silence."""

    items: list[Heard | Exception] = field(default_factory=list)
    spoken: int = 0
    connects: int = 0
    said: asyncio.Event = field(default_factory=asyncio.Event)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, *items: Heard | Exception) -> None:
        self.items += items
        self.said.clear()
        self.more.set()

    async def heard(self) -> None:
        """Wait until everything said so far was handed over."""
        async with asyncio.timeout(10):
            await self.said.wait()


class ScriptedDriver:
    """A driver that plays a script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def __aenter__(self) -> Self:
        self._script.connects += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def __aiter__(self) -> AsyncIterator[Heard]:
        script = self._script
        while True:
            while script.spoken < len(script.items):
                item = script.items[script.spoken]
                script.spoken += 1
                if isinstance(item, Exception):
                    raise item
                yield item
            script.said.set()
            script.more.clear()
            await script.more.wait()
