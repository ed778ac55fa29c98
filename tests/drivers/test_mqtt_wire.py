"""MQTT as brokers really are: version 5, TLS with client certificates, passwords, wills, and a small in-flight window."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from drivers.driver import Endpoint
from drivers.mqtt_client import QUEUE_MAX, Broker, Delivery, MqttSession
from drivers.mqtt_json import MqttJson, delivery_name
from drivers.profiles import load_profile
from simulators.mqtt_device import MqttDevice
from telemetry.errors import Disconnected
from telemetry.reading import SESSION_BYTES, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.driver import DeviceSpec
    from telemetry.clock import Clock

pytestmark = pytest.mark.wall
PROFILE = load_profile("kuka_krc4_neuron").profile
AT_MS = 1_650_006_388_943
PATIENCE_S = 30.0
DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


async def cycles(driver: MqttJson, count: int) -> list[object]:
    """Hear and acknowledge at once, as a journal that is never behind."""
    found: list[object] = []
    async with asyncio.timeout(PATIENCE_S):
        async for heard in driver:
            found += [
                reading.values.get("cycles") for reading in heard.readings if reading.kind is ReadingKind.PUSH
            ]
            if heard.ack is not None:
                heard.ack()
            if len(found) >= count:
                break
    return found


@pytest.fixture
def make_driver(make_spec: Callable[..., DeviceSpec], clock: Clock) -> Callable[..., MqttJson]:
    def make(url: str, timeout_ms: int = 5000, **more: str) -> MqttJson:
        spec = make_spec("kuka_krc4_neuron", "r1")
        return MqttJson(Endpoint(url, (spec,), timeout_ms, client_id="gateway-1", **more), clock)  # type: ignore[arg-type]

    return make


def payload(number: int) -> bytes:
    return b'{"timestamp":%d,"values":{"cycles":%d}}' % (AT_MS, number)


# The in-flight window.


def test_a_thousand_messages_in_a_second_all_arrive_while_acknowledgements_wait_for_a_sync(
    mosquitto: Callable[..., str], make_driver: Callable[..., MqttJson]
) -> None:
    """Mosquitto has 20 in flight and queues 1,000; a journal that syncs every 50 ms keeps up, and none is dropped."""

    async def main() -> None:
        url = mosquitto("allow_anonymous true\nmax_inflight_messages 20\nmax_queued_messages 1000")
        found: list[object] = []
        waiting: list[Callable[[], None]] = []

        async def sync() -> None:
            while True:
                await asyncio.sleep(0.05)
                acks, waiting[:] = waiting[:], []
                for ack in acks:
                    ack()

        async def publish() -> None:
            async with MqttDevice(PROFILE, url, "r1") as device:
                for number in range(1000):
                    await device.publish_raw(payload(number))

        async with make_driver(url) as driver, asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            tasks = [group.create_task(sync()), group.create_task(publish())]
            async for heard in driver:
                found += [
                    reading.values.get("cycles")
                    for reading in heard.readings
                    if reading.kind is ReadingKind.PUSH
                ]
                assert heard.ack is not None
                waiting.append(heard.ack)
                if len(found) == 1000:
                    break
            tasks[0].cancel()
        assert found == list(range(1000))

    asyncio.run(main())


def test_a_broker_with_no_limit_in_flight_is_made_to_wait(
    mosquitto: Callable[..., str], make_driver: Callable[..., MqttJson]
) -> None:
    """More QoS 1 at once than the inbox holds: the socket is left unread, and nothing is forgotten."""
    count = QUEUE_MAX + 200

    async def main() -> None:
        url = mosquitto("allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0")
        async with make_driver(url) as driver, MqttDevice(PROFILE, url, "r1") as device:
            await device.publish_raw(payload(0))
            found = await cycles(driver, 1)
            for number in range(1, count):
                await device.publish_raw(payload(number))
            session = driver._session
            assert session is not None
            for _ in range(10_000):
                if session._inbox.is_full:
                    break
                await asyncio.sleep(0.001)  # nobody takes anything
            await asyncio.sleep(0.01)
            assert len(session._inbox._waiting) == QUEUE_MAX
            found += await cycles(driver, count - 1)
            assert found == list(range(count))
            assert session._inbox._bytes == 0

    asyncio.run(main())


def test_what_the_broker_kept_is_let_in_before_its_answer_to_the_subscription(
    mosquitto: Callable[..., str], make_driver: Callable[..., MqttJson]
) -> None:
    count = QUEUE_MAX + 50

    async def main() -> None:
        url = mosquitto("allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0")
        async with make_driver(url):
            pass  # the session is there
        async with MqttDevice(PROFILE, url, "r1") as device:
            for number in range(count):
                await device.publish_raw(payload(number))
        async with make_driver(url) as driver:
            assert await cycles(driver, count) == list(range(count))

    asyncio.run(main())


# Version 5.


def test_version_5_keeps_its_session_and_names_its_limits(
    mosquitto: Callable[..., str], make_driver: Callable[..., MqttJson]
) -> None:
    async def main() -> None:
        url = f"{mosquitto()}?version=5&session_expiry_s=3600"
        async with MqttDevice(PROFILE, url, "r1") as device:
            async with make_driver(url) as driver:
                await device.publish_raw(payload(1))
                assert await cycles(driver, 1) == [1]
            await device.publish_raw(payload(2))  # while nobody listens
            async with make_driver(url) as driver:
                await device.publish_raw(payload(3))
                assert await cycles(driver, 2) == [2, 3]

    asyncio.run(main())


def test_version_5_with_no_expiry_forgets_the_session(
    mosquitto: Callable[..., str], make_driver: Callable[..., MqttJson]
) -> None:
    async def main() -> None:
        url = f"{mosquitto()}?version=5&session_expiry_s=0"
        async with MqttDevice(PROFILE, url, "r1") as device:
            async with make_driver(url):
                pass
            await device.publish_raw(payload(2))
            async with make_driver(url) as driver:
                await device.publish_raw(payload(3))
                assert await cycles(driver, 1) == [3]

    asyncio.run(main())


def test_a_retained_value_is_not_fresh_in_version_5_either(
    mosquitto: Callable[..., str], make_driver: Callable[..., MqttJson]
) -> None:
    async def main() -> None:
        url = f"{mosquitto()}?version=5"
        async with MqttDevice(PROFILE, url, "r1") as device:
            await device.publish_raw(payload(1), retain=True)
            for number in (2, 3):
                async with make_driver(url) as driver:
                    await device.publish_raw(payload(number))
                    assert await cycles(driver, 1) == [number]
                    assert driver.retained <= 1

    asyncio.run(main())


# Who we are.


def test_a_status_topic_says_whether_the_gateway_is_there(
    mosquitto: Callable[..., str], make_driver: Callable[..., MqttJson]
) -> None:
    async def main() -> None:
        url = mosquitto()
        host, _, port = url.removeprefix("mqtt://").partition(":")
        async with aiomqtt.Client(host, int(port), identifier="observer") as client:
            await client.subscribe("mfl/#", qos=1)

            async def status() -> tuple[str, bool]:
                async with asyncio.timeout(PATIENCE_S):
                    message = await anext(client.messages)
                return str(message.topic), json.loads(message.payload)["online"]

            async with make_driver(f"{url}?status_topic=mfl/g1/status") as driver:
                assert await status() == ("mfl/g1/status", True)
                assert driver._session is not None
                line = driver._session._paho.socket()
                assert isinstance(line, socket.socket)
                line.shutdown(socket.SHUT_RDWR)
                assert await status() == ("mfl/g1/status", False)  # the will
            async with make_driver(f"{url}?status_topic=mfl/g1/status"):
                assert await status() == ("mfl/g1/status", True)
            assert await status() == ("mfl/g1/status", False)  # the farewell

    asyncio.run(main())


def test_a_user_with_a_password_is_let_in_and_with_another_is_not(
    mosquitto: Callable[..., str], make_driver: Callable[..., MqttJson], tmp_path: Path
) -> None:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("no mosquitto_passwd: install the Debian package mosquitto to run this test")
    passwords = tmp_path / "passwords"
    subprocess.run([tool, "-b", "-c", str(passwords), "g1", "right"], check=True, timeout=PATIENCE_S)
    passwords.chmod(0o644)

    async def main() -> None:
        url = mosquitto(f"allow_anonymous false\npassword_file {passwords}\nuser root")
        async with make_driver(url, username="g1", password="right"):  # noqa: S106 the test's own
            pass
        with pytest.raises(Disconnected, match=r"(?i)authori"):
            async with make_driver(url, username="g1", password="wrong"):  # noqa: S106 the test's own
                pass

    asyncio.run(main())


def test_a_broker_prints_no_secret() -> None:
    broker = Broker("h", 1, "g", 1.0, "user", "hunter2")
    assert "hunter2" not in repr(broker)


def test_what_is_not_acknowledged_is_marked_when_it_comes_again(mosquitto: Callable[..., str]) -> None:
    async def main() -> None:
        url = mosquitto()
        broker = Broker("127.0.0.1", int(url.rsplit(":", 1)[1]), "g", 5.0)
        names: set[bytes] = set()
        for is_repeated in (False, True):
            async with MqttSession(broker) as session:
                await session.subscribe(["t"])
                if not is_repeated:
                    await session.publish("t", b"x", qos=1)
                delivery = await session.next_delivery(PATIENCE_S)
                assert delivery is not None
                assert (delivery.payload, delivery.is_repeated) == (b"x", is_repeated)
                names.add(delivery_name("g", delivery))
                assert await session.next_delivery(0.0) is None
        assert len(names) == 1

    asyncio.run(main())


def test_a_deliverys_name_tells_session_packet_topic_and_payload() -> None:
    def name(client_id: str, packet_id: int, topic: str, payload: bytes) -> bytes:
        delivery = Delivery(topic, payload, is_retained=False, ack=lambda: None, packet_id=packet_id)
        return delivery_name(client_id, delivery)

    told = [
        ("g", 1, "t", b"x"),
        ("h", 1, "t", b"x"),
        ("g", 2, "t", b"x"),
        ("g", 1, "tx", b""),
        ("g", 1, "t", b"y"),
    ]
    names = [name(*one) for one in told]
    assert len(set(names)) == len(told)
    assert {one[:SESSION_BYTES] for one in names[2:]} == {names[0][:SESSION_BYTES]}
    assert names[1][:SESSION_BYTES] != names[0][:SESSION_BYTES]
    assert name("g", 0, "t", b"x") == b""  # QoS 0 is never delivered again
