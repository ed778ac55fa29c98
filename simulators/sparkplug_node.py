"""How does a simulated Sparkplug B edge node speak? Births, data and deaths of one node and its devices, as the standard has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import aiomqtt

from drivers.sparkplug_payload import BD_SEQ, REBIRTH, DataType, decode_payload
from drivers.sparkplug_schema import PayloadMessage
from drivers.sparkplug_topic import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from telemetry.profile import Profile
    from telemetry.reading import RawValue

TIMEOUT_S = 5.0
_TYPES = {
    "bool": DataType.BOOLEAN, "string": DataType.STRING, "float32": DataType.FLOAT, "float64": DataType.DOUBLE,
    "int16": DataType.INT16, "int32": DataType.INT32, "int64": DataType.INT64,
    "uint16": DataType.UINT16, "uint32": DataType.UINT32, "uint64": DataType.UINT64,
}  # fmt: skip
_ARMS = {
    DataType.BOOLEAN: "boolean_value", DataType.STRING: "string_value", DataType.FLOAT: "float_value",
    DataType.DOUBLE: "double_value", DataType.INT64: "long_value", DataType.UINT64: "long_value",
}  # fmt: skip


def add_metric(
    payload: Any,
    name: str,
    datatype: DataType,
    value: RawValue | None,
    at_ms: int,
    *,
    alias: int | None = None,
) -> None:
    """Add one metric to a payload; None is written as null, signed integers as two's complement."""
    metric = payload.metrics.add(timestamp=at_ms, datatype=int(datatype))
    if name:
        metric.name = name.encode()
    if alias is not None:
        metric.alias = alias
    if value is None:
        metric.is_null = True
        return
    arm = _ARMS.get(datatype, "int_value")
    if isinstance(value, int) and not isinstance(value, bool):
        value &= (1 << (64 if arm == "long_value" else 32)) - 1
    setattr(metric, arm, value.encode() if isinstance(value, str) else value)


class SparkplugNode:
    """One edge node with one device, which speaks by the profile's metric names; `set` changes what it says next."""

    def __init__(self, profile: Profile, broker_url: str, group: str, name: str) -> None:
        """Name the node, or `NODE/DEVICE` where the profile is a device's."""
        parts = urlsplit(broker_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 1883
        self._profile = profile
        self._group = group
        self._node, _, self._device = name.partition("/")
        self._values: dict[str, RawValue] = {}
        self._names = [name for name, point in profile.points.items() if point.path is not None]
        self._seq = 0
        self._bd_seq = 0
        self._client: aiomqtt.Client | None = None

    async def __aenter__(self) -> Self:
        """Connect with a new session, its death as the will, and listen for commands."""
        client = aiomqtt.Client(
            self._host,
            self._port,
            identifier=f"sim-spb-{self._node}",
            clean_session=True,
            timeout=TIMEOUT_S,
            will=aiomqtt.Will(self._topic("NDEATH"), self._death(), qos=1),
        )
        self._client = await client.__aenter__()
        await client.subscribe(f"{NAMESPACE}/{self._group}/NCMD/{self._node}", qos=1)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish the death, then disconnect; the next session has the next birth-death number."""
        client, self._client = self._client, None
        if client is not None:
            await client.publish(self._topic("NDEATH"), self._death(), qos=1)
            self._bd_seq = (self._bd_seq + 1) % 256
            await client.__aexit__(kind, error, trace)

    def set(self, name: str, value: RawValue | None) -> None:
        """Let the named point have this raw value from now on; None makes it null."""
        if name not in self._profile.points:
            raise KeyError(name)
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value

    async def birth(self, at_ms: int) -> None:
        """Publish NBIRTH, and DBIRTH where the profile is a device's; `at_ms` is UTC."""
        self._seq = 0
        payload = self._payload(at_ms)
        add_metric(payload, BD_SEQ, DataType.UINT64, self._bd_seq, at_ms)
        add_metric(payload, REBIRTH, DataType.BOOLEAN, value=False, at_ms=at_ms)
        if not self._device:
            self._add_all(payload, at_ms)
        await self.publish_raw("NBIRTH", payload.SerializeToString())
        if self._device:
            payload = self._payload(at_ms)
            self._add_all(payload, at_ms)
            await self.publish_raw("DBIRTH", payload.SerializeToString())

    async def publish(self, at_ms: int, *names: str) -> None:
        """Publish these points (all, when none is named) by their aliases."""
        payload = self._payload(at_ms)
        for name in names or self._names:
            self._add(payload, name, at_ms, is_birth=False)
        await self.publish_raw("DDATA" if self._device else "NDATA", payload.SerializeToString())

    async def die(self, at_ms: int) -> None:
        """Publish the death of the device."""
        await self.publish_raw("DDEATH", self._payload(at_ms).SerializeToString())

    async def publish_raw(self, kind: str, data: bytes) -> None:
        """Publish these bytes, whatever they are."""
        if self._client is None:
            raise RuntimeError("publish inside `async with`")
        await self._client.publish(self._topic(kind), data, qos=0)

    def lose(self) -> None:
        """Let one message be lost: its number is used, and nothing is sent."""
        self._next_seq()

    async def rebirth_asked(self) -> bool:
        """Wait for the next command; True when it is the Rebirth request. TimeoutError after five seconds."""
        if self._client is None:
            raise RuntimeError("listen inside `async with`")
        async with asyncio.timeout(TIMEOUT_S):
            message = await anext(self._client.messages)
        metrics = decode_payload(bytes(message.payload)).metrics
        return [(metric.name, metric.value) for metric in metrics] == [(REBIRTH, True)]

    async def asked_within(self, seconds: float) -> bool:
        """Wait this long for a command; whether the Rebirth request came."""
        try:
            async with asyncio.timeout(seconds):
                return await self.rebirth_asked()
        except TimeoutError:
            return False

    def _topic(self, kind: str) -> str:
        tail = f"/{self._device}" if kind.startswith("D") else ""
        return f"{NAMESPACE}/{self._group}/{kind}/{self._node}{tail}"

    def _death(self) -> bytes:
        payload = PayloadMessage()
        add_metric(payload, BD_SEQ, DataType.UINT64, self._bd_seq, 0)
        data: bytes = payload.SerializeToString()
        return data

    def _next_seq(self) -> int:
        seq, self._seq = self._seq, (self._seq + 1) % 256
        return seq

    def _payload(self, at_ms: int) -> Any:
        return PayloadMessage(timestamp=at_ms, seq=self._next_seq())

    def _add_all(self, payload: Any, at_ms: int) -> None:
        for name in self._names:
            self._add(payload, name, at_ms, is_birth=True)

    def _add(self, payload: Any, name: str, at_ms: int, *, is_birth: bool) -> None:
        point = self._profile.points[name]
        metric = str(point.path) if is_birth else ""
        alias = 100 + self._names.index(name)
        add_metric(payload, metric, _TYPES[point.type], self._values.get(name), at_ms, alias=alias)


def golden_values(profile: Profile) -> Mapping[str, RawValue]:
    """Give each point's first golden value."""
    return {name: point.golden[0].value for name, point in profile.points.items() if point.golden}
