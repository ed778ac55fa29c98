"""A serial port that is not there, is taken, is pulled out or does not take what is sent: a lost line, told at once."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from typing import TYPE_CHECKING

import pytest

from drivers.modbus_pdu import Function, ReadRequest
from drivers.modbus_url import parse_modbus_url
from drivers.rtu_open import open_rtu_over_tcp, open_serial
from telemetry.errors import BadReply, Disconnected
from tests.drivers.virtual_wire import registers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.wall
READ = ReadRequest(1, Function.READ_HOLDING_REGISTERS, 0, 2)
TIMEOUT_S = 5.0


class Port:
    """A pseudo-terminal: the far end's descriptor, and the name of ours."""

    def __init__(self) -> None:
        self.far, self._near = pty.openpty()
        tty.setraw(self._near)
        self.name = os.ttyname(self._near)
        self._open = {self.far, self._near}

    def pull_out(self) -> None:
        for handle in self._open:
            os.close(handle)
        self._open = set()


@pytest.fixture
def port() -> Iterator[Port]:
    made = Port()
    yield made
    made.pull_out()


def url(port: Port) -> str:
    return f"rtu://{port.name}?baudrate=115200&parity=N"


def test_a_request_and_its_answer_cross_the_port(port: Port) -> None:
    async def main() -> bytes:
        line = await open_serial(parse_modbus_url(url(port)), TIMEOUT_S)
        loop = asyncio.get_running_loop()
        loop.add_reader(port.far, lambda: os.write(port.far, registers(os.read(port.far, 100))))
        try:
            return await line.exchange(READ)
        finally:
            loop.remove_reader(port.far)
            await line.close()

    assert asyncio.run(main()) == bytes.fromhex("03 04 0007 0008")


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Disconnected, match="No such file"):
        asyncio.run(open_serial(parse_modbus_url(f"rtu://{tmp_path}/ttyUSB9"), TIMEOUT_S))


def test_a_file_that_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Disconnected, match="file"):
        asyncio.run(open_serial(parse_modbus_url(f"rtu://{tmp_path}/file"), TIMEOUT_S))


def test_a_port_is_ours_alone(port: Port) -> None:
    async def main() -> None:
        line = await open_serial(parse_modbus_url(url(port)), TIMEOUT_S)
        try:
            with pytest.raises(Disconnected, match="exclusively lock"):
                await open_serial(parse_modbus_url(url(port)), TIMEOUT_S)
        finally:
            await line.close()
        again = await open_serial(parse_modbus_url(url(port)), TIMEOUT_S)
        await again.close()

    asyncio.run(main())


def test_an_adapter_pulled_out_is_a_lost_line(port: Port) -> None:
    async def main() -> None:
        line = await open_serial(parse_modbus_url(url(port)), TIMEOUT_S)
        asyncio.get_running_loop().call_later(0.05, port.pull_out)
        with pytest.raises(Disconnected, match="closed"):
            await line.exchange(READ)
        assert line.is_lost
        with pytest.raises(Disconnected):
            await line.exchange(READ)
        await line.close()

    asyncio.run(main())


def test_nobody_answers_on_a_serial_port(port: Port) -> None:
    async def main() -> None:
        line = await open_serial(parse_modbus_url(url(port)), 0.1)
        with pytest.raises(BadReply, match="timeout"):
            await line.exchange(READ)
        assert not line.is_lost
        await line.close()

    asyncio.run(main())


def test_a_device_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Disconnected, match=r"nowhere\.invalid:9"):
        asyncio.run(open_rtu_over_tcp(parse_modbus_url("rtu+tcp://nowhere.invalid:9"), TIMEOUT_S))
