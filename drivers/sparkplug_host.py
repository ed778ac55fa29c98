"""How are devices heard that speak Sparkplug B? As a host application of one group: STATE, births, data, deaths, Rebirth.

A host begins every session with nothing (the standard's rule), so nothing waits for us at the broker, and data comes at
QoS 0: what is lost between an edge node and us shows as a gap in its sequence and is answered by asking for a birth. The
one thing published beside our own STATE is that request.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from drivers.identity import identity_reading, identity_values, told_by_points
from drivers.mqtt_client import Broker, Farewell, MqttSession
from drivers.mqtt_json import tls_of
from drivers.mqtt_options import default_client_id, default_port, sparkplug_options
from drivers.quarantine import Quarantine
from drivers.sparkplug_device import DeviceImage
from drivers.sparkplug_payload import decode_payload, rebirth_command
from drivers.sparkplug_session import AskRebirth, HostSession, SessionOptions, Stale
from drivers.sparkplug_topic import (
    command_topic,
    node_filter,
    parse_topic,
    place_of,
    says_offline,
    state_payload,
    state_topic,
)
from telemetry.errors import BadReply, Disconnected
from telemetry.line import clean
from telemetry.reading import Heard, Quality, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from drivers.driver import DeviceSpec, Endpoint
    from drivers.mqtt_client import Delivery
    from drivers.sparkplug_device import Image
    from drivers.sparkplug_session import Action, Told
    from drivers.sparkplug_topic import Topic
    from telemetry.clock import Clock
    from telemetry.reading import RawValue

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Device:
    """One device: its image, and who it last said it was."""

    spec: DeviceSpec
    image: DeviceImage
    identity: Mapping[str, RawValue] = field(default_factory=dict)


class SparkplugHost:
    """A driver: readings of the endpoint's devices, as one Sparkplug group tells them.

    A device's `topic_name` is `NODE/DEVICE`, or `NODE` where its profile says `level: node`.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        """Prepare; ValueError when the address or a device's name cannot be."""
        self._endpoint = endpoint
        self._clock = clock
        self._host, self._port = endpoint.address(default_port(endpoint.url))
        self._options = sparkplug_options(endpoint.url)
        self._devices: dict[tuple[str, str], _Device] = {}
        for spec in endpoint.devices:
            place = _place(spec)
            if place in self._devices:
                raise ValueError(f"{spec.device}: two devices are {'/'.join(place).rstrip('/')}")
            self._devices[place] = _Device(spec, DeviceImage(spec.profile))
        self._mqtt: MqttSession | None = None
        self._session = self._new_session()
        self.retained = 0
        """Retained messages of edge nodes dropped: they are not allowed, and tell what once was."""
        self.quarantine = Quarantine()

    def _new_session(self) -> HostSession:
        options = SessionOptions(reorder_ms=self._options.reorder_ms)
        return HostSession(self._devices, options, self._clock.mono_ms())

    @property
    def session(self) -> HostSession:
        """What is known of the edge nodes; for metrics and tests."""
        return self._session

    async def __aenter__(self) -> Self:
        """Connect, subscribe, then say that we are there; once. Disconnected when any of it fails."""
        options, born_ms = self._options, self._clock.wall_ms()
        mqtt = MqttSession(self._broker(born_ms))
        await mqtt.__aenter__()
        try:
            own = [state_topic(options.host_id)] if options.host_id else []
            nodes = dict.fromkeys(node for node, _ in self._devices)
            await mqtt.subscribe([*own, *(node_filter(options.group, node) for node in nodes)])
            if options.host_id:
                await self._tell_state(mqtt, born_ms, online=True)
        except BaseException:
            await mqtt.__aexit__(None, None, None)
            raise
        self._mqtt, self._session = mqtt, self._new_session()
        return self

    def _broker(self, born_ms: int) -> Broker:
        endpoint, host_id = self._endpoint, self._options.host_id
        will = Farewell(state_topic(host_id), state_payload(born_ms, online=False)) if host_id else None
        return Broker(
            host=self._host,
            port=self._port,
            client_id=endpoint.client_id or default_client_id("host", endpoint.url),
            timeout_s=endpoint.timeout_ms / 1000,
            username=endpoint.username,
            password=endpoint.password,
            is_persistent=False,
            is_v5=self._options.is_v5,
            tls=tls_of(endpoint),
            will=will,
        )

    async def _tell_state(self, mqtt: MqttSession, at_ms: int, *, online: bool) -> None:
        payload = state_payload(at_ms, online=online)
        await mqtt.publish(state_topic(self._options.host_id), payload, qos=1, is_retained=True)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say that we are gone, where we had said that we were there; then leave."""
        mqtt, self._mqtt = self._mqtt, None
        if mqtt is not None:
            if mqtt.is_open and self._options.host_id:
                with contextlib.suppress(Disconnected):
                    await self._tell_state(mqtt, self._clock.wall_ms(), online=False)
            await mqtt.__aexit__(kind, error, trace)

    def __aiter__(self) -> AsyncIterator[Heard]:
        """Give what is told; Disconnected ends it."""
        return self._told()

    async def _told(self) -> AsyncIterator[Heard]:
        if self._mqtt is None:
            raise Disconnected(f"{self._endpoint.url}: not connected")
        while True:
            delivery = await self._mqtt.next_delivery(self._wait_s())
            if delivery is None:
                actions = self._session.on_time(self._clock.mono_ms(), self._clock.wall_ms())
                readings = await self._do(actions)
            else:
                readings = await self._heard(delivery)
            if readings:
                yield Heard(tuple(readings), None if delivery is None else delivery.ack)
            elif delivery is not None:
                delivery.ack()

    def _wait_s(self) -> float | None:
        due_ms = self._session.next_due_ms()
        return None if due_ms is None else max(0, due_ms - self._clock.mono_ms()) / 1000

    async def _heard(self, delivery: Delivery) -> list[Reading]:
        topic = parse_topic(delivery.topic)
        if topic is None:
            await self._hear_state(delivery)
            return []
        if delivery.is_retained:
            self.retained += 1
            return []
        if topic.group != self._options.group or not self._session.watches(topic.node):
            return []
        try:
            payload = decode_payload(delivery.payload)
        except BadReply as error:
            return self._set_aside(topic, delivery, error.reason)
        now_ms, wall_ms = self._clock.mono_ms(), self._clock.wall_ms()
        actions = self._session.on_message(
            topic.kind, topic.node, topic.device, payload, now_ms=now_ms, wall_ms=wall_ms
        )
        return await self._do(actions)

    async def _hear_state(self, delivery: Delivery) -> None:
        """Say again that we are there when somebody says that we are not: an old will may come late."""
        options = self._options
        is_ours = bool(options.host_id) and delivery.topic == state_topic(options.host_id)
        is_news = is_ours and not delivery.is_retained  # what was retained is from before our birth
        if is_news and self._mqtt is not None and says_offline(delivery.payload):
            _log.warning("event=state_contradicted host_id=%s", options.host_id)
            await self._tell_state(self._mqtt, self._clock.wall_ms(), online=True)

    def _set_aside(self, topic: Topic, delivery: Delivery, reason: str) -> list[Reading]:
        """Keep the head of what could not be read; if it was a device's of ours, its answer was a bad one."""
        device = self._devices.get((topic.node, topic.device))
        sender = device.spec.device if device else topic.node
        self.quarantine.add(sender, delivery.topic, reason, delivery.payload, self._clock.wall_ms())
        return [self._reading(device, {}, reason)] if device else []

    async def _do(self, actions: list[Action]) -> list[Reading]:
        readings: list[Reading] = []
        for action in actions:
            if isinstance(action, AskRebirth):
                await self._ask(action)
            elif isinstance(action, Stale):
                readings.append(self._stale(action))
            else:
                readings += self._values(action)
        return readings

    async def _ask(self, action: AskRebirth) -> None:
        _log.info("event=rebirth_asked node=%s reason=%s", clean(action.node), clean(action.reason))
        if self._mqtt is not None:
            command = rebirth_command(self._clock.wall_ms())
            await self._mqtt.publish(command_topic(self._options.group, action.node), command)

    def _stale(self, stale: Stale) -> Reading:
        device = self._devices[stale.node, stale.device]
        device.image.clear()
        return self._reading(device, {}, stale.reason, stale.at_ms)

    def _values(self, told: Told) -> list[Reading]:
        device = self._devices[told.node, told.device]
        images = device.image.take(told, self._clock.wall_ms())
        readings = [self._image(device, image) for image in images]
        present = [image for image in images if not image.is_historical and image.values]
        identity = self._identity(device, present[-1].values) if told.is_birth and present else None
        return readings if identity is None else [identity, *readings]

    def _image(self, device: _Device, image: Image) -> Reading:
        reason = "; ".join(image.problems)
        kind = ReadingKind.HISTORY if image.is_historical else ReadingKind.PUSH
        return self._reading(device, image.values, reason, image.source_ms, kind)

    def _reading(
        self,
        device: _Device,
        values: Mapping[str, RawValue],
        reason: str,
        source_ms: int | None = None,
        kind: ReadingKind = ReadingKind.PUSH,
    ) -> Reading:
        if not values:
            quality, reason = Quality.BAD, reason or "no point has a value"
        else:
            quality = Quality.UNCERTAIN if reason else Quality.GOOD
        return Reading(
            device=device.spec.device,
            kind=kind,
            received_ms=self._clock.wall_ms(),
            mono_ms=self._clock.mono_ms(),
            quality=quality,
            values=values,
            profile=device.spec.profile_id,
            source_ms=source_ms,
            reason=clean(reason),
        )

    def _identity(self, device: _Device, values: Mapping[str, RawValue]) -> Reading | None:
        """Give the identity that a birth tells, when it is new or has changed."""
        told = told_by_points(device.spec.profile, values)
        place = "/".join((self._options.group, *_place(device.spec))).rstrip("/")
        endpoint = f"{self._endpoint.url.partition('?')[0].rstrip('/')}/{place}"
        identity = identity_values(device.spec, endpoint, told=told, told_as="birth", objects={})
        if identity == device.identity:
            return None
        device.identity = identity
        return identity_reading(device.spec, identity, self._clock.wall_ms(), self._clock.mono_ms())


def _place(spec: DeviceSpec) -> tuple[str, str]:
    """Give the edge node and the device (empty at node level) that a device is."""
    profile = spec.profile
    if profile.sparkplug is None:
        raise ValueError(f"{spec.device}: {profile.profile} is not heard over Sparkplug")
    return place_of(spec.topic_name or spec.device, profile.sparkplug.level)
