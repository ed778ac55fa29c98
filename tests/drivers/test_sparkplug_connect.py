"""What a Sparkplug host says before it is connected: its CONNECT packet, taken by a server that never answers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from drivers.sparkplug_host import SparkplugHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import DeviceSpec, Endpoint
    from telemetry.clock import Clock

pytestmark = pytest.mark.wall
PATIENCE_S = 20.0
STATE = "spBv1.0/STATE/H"
PROFILE = "opc40010_sparkplug"


@dataclass(slots=True)
class Connect:
    """An MQTT CONNECT packet, read by the standard's own layout (3.1.1 section 3.1, 5.0 section 3.1)."""

    version: int
    is_clean: bool
    will_qos: int
    will_is_retained: bool
    expiry_s: int
    will_topic: str
    will_payload: bytes


def read_connect(data: bytes) -> Connect:
    assert data[0] == 0x10
    place = 1
    while data[place] & 0x80:
        place += 1
    place += 1 + 2 + 4
    version, flags = data[place], data[place + 1]
    place += 4
    expiry_s = -1
    if version == 5:
        length, place = data[place], place + 1
        properties, place = data[place : place + length], place + length
        expiry_s = int.from_bytes(properties[1:5], "big") if properties[:1] == b"\x11" else 0

    def text() -> bytes:
        nonlocal place
        size = int.from_bytes(data[place : place + 2], "big")
        place += 2 + size
        return data[place - size : place]

    text()  # the client's name
    if version == 5 and flags & 0x04:
        place += 1 + data[place]
    topic, payload = (text(), text()) if flags & 0x04 else (b"", b"")
    return Connect(
        version, bool(flags & 0x02), flags >> 3 & 3, bool(flags & 0x20), expiry_s, topic.decode(), payload
    )


@pytest.fixture
def make_host(
    make_spec: Callable[..., DeviceSpec], make_endpoint: Callable[..., Endpoint], clock: Clock
) -> Callable[..., SparkplugHost]:
    def make(url: str, options: str = "group=G&host_id=H&primary=1", timeout_ms: int = 5000) -> SparkplugHost:
        spec = make_spec(PROFILE, "r1", topic_name="e1/d1")
        place = url.replace("mqtt:", "spb:")
        return SparkplugHost(make_endpoint(f"{place}?{options}", spec, timeout_ms=timeout_ms), clock)

    return make


@pytest.fixture
def connect_packet(make_host: Callable[..., SparkplugHost]) -> Callable[[str], Connect]:
    """What the host sends first, taken by a server that says nothing."""

    async def take(options: str) -> Connect:
        taken: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken.set_result(await reader.read(2000))
            writer.close()

        async def connect(port: int) -> None:
            async with make_host(f"mqtt://127.0.0.1:{port}", options):
                pass

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            task = group.create_task(connect(server.sockets[0].getsockname()[1]))
            packet = await taken
            task.cancel()
        return read_connect(packet)

    return lambda options: asyncio.run(take(options))


def test_message_flow_phid_sparkplug_clean_session_311(connect_packet: Callable[[str], Connect]) -> None:
    packet = connect_packet("group=G&host_id=H&primary=1")
    assert (packet.version, packet.is_clean) == (4, True)
    assert connect_packet("group=G").is_clean


def test_message_flow_phid_sparkplug_clean_session_50(connect_packet: Callable[[str], Connect]) -> None:
    packet = connect_packet("group=G&host_id=H&primary=1&version=5")
    assert (packet.version, packet.is_clean, packet.expiry_s) == (5, True, 0)


def test_host_topic_phid_death_required(connect_packet: Callable[[str], Connect]) -> None:
    for version in ("3.1.1", "5"):
        packet = connect_packet(f"group=G&host_id=H&version={version}")
        assert state_of_bytes(packet.will_payload)[0] is False
    assert connect_packet("group=G").will_topic == ""  # who has no name says nothing


def state_of_bytes(payload: bytes) -> tuple[bool, int]:
    root: dict[str, Any] = json.loads(payload)
    assert root.keys() == {"online", "timestamp"}
    return root["online"], root["timestamp"]


def test_host_topic_phid_death_topic(connect_packet: Callable[[str], Connect]) -> None:
    assert connect_packet("group=G&host_id=H").will_topic == STATE


def test_host_topic_phid_death_qos(connect_packet: Callable[[str], Connect]) -> None:
    assert connect_packet("group=G&host_id=H").will_qos == 1


def test_host_topic_phid_death_retain(connect_packet: Callable[[str], Connect]) -> None:
    assert connect_packet("group=G&host_id=H").will_is_retained


def test_host_topic_phid_death_payload(connect_packet: Callable[[str], Connect]) -> None:
    payload = connect_packet("group=G&host_id=H").will_payload
    online, at_ms = state_of_bytes(payload)
    assert online is False
    assert payload.decode("utf-8") == f'{{"online":false,"timestamp":{at_ms}}}'


def test_host_topic_phid_death_payload_timestamp_connect(
    connect_packet: Callable[[str], Connect], clock: Clock
) -> None:
    before_ms = clock.wall_ms()
    _, at_ms = state_of_bytes(connect_packet("group=G&host_id=H").will_payload)
    assert before_ms <= at_ms <= clock.wall_ms()
