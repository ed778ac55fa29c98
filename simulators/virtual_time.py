"""How do days pass in a second? An event loop whose selector never waits but moves the clock, and runs threads in line.

What production code gives to a worker thread runs in the loop itself after a short virtual delay, so that a run
depends on its seed and nothing else. A loop with nothing left to wait for is a deadlock, and says so.
"""

from __future__ import annotations

import asyncio
import selectors
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from telemetry.clock import Clock, ClockState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

ResultT = TypeVar("ResultT")
ArgsT = TypeVarTuple("ArgsT")


class Deadlock(RuntimeError):
    """Everybody waits and nothing will ever happen."""


class _NoWait(selectors.SelectSelector):
    """A selector that lets time pass instead of waiting; there are no sockets in virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Move the clock by the timeout."""
        if timeout is None:
            raise Deadlock(f"nothing will happen after {self.now_s:.3f} s")
        if timeout > 0:
            self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. `delay_s` draws how long work handed to a thread takes."""

    def __init__(self, delay_s: Callable[[], float] = lambda: 0.0) -> None:
        self._no_wait = _NoWait()
        self._delay_s = delay_s
        super().__init__(self._no_wait)

    def time(self) -> float:
        """Give virtual seconds since the loop was made."""
        return self._no_wait.now_s

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - asyncio's signature
        func: Callable[[Unpack[ArgsT]], ResultT],
        *args: *ArgsT,
    ) -> asyncio.Future[ResultT]:
        """Run in the loop itself; like a thread, it goes on when nobody waits for it any more."""
        future: asyncio.Future[ResultT] = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except BaseException as error:  # noqa: BLE001 - a thread hands on whatever was raised
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        delay_s = self._delay_s()
        if delay_s > 0:
            self.call_later(delay_s, work)
        else:
            self.call_soon(work)
        return future


def run_virtually(
    work: Callable[[VirtualLoop], Coroutine[Any, Any, ResultT]], delay_s: Callable[[], float] = lambda: 0.0
) -> ResultT:
    """Run a coroutine to its end in a virtual loop of its own; nothing of it is left afterwards."""
    loop = VirtualLoop(delay_s)
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@dataclass(slots=True)
class BoxClock:
    """The clock of one simulated box: the loop's time, with its own boot, error and state of synchronisation."""

    time_s: Callable[[], float]
    start_ms: int
    """UTC at the loop's beginning."""
    error_ms: int = 0
    """What the wall clock shows beyond the truth; a step changes it."""
    synced: bool = True
    boots: int = 1
    booted_s: float = 0.0

    def true_ms(self) -> int:
        """Give true UTC."""
        return self.start_ms + int(self.time_s() * 1000)

    def reboot(self) -> None:
        """Begin a new boot: monotonic time starts again."""
        self.boots += 1
        self.booted_s = self.time_s()

    def clock(self) -> Clock:
        """Give the clock as this boot of the box sees it."""
        booted_s = self.booted_s
        return Clock(
            lambda: self.true_ms() + self.error_ms,
            lambda: int((self.time_s() - booted_s) * 1000) + 1,
            f"boot-{self.boots}",
            lambda: ClockState.SYNCED if self.synced else ClockState.UNSYNCED,
        )
