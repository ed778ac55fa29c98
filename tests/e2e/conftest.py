"""A small plant of real processes: devices on real sockets, a gateway, a watched wire, and a store."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING, Any, Self

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from drivers.profiles import load_profile
from simulators.behaviour import Moment
from simulators.modbus_device import ModbusDeviceServer
from simulators.mqtt_device import MqttDevice
from simulators.processes import CommandProcess, ask, until_answers
from simulators.voice import Voice
from store.embedded import EmbeddedStore
from store.log import EvidenceLog
from store.verify import verify_log
from telemetry.clock import Clock
from telemetry.metrics import COUNTERS
from telemetry.reading import MachineState
from telemetry.seal import write_public_key
from tests.e2e.figures import FIGURES, Figure, table
from tests.e2e.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

GATEWAY = "gw-plant"
POLL_INTERVAL_MS = 100


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(slots=True)
class PrefixedProcess(CommandProcess):
    """A command behind another one, as in `ip netns exec NAME`."""

    prefix: tuple[str, ...] = ()

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.prefix, sys.executable, "-m", "mfl", *self.arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip


class Plant:
    """Some xArm robots whose counters the test moves; gateway → proxy → store.

    `state` and `store` are folders elsewhere (a small disk); the store listens at `store_host`, started behind `prefix`.
    """

    def __init__(
        self,
        folder: Path,
        broker_url: str = "",
        robots: int = 4,
        *,
        state: Path | None = None,
        store: Path | None = None,
        store_host: str = "127.0.0.1",
        prefix: tuple[str, ...] = (),
        proxied: bool = True,
    ) -> None:
        self.folder = folder
        self.state_home, self.store_home = state or folder / "state", store or folder / "store"
        self.store_host, self.proxied = store_host, proxied
        self.looks = 0
        """How often the account on /metrics was seen to hold."""
        self.broker_url = broker_url
        self.arm = load_profile("kuka_krc4_neuron").profile
        self.mqtt: dict[str, MqttDevice] = {}
        self.profile = load_profile("ufactory_xarm6").profile
        self.counts = {f"robot-{number}": 1000 * number for number in range(1, robots + 1)}
        self.servers: dict[str, ModbusDeviceServer] = {}
        self.store_port, self.metrics_port = free_port(), free_port()
        self._stack = AsyncExitStack()
        place = ("--host", store_host, "--port", str(self.store_port), "--behind-proxy")
        self.store = PrefixedProcess(
            ("store", "serve", str(self.store_home), *place), folder / "store.log", prefix=prefix
        )
        self.gateway = CommandProcess(
            ("gateway", "run", str(folder / "site.yaml"), "--assume-synced"), folder / "gateway.log"
        )
        self.proxy = Proxy(self.store_port, answer_delay_s=0.15)

    async def __aenter__(self) -> Self:
        key = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
        store = EmbeddedStore.open(self.store_home, Clock(lambda: 1_500_000_000_000, lambda: 0, "setup"))
        token = store.enrol(
            GATEWAY, write_public_key(key.public_key()), kind="edge", from_ms=0, at_ms=1_500_000_000_000
        )
        store.close()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for name, content in (("gateway.key", pem), ("token", token.encode())):
            (self.folder / name).touch(mode=0o600)
            (self.folder / name).write_bytes(content)
        await self._stack.enter_async_context(self.proxy)
        for device in self.counts:
            server = ModbusDeviceServer(self.profile)
            self.servers[device] = await self._stack.enter_async_context(server)
        if self.broker_url:
            self.counts["robot-m"] = 500
            arm = MqttDevice(self.arm, self.broker_url, "robot-m")
            self.mqtt["robot-m"] = await self._stack.enter_async_context(arm)
        self.tell()
        self.write_site()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.gateway.kill()
        await self.store.kill()
        await self._stack.aclose()

    def site(self) -> dict[str, Any]:
        return {
            "gateway": GATEWAY,
            "enterprise": {"uscc": "91330302MA285TN44Q", "name": "plant"},
            "window_s": 1,
            "state_dir": str(self.state_home),
            "key_file": str(self.folder / "gateway.key"),
            "store": {
                "url": self.store_url(),
                "token_file": str(self.folder / "token"),
                "timeout_s": 3,
            },
            "endpoints": [
                *self._pushed(),
                *(
                    {
                        "url": server.url,
                        "devices": [
                            {
                                "device": device,
                                "profile": "ufactory_xarm6",
                                "poll_interval_ms": POLL_INTERVAL_MS,
                                "declared": {"serial": f"XI{device[-1]}"},
                            }
                        ],
                    }
                    for device, server in self.servers.items()
                ),
            ],
            "metrics": {"port": self.metrics_port},
        }

    def store_url(self) -> str:
        direct = f"http://{self.store_host}:{self.store_port}"
        return f"http://127.0.0.1:{self.proxy.port}" if self.proxied else direct

    def write_site(self, **changes: Any) -> None:
        """Write the site file, with other values at its top level."""
        (self.folder / "site.yaml").write_text(json.dumps({**self.site(), **changes}))

    def _pushed(self) -> list[dict[str, Any]]:
        devices = [{"device": name, "profile": "kuka_krc4_neuron"} for name in self.mqtt]
        return [{"url": self.broker_url, "client_id": GATEWAY, "devices": devices}] if devices else []

    async def publish(self, at_ms: int) -> None:
        """Let every publishing robot say its count once; returns when the broker has it."""
        for device in self.mqtt.values():
            await device.publish(at_ms)

    def tell(self, *, running: bool = True) -> None:
        """Put the counts where the gateway finds them."""
        for device, server in self.servers.items():
            server.set("joint_1_enabled", value=True)
            server.set("robot_state", 1 if running else 2)
            server.set("counter", self.counts[device])
        state = MachineState.RUNNING if running else MachineState.READY
        for device, publisher in self.mqtt.items():
            moment = Moment(
                at_ms=0, state=state, cycles=self.counts[device], energy_wh=0, on_s=0, run_s=0, current_ma=900
            )
            for point, value in Voice(self.arm).say(moment).items():
                publisher.set(point, value)

    def produce(self) -> None:
        """Let every robot finish a cycle."""
        for device in self.counts:
            self.counts[device] += 1
        self.tell()

    async def start_store(self) -> None:
        await self.store.start()
        await until_answers(f"http://{self.store_host}:{self.store_port}/health", self.store)

    async def start_gateway(self) -> None:
        await self.gateway.start()
        await until_answers(f"http://127.0.0.1:{self.metrics_port}/metrics", self.gateway)

    async def metric(self, name: str) -> dict[str, int]:
        """Read one metric of the gateway: label value → number."""
        return (await self.metrics()).get(name, {})

    async def metrics(self) -> dict[str, dict[str, int]]:
        """Read the gateway's page: metric → label value → number; empty while there is none."""
        text = await ask(f"http://127.0.0.1:{self.metrics_port}/metrics") or ""
        found: dict[str, dict[str, int]] = {}
        for line in text.splitlines():
            head, _, value = line.rpartition(" ")
            if not line.startswith("#"):
                label = head.partition('"')[2].rstrip('"}')
                found.setdefault(head.partition("{")[0], {})[label] = int(float(value))
        return found

    async def health(self) -> str | None:
        """Ask the gateway whether it accepts readings; None when it does not."""
        return await ask(f"http://127.0.0.1:{self.metrics_port}/healthz")

    def account(self) -> Account:
        """Read the whole store back, as anybody can."""
        store = EmbeddedStore.open(self.store_home, Clock(lambda: 1_500_000_000_000, lambda: 0, "read"))
        try:
            store.apply()
            account = Account.read(store)
        finally:
            store.close()
        log = EvidenceLog(self.store_home / "log", self.store_home / "quarantine", is_writable=False)
        report = verify_log(log)
        assert not report.problems, report.problems
        (settled,) = report.accounts
        account.outstanding = settled.on_the_way
        return account

    def tell_figure(self, fault: str, account: Account, seen: str = "") -> None:
        """Put what a test saw into the table at the end."""
        again = max(0, self.proxy.asks - len(account.places)) if self.proxy.asks else account.again
        figure = Figure(
            fault, account.accepted, account.readings, again, account.lost, account.double,
            f"{seen}, account held at {self.looks} looks",
        )  # fmt: skip
        FIGURES.append(figure)


class Account:
    """What the store knows: readings, losses, counter increases with unheard steps, and each batch's place."""

    def __init__(self) -> None:
        self.readings = self.lost = self.accepted = self.again = 0
        self.outstanding = 0
        """Readings that the gateway's own totals say are still on the way; what `mfl store verify` tells."""
        self.refused_polls = 0
        self.of_device: dict[str, int] = {}
        self.increase: dict[str, int] = {}
        self.places: list[tuple[str, int]] = []

    @classmethod
    def read(cls, store: EmbeddedStore) -> Account:
        account = cls()
        rows: dict[str, list[dict[str, Any]]] = {}
        for name in ("machine", "loss", "heartbeat", "batch"):
            rows[name] = [row for day in store.days(name) for row in store.scan(day, name).to_pylist()]
        last: dict[tuple[str, str], int] = {}
        for row in sorted(rows["machine"], key=lambda item: (item["time_ms"], item["leaf"])):
            account.readings += row["readings"]
            account.of_device[row["device"]] = account.of_device.get(row["device"], 0) + row["readings"]
            if row["late"]:
                continue
            for counter in COUNTERS:
                if row.get(f"{counter}_raw") is None:
                    continue
                before = last.get((row["device"], counter), row[f"{counter}_from"])
                begins, ends = row[f"{counter}_from"], row[f"{counter}_raw"]
                # A row that begins below and ends above what was heard told the ground between a second time.
                between = begins - before if begins > before or ends >= before else 0
                step = row[f"{counter}_inc"] + between
                account.increase[row["device"]] = account.increase.get(row["device"], 0) + step
                last[row["device"], counter] = row[f"{counter}_raw"]
        account.lost = sum(row["readings"] for row in rows["loss"])
        account.refused_polls = sum(row["polls"] for row in rows["loss"])
        account.accepted = max((row["accepted_total"] for row in rows["heartbeat"]), default=0)
        account.places = [(row["epoch"], row["seq"]) for row in rows["batch"]]
        return account

    @property
    def double(self) -> int:
        return len(self.places) - len(set(self.places))


@pytest.fixture
def make_plant(tmp_path: Path) -> Callable[..., Plant]:
    return lambda broker_url="", **further: Plant(tmp_path, broker_url, **further)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of every fault that ran, last."""
    lines = table()
    if lines:
        terminalreporter.section("faults, in readings (sent again: batches)")
        for line in lines:
            terminalreporter.write_line(line)
