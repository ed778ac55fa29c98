"""What is true in a storm? Three robots whose every count is known, and what their gateway was told and has acknowledged.

`r1` counts up only, a new number at every poll, and sometimes shows a 0 that is a glitch; `r2` restarts now and then, with
the evidence of its own clock. `p1` is not polled: it publishes a new number at a broker, which delivers again on the next
line whatever it has not heard the acknowledgement of. So every reading can be recognised in the rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Self

from drivers.driver import DeviceSpec, Endpoint
from telemetry.errors import Disconnected
from telemetry.profile import parse_profile, profile_digest
from telemetry.reading import Heard, Quality, Reading, ReadingKind

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

    from telemetry.clock import Clock
    from telemetry.profile import Profile
    from telemetry.reading import RawValue

URL = "tcp://127.0.0.1:1502"
BROKER_URL = "mqtt://127.0.0.1:1883"
GATEWAY = "g1"
PROFILE_TEXT = """\
profile: storm_arm
kind: robot
manufacturer: Storm
models: [Arm]
name: {zh: 风暴臂, en: storm arm}
axes: 6
category: articulated
firmware: any
sources: [{title: made for the storm, grade: U}]
modbus: {port: 502, unit: 1}
points:
  state: {table: holding, address: 0, type: uint16}
  cycles: {table: holding, address: 1, type: uint32, metric: cycles, rate_max: 6000}
  up: {table: holding, address: 3, type: uint32}
boot_clock: up
states:
  - {state: running, point: state, equals: [1]}
  - {state: ready, point: state, equals: [0]}
"""
PROFILES = {
    profile_digest("storm_arm", text): text for text in (PROFILE_TEXT, PROFILE_TEXT.replace("Arm]", "Arm 2]"))
}
"""Two versions of one map, by id: a configuration may change from one to the other."""
LIFETIME = 50_000_000
"""What r1 has counted before: more than can be made in any silence of a storm, so that a glitch to 0 explains nothing."""
GLITCHES, BAD, RESETS, IDENTITIES = 0.02, 0.04, 0.01, 0.01
"""Shares of polls: r1 shows 0; no answer; r2 has restarted; a device tells its identity."""
PUBLISH_POLLS = 3
"""Poll intervals between two messages of p1: fewer cost time in every storm and show nothing more."""
LINE_LOST, ACK_LATE = 0.1, 0.4
"""Shares of messages: the broker's line ends before the next one; the broker hears of the ack only later."""
ACK_LATE_S = 120.0
IN_FLIGHT_MAX = 20
"""Messages that the broker delivers before the first of them is acknowledged, as Mosquitto does."""
QUEUE_MAX = 100
"""Messages the broker keeps beyond those; the robot's next ones are not taken."""


@cache
def _profile(profile_id: str) -> Profile:
    return parse_profile(PROFILES[profile_id], "storm_arm.yaml")


def endpoint(profile_id: str, poll_ms: int, devices: tuple[str, ...] = ("r1", "r2")) -> Endpoint:
    """Give the endpoint of the polled robots under one version of the map."""
    return _endpoint(URL, profile_id, poll_ms, devices)


def pushing_endpoint(profile_id: str, poll_ms: int) -> Endpoint:
    """Give the endpoint of the robot that publishes."""
    return _endpoint(BROKER_URL, profile_id, poll_ms, ("p1",))


def _endpoint(url: str, profile_id: str, poll_ms: int, devices: tuple[str, ...]) -> Endpoint:
    profile = _profile(profile_id)
    return Endpoint(url, tuple(DeviceSpec(name, profile, profile_id, poll_ms) for name in devices))


@dataclass(slots=True)
class _Robot:
    count: int = 0
    since_s: float = 0.0
    made: int = 0
    """All it ever counted, restarts or not."""
    glitched: bool = False


@dataclass(slots=True)
class Broker:
    """A persistent session: messages are numbered from 1, and kept until an acknowledgement is heard on the open line."""

    waiting: deque[tuple[int, int]] = field(default_factory=deque)
    """Messages never delivered: number and count."""
    in_flight: dict[int, int] = field(default_factory=dict)
    published: int = 0
    line: int = 0
    """Which connection is open; what is said on an earlier one is not heard."""
    repeated: int = 0
    """Deliveries again."""

    def publish(self, count: int) -> bool:
        """Take a message; False when there is no room."""
        if len(self.waiting) >= QUEUE_MAX:
            return False
        self.published += 1
        self.waiting.append((self.published, count))
        return True

    def next_message(self) -> tuple[int, int] | None:
        """Give the oldest message not yet delivered; None when there is none, or too many are in flight."""
        if not self.waiting or len(self.in_flight) >= IN_FLIGHT_MAX:
            return None
        number, count = self.waiting.popleft()
        self.in_flight[number] = count
        return number, count

    def hear_ack(self, line: int, number: int) -> None:
        """Forget a message, if its line still stands."""
        if line == self.line:
            self.in_flight.pop(number, None)


@dataclass(slots=True)
class World:
    """The truth: robots, what was said of them, and what the gateway acknowledged as accepted."""

    chance: random.Random
    robots: dict[str, _Robot] = field(
        default_factory=lambda: {"r1": _Robot(LIFETIME), "r2": _Robot(3), "p1": _Robot(LIFETIME)}
    )
    broker: Broker = field(default_factory=Broker)
    said: Counter[str] = field(default_factory=Counter)
    acked: Counter[str] = field(default_factory=Counter)
    """Counted readings (identities are none), by device; a message counts once, however often it is delivered."""
    acked_r1: list[int] = field(default_factory=list)
    """What r1 showed in good readings that were acknowledged, glitches apart."""
    acked_p1: dict[int, int] = field(default_factory=dict)
    """The messages of p1 that were acknowledged: number and count."""

    def poll(self, spec: DeviceSpec, clock: Clock, now_s: float) -> tuple[Reading, int | None]:
        """Let a robot work and be read; gives the reading, and r1's true count if it shows."""
        robot = self.robots[spec.device]
        step = self.chance.randint(1, 9)
        robot.count, robot.made = robot.count + step, robot.made + step
        wall_ms, mono_ms = clock.wall_ms(), clock.mono_ms()
        draw = self.chance.random()
        if spec.device == "r2" and self.chance.random() < RESETS:
            robot.count, robot.since_s = 0, now_s
        if draw < BAD:
            bad = Reading(
                spec.device,
                ReadingKind.POLL,
                wall_ms,
                mono_ms,
                Quality.BAD,
                {},
                spec.profile_id,
                reason="timeout",
            )
            return bad, None
        is_glitch = robot.glitched = spec.device == "r1" and draw < BAD + GLITCHES and not robot.glitched
        values: dict[str, RawValue] = {
            "state": int(draw < 0.8),
            "cycles": 0 if is_glitch else robot.count,
            "up": int(now_s - robot.since_s) + 10,
        }
        reading = Reading(
            spec.device, ReadingKind.POLL, wall_ms, mono_ms, Quality.GOOD, values, spec.profile_id
        )
        return reading, robot.count if spec.device == "r1" and not is_glitch else None

    def identity(self, spec: DeviceSpec, clock: Clock) -> Reading:
        """Let a device say what it is."""
        values: dict[str, RawValue] = {"serial": f"S-{spec.device}", "kind": "robot", "source": "register"}
        return Reading(
            spec.device,
            ReadingKind.IDENTITY,
            clock.wall_ms(),
            clock.mono_ms(),
            Quality.GOOD,
            values,
            spec.profile_id,
        )

    def hear(self, specs: tuple[DeviceSpec, ...], clock: Clock, now_s: float) -> Heard:
        """Poll every device once; the acknowledgement is noted as an obligation."""
        polled = [self.poll(spec, clock, now_s) for spec in specs]
        readings = [reading for reading, _ in polled]
        if self.chance.random() < IDENTITIES:
            readings.append(self.identity(specs[0], clock))
        devices = [reading.device for reading, _ in polled]
        shown = [count for _, count in polled if count is not None]
        self.said.update(devices)

        def ack() -> None:
            self.acked.update(devices)
            self.acked_r1.extend(shown)

        return Heard(tuple(readings), ack)

    def publish(self) -> None:
        """Let p1 work and tell its broker."""
        robot = self.robots["p1"]
        step = self.chance.randint(1, 9)
        robot.count, robot.made = robot.count + step, robot.made + step
        self.said["p1"] += self.broker.publish(robot.count)

    def deliver(
        self, spec: DeviceSpec, clock: Clock, number: int, count: int, *, is_repeated: bool = False
    ) -> Heard:
        """Let the broker deliver a message, as a reading of now."""
        values: dict[str, RawValue] = {"state": 1, "cycles": count}
        wall_ms, mono_ms = clock.wall_ms(), clock.mono_ms()
        told = Reading(spec.device, ReadingKind.PUSH, wall_ms, mono_ms, Quality.GOOD, values, spec.profile_id)
        line, loop = self.broker.line, asyncio.get_running_loop()
        late_s = self.chance.uniform(0, ACK_LATE_S) if self.chance.random() < ACK_LATE else 0.0
        self.broker.repeated += is_repeated

        def ack() -> None:
            if number not in self.acked_p1:
                self.acked_p1[number] = count
                self.acked["p1"] += 1
            loop.call_later(late_s, self.broker.hear_ack, line, number)

        return Heard((told,), ack, b"p1.." + number.to_bytes(8), is_repeated)


class VirtualDriver:
    """A driver that polls the world's robots on their grid."""

    def __init__(self, endpoint: Endpoint, clock: Clock, world: World) -> None:
        self._endpoint, self._clock, self._world = endpoint, clock, world

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def __aiter__(self) -> AsyncIterator[Heard]:
        loop = asyncio.get_running_loop()
        interval_s = self._endpoint.devices[0].poll_interval_ms / 1000
        while True:
            await asyncio.sleep(interval_s - loop.time() % interval_s)
            yield self._world.hear(self._endpoint.devices, self._clock, loop.time())


class PushDriver:
    """A driver that hears p1 through its broker: first again what is in flight, then what is new."""

    def __init__(self, endpoint: Endpoint, clock: Clock, world: World) -> None:
        self._endpoint, self._clock, self._world = endpoint, clock, world

    async def __aenter__(self) -> Self:
        self._world.broker.line += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._world.broker.line += 1  # an ack on its way is not heard

    async def __aiter__(self) -> AsyncIterator[Heard]:
        loop, world, broker = asyncio.get_running_loop(), self._world, self._world.broker
        [spec] = self._endpoint.devices
        for number, count in list(broker.in_flight.items()):
            yield world.deliver(spec, self._clock, number, count, is_repeated=True)
        interval_s = PUBLISH_POLLS * spec.poll_interval_ms / 1000
        while True:
            await asyncio.sleep(interval_s - loop.time() % interval_s)
            if world.chance.random() < LINE_LOST:
                raise Disconnected("the line is lost")
            world.publish()
            while message := broker.next_message():
                yield world.deliver(spec, self._clock, *message)
