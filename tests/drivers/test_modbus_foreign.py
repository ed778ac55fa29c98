"""Servers that are not ours, in three languages and three framings: every value arrives equal, and reads are all they see."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers import DRIVERS
from simulators.modbus_device import ModbusDeviceServer
from telemetry.reading import Quality, ReadingKind
from tests.drivers.wire_tap import SerialPair, Tap, functions_on_rtu, functions_on_tcp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from drivers.driver import DeviceSpec, Endpoint
    from telemetry.clock import Clock
    from telemetry.profile import Profile
    from telemetry.reading import RawValue, Reading

    Hear = Callable[..., object]

pytestmark = pytest.mark.wall
HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".venv"
"""Where things that a test installs are kept; the repository ignores it."""
JSMODBUS = "4.0.10"
PATIENCE_S = 60
READS_ONLY = {1, 2, 3, 4, 43}
POINTS = """
  coil: {table: coil, address: 3, type: bool}
  off: {table: coil, address: 4, type: bool}
  contact: {table: discrete, address: 7, type: bool}
  word: {table: holding, address: 10, type: uint16}
  abcd: {table: holding, address: 11, type: float32}
  cdab: {table: holding, address: 13, type: float32, order: CDAB}
  badc: {table: holding, address: 15, type: float32, order: BADC}
  dcba: {table: holding, address: 17, type: float32, order: DCBA}
  long: {table: holding, address: 19, type: int32}
  wide: {table: input, address: 5, type: int64}
  small: {table: input, address: 9, type: int16}
"""
VALUES: dict[str, RawValue] = {
    "coil": True, "off": False, "contact": True, "word": 51966, "abcd": 1.5, "cdab": -2.25, "badc": 1000.125, "dcba": 0.0625,
    "long": -123456, "wide": 1234567890123, "small": -7,
}  # fmt: skip


@pytest.fixture
def profile(make_profile: Callable[..., Profile]) -> Profile:
    return make_profile(POINTS, further="identity: {fc43: true}\n")


@pytest.fixture
def polls_of(
    profile: Profile,
    clock: Clock,
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
    hear: Hear,
) -> Callable[[str], object]:
    """Listen at a URL until the identity was told and the device polled again."""

    async def run(url: str) -> list[Reading]:
        identified = False

        def enough(reading: Reading) -> bool:
            nonlocal identified
            identified = identified or reading.kind is ReadingKind.IDENTITY
            return identified and reading.kind is ReadingKind.POLL

        endpoint = make_endpoint(url, make_spec(profile, interval_ms=100), timeout_ms=1500)
        async with DRIVERS[url.partition("://")[0]](endpoint, clock) as driver:
            readings, lost = await hear(driver, until=enough)  # type: ignore[misc]
        assert not lost
        return [reading for reading in readings if reading.kind is ReadingKind.POLL]

    return run


def check(polls: list[Reading]) -> None:
    assert len(polls) >= 2
    for reading in polls:
        assert (reading.quality, reading.reason) == (Quality.GOOD, "")
        assert reading.values == VALUES


@contextlib.contextmanager
def process(*command: str, cwd: Path | None = None) -> Iterator[str]:
    """Run a server until its standard input is closed; gives the line it says when it is ready."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            yield running.stdout.readline().strip()
        finally:
            running.stdin.close()
            running.wait(PATIENCE_S)


@pytest.fixture(scope="session")
def libmodbus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The libmodbus server, compiled; skips without a compiler or the library."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/usr/include/modbus/modbus.h").exists():
        pytest.skip("no C compiler or no libmodbus-dev: install the Debian packages to run this test")
    binary = tmp_path_factory.mktemp("libmodbus") / "server"
    source = HERE / "libmodbus_server.c"
    subprocess.run(
        [compiler, "-I/usr/include/modbus", "-w", "-o", binary, source, "-lmodbus"],
        check=True,
        timeout=PATIENCE_S,
    )
    return str(binary)


@pytest.fixture(scope="session")
def jsmodbus() -> Path:
    """A folder with jsmodbus in it, installed once; skips without node, npm or a registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node or npm: install the Debian packages to run this test")
    folder = CACHE / "node" / "jsmodbus"
    if not (folder / "node_modules" / "jsmodbus").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--no-save", "--no-package-lock", f"jsmodbus@{JSMODBUS}"]
        try:
            subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"no jsmodbus from the npm registry: {error}")
    return folder


async def through_tap(port: int, scheme: str, polls_of: Hear) -> tuple[list[Reading], bytes]:
    async with Tap(port).listening() as tap:
        polls = await polls_of(f"{scheme}://127.0.0.1:{tap.port}")  # type: ignore[misc]
        return polls, tap.sent


@contextlib.asynccontextmanager
async def pymodbus_serving(profile: Profile, **how: object) -> AsyncIterator[ModbusDeviceServer]:
    async with ModbusDeviceServer(profile, identity={"VendorName": "pymodbus"}, **how) as server:  # type: ignore[arg-type]
        for name, value in VALUES.items():
            server.set(name, value)
        yield server


@pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu_over_tcp"])
def test_pymodbus(rtu: bool, profile: Profile, polls_of: Hear) -> None:
    async def main() -> tuple[list[Reading], bytes]:
        async with pymodbus_serving(profile, rtu=rtu) as server:
            port = int(server.url.rpartition(":")[2])
            return await through_tap(port, "rtu+tcp" if rtu else "tcp", polls_of)

    polls, sent = asyncio.run(main())
    check(polls)
    assert set((functions_on_rtu if rtu else functions_on_tcp)(sent)) == READS_ONLY


def test_pymodbus_on_a_serial_port(profile: Profile, polls_of: Hear, tmp_path: Path) -> None:
    async def main() -> list[Reading]:
        async with pymodbus_serving(profile, serial=pair.theirs):
            return await polls_of(f"rtu://{pair.ours}?baudrate=115200&parity=N")  # type: ignore[misc, no-any-return]

    with SerialPair(tmp_path).joined() as pair:
        check(asyncio.run(main()))
    assert set(functions_on_rtu(pair.sent)) == READS_ONLY


def test_libmodbus_over_tcp(libmodbus: str, polls_of: Hear) -> None:
    with process(libmodbus, "tcp", "0") as port:
        polls, sent = asyncio.run(through_tap(int(port), "tcp", polls_of))
    check(polls)
    assert set(functions_on_tcp(sent)) == READS_ONLY


def test_libmodbus_on_a_serial_port(libmodbus: str, polls_of: Hear, tmp_path: Path) -> None:
    with SerialPair(tmp_path).joined() as pair, process(libmodbus, "rtu", pair.theirs) as ready:
        assert ready == "ready"
        check(asyncio.run(polls_of(f"rtu://{pair.ours}?baudrate=115200&parity=N")))  # type: ignore[arg-type]
    assert set(functions_on_rtu(pair.sent)) == READS_ONLY


def test_jsmodbus_over_tcp(jsmodbus: Path, polls_of: Hear) -> None:
    script = jsmodbus / "server.cjs"  # where node finds the library
    script.write_bytes((HERE / "jsmodbus_server.cjs").read_bytes())
    with process("node", str(script), cwd=jsmodbus) as port:
        polls, sent = asyncio.run(through_tap(int(port), "tcp", polls_of))
    check(polls)
    assert set(functions_on_tcp(sent)) == READS_ONLY
