"""What do the live workshop's machines do? Real servers and publishers whose counters we move, and so know."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from drivers.profiles import load_profile
from gateway.normalize import normalize
from simulators.behaviour import Moment, Totals, day_moments
from simulators.history import day_start_ms
from simulators.modbus_device import ModbusDeviceServer
from simulators.mqtt_device import MqttDevice
from simulators.voice import Voice
from telemetry.reading import MachineState, Quality, RawValue, Reading, ReadingKind

if TYPE_CHECKING:
    from types import TracebackType

    from simulators.world import Device, WorldSpec
    from telemetry.profile import Profile

PUBLISH_TIMEOUT_S = 10.0
ENERGY_STEP_WH = 3


def final_totals(device: Device, spec: WorldSpec) -> Totals:
    """Give a device's own totals at the end of its history."""
    totals = Totals()
    last = spec.days - 1 if device.until_day is None else device.until_day
    for day in range(device.from_day, last + 1):
        for _ in day_moments(device.behaviour, day, day_start_ms(day), spec.poll_s * 1000, totals):
            pass
    return totals


@dataclass(slots=True)
class LiveDevice:
    """One machine with a socket: its truth, and the server or publisher that speaks for it."""

    device: Device
    profile: Profile
    voice: Voice
    totals: Totals
    modbus: ModbusDeviceServer | None = None
    mqtt: MqttDevice | None = None

    def speak(self, *, running: bool) -> dict[str, RawValue]:
        """Put the machine's present totals where its gateway will find them."""
        values = self.voice.say(self._moment(MachineState.RUNNING if running else MachineState.READY))
        values |= self._identity()
        for point, value in values.items():
            if self.modbus is not None:
                self.modbus.set(point, value)
            elif self.mqtt is not None:
                self.mqtt.set(point, value)
        return values

    def step(self, tick: int) -> None:
        """Let half a second of production pass."""
        self.totals.energy_wh += ENERGY_STEP_WH
        if tick % 2 == 0:
            self.totals.cycles += 1
            self.totals.run_s += 1
            self.totals.on_s += 1

    def counters(self) -> dict[str, int]:
        """Give what a perfect listener would read now, in metric units."""
        values = self.voice.say(self._moment(MachineState.READY))
        reading = Reading(self.device.device, ReadingKind.POLL, 0, 0, Quality.GOOD, values, "")
        return dict(normalize(reading, self.profile).counters)

    def _moment(self, state: MachineState) -> Moment:
        totals, behaviour = self.totals, self.device.behaviour
        return Moment(
            at_ms=0,
            state=state,
            cycles=behaviour.first_count + totals.cycles,
            energy_wh=totals.energy_wh,
            on_s=totals.on_s,
            run_s=totals.run_s,
            current_ma=behaviour.current_ma,
        )

    def _identity(self) -> dict[str, RawValue]:
        point = self.profile.identity.serial
        serial = self.device.live_serial or self.device.serial
        if point is None:
            return {}
        return {point: serial if self.profile.points[point].type == "string" else int(serial)}


class LiveWorkshop:
    """All live machines together: enter to open their sockets, leave to close every one."""

    def __init__(self, devices: tuple[Device, ...], spec: WorldSpec, broker_url: str) -> None:
        self._broker_url = broker_url
        self._stack = AsyncExitStack()
        self.devices = [self._live(device, spec) for device in devices]

    @staticmethod
    def _live(device: Device, spec: WorldSpec) -> LiveDevice:
        profile = load_profile(device.profile).profile
        return LiveDevice(device, profile, Voice(profile), final_totals(device, spec))

    async def __aenter__(self) -> Self:
        """Open a server for each Modbus machine and a publisher for each MQTT machine, standing still."""
        for item in self.devices:
            if item.profile.modbus is not None:
                answer = item.device.live_product
                identity = (
                    {"VendorName": "WAGO", "ProductName": answer, "ModelName": "750-8212"} if answer else None
                )
                item.modbus = await self._stack.enter_async_context(
                    ModbusDeviceServer(item.profile, identity=identity)
                )
            else:
                mqtt = MqttDevice(item.profile, self._broker_url, item.device.device)
                item.mqtt = await self._stack.enter_async_context(mqtt)
            item.speak(running=False)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every socket."""
        await self._stack.aclose()

    def total(self) -> int:
        """Sum all counters of all machines, in metric units."""
        return sum(sum(item.counters().values()) for item in self.devices)

    def tick(self, number: int, *, running: bool) -> None:
        """Move every machine on by half a second, or let it stand."""
        for item in self.devices:
            if running:
                item.step(number)
            item.speak(running=running)

    async def publish(self, at_ms: int) -> None:
        """Let every MQTT machine publish once, and wait until the broker has taken it."""
        async with asyncio.timeout(PUBLISH_TIMEOUT_S), asyncio.TaskGroup() as group:
            for item in self.devices:
                if item.mqtt is not None:
                    group.create_task(item.mqtt.publish(at_ms))
