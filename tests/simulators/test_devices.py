from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from pymodbus.client import AsyncModbusTcpClient

from drivers.profiles import load_profile
from simulators.broker import LocalBroker
from simulators.modbus_device import LIBRARY_DEFAULT, ModbusDeviceServer, encode_registers
from simulators.mqtt_device import MqttDevice, build_payload
from telemetry.profile import Point

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_S = 20.0


def ask(server: ModbusDeviceServer, question: Callable[[AsyncModbusTcpClient], Awaitable[Any]]) -> Any:
    """Ask a running server with the library's own client."""

    async def main() -> Any:
        async with asyncio.timeout(PATIENCE_S), server:
            client = AsyncModbusTcpClient("127.0.0.1", port=int(server.url.rsplit(":", 1)[1]))
            await client.connect()
            try:
                return await question(client)
            finally:
                client.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("ABCD", [0x0102, 0x0304]),
        ("CDAB", [0x0304, 0x0102]),
        ("BADC", [0x0201, 0x0403]),
        ("DCBA", [0x0403, 0x0201]),
    ],
)
def test_registers_in_each_byte_order(order: str, words: list[int]) -> None:
    point = Point(table="holding", address=0, type="uint32")
    assert encode_registers(point, 0x01020304, order) == words


def test_registers_of_text_are_padded_and_never_cut() -> None:
    point = Point(table="holding", address=0, type="string", length=2)
    assert encode_registers(point, "AB", "ABCD") == [0x4142, 0]
    with pytest.raises(ValueError, match="longer than 2 registers"):
        encode_registers(point, "ABCDE", "ABCD")
    with pytest.raises(struct.error):
        encode_registers(Point(table="holding", address=0, type="int16"), 70_000, "ABCD")


@pytest.mark.wall
def test_a_server_answers_what_was_set_and_refuses_what_is_not_mapped() -> None:
    server = ModbusDeviceServer(load_profile("schneider_pm5110").profile)
    server.set("power", 12.5)

    async def question(client: AsyncModbusTcpClient) -> tuple[list[int], bool]:
        power = await client.read_holding_registers(3059, count=2)
        unmapped = await client.read_holding_registers(3059, count=4)
        return list(power.registers), unmapped.isError()

    assert ask(server, question) == ([0x4148, 0], True)
    assert server.requests == {3: 2}


@pytest.mark.wall
def test_coils_keep_their_places() -> None:
    server = ModbusDeviceServer(load_profile("ufactory_xarm6").profile)
    server.set("is_stopped", True)
    server.set("joint_1_enabled", True)

    async def question(client: AsyncModbusTcpClient) -> list[bool]:
        return list((await client.read_coils(135, count=11)).bits[:11])

    assert ask(server, question) == [True, *[False] * 9, True]


@pytest.mark.wall
@pytest.mark.parametrize("identity", [None, LIBRARY_DEFAULT, {"VendorName": "JAKA", "ModelName": "Zu 7"}])
def test_each_server_has_its_own_identity(identity: dict[str, str] | None) -> None:
    server = ModbusDeviceServer(load_profile("jaka_zu").profile, identity=identity)

    async def question(client: AsyncModbusTcpClient) -> dict[int, bytes] | None:
        answer: Any = await client.read_device_information(read_code=2)
        return None if answer.isError() else answer.information

    found = ask(server, question)
    if identity is None:
        assert found is None
    else:
        assert set(found.values()) == {text.encode() for text in identity.values()}


@pytest.mark.wall
def test_units_behind_one_port_are_apart_and_can_refuse() -> None:
    profile = load_profile("inovance_h5u_cell").profile
    server = ModbusDeviceServer({1: profile, 2: profile})
    server.set("parts", 7)
    server.set("parts", 9, unit=2)

    async def question(client: AsyncModbusTcpClient) -> list[Any]:
        found: list[Any] = [
            (await client.read_holding_registers(102, count=2, device_id=n)).registers for n in (1, 2)
        ]
        server.refuse("parts", code=6, unit=2)
        found.append((await client.read_holding_registers(102, count=2, device_id=2)).exception_code)
        found.append((await client.read_holding_registers(102, count=2, device_id=1)).isError())
        server.refuse("parts", code=0, unit=2)
        found.append((await client.read_holding_registers(102, count=2, device_id=2)).registers)
        return found

    assert ask(server, question) == [[7, 0], [9, 0], 6, False, [9, 0]]


def test_a_payload_has_the_shape_neuron_gives_it() -> None:
    profile = load_profile("kuka_krc4_neuron").profile
    payload = build_payload(profile, {"cycles": 7, "joint_2_current": 1.5}, 1_650_006_388_943, "r1")
    assert payload == {
        "node": "r1",
        "group": "robot",
        "values": {"cycles": 7, "current_a2": 1.5},
        "timestamp": 1_650_006_388_943,
        "errors": {},
    }
    assert list(payload)[:2] == ["node", "group"]


@pytest.mark.wall
def test_a_device_publishes_through_the_bundled_broker() -> None:
    profile = load_profile("kuka_krc4_neuron").profile

    async def main() -> Any:
        from drivers.mqtt_client import Broker, MqttSession

        async with asyncio.timeout(PATIENCE_S), LocalBroker() as broker:
            port = int(broker.url.rsplit(":", 1)[1])
            async with (
                MqttSession(Broker("127.0.0.1", port, "listener", 5.0)) as session,
                MqttDevice(profile, broker.url, "r1") as device,
            ):
                await session.subscribe(["/neuron/mfl/r1/robot"])
                device.set("cycles", 7)
                device.set("serial", "S1")
                device.set("serial", None)
                await device.publish(1_650_006_388_943)
                async for delivery in session.deliveries():
                    delivery.ack()
                    return msgspec.json.decode(delivery.payload)
        raise AssertionError("nothing came")

    payload = asyncio.run(main())
    assert payload["values"] == {"cycles": 7}


def test_mistakes_in_a_scenario_are_told() -> None:
    profile = load_profile("kuka_krc4_neuron").profile
    with pytest.raises(ValueError, match="does not publish"):
        MqttDevice(load_profile("jaka_zu").profile, "mqtt://h:1", "r1")
    with pytest.raises(KeyError, match="cycle"):
        MqttDevice(profile, "mqtt://h:1", "r1").set("cycle", 1)
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(MqttDevice(profile, "mqtt://h:1", "r1").publish(0))
