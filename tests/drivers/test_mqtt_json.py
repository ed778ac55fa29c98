from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING

import aiomqtt
import pytest
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTMessage

from drivers import mqtt_client
from drivers.mqtt_client import Broker, MqttSession
from drivers.mqtt_json import MqttJson, topic_of
from drivers.profiles import load_profile
from simulators.broker import LocalBroker
from simulators.mqtt_device import MqttDevice
from telemetry.errors import Disconnected
from telemetry.profile import parse_profile
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import DeviceSpec, Endpoint
    from telemetry.clock import Clock
    from telemetry.reading import Heard, Reading

    Make = Callable[..., Endpoint]

pytestmark = pytest.mark.wall
PROFILE = load_profile("kuka_krc4_neuron").profile
AT_MS = 1_650_006_388_943
PATIENCE_S = 20.0


async def take(driver: MqttJson, count: int, *, ack: bool = True) -> list[Heard]:
    found: list[Heard] = []
    async with asyncio.timeout(PATIENCE_S):
        async for heard in driver:
            found.append(heard)
            if ack and heard.ack is not None:
                heard.ack()
            if len(found) == count:
                break
    return found


def pushes(found: list[Heard]) -> list[Reading]:
    return [reading for heard in found for reading in heard.readings if reading.kind is ReadingKind.PUSH]


def cycles(found: list[Heard]) -> list[object]:
    return [reading.values.get("cycles") for reading in pushes(found)]


def golden(device: MqttDevice) -> MqttDevice:
    for name, point in PROFILE.points.items():
        device.set(name, point.golden[0].value)
    return device


@pytest.fixture
def endpoint(make_endpoint: Make, make_spec: Callable[..., DeviceSpec]) -> Callable[..., Endpoint]:
    def make(url: str, *names: str) -> Endpoint:
        specs = [make_spec("kuka_krc4_neuron", name) for name in names or ("r1",)]
        return make_endpoint(url, *specs, timeout_ms=5000)

    return make


def test_what_the_adapter_relies_on_is_still_so() -> None:
    """aiomqtt keeps its paho client as `_client`; paho leaves a QoS 1 message unacknowledged under manual_ack."""
    assert "_client: mqtt.Client" in inspect.getsource(aiomqtt.Client.__init__)
    assert "_misc_task" in inspect.getsource(aiomqtt.Client.__init__)
    assert "self._disconnected: asyncio.Future[None]" in inspect.getsource(aiomqtt.Client.__init__)
    assert "on_message" in inspect.getsource(aiomqtt.Client.__init__)  # which we replace by our own
    assert "add_reader" in inspect.getsource(aiomqtt.Client._on_socket_open)  # and this reader too
    assert list(inspect.signature(PahoClient._ssl_wrap_socket).parameters) == ["self", "tcp_sock"]
    assert list(inspect.signature(PahoClient.manual_ack_set).parameters) == ["self", "on"]
    assert list(inspect.signature(PahoClient.ack).parameters) == ["self", "mid", "qos"]
    handled = inspect.getsource(PahoClient._handle_publish)
    assert (
        handled.index("_handle_on_message")
        < handled.index("if self._manual_ack")
        < handled.index("_send_puback")
    )
    assert {"mid", "dup", "qos", "retain"} <= set(MQTTMessage.__slots__)


def test_values_of_a_device_arrive_equal_with_time_and_identity(
    mosquitto: Callable[..., str], endpoint: Make, clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with MqttJson(endpoint(url), clock) as driver, MqttDevice(PROFILE, url, "r1") as device:
            await golden(device).publish(AT_MS)
            device.set("cycles", 48_212)
            await device.publish(AT_MS + 1000)
            device.set("serial", "other")
            await device.publish(AT_MS + 2000)
            found = await take(driver, 3)
        kinds = [[str(reading.kind) for reading in heard.readings] for heard in found]
        assert kinds == [["identity", "push"], ["push"], ["identity", "push"]]
        first = pushes(found)[0]
        assert first.values == {name: point.golden[0].value for name, point in PROFILE.points.items()}
        assert (first.quality, first.source_ms, first.device) == (Quality.GOOD, AT_MS, "r1")
        assert cycles(found) == [48_211, 48_212, 48_212]
        identity = found[0].readings[0].values
        assert (identity["serial"], identity["source"], identity["firmware"]) == (
            "778213",
            "birth",
            "V8.3.32",
        )
        assert identity["endpoint"] == f"{url}/neuron/mfl/r1/robot"
        assert found[2].readings[0].values["serial"] == "other"

    asyncio.run(main())


def test_unacknowledged_is_delivered_again_and_acknowledged_is_not(
    mosquitto: Callable[..., str], endpoint: Make, clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with MqttDevice(PROFILE, url, "r1") as device:
            async with MqttJson(endpoint(url), clock) as driver:
                for number in (1, 2, 3):
                    device.set("cycles", number)
                    await device.publish(AT_MS)
                found = await take(driver, 3, ack=False)
                assert cycles(found) == [1, 2, 3]
                assert found[1].ack is not None
                found[1].ack()
                found[1].ack()  # once more is once
                device.set("cycles", 4)
                await device.publish(AT_MS)
                assert cycles(await take(driver, 1)) == [
                    4
                ]  # the acknowledgements went out before this returned
            device.set("cycles", 5)
            await device.publish(AT_MS)  # while nobody listens: the session keeps it
            async with MqttJson(endpoint(url), clock) as driver:
                again = await take(driver, 3)
                assert cycles(again) == [1, 3, 5]
                # The same names as at the first try, and the broker's word that they are repeated.
                assert [heard.message for heard in again[:2]] == [found[0].message, found[2].message]
                assert [heard.is_repeated for heard in again[:2]] == [True, True]  # the third may be, too
                assert len({heard.message for heard in (*found, *again)}) == 4
                device.set("cycles", 6)
                await device.publish(AT_MS)
                assert cycles(await take(driver, 1)) == [6]

    asyncio.run(main())


def test_an_acknowledgement_from_another_thread_and_after_the_end(
    mosquitto: Callable[..., str], endpoint: Make, clock: Clock
) -> None:
    async def main() -> list[Heard]:
        url = mosquitto()
        async with MqttDevice(PROFILE, url, "r1") as device:
            async with MqttJson(endpoint(url), clock) as driver:
                for number in (1, 2):
                    device.set("cycles", number)
                    await device.publish(AT_MS)
                found = await take(driver, 2, ack=False)
                assert found[0].ack is not None
                thread = threading.Thread(target=found[0].ack)
                thread.start()
                await asyncio.to_thread(thread.join, PATIENCE_S)
                device.set("cycles", 3)
                await device.publish(AT_MS)
                await take(driver, 1)
            async with MqttJson(endpoint(url), clock) as driver:
                assert found[1].ack is not None
                found[1].ack()  # of the session before: it must not reach this one's messages
                again = await take(driver, 1, ack=False)
                assert cycles(again) == [2]
            async with MqttJson(endpoint(url), clock) as driver:
                assert cycles(await take(driver, 1)) == [2]
        return found

    for heard in asyncio.run(main()):
        assert heard.ack is not None
        heard.ack()  # the loop is closed: nothing to do, and no error


def test_nonsense_becomes_bad_readings_and_the_next_good_one_is_good(
    mosquitto: Callable[..., str], endpoint: Make, clock: Clock
) -> None:
    nonsense = [
        b"",
        b"{]",
        b"\xff",
        b'{"values":{"cycles":"7"}}',
        b'{"values":{"cycles":1,"cycles":2}}',
        b"[1]",
        b"{}",
    ]

    async def main() -> None:
        url = mosquitto()
        async with MqttJson(endpoint(url), clock) as driver, MqttDevice(PROFILE, url, "r1") as device:
            for payload in [*nonsense, b"x" * 300_000]:
                await device.publish_raw(payload)
            device.set("cycles", 7)
            await device.publish(AT_MS)
            found = await take(driver, len(nonsense) + 2)
        *bad, last = pushes(found)
        assert all((reading.quality, reading.values) == (Quality.BAD, {}) for reading in bad)
        assert all(reading.reason for reading in bad)
        assert (last.quality, last.values) == (Quality.UNCERTAIN, {"cycles": 7})
        assert "missing: pro_state" in last.reason

    asyncio.run(main())


def test_a_retained_message_is_no_reading_and_does_not_come_back(
    mosquitto: Callable[..., str], endpoint: Make, clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with MqttDevice(PROFILE, url, "r1") as device:
            device.set("cycles", 1)
            await device.publish_raw(b'{"timestamp":1650006388943,"values":{"cycles":1}}', retain=True)
            for _ in range(3):
                async with MqttJson(endpoint(url), clock) as driver:
                    device.set("cycles", 2)
                    await device.publish(AT_MS)
                    assert cycles(await take(driver, 1)) == [2]
                    assert driver.retained == 1

    asyncio.run(main())


def test_devices_are_told_apart_by_topic_and_old_subscriptions_are_dropped(
    mosquitto: Callable[..., str], endpoint: Make, clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with (
            MqttDevice(PROFILE, url, "r1") as one,
            MqttDevice(PROFILE, url, "r2") as two,
        ):
            for number, device in enumerate((one, two), start=1):
                device.set("cycles", number)
            async with MqttJson(endpoint(url, "r1", "r2"), clock) as driver:
                await one.publish(AT_MS)
                await two.publish(AT_MS)
                found = pushes(await take(driver, 2))
                assert [(reading.device, reading.values["cycles"]) for reading in found] == [
                    ("r1", 1),
                    ("r2", 2),
                ]
            await one.publish(AT_MS)
            await two.publish(AT_MS)  # the session still has the subscription to r2
            async with MqttJson(endpoint(url, "r1"), clock) as driver:
                assert cycles(await take(driver, 1)) == [1]
                await one.publish(AT_MS)
                assert cycles(await take(driver, 1)) == [1]
                assert driver.unknown == 1

    asyncio.run(main())


def test_a_broker_that_goes_away_is_a_lost_line(
    mosquitto: Callable[..., str], endpoint: Make, clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with MqttJson(endpoint(url), clock) as driver:
            await asyncio.to_thread(mosquitto)  # killed, and started anew
            with pytest.raises(Disconnected):
                await take(driver, 1)
        async with MqttJson(endpoint(url), clock) as driver, MqttDevice(PROFILE, url, "r1") as device:
            await golden(device).publish(AT_MS)
            assert cycles(await take(driver, 1)) == [48_211]

    asyncio.run(main())


def test_a_refused_login_is_a_lost_line_and_tells_no_password(
    mosquitto: Callable[..., str],
    clock: Clock,
    make_spec: Callable[..., DeviceSpec],
    caplog: pytest.LogCaptureFixture,
) -> None:
    word = "hunter2"
    caplog.set_level(0)

    async def main() -> None:
        url = mosquitto("allow_anonymous false")
        broker = Broker("127.0.0.1", int(url.rsplit(":", 1)[1]), "g", 5.0, "user", word)
        assert word not in repr(broker)
        with pytest.raises(Disconnected, match=r"(?i)authori"):
            async with MqttSession(broker):
                pass

    asyncio.run(main())
    assert word not in caplog.text


@pytest.mark.parametrize("talks", [False, True], ids=["accepts_and_says_nothing", "is_no_broker"])
def test_a_server_that_is_no_broker_is_given_up_in_time(
    talks: bool, endpoint: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if talks:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        while await reader.read(1000):
            pass
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            broker = Broker("127.0.0.1", port, "g", 0.3)
            with pytest.raises(Disconnected):
                async with MqttSession(broker):
                    pass
            await asyncio.sleep(0.01)

    asyncio.run(main())


def test_an_identity_topic_may_be_retained(
    mosquitto: Callable[..., str], make_endpoint: Make, clock: Clock
) -> None:
    text = load_profile("kuka_krc4_neuron").text.replace(
        "interval_s: 1}", "interval_s: 1, identity_topic: /births/+}"
    )
    profile = parse_profile(text, "with_birth.yaml")

    async def main() -> None:
        url = mosquitto()
        spec = driver_spec(profile)
        async with aiomqtt.Client("127.0.0.1", int(url.rsplit(":", 1)[1]), timeout=5) as publisher:
            await publisher.publish("/births/r1", b'{"values":{"serial":"S9"}}', qos=1, retain=True)
            async with MqttJson(make_endpoint(url, spec, timeout_ms=5000), clock) as driver:
                (heard,) = await take(driver, 1)
        (identity,) = heard.readings
        assert identity.kind is ReadingKind.IDENTITY
        assert identity.values["serial"] == "S9"

    def driver_spec(profile: object) -> DeviceSpec:
        from drivers.driver import DeviceSpec

        return DeviceSpec("r1", profile, "p@0", 1000)  # type: ignore[arg-type]

    asyncio.run(main())


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a\0"])
def test_a_name_cannot_widen_the_subscription(name: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in an MQTT topic"):
        topic_of("/neuron/mfl/+/robot", name)


def test_mistakes_of_configuration_are_told_at_once(
    make_spec: Callable[..., DeviceSpec], make_endpoint: Make, clock: Clock
) -> None:
    with pytest.raises(ValueError, match="not heard over MQTT"):
        MqttJson(make_endpoint("mqtt://h:1", make_spec("jaka_zu")), clock)
    twins = [make_spec("kuka_krc4_neuron", name, topic_name="same") for name in ("a", "b")]
    with pytest.raises(ValueError, match="two devices share the topic /neuron/mfl/same/robot"):
        MqttJson(make_endpoint("mqtt://h:1", *twins), clock)


def test_it_works_with_the_bundled_broker(endpoint: Make, clock: Clock) -> None:
    async def main() -> None:
        async with (
            LocalBroker() as broker,
            MqttJson(endpoint(broker.url), clock) as driver,
            MqttDevice(PROFILE, broker.url, "r1") as device,
        ):
            for number in (1, 2, 3):
                device.set("cycles", number)
                await device.publish(AT_MS)
            assert cycles(await take(driver, 3)) == [1, 2, 3]

    asyncio.run(main())


def test_more_than_the_in_flight_limit_is_heard_when_each_is_acknowledged(
    mosquitto: Callable[..., str], endpoint: Make, clock: Clock
) -> None:
    async def main() -> None:
        url = mosquitto()
        async with MqttJson(endpoint(url), clock) as driver, MqttDevice(PROFILE, url, "r1") as device:
            for number in range(100):
                device.set("cycles", number)
                await device.publish(AT_MS)
            assert cycles(await take(driver, 100)) == list(range(100))

    asyncio.run(main())
    assert mqtt_client.QUEUE_MAX > 100
