"""What a polled device is told to be, and what asking costs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from drivers import modbus_poller
from drivers.profiles import load_profile
from simulators.modbus_device import LIBRARY_DEFAULT, ModbusDeviceServer
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import DeviceSpec
    from telemetry.profile import Profile
    from telemetry.reading import Reading

    Hear = Callable[..., object]

pytestmark = pytest.mark.wall
JAKA = {"VendorName": "JAKA", "ProductCode": "Zu 7", "MajorMinorRevision": "1.5.12"}


def identities(readings: list[Reading]) -> list[Reading]:
    return [reading for reading in readings if reading.kind is ReadingKind.IDENTITY]


def is_identity(reading: Reading) -> bool:
    return reading.kind is ReadingKind.IDENTITY


@pytest.mark.parametrize(
    ("profile", "objects", "serial", "declared", "expected"),
    [
        (
            "jaka_zu",
            JAKA,
            991,
            {},
            {"serial": "991", "source": "register", "model": "Zu 7", "firmware": "1.5.12"},
        ),
        ("jaka_zu", None, 991, {"model": "Zu 5"}, {"serial": "991", "source": "register", "model": "Zu 5"}),
        ("jaka_zu", JAKA, 991, {"serial": "5", "model": "Zu 5"}, {"serial": "991", "model": "Zu 7"}),
        ("jaka_zu", JAKA, 0, {"serial": "5"}, {"serial": "5", "source": "declared"}),
        ("jaka_zu", JAKA, 0, {}, {"source": "fc43"}),
        ("universal_robots_e_series", None, None, {"serial": 2023}, {"serial": "2023", "source": "declared"}),
        (
            "universal_robots_e_series",
            LIBRARY_DEFAULT,
            None,
            {"manufacturer": "Universal Robots"},
            {"manufacturer": "pymodbus", "model": "pymodbus Server", "kind": "robot", "source": "fc43"},
        ),
        (
            "universal_robots_e_series",
            {"VendorName": "Inovance", "ModelName": "H5U plc"},
            None,
            {},
            {"manufacturer": "Inovance", "kind": "plc"},
        ),
    ],
)
def test_identity_says_what_was_read_and_where_the_serial_comes_from(  # noqa: PLR0917 a table's columns
    profile: str,
    objects: dict[str, str] | None,
    serial: int | None,
    declared: dict[str, str | int],
    expected: dict[str, str],
    make_spec: Callable[..., DeviceSpec],
    listen: Hear,
) -> None:
    async def main() -> None:
        async with ModbusDeviceServer(load_profile(profile).profile, identity=objects) as server:
            if serial is not None:
                server.set("serial", serial)
            spec = make_spec(profile, declared=declared, cell="weld-1")
            readings, _ = await listen(server.url, spec, until=is_identity)  # type: ignore[misc]
            url = server.url
        values = readings[-1].values
        assert expected.items() <= values.items()
        assert (values["axes"], values["cell"], values["endpoint"]) == (6, "weld-1", f"{url}/1")
        assert ("fingerprint" in values) == (objects is not None)
        assert ("serial" in values) == ("serial" in expected)

    asyncio.run(main())


def test_identity_is_told_again_only_when_it_changes(
    make_spec: Callable[..., DeviceSpec], listen: Hear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_poller, "IDENTITY_RECHECK_MS", 0)

    async def main() -> None:
        async with ModbusDeviceServer(load_profile("jaka_zu").profile, identity=JAKA) as server:
            server.set("serial", 1)

            def exchanged(reading: Reading) -> bool:
                if server.requests[43] == 4:
                    server.set("serial", 2)
                return is_identity(reading) and reading.values["serial"] == "2"

            readings, _ = await listen(server.url, make_spec("jaka_zu"), until=exchanged)  # type: ignore[misc]
        assert [reading.values["serial"] for reading in identities(readings)] == ["1", "2"]

    asyncio.run(main())


def test_not_now_takes_no_identity_back(
    make_spec: Callable[..., DeviceSpec], listen: Hear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_poller, "IDENTITY_RECHECK_MS", 0)

    async def main() -> None:
        async with ModbusDeviceServer(load_profile("jaka_zu").profile) as server:
            server.set("serial", 1)
            spec = make_spec("jaka_zu", declared={"serial": "declared"})

            def busy(reading: Reading) -> bool:
                if is_identity(reading):
                    server.refuse("serial", code=6)
                return server.requests[4] > 40

            readings, _ = await listen(server.url, spec, until=busy)  # type: ignore[misc]
        assert [reading.values["serial"] for reading in identities(readings)] == ["1"]

    asyncio.run(main())


def test_a_device_that_never_answers_fc43_is_polled_all_the_same(
    make_profile: Callable[..., Profile], make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    profile = make_profile(
        "  n: {table: holding, address: 0, type: uint16}", further="identity: {fc43: true}\n"
    )
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(6):
            body = await reader.readexactly(head[5])
            seen.append(body[1])
            if body[1] == 3:
                writer.write(head[:4] + bytes.fromhex("0005 01 03 02 0009"))
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            spec = make_spec(profile, declared={"serial": "A1"})
            readings, lost = await listen(url, spec, count=6, timeout_ms=150)  # type: ignore[misc]
            await asyncio.sleep(0)
        assert not lost
        assert [reading.kind for reading in readings].count(ReadingKind.IDENTITY) == 1
        assert {r.values.get("n", 9) for r in readings} == {9}
        assert seen.count(43) == 1

    asyncio.run(main())


def test_asking_who_it_is_never_costs_the_polls(
    make_profile: Callable[..., Profile], make_spec: Callable[..., DeviceSpec], listen: Hear
) -> None:
    """The first unit answers its polls and never its serial register: both units are polled all the same."""
    points = "  n: {table: holding, address: 0, type: uint16}\n  s: {table: input, address: 9, type: uint16}"
    profile = make_profile(points, further="identity: {serial: s}\n")
    asked_serial = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked_serial
        while head := await reader.read(6):
            body = await reader.readexactly(head[5])
            if body[:2] == b"\x01\x04":
                asked_serial += 1
                continue
            writer.write(head[:4] + b"\0\x05" + body[:2] + bytes.fromhex("02 0009"))
        writer.close()
        await writer.wait_closed()

    async def main() -> list[Reading]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            specs = [make_spec(profile, f"d{unit}", unit=unit, interval_ms=200) for unit in (1, 2)]
            readings, lost = await listen(url, *specs, count=9, timeout_ms=80)  # type: ignore[misc]
            await asyncio.sleep(0)
        assert not lost
        return list(readings)

    readings = asyncio.run(main())
    assert {(reading.device, reading.quality) for reading in readings} == {
        ("d1", Quality.GOOD),
        ("d2", Quality.GOOD),
    }
    assert [reading.device for reading in identities(readings)] == ["d2"]
    assert asked_serial == 1
