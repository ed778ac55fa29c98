"""How does the whole thing run at once? World → history → live workshop → census → page, in one folder that goes."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from census.report import to_json
from census.run import run_census
from dashboard.app import build_app
from dashboard.server import address, listen, run_server
from simulators.build import build_world
from simulators.demo_report import demo_document
from simulators.ledger_files import write_ledger
from simulators.live import live_start_ms, run_live
from simulators.live_account import live_account
from simulators.past import enrol_all, fill_store
from simulators.score import score
from store.embedded import EmbeddedStore
from telemetry.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.past import Past
    from simulators.world import World, WorldSpec

POLICY = Path("wenzhou-2018")
LIVE_TICKS = 24
"""Half seconds of live production; with the waits around it some fifteen seconds."""


@dataclass(slots=True)
class Stage:
    """Tells how far the demonstration is, and how long each part took."""

    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)
    _part: str = ""
    _since: float = 0.0

    def begin(self, part: str) -> None:
        """End the part before and begin this one."""
        now = time.monotonic()
        if self._part:
            self.seconds[self._part] = now - self._since
        self._part, self._since = part, now
        if part:
            self.say(part)


@dataclass(slots=True)
class Demo:
    """One run of the demonstration."""

    spec: WorldSpec
    folder: Path
    stage: Stage
    figures: dict[str, Any] | None = None

    def run(self, shown: Callable[[dict[str, Any], str], None], *, stay: bool) -> bool:
        """Run it; `shown(document, address)` is called when the figures are there. Tells whether all is as expected."""
        self.stage.begin("world")
        world = build_world(self.spec)
        write_ledger(world, self.folder / "ledger")
        start_ms = live_start_ms(world)
        zero = time.monotonic_ns()
        clock = Clock(
            wall_ms=lambda: start_ms + (time.monotonic_ns() - zero) // 1_000_000,
            mono_ms=lambda: time.monotonic_ns() // 1_000_000,
            boot="demo",
        )
        store = EmbeddedStore.open(self.folder / "store", clock)
        try:
            tokens = enrol_all(store, world)
            self.stage.begin("history")
            past = fill_store(store, world, self._tell_day)
            zero = time.monotonic_ns()
            return asyncio.run(
                self._live(world, store, clock=clock, past=past, tokens=tokens, shown=shown, stay=stay)
            )
        finally:
            store.close()

    def _tell_day(self, day: int, rows: int) -> None:
        self.stage.say(f"history, day {day} of {self.spec.days}, {rows:,} rows")

    async def _live(
        self,
        world: World,
        store: EmbeddedStore,
        *,
        clock: Clock,
        past: Past,
        tokens: dict[str, str],
        shown: Callable[[dict[str, Any], str], None],
        stay: bool,
    ) -> bool:
        listener = listen("127.0.0.1", 0)
        url = address(listener, tls=False)
        async with asyncio.TaskGroup() as group:
            server = group.create_task(run_server(build_app(store, lambda: self.figures), listener))
            applying = asyncio.to_thread(store.apply)
            self.stage.begin("live")
            applied = group.create_task(applying)
            live = await run_live(
                world, past, tokens, folder=self.folder / "gateways", store_url=url, ports=free_port,
                ticks=LIVE_TICKS, progress=self.stage.say,
            )  # fmt: skip
            await applied
            self.stage.begin("census")
            await asyncio.to_thread(store.apply)
            self.figures = await asyncio.to_thread(self._census, store, clock)
            self.stage.begin("")
            result = score(world, self.figures)
            account = live_account(store, world)
            document = demo_document(
                self.spec.seed,
                self.figures,
                score=result,
                past=past,
                live=live,
                account=account,
                seconds=self.stage.seconds,
            )
            shown(document, url)
            if not stay:
                server.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await server
        return bool(document["ok"])

    def _census(self, store: EmbeddedStore, clock: Clock) -> dict[str, Any]:
        return to_json(run_census(store, self.folder / "ledger", POLICY, as_of_ms=clock.wall_ms()))


def free_port() -> int:
    """Find a TCP port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def run_demo(
    spec: WorldSpec,
    say: Callable[[str], None],
    shown: Callable[[dict[str, Any], str], None],
    *,
    stay: bool,
) -> bool:
    """Run the demonstration in a folder of its own that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mfl-demo-"))
    try:
        return Demo(spec, folder, Stage(say)).run(shown, stay=stay)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
