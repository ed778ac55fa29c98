"""An edge node that is not ours: npm's sparkplug-client, through Mosquitto, with npm's own encoder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from drivers.profiles import load_profile
from drivers.sparkplug_host import SparkplugHost
from telemetry.profile import parse_profile
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from drivers.driver import DeviceSpec, Endpoint
    from telemetry.clock import Clock
    from telemetry.reading import Reading

pytestmark = pytest.mark.wall
PACKAGE = "sparkplug-client@3.2.4"
PATIENCE_S = 20.0
INSTALL_S = 90.0
ROOT = Path(__file__).parents[2]
NODE = r"""
const sparkplug = require('sparkplug-client');
const lines = require('readline').createInterface({input: process.stdin});
const say = (word) => process.stdout.write(JSON.stringify(word) + '\n');
const client = sparkplug.newClient({
  serverUrl: process.argv.at(-1), username: '', password: '', groupId: 'G', edgeNode: 'e1', clientId: 'foreign', version: 'spBv1.0',
  keepalive: 5, publishDeath: true,
});
client.on('birth', () => say('birth'));
client.on('ncmd', (payload) => say(payload.metrics.map((metric) => [metric.name, metric.value])));
client.on('error', (error) => say(String(error)));
lines.on('line', (line) => {
  const [verb, payload, options] = JSON.parse(line);
  if (verb === 'stop') { client.stop(); return; }
  if (verb === 'die') { client.client.stream.destroy(); client.client.end(true); return; }
  if (verb === 'skip') { client.incrementSeqNum(); return; }
  if (verb === 'NBIRTH') client.publishNodeBirth(payload, options);
  if (verb === 'DBIRTH') client.publishDeviceBirth('d1', payload, options);
  if (verb === 'DDATA') client.publishDeviceData('d1', payload, options);
  if (verb === 'DDEATH') client.publishDeviceDeath('d1', payload, options);
});
"""
TYPES = {"bool": "Boolean", "string": "String", "int32": "Int32", "uint64": "UInt64", "float64": "Double"}


@pytest.fixture(scope="session")
def foreign_folder() -> Path:
    """Where npm's package is, installed once in this repository's .venv; skips when that cannot be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("no node or npm: install nodejs and npm to try the foreign edge node")
    folder = ROOT / ".venv" / "node" / "sparkplug"
    if not (folder / "node_modules" / "sparkplug-client").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", PACKAGE]
        try:
            subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_S, capture_output=True)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"npm could not install {PACKAGE}: {type(error).__name__}")
    return folder


class Foreign:
    """The node process: told what to publish, heard when it is asked something."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def tell(self, verb: str, *metrics: dict[str, Any], at_ms: int, **options: Any) -> None:
        assert self._process.stdin is not None
        line = json.dumps([verb, {"timestamp": at_ms, "metrics": list(metrics)}, options])
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def said(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            return json.loads(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def foreign_node(folder: Path, url: str) -> AsyncIterator[Foreign]:
    process = await asyncio.create_subprocess_exec(
        "node", "-e", NODE, "--", url, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(folder / "node_modules")},
    )  # fmt: skip
    try:
        node = Foreign(process)
        assert await node.said() == "birth"
        yield node
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


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


@pytest.fixture
def foreign_host(
    mosquitto: Callable[..., str],
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
    clock: Clock,
) -> Callable[..., tuple[SparkplugHost, str]]:
    def make(profile: Any) -> tuple[SparkplugHost, str]:
        url = mosquitto()
        address = f"{url.replace('mqtt:', 'spb:')}?group=G&host_id=H&primary=1&reorder_ms=100"
        endpoint = make_endpoint(address, make_spec(profile, "r1", topic_name="e1/d1"), timeout_ms=5000)
        return SparkplugHost(endpoint, clock), url

    return make


def test_a_foreign_edge_node_is_heard_from_birth_to_death(
    foreign_folder: Path, foreign_host: Callable[..., tuple[SparkplugHost, str]], clock: Clock
) -> None:
    """Every point of the profile, encoded by npm's sparkplug-payload, means what the profile's golden examples say."""
    profile = load_profile("opc40010_sparkplug").profile
    wanted = {name: point.golden[0].value for name, point in profile.points.items()}
    birth = [
        {"name": point.path, "type": TYPES[point.type], "value": wanted[name], "alias": number}
        for number, (name, point) in enumerate(profile.points.items(), start=1)
    ]
    cycles = 1 + list(profile.points).index("cycles")

    async def main() -> None:
        host, url = foreign_host("opc40010_sparkplug")
        async with host, foreign_node(foreign_folder, url) as node:
            at_ms = clock.wall_ms()
            rebirth = {"name": "Node Control/Rebirth", "type": "Boolean", "value": False}

            async def be_born() -> None:
                await node.tell("NBIRTH", rebirth, at_ms=at_ms)
                await node.tell("DBIRTH", *birth, at_ms=at_ms)

            await be_born()
            identity, first = await hear(host, 2)
            assert identity.kind is ReadingKind.IDENTITY
            assert identity.values["serial"] == wanted["serial"]
            assert (first.values, first.quality, first.source_ms) == (wanted, Quality.GOOD, at_ms)
            more = {"alias": cycles, "type": "UInt64", "timestamp": at_ms + 1}
            await node.tell("DDATA", {**more, "value": 9_007_199_254_740_991}, at_ms=at_ms + 1)
            (second,) = await hear(host, 1)
            assert second.values == {**wanted, "cycles": 9_007_199_254_740_991}
            assert second.source_ms == at_ms + 1
            await node.tell("skip", at_ms=at_ms)
            await node.tell("DDATA", {**more, "value": 5}, at_ms=at_ms + 2)
            (gap,) = await hear(host, 1)
            assert (gap.quality, gap.values) == (Quality.BAD, {})
            assert await node.said() == [["Node Control/Rebirth", True]]
            await be_born()
            assert (await hear(host, 1))[0].values == wanted
            await node.tell("DDEATH", at_ms=at_ms + 3)
            assert (await hear(host, 1))[0].reason == "device offline (DDEATH)"
            await be_born()
            await hear(host, 1)
            await node.tell("die", at_ms=at_ms)  # the broker speaks its will
            assert (await hear(host, 1))[0].reason == "edge node offline (NDEATH)"

    asyncio.run(main())


MANY = """
profile: many
kind: plc
manufacturer: Testers
models: [one]
name: {zh: 多, en: many}
axes: 0
firmware: any
sources: [{title: this test, grade: U}]
sparkplug: {}
points:
  int8: {path: a/int8, type: int16}
  int16: {path: a/int16, type: int16}
  int32: {path: a/int32, type: int32}
  int64: {path: a/int64, type: int64}
  uint8: {path: a/uint8, type: uint16}
  uint16: {path: a/uint16, type: uint16}
  uint32: {path: a/uint32, type: uint32}
  float: {path: a/float, type: float32}
  stale: {path: a/stale, type: int32}
  nothing: {path: a/nothing, type: int32}
  data_set: {path: a/data_set, type: int32}
  template: {path: a/template, type: int32}
"""


def test_foreign_types_null_quality_history_and_what_is_refused(
    foreign_folder: Path, foreign_host: Callable[..., tuple[SparkplugHost, str]], clock: Clock
) -> None:
    metrics: list[dict[str, Any]] = [
        {"name": "a/int8", "type": "Int8", "value": -12},
        {"name": "a/int16", "type": "Int16", "value": -300},
        {"name": "a/int32", "type": "Int32", "value": -70_000},
        {"name": "a/int64", "type": "Int64", "value": -5_000_000_000},
        {"name": "a/uint8", "type": "UInt8", "value": 255},
        {"name": "a/uint16", "type": "UInt16", "value": 65_535},
        {"name": "a/uint32", "type": "UInt32", "value": 4_294_967_295},
        {"name": "a/float", "type": "Float", "value": -1.5},
        {"name": "a/stale", "type": "Int32", "value": 1, "properties": {"Quality": {"type": "Int32", "value": 500}}},
        {"name": "a/nothing", "type": "Int32", "value": None, "isNull": True},
        {"name": "a/data_set", "type": "DataSet",
         "value": {"numOfColumns": 1, "columns": ["x"], "types": ["Int32"], "rows": [[1]]}},
        {"name": "a/template", "type": "Template",
         "value": {"isDefinition": True, "version": "1", "metrics": [], "parameters": []}},
    ]  # fmt: skip

    async def main() -> None:
        host, url = foreign_host(parse_profile(MANY, "many.yaml"))
        async with host, foreign_node(foreign_folder, url) as node:
            at_ms = clock.wall_ms()
            await node.tell("NBIRTH", at_ms=at_ms)
            await node.tell("DBIRTH", *metrics, at_ms=at_ms)
            _, born = await hear(host, 2)
            assert born.values == {
                "int8": -12, "int16": -300, "int32": -70_000, "int64": -5_000_000_000,
                "uint8": 255, "uint16": 65_535, "uint32": 4_294_967_295, "float": -1.5,
            }  # fmt: skip
            assert born.quality is Quality.UNCERTAIN
            for words in ("stale is of stale quality", "nothing is null", "a data set is not supported"):
                assert words in born.reason
            assert "a template is not supported" in born.reason
            old = {"name": "a/int32", "type": "Int32", "isHistorical": True}
            await node.tell(
                "DDATA",
                {**old, "value": 2, "timestamp": at_ms - 1000},
                {**old, "value": 1, "timestamp": at_ms - 2000},
                at_ms=at_ms,
            )
            past = await hear(host, 2)
            assert [(reading.kind, reading.source_ms, reading.values) for reading in past] == [
                (ReadingKind.HISTORY, at_ms - 2000, {"int32": 1}),
                (ReadingKind.HISTORY, at_ms - 1000, {"int32": 2}),
            ]
            await node.tell("DDATA", {**old, "value": 3}, at_ms=at_ms, compress=True)
            (refused,) = await hear(host, 1)
            assert (refused.quality, refused.values) == (Quality.BAD, {})
            assert "compressed" in refused.reason

    asyncio.run(main())
