"""A host application on the wire: its CONNECT packet, its STATE, its one command. Mosquitto, and a listener that records."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from drivers.sparkplug_host import SparkplugHost
from drivers.sparkplug_payload import decode_payload
from simulators.sparkplug_node import SparkplugNode, golden_values
from telemetry.errors import Disconnected
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from drivers.driver import DeviceSpec, Endpoint
    from telemetry.clock import Clock
    from telemetry.reading import Reading

pytestmark = pytest.mark.wall
PATIENCE_S = 20.0
STATE = "spBv1.0/STATE/H"
PROFILE = "opc40010_sparkplug"


@pytest.fixture
def make_host(
    make_spec: Callable[..., DeviceSpec], make_endpoint: Callable[..., Endpoint], clock: Clock
) -> Callable[..., SparkplugHost]:
    def make(url: str, options: str = "group=G&host_id=H&primary=1", timeout_ms: int = 5000) -> SparkplugHost:
        spec = make_spec(PROFILE, "r1", topic_name="e1/d1")
        place = url.replace("mqtt:", "spb:")
        return SparkplugHost(make_endpoint(f"{place}?{options}", spec, timeout_ms=timeout_ms), clock)

    return make


@contextlib.asynccontextmanager
async def observer(url: str, topic: str = "spBv1.0/#") -> AsyncIterator[aiomqtt.Client]:
    host, _, port = url.removeprefix("mqtt://").partition(":")
    async with aiomqtt.Client(host, int(port), identifier="observer") as client:
        await client.subscribe(topic, qos=1)
        yield client


async def next_message(client: aiomqtt.Client) -> aiomqtt.Message:
    async with asyncio.timeout(PATIENCE_S):
        return await anext(client.messages)


def state_of(message: aiomqtt.Message) -> tuple[bool, int]:
    root = json.loads(message.payload)
    assert root.keys() == {"online", "timestamp"}
    assert isinstance(root["online"], bool)
    assert isinstance(root["timestamp"], int)
    return root["online"], root["timestamp"]


async def birth_message(url: str, make_host: Callable[..., SparkplugHost]) -> aiomqtt.Message:
    async with observer(url) as client, make_host(url):
        return await next_message(client)


# With a broker.


def test_host_topic_phid_birth_message(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    """The birth is the first thing the host publishes."""
    first = asyncio.run(birth_message(mosquitto(), make_host))
    assert str(first.topic) == STATE
    assert state_of(first)[0] is True


def test_host_topic_phid_birth_topic(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    assert str(asyncio.run(birth_message(mosquitto(), make_host)).topic) == STATE


def test_host_topic_phid_birth_qos(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    assert asyncio.run(birth_message(mosquitto(), make_host)).qos == 1


def test_host_topic_phid_birth_retain(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with make_host(url), observer(url) as client:  # who comes later is told too
            message = await next_message(client)
            assert message.retain
            assert state_of(message)[0] is True

    asyncio.run(main())


def test_host_topic_phid_birth_payload(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost], clock: Clock
) -> None:
    before_ms = clock.wall_ms()
    message = asyncio.run(birth_message(mosquitto(), make_host))
    online, at_ms = state_of(message)
    assert online is True
    assert before_ms <= at_ms <= clock.wall_ms()


def test_host_topic_phid_birth_payload_timestamp(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    """Birth and will of one session have the same time."""

    async def main() -> None:
        url = mosquitto()
        async with observer(url) as client:
            host = make_host(url)
            await host.__aenter__()
            _, born_ms = state_of(await next_message(client))
            await break_line(host)
            died = await next_message(client)
            assert state_of(died) == (False, born_ms)
            with contextlib.suppress(Disconnected):
                await host.__aexit__(None, None, None)

    asyncio.run(main())


async def break_line(host: SparkplugHost) -> None:
    """Let the connection end without a word."""
    assert host._mqtt is not None
    line = host._mqtt._paho.socket()
    assert isinstance(line, socket.socket)
    line.shutdown(socket.SHUT_RDWR)
    with pytest.raises(Disconnected):
        await hear(host, 1)


def test_host_topic_phid_death_payload_timestamp_disconnect_with_no_disconnect_packet(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    """A line that breaks leaves the will to speak."""

    async def main() -> None:
        url = mosquitto()
        async with observer(url) as client, make_host(url) as host:
            assert state_of(await next_message(client))[0] is True
            await break_line(host)
            assert state_of(await next_message(client))[0] is False

    asyncio.run(main())


def test_host_topic_phid_death_payload_timestamp_disconnect_clean(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost], clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with observer(url) as client:
            async with make_host(url):
                _, born_ms = state_of(await next_message(client))
                await asyncio.sleep(0.005)
                before_ms = clock.wall_ms()
            message = await next_message(client)
            online, at_ms = state_of(message)
            assert online is False
            assert born_ms < before_ms <= at_ms
            assert (message.qos, str(message.topic)) == (1, STATE)

    asyncio.run(main())


def test_host_topic_phid_birth_sub_required(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    """The host hears its own STATE, for it subscribed to it."""

    async def main() -> None:
        async with make_host(mosquitto()) as host:
            assert host._mqtt is not None
            own = await host._mqtt.next_delivery(PATIENCE_S)
            assert own is not None
            assert own.topic == STATE

    asyncio.run(main())


def test_host_topic_phid_birth_required(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    """Entering is enough: the birth is out before anybody listens to the driver."""

    async def main() -> None:
        url = mosquitto()
        async with observer(url, STATE) as client:
            async with make_host(url):
                pass
            states = [state_of(await next_message(client))[0] for _ in range(2)]
            assert states == [True, False]

    asyncio.run(main())


def test_message_flow_phid_sparkplug_subscription(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost], clock: Clock
) -> None:
    """Subscribed before the birth: an edge node that answers the birth at once is heard."""

    async def main() -> None:
        url = mosquitto()
        async with node_of(url) as node, observer(url, STATE) as client, make_host(url) as host:
            assert state_of(await next_message(client))[0] is True
            await node.birth(clock.wall_ms())
            assert (await hear(host, 2))[1].values["cycles"] == 48_211

    asyncio.run(main())


def test_message_flow_phid_sparkplug_state_publish(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with observer(url, STATE) as client:
            for _ in range(2):  # with every session anew
                async with make_host(url):
                    assert state_of(await next_message(client))[0] is True
                assert state_of(await next_message(client))[0] is False

    asyncio.run(main())


def test_message_flow_hid_sparkplug_state_message_delivered(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost]
) -> None:
    """Somebody says that we are not there: we say again that we are."""

    async def main() -> None:
        url = mosquitto()
        async with observer(url, STATE) as client, make_host(url) as host, asyncio.TaskGroup() as group:
            task = group.create_task(hear(host, 1))
            assert state_of(await next_message(client))[0] is True
            await client.publish(STATE, b'{"online":false,"timestamp":1}', qos=1, retain=True)
            assert state_of(await next_message(client)) == (False, 1)
            online, at_ms = state_of(await next_message(client))
            assert (online, at_ms > 1) == (True, True)
            task.cancel()

    asyncio.run(main())


# What the house adds.


@contextlib.asynccontextmanager
async def node_of(url: str) -> AsyncIterator[SparkplugNode]:
    from drivers.profiles import load_profile

    profile = load_profile(PROFILE).profile
    async with SparkplugNode(profile, url, "G", "e1/d1") as node:
        for name, value in golden_values(profile).items():
            node.set(name, value)
        yield node


async def hear(host: SparkplugHost, count: int) -> list[Reading]:
    found: list[Reading] = []
    async with asyncio.timeout(PATIENCE_S):
        async for heard in host:
            found += heard.readings
            if heard.ack is not None:
                heard.ack()
            if len(found) >= count:
                break
    return found


def test_an_ordinary_host_has_no_state_and_the_only_command_is_the_rebirth(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost], clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with (
            observer(url) as client,
            node_of(url) as node,
            make_host(url, "group=G&reorder_ms=50") as host,
        ):
            await node.publish(clock.wall_ms())  # unborn
            async with asyncio.TaskGroup() as group:
                task = group.create_task(hear(host, 2))
                assert await node.rebirth_asked()
                await node.birth(clock.wall_ms())
                found = await task
            assert [reading.kind for reading in found] == [ReadingKind.IDENTITY, ReadingKind.PUSH]
            ours: list[aiomqtt.Message] = []
            async with asyncio.timeout(PATIENCE_S):
                while len(ours) < 4:
                    ours.append(await next_message(client))
        kinds = [str(message.topic).split("/")[2] for message in ours]
        assert sorted(kinds) == ["DBIRTH", "DDATA", "NBIRTH", "NCMD"]
        command = next(message for message in ours if "/NCMD/" in str(message.topic))
        assert (str(command.topic), command.qos, command.retain) == ("spBv1.0/G/NCMD/e1", 0, False)
        assert len(decode_payload(bytes(command.payload)).metrics) == 1

    asyncio.run(main())


def test_a_life_from_birth_to_death(
    mosquitto: Callable[..., str], make_host: Callable[..., SparkplugHost], clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with make_host(url, "group=G&host_id=H&reorder_ms=100") as host:
            async with node_of(url) as node:
                await node.birth(clock.wall_ms())
                identity, first = await hear(host, 2)
                assert identity.values["serial"] == "1200-500123"
                assert identity.values["source"] == "birth"
                assert str(identity.values["endpoint"]).endswith("/G/e1/d1")
                assert (first.quality, first.values["item_state"]) == (Quality.GOOD, 3)
                node.set("cycles", 48_212)
                await node.publish(clock.wall_ms(), "cycles")
                (second,) = await hear(host, 1)
                assert second.values == {**first.values, "cycles": 48_212}  # the rest still holds
                node.set("cycles", None)
                await node.publish(clock.wall_ms(), "cycles")
                (third,) = await hear(host, 1)
                assert "cycles" not in third.values
                assert (third.quality, third.reason) == (Quality.UNCERTAIN, "cycles is null")
                node.lose()
                await node.publish(clock.wall_ms(), "cycles")
                (lost,) = await hear(host, 1)
                assert (lost.quality, lost.values) == (Quality.BAD, {})
                assert "missing" in lost.reason
                assert await node.rebirth_asked()
                await node.birth(clock.wall_ms())
                (again,) = await hear(host, 1)
                assert again.values["item_state"] == 3
                await node.die(clock.wall_ms())
                (dead,) = await hear(host, 1)
                assert (dead.quality, dead.reason) == (Quality.BAD, "device offline (DDEATH)")
                await node.birth(clock.wall_ms())
                await hear(host, 1)
            (gone,) = await hear(host, 1)
            assert gone.reason == "edge node offline (NDEATH)"

    asyncio.run(main())
