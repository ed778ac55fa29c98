"""Who lives through a storm? A gateway and a store, production code both, each on its own box, killed and started again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.app import run_gateway
from gateway.config import Limits, Site, StoreTarget
from simulators.storm_world import (
    GATEWAY,
    PROFILES,
    PushDriver,
    VirtualDriver,
    World,
    endpoint,
    pushing_endpoint,
)
from simulators.virtual_box import Killed
from store.embedded import EmbeddedStore, StoreReadOnly
from telemetry.seal import write_public_key
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.app import Gateway
    from simulators.virtual_box import Box
    from simulators.virtual_time import BoxClock
    from telemetry.seal import Batch
    from telemetry.sink import Sink

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a storm's gateway").digest())
JOURNAL_BYTES, OUTBOX_BYTES = 400_000, 40_000_000
INDEX_FILES = ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm")
STOP_S = 60.0
"""What a gateway is given to stop well."""

logger = logging.getLogger(__name__)


def write_key(path: Path) -> None:
    """Write the key that every storm's gateway signs with."""
    path.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)


class StoreHost:
    """The store, its box and its clock."""

    def __init__(self, box: Box, clock: BoxClock, chance: random.Random) -> None:
        self.box, self.clock, self._chance = box, clock, chance
        self.store: EmbeddedStore | None = None
        self.problems: list[str] = []
        self.starts = 0

    def start(self) -> None:
        """Open the store; a death on the way leaves it closed."""
        self.starts += 1
        try:
            store = EmbeddedStore.open(self.box.root / "store", self.clock.clock())
            self.store = store
            store.token_bytes = self._chance.randbytes
            if GATEWAY not in store.gateways():
                key = write_public_key(KEY.public_key())
                store.enrol(GATEWAY, key, kind="edge", from_ms=0, at_ms=self.clock.true_ms())
        except Killed:
            self.died()
        except OSError as error:
            # A full disk may refuse a start; the operator tries again.
            self.box.kill()
            self.died()
            logger.info("event=store_not_started error=%s", error)

    def died(self) -> None:
        """Let the dead process go: its files and locks, and what SQLite had written at that moment."""
        store, self.store = self.store, None
        if store is not None:
            store.read_only = (
                True  # what waits for a worker thread begins after the death, and writes nothing
            )
        home = self.box.root / "store"
        kept = {name: (home / name).read_bytes() for name in INDEX_FILES if (home / name).is_file()}
        if store is not None:
            store._index.close()  # noqa: SLF001 - the kernel would do it
        with self.box.passed_by():
            for name in INDEX_FILES:
                (home / name).unlink(missing_ok=True)
            for name, data in kept.items():
                if not name.endswith("-shm"):
                    (home / name).write_bytes(data)
            self.box.reap()

    def kill(self) -> None:
        """Kill the process between two calls."""
        self.box.kill()
        self.died()

    def cut_power(self) -> None:
        """Cut the box's power; the index, which is derived, survives whole, partly or not at all."""
        if self.store is not None:
            self.kill()
        kept = self._chance.choice(
            [(), ("store/index.sqlite",), ("store/index.sqlite", "store/index.sqlite-wal")]
        )
        self.box.cut_power(kept)

    async def put(self, batch: Batch) -> Answer:
        """Take a batch, or give no answer."""
        store = self.store
        if store is None:
            return Answer(AnswerKind.UNAVAILABLE, "connection refused")
        try:
            return await store.write(batch)
        except Killed:
            if self.store is store:
                self.died()
        except StoreReadOnly:
            if self.store is store:
                raise
        return Answer(AnswerKind.UNAVAILABLE, "connection reset")

    def apply(self) -> None:
        """Bring the row files up to date, as the server does now and then."""
        if self.store is None:
            return
        refused = self.box.refused
        try:
            self.store.apply()
        except Killed:
            self.died()
        except OSError as error:
            if self.box.refused == refused:
                self.problems.append(f"apply failed on a good disk: {error}")


@dataclass(slots=True)
class Settings:
    """How a gateway is set up just now; a change of it is a change of configuration."""

    window_ms: int = 60_000
    poll_ms: int = 10_000
    profile_id: str = next(iter(PROFILES))
    devices: tuple[str, ...] = ("r1", "r2")
    tick_s: float = 2.0
    has_broker: bool = True
    """Whether p1 publishes to this gateway."""

    def site(self, home: Path, key_file: Path) -> Site:
        """Give the checked site."""
        endpoints = [endpoint(self.profile_id, self.poll_ms, self.devices)]
        if self.has_broker:
            endpoints.append(pushing_endpoint(self.profile_id, self.poll_ms))
        return Site(
            gateway=GATEWAY,
            uscc="91330300MA0000000A",
            enterprise="Storm",
            window_ms=self.window_ms,
            clock_wait_s=900,
            state_dir=home / "state",
            key_file=key_file,
            store=StoreTarget("http://127.0.0.1:1", "mfl", "evidence", 2),
            endpoints=tuple(endpoints),
            profile_texts={self.profile_id: PROFILES[self.profile_id]},
            limits=Limits(JOURNAL_BYTES, OUTBOX_BYTES),
            digest="0" * 12,
        )


@dataclass(slots=True)
class GatewayHost:
    """The gateway, its box and its clock."""

    box: Box
    clock: BoxClock
    world: World
    sink: Sink
    chance: random.Random
    key_file: Path
    settings: Settings = field(default_factory=Settings)
    gateway: Gateway | None = None
    starts: int = 0
    problems: list[str] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, group: asyncio.TaskGroup, made: Callable[[Gateway], None]) -> None:
        """Start the process."""
        self.starts += 1
        self._stop = asyncio.Event()
        self._task = group.create_task(self._live(self._stop, made))

    async def _live(self, stop: asyncio.Event, made: Callable[[Gateway], None]) -> None:
        def begin(gateway: Gateway) -> None:
            self.gateway = gateway
            made(gateway)

        try:
            await run_gateway(
                self.settings.site(self.box.root, self.key_file),
                self.clock.clock(),
                stop,
                sink=self.sink,
                drivers={
                    "tcp": lambda line, clock: VirtualDriver(line, clock, self.world),
                    "mqtt": lambda line, clock: PushDriver(line, clock, self.world),
                },
                chance=random.Random(self.chance.getrandbits(64)),
                names=lambda size: self.chance.randbytes(size).hex(),
                tick_s=self.settings.tick_s,
                made=begin,
            )
        except asyncio.CancelledError:
            if not self.box.is_dead:
                raise
        except BaseException as error:  # noqa: BLE001 - a death shows as any exception, in groups of any depth
            if not self.box.is_dead:
                full = self.box.free is not None and _is_disk_error(error)
                self.box.kill()
                if not full:
                    self.problems.append(f"the gateway ended by itself: {_words(error)}")
        finally:
            self.gateway = None

    @property
    def is_up(self) -> bool:
        """Tell whether the process lives."""
        return self._task is not None and not self._task.done()

    async def kill(self) -> None:
        """Kill the process, wherever it is."""
        self.box.kill()
        await self.gone()

    async def gone(self) -> None:
        """Wait until nothing of a dead process is left in the loop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._task])
            # Work that was handed to a thread before the death comes to its end now, and does nothing.
            await asyncio.sleep(0.1)
        self._task = None
        self.box.reap()

    async def stop(self) -> None:
        """Stop it well; a death on the way is a kill."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_S)
            if not self._task.done():
                self.problems.append(f"a stop took longer than {STOP_S:.0f} s")
                self.box.kill()
        await self.gone()

    async def cut_power(self) -> None:
        """Cut the box's power: another boot, and what was not synced may be gone."""
        await self.kill()
        self.box.cut_power()
        self.clock.reboot()

    def change(self, **values: object) -> None:
        """Change the configuration for the next start."""
        self.settings = replace(self.settings, **values)  # type: ignore[arg-type]


def _is_disk_error(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_disk_error(inner) for inner in error.exceptions)
    return isinstance(error, OSError)


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_words(inner) for inner in error.exceptions)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}: {error}{where}"
