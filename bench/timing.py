"""How are a benchmark's parts timed? Each in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def peak_mb() -> float:
    """Give this process's own peak, which getrusage mixes with that of whoever started it."""
    told = next(
        line
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if line.startswith("VmHWM")
    )
    return int(told.split()[1]) / 1024


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Give wall seconds and CPU seconds of one run."""
    cpu, start = time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def child(*words: str) -> dict[str, float]:
    """Run one part in a process of its own, so that its peak memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "census", *words], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
