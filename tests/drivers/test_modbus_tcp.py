from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from drivers.modbus_plan import identity_points
from drivers.modbus_tcp import ModbusTcp
from drivers.profiles import list_profiles, load_profile
from simulators.modbus_device import ModbusDeviceServer
from telemetry.errors import Disconnected
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import DeviceSpec, Endpoint
    from telemetry.clock import Clock
    from telemetry.profile import Profile
    from telemetry.reading import Reading

    Hear = Callable[..., object]

pytestmark = pytest.mark.wall
MODBUS = [name for name in list_profiles() if load_profile(name).profile.modbus is not None]
JAKA = {"VendorName": "JAKA", "ProductCode": "Zu 7", "MajorMinorRevision": "1.5.12"}


@pytest.mark.parametrize("name", MODBUS)
def test_every_value_of_a_foreign_server_arrives_equal(
    name: str, make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    profile = load_profile(name).profile
    expected = {point_name: point.golden[0].value for point_name, point in profile.points.items()}

    async def main() -> None:
        async with ModbusDeviceServer(profile) as server:
            for point_name, value in expected.items():
                server.set(point_name, value)
            readings, _ = await listen(server.url, make_spec(name), count=2)  # type: ignore[misc]
            assert set(server.requests) <= {1, 2, 3, 4, 43}
        poll, identity = readings
        only_identity = set(identity_points(profile)) - set(poll.values)
        assert poll.quality is Quality.GOOD
        assert poll.values == {key: value for key, value in expected.items() if key not in only_identity}
        for field in ("serial", "firmware", "model", "manufacturer"):
            point_name = getattr(profile.identity, field)
            assert point_name is None or identity.values[field] == str(expected[point_name])

    asyncio.run(main())


def test_values_follow_the_device(make_spec: Callable[..., DeviceSpec], listen: Hear) -> None:
    async def main() -> None:
        async with ModbusDeviceServer(load_profile("ufactory_xarm6").profile) as server:
            for counter in (0, 1, 65_535, 65_536, 2**32 - 1):
                server.set("counter", counter)
                readings, _ = await listen(server.url, make_spec("ufactory_xarm6"))  # type: ignore[misc]
                assert readings[0].values["counter"] == counter

    asyncio.run(main())


def test_a_refused_block_makes_the_reading_uncertain_and_all_refused_bad(
    make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    async def main() -> None:
        async with ModbusDeviceServer(load_profile("schneider_pm5110").profile) as server:
            server.set("power", 1.5)
            server.refuse("energy")
            (reading,), _ = await listen(server.url, make_spec("schneider_pm5110"))  # type: ignore[misc]
            assert (reading.quality, reading.values) == (Quality.UNCERTAIN, {"power": 1.5})
            assert "3203" in reading.reason
            assert "illegal data address" in reading.reason
            server.refuse("power")
            (reading,), _ = await listen(server.url, make_spec("schneider_pm5110"))  # type: ignore[misc]
            assert (reading.quality, reading.values) == (Quality.BAD, {})

    asyncio.run(main())


def test_a_refusing_unit_does_not_stop_the_others(make_spec: Callable[..., DeviceSpec], listen: Hear) -> None:
    profile = load_profile("inovance_h5u_cell").profile

    async def main() -> None:
        async with ModbusDeviceServer({1: profile, 2: profile, 7: profile}) as server:
            server.refuse("running", unit=2)
            server.set("parts", 7, unit=7)
            specs = [make_spec(profile, f"d{unit}", unit=unit) for unit in (1, 2, 7)]
            readings, lost = await listen(server.url, *specs, count=12)  # type: ignore[misc]
        polls = [reading for reading in readings if reading.kind is ReadingKind.POLL]
        by_device = {
            device: {r.quality for r in polls if r.device == device} for device in ("d1", "d2", "d7")
        }
        assert not lost
        assert by_device == {
            "d1": {Quality.GOOD},
            "d2": {Quality.BAD, Quality.UNCERTAIN},
            "d7": {Quality.GOOD},
        }
        assert {r.values["parts"] for r in polls if r.device == "d7"} == {7}
        assert all("running" not in r.values for r in polls if r.device == "d2")

    asyncio.run(main())


def test_silent_units_cost_the_others_nothing_but_new_connections(
    make_profile: Callable[..., Profile], make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    profile = make_profile("  n: {table: holding, address: 0, type: uint16}")
    asked: Counter[int] = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(6):
            body = await reader.readexactly(head[5])
            asked[body[0]] += 1
            if body[0] == 3:  # units 1 and 2 never answer
                writer.write(head[:4] + bytes.fromhex("0005 03 03 02 0009"))
        writer.close()
        await writer.wait_closed()

    async def main() -> list[Reading]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            specs = [make_spec(profile, f"d{unit}", unit=unit, interval_ms=300) for unit in (1, 2, 3)]
            readings, lost = await listen(url, *specs, count=25, timeout_ms=100)  # type: ignore[misc]
            await asyncio.sleep(0)
        assert not lost
        return [reading for reading in readings if reading.kind is ReadingKind.POLL]

    polls = asyncio.run(main())
    well = [reading for reading in polls if reading.device == "d3"]
    assert [reading.values for reading in well] == [{"n": 9}] * 8  # every tick, though d1 stands before it
    for device in ("d1", "d2"):
        silent = [reading for reading in polls if reading.device == device]
        assert all(reading.quality is Quality.BAD for reading in silent)
        assert [reading.reason for reading in silent[:4]] == [
            "timeout",
            "timeout",
            "resting: 2 unanswered",
            "timeout",
        ]
    assert asked == {1: 4, 2: 4, 3: 8}


def test_when_all_units_are_silent_the_line_is_given_up(
    make_profile: Callable[..., Profile], make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    profile = make_profile("  n: {table: holding, address: 0, type: uint16}")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            specs = [make_spec(profile, f"d{unit}", unit=unit) for unit in (1, 2)]
            readings, lost = await listen(url, *specs, count=9, timeout_ms=60)  # type: ignore[misc]
            await asyncio.sleep(0)
        assert lost
        assert [(reading.device, reading.reason) for reading in readings] == [
            ("d1", "timeout"),
            ("d2", "timeout"),
        ]

    asyncio.run(main())


def test_a_connection_closed_between_polls_is_dialled_again(
    make_profile: Callable[..., Profile], make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    profile = make_profile("  n: {table: holding, address: 0, type: uint16}")
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        head = await reader.readexactly(6)
        await reader.readexactly(head[5])
        writer.write(head[:4] + bytes.fromhex("0005 01 03 02 0009"))
        writer.close()  # as devices do that save their few sockets
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            readings, lost = await listen(url, make_spec(profile), count=5)  # type: ignore[misc]
        polls = [reading for reading in readings if reading.kind is ReadingKind.POLL]
        assert not lost
        assert [reading.values for reading in polls] == [{"n": 9}] * len(polls)
        assert connections >= len(polls)

    asyncio.run(main())


def test_a_slow_device_is_polled_late_and_its_missed_polls_are_told(
    make_profile: Callable[..., Profile], make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    profile = make_profile("  n: {table: holding, address: 0, type: uint16}")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(6):
            await reader.readexactly(head[5])
            await asyncio.sleep(0.18)  # three polls of 50 ms long
            writer.write(head[:4] + bytes.fromhex("0005 01 03 02 0009"))
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            readings, _ = await listen(url, make_spec(profile), count=6, overruns=True)  # type: ignore[misc]
            await asyncio.sleep(0)
        overruns = [reading for reading in readings if "overrun" in reading.reason]
        assert overruns
        assert {reading.quality for reading in overruns} == {Quality.BAD}
        assert all(not reading.values for reading in overruns)

    asyncio.run(main())


def test_a_stopped_server_is_a_lost_line_and_a_started_one_is_found(
    make_spec: Callable[..., DeviceSpec], make_endpoint: Callable[..., Endpoint], clock: Clock, hear: Hear
) -> None:
    async def main() -> None:
        server = ModbusDeviceServer(load_profile("schneider_pm5110").profile)
        async with server:
            endpoint = make_endpoint(server.url, make_spec("schneider_pm5110"))
            driver = ModbusTcp(endpoint, clock)
            await driver.__aenter__()
        readings, lost = await hear(driver, 1000)  # type: ignore[misc]
        assert lost
        assert all(not reading.values for reading in readings)
        with pytest.raises(Disconnected):
            await driver.__aenter__()
        await driver.__aexit__(None, None, None)
        async with server, driver:
            (reading,), _ = await hear(driver, 1)  # type: ignore[misc]
            assert reading.quality is Quality.GOOD

    asyncio.run(main())


def test_a_profile_of_another_protocol_is_our_own_mistake(
    make_spec: Callable[..., DeviceSpec], make_endpoint: Callable[..., Endpoint], clock: Clock
) -> None:
    with pytest.raises(ValueError, match="not heard over Modbus"):
        ModbusTcp(make_endpoint("tcp://h:1", make_spec("kuka_krc4_neuron")), clock)
    with pytest.raises(ValueError, match="tcp://host:502"):
        ModbusTcp(make_endpoint("tcp:/h", make_spec("jaka_zu")), clock)
