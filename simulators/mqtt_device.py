"""How does a simulated MQTT device publish? JSON in the shape its profile reads, at QoS 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import aiomqtt
import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from telemetry.profile import Profile
    from telemetry.reading import RawValue

TIMEOUT_S = 5.0


def build_payload(
    profile: Profile, values: Mapping[str, RawValue], at_ms: int, name: str = ""
) -> dict[str, Any]:
    """Put values where the profile's paths say, with the source time; a point without a value is left out.

    `node`, `group` and `errors` are added as EMQX Neuron does, where the profile reads its `values`.
    """
    root: dict[str, Any] = {}
    for point_name, point in profile.points.items():
        if point_name in values and point.path is not None:
            _place(root, point.path, values[point_name])
    if profile.mqtt is not None and profile.mqtt.timestamp is not None:
        scale = 1000 if profile.mqtt.timestamp_unit == "s" else 1
        _place(root, profile.mqtt.timestamp, at_ms // scale)
    if "values" in root:
        root = {"node": name, "group": "robot", **root, "errors": {}}
    return root


def _place(root: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        root = root.setdefault(key, {})
    root[last] = value


class MqttDevice:
    """One publishing device; `set` changes what the next `publish` says."""

    def __init__(self, profile: Profile, broker_url: str, name: str) -> None:
        if profile.mqtt is None:
            raise ValueError(f"{profile.profile} does not publish")
        parts = urlsplit(broker_url)
        self._profile = profile
        self._name = name
        self._topic = profile.mqtt.topic.replace("+", name)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 1883
        self._values: dict[str, RawValue] = {}
        self._client: aiomqtt.Client | None = None

    async def __aenter__(self) -> Self:
        """Connect, with a session that is gone when we are."""
        client = aiomqtt.Client(
            self._host, self._port, identifier=f"sim-{self._name}", clean_session=True, timeout=TIMEOUT_S
        )
        self._client = await client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.__aexit__(kind, error, trace)

    def set(self, name: str, value: RawValue | None) -> None:
        """Let the named point have this raw value from now on; None leaves it out."""
        if name not in self._profile.points:
            raise KeyError(name)
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value

    async def publish(self, at_ms: int) -> None:
        """Publish once, saying it is `at_ms` (UTC); returns when the broker has it."""
        await self.publish_raw(
            msgspec.json.encode(build_payload(self._profile, self._values, at_ms, self._name))
        )

    async def publish_raw(self, payload: bytes, *, retain: bool = False) -> None:
        """Publish these bytes to the device's topic, whatever they are."""
        if self._client is None:
            raise RuntimeError("publish inside `async with`")
        await self._client.publish(self._topic, payload, qos=1, retain=retain)
