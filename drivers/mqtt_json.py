"""How are devices heard that publish JSON over MQTT? One persistent session a broker, acknowledged when it is durable."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from drivers.delta import DeltaTotals, totals_of
from drivers.identity import identity_reading, identity_values, told_by_points
from drivers.json_payload import PayloadMap
from drivers.mqtt_client import Broker, Farewell, MqttSession, TlsFiles
from drivers.mqtt_options import default_port, is_tls, mqtt_options
from drivers.quarantine import Quarantine
from drivers.sparkplug_topic import state_payload
from telemetry.errors import BadReply, Disconnected
from telemetry.line import clean
from telemetry.reading import SESSION_BYTES, Heard, Quality, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from drivers.driver import DeviceSpec, Endpoint
    from drivers.json_payload import Payload
    from drivers.mqtt_client import Delivery
    from telemetry.clock import Clock
    from telemetry.profile import Profile
    from telemetry.reading import RawValue


@dataclass(slots=True)
class _Device:
    """One device: how its payloads are read, and who it last said it was."""

    spec: DeviceSpec
    payloads: PayloadMap
    deltas: DeltaTotals | None = None
    identity: Mapping[str, RawValue] = field(default_factory=dict)


def _client_id(endpoint: Endpoint) -> str:
    """Name the session when nobody did: the same for the same devices, so that the broker knows it again."""
    devices = "/".join(sorted(spec.device for spec in endpoint.devices))
    return f"mfl-{zlib.crc32(devices.encode()):08x}"


DIGEST_BYTES = 8
"""Of a message: among the thousand remembered of a session two agree by chance once in 10^13."""


def delivery_name(client_id: str, delivery: Delivery) -> bytes:
    """Name a delivery for `Heard.message`: its session, then packet id, topic and payload; empty at QoS 0."""
    if not delivery.packet_id:
        return b""
    session = hashlib.blake2b(client_id.encode(), digest_size=SESSION_BYTES).digest()
    head = b"%d %s\0" % (delivery.packet_id, delivery.topic.encode())
    return session + hashlib.blake2b(head + delivery.payload, digest_size=DIGEST_BYTES).digest()


def topic_of(topic_filter: str, name: str) -> str:
    """Put a device's name in the place of the filter's `+`. ValueError: a name that would be a filter or a level more."""
    if not name or any(sign in name for sign in "+#/\0"):
        raise ValueError(f"{name!r} cannot stand in an MQTT topic; no '+', '#' or '/'")
    return topic_filter.replace("+", name)


class MqttJson:
    """A driver: pushed readings of the endpoint's devices, each with its acknowledgement.

    What is no reading of ours (a retained message, an unknown topic) is acknowledged at once, dropped and counted: left
    alone it would fill the broker's in-flight window and stall every device behind it.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._host, self._port = endpoint.address(default_port(endpoint.url))
        self._options = mqtt_options(endpoint.url)
        self._client_id = endpoint.client_id or _client_id(endpoint)
        self._readings: dict[str, _Device] = {}
        self._births: dict[str, _Device] = {}
        for spec in endpoint.devices:
            self._add(spec)
        self._session: MqttSession | None = None
        self.retained = 0
        """Retained messages dropped: they tell what once was, not what is."""
        self.unknown = 0
        """Messages dropped because their topic is no device's: an old subscription of the session."""
        self.repeated = 0
        """Delta messages dropped because their id was counted before."""
        self.quarantine = Quarantine()

    def _add(self, spec: DeviceSpec) -> None:
        mqtt = spec.profile.mqtt
        if mqtt is None:
            raise ValueError(f"{spec.device}: {spec.profile.profile} is not heard over MQTT")
        deltas = tuple(name for name, point in spec.profile.points.items() if point.delta)
        totals = totals_of((self._client_id, self._endpoint.url, spec.device), deltas) if deltas else None
        device = _Device(spec, PayloadMap(spec.profile), totals)
        name = spec.topic_name or spec.device
        topics = [(self._readings, topic_of(mqtt.topic, name))]
        if mqtt.identity_topic is not None:
            topics.append((self._births, topic_of(mqtt.identity_topic, name)))
        for table, topic in topics:
            if topic in self._readings or topic in self._births:
                raise ValueError(f"{spec.device}: two devices share the topic {topic}")
            table[topic] = device

    async def __aenter__(self) -> Self:
        """Connect and subscribe, once; Disconnected when either fails."""
        session = MqttSession(self._broker())
        await session.__aenter__()
        try:
            await session.subscribe([*self._readings, *self._births], fresh_only=tuple(self._readings))
            await self._tell_status(session, online=True)
        except BaseException:
            await session.__aexit__(None, None, None)
            raise
        self._session = session
        return self

    def _broker(self) -> Broker:
        endpoint, topic = self._endpoint, self._options.status_topic
        offline = state_payload(self._clock.wall_ms(), online=False)
        return Broker(
            host=self._host,
            port=self._port,
            client_id=self._client_id,
            timeout_s=endpoint.timeout_ms / 1000,
            username=endpoint.username,
            password=endpoint.password,
            is_v5=self._options.is_v5,
            session_expiry_s=self._options.session_expiry_s,
            tls=tls_of(endpoint),
            will=Farewell(topic, offline) if topic else None,
        )

    async def _tell_status(self, session: MqttSession, *, online: bool) -> None:
        """Say that we are there, where the operator named a topic for it; the only thing we ever publish."""
        if self._options.status_topic:
            payload = state_payload(self._clock.wall_ms(), online=online)
            await session.publish(self._options.status_topic, payload, qos=1, is_retained=True)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the broker; what is not acknowledged it keeps and delivers again."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Disconnected):
                if session.is_open:
                    await self._tell_status(session, online=False)
            await session.__aexit__(kind, error, trace)

    def __aiter__(self) -> AsyncIterator[Heard]:
        """Give what is pushed; Disconnected ends it."""
        return self._pushes()

    async def _pushes(self) -> AsyncIterator[Heard]:
        if self._session is None:
            raise Disconnected(f"{self._endpoint.url}: not connected")
        async for delivery in self._session.deliveries():
            readings = self._readings_of(delivery)
            if readings:
                name = delivery_name(self._client_id, delivery)
                yield Heard(readings, delivery.ack, name, delivery.is_repeated)
            else:
                delivery.ack()

    def _readings_of(self, delivery: Delivery) -> tuple[Reading, ...]:
        if birth := self._births.get(delivery.topic):
            return self._birth(birth, delivery)
        device = self._readings.get(delivery.topic)
        if device is None:
            self.unknown += 1
            return ()
        if delivery.is_retained:
            self.retained += 1
            return ()
        return self._push(device, delivery)

    def _push(self, device: _Device, delivery: Delivery) -> tuple[Reading, ...]:
        try:
            payload = device.payloads.decode(delivery.payload)
            values = _totalled(device, payload, is_repeated=delivery.is_repeated)
        except BadReply as error:
            self._set_aside(device, delivery, error.reason)
            return (self._reading(device.spec, {}, error.reason),)
        if values is None:
            self.repeated += 1
            return ()
        reason = f"missing: {', '.join(payload.missing)}" if payload.missing else ""
        reading = self._reading(device.spec, values, reason, payload.source_ms)
        # One moment for both, so that one frame of the journal holds them and the delivery's name.
        moment = (reading.received_ms, reading.mono_ms)
        identity = self._identity(device, values, *moment) if values else None
        return (reading,) if identity is None else (identity, reading)

    def _birth(self, device: _Device, delivery: Delivery) -> tuple[Reading, ...]:
        """Read an identity topic; it may be retained, for a birth is said once."""
        try:
            payload = device.payloads.decode(delivery.payload)
        except BadReply as error:
            self._set_aside(device, delivery, error.reason)
            return ()
        identity = self._identity(device, payload.values, self._clock.wall_ms(), self._clock.mono_ms())
        return () if identity is None else (identity,)

    def _set_aside(self, device: _Device, delivery: Delivery, reason: str) -> None:
        now_ms = self._clock.wall_ms()
        self.quarantine.add(device.spec.device, delivery.topic, reason, delivery.payload, now_ms)

    def _reading(
        self, spec: DeviceSpec, values: Mapping[str, RawValue], reason: str, source_ms: int | None = None
    ) -> Reading:
        if not values:
            quality, reason = Quality.BAD, reason or "no point has a value"
        else:
            quality = Quality.UNCERTAIN if reason else Quality.GOOD
        return Reading(
            device=spec.device,
            kind=ReadingKind.PUSH,
            received_ms=self._clock.wall_ms(),
            mono_ms=self._clock.mono_ms(),
            quality=quality,
            values=values,
            profile=spec.profile_id,
            source_ms=source_ms,
            reason=clean(reason),
        )

    def _identity(
        self, device: _Device, values: Mapping[str, RawValue], wall_ms: int, mono_ms: int
    ) -> Reading | None:
        """Give the device's identity when it is new or has changed; a payload without it takes nothing back."""
        told = told_by_points(device.spec.profile, values)
        if device.identity and not _tells_all(device.spec.profile, told):
            return None
        topic = topic_of(_mqtt_topic(device.spec.profile), device.spec.topic_name or device.spec.device)
        endpoint = f"{self._endpoint.url.partition('?')[0].rstrip('/')}/{topic.lstrip('/')}"
        identity = identity_values(device.spec, endpoint, told=told, told_as="birth", objects={})
        if identity == device.identity:
            return None
        device.identity = identity
        return identity_reading(device.spec, identity, wall_ms, mono_ms)


def tls_of(endpoint: Endpoint) -> TlsFiles | None:
    """Give the certificate files of an encrypted line; None for a plain one."""
    if not is_tls(endpoint.url):
        return None
    return TlsFiles(endpoint.ca_file, endpoint.cert_file, endpoint.key_file)


def _totalled(device: _Device, payload: Payload, *, is_repeated: bool) -> Mapping[str, RawValue] | None:
    """Put totals in the place of increases, where the profile has such; None when they were counted before."""
    if device.deltas is None:
        return payload.values
    return device.deltas.take(payload.message_id, payload.values, is_repeated=is_repeated)


def _tells_all(profile: Profile, told: Mapping[str, str]) -> bool:
    identity = profile.identity
    named = {"manufacturer": identity.manufacturer, "model": identity.model, "serial": identity.serial}
    return all(name in told for name, point in named.items() if point is not None)


def _mqtt_topic(profile: Profile) -> str:
    return profile.mqtt.topic if profile.mqtt is not None else ""
