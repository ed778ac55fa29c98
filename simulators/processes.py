"""How are the real processes started, killed and told to stop? Gateway and store as their users run them."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from pathlib import Path

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
ASK_TIMEOUT_S = 5.0
ASK_EVERY_S = 0.05


@dataclass(slots=True)
class CommandProcess:
    """`mfl …` as a process of its own; its output is appended to `log`."""

    arguments: tuple[str, ...]
    log: Path
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    async def start(self) -> None:
        """Start it; it is not ready yet."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mfl", *self.arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def is_running(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.returncode is None

    async def stop(self) -> int:
        """Tell it to stop (SIGTERM) and wait; gives its exit code."""
        if self._process is None:
            raise RuntimeError("a process that was never started")
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            return await self._process.wait()

    async def kill(self) -> None:
        """Kill it (SIGKILL), if it runs, and wait until it is gone."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()


async def ask(url: str) -> str | None:
    """Get a page of a local process; None while it does not answer with 200."""
    timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return await response.text() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


async def until_answers(url: str, process: CommandProcess) -> str:
    """Wait until a process answers with 200; RuntimeError when it ends instead."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            if (text := await ask(url)) is not None:
                return text
            if not process.is_running:
                raise RuntimeError(f"ended before it answered: {process.log.read_text()[-2000:]}")
            await asyncio.sleep(ASK_EVERY_S)
