"""What do all tests share? Hypothesis without chance in CI, and Mosquitto from Debian."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 20.0

# The same examples in every run, so that a red run says something about the change; --all looks further each time.
settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("searching", deadline=None, print_blob=True)
settings.load_profile("searching" if os.environ.get("MFL_ALL") else "repeatable")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a real Mosquitto on a free loopback port and give its URL; further calls start it again on that port."""
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if binary is None:
        pytest.skip("no mosquitto binary: install the Debian package to run this test")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    running: list[subprocess.Popen[bytes]] = []

    def start(further: str = "allow_anonymous true") -> str:
        for process in running:
            process.kill()
            process.wait(PATIENCE_S)
        config.write_text(f"listener {port} 127.0.0.1\n{further}\n")
        running[:] = [subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.DEVNULL)]
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return f"mqtt://127.0.0.1:{port}"
            os.sched_yield()
        raise AssertionError("mosquitto does not listen")

    yield start
    for process in running:
        process.kill()
        process.wait(PATIENCE_S)
