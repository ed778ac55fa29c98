"""Which cluster do the Spark tests run on? A real standalone master and its workers on the loopback, as processes."""

from __future__ import annotations

import importlib.util
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 180
"""A JVM's start on a loaded machine of two cores."""


@dataclass
class Daemon:
    """A Spark master or worker in a process group of its own, so that its executors die with it."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str] = field(default_factory=queue.Queue)

    def wait_for(self, pattern: str) -> str:
        """Read its log until a line matches; give the first group."""
        seen: list[str] = []
        while True:
            try:
                line = self.lines.get(timeout=START_S)
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} in {START_S} s: {seen[-5:]}") from None
            seen.append(line)
            if match := re.search(pattern, line):
                return match[1]

    def kill(self) -> None:
        """End it and its executors at once, as a power cut would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)


@contextmanager
def daemon(role: str, *arguments: str) -> Iterator[Daemon]:
    """Start a daemon of the installed Spark and follow its log."""
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    home = Path(spec.origin).parent
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{role}", *arguments]
    environment = os.environ | {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_HOME": str(home),
        "SPARK_NO_DAEMONIZE": "1",
    }
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    one = Daemon(process)

    def follow() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            one.lines.put(line)

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    try:
        yield one
    finally:
        one.kill()
        reader.join(timeout=30)
        if process.stderr is not None:
            process.stderr.close()


@dataclass
class Cluster:
    """A master's URL and its two workers."""

    url: str
    workers: list[Daemon]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    if shutil.which("java") is None:
        pytest.skip("java is not installed: apt-get install openjdk-17-jre-headless")
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: pip install 'machine-for-labor[spark]'")
    with ExitStack() as stack:
        ports = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        master = stack.enter_context(daemon("master.Master", *ports))
        url = master.wait_for(r"(spark://127\.0\.0\.1:\d+)")
        workers = []
        for number in range(2):
            home = tmp_path / f"worker-{number}"
            share = ("--cores", "1", "--memory", "1g", "--work-dir", str(home))
            workers.append(stack.enter_context(daemon("worker.Worker", url, *ports, *share)))
        for worker in workers:
            worker.wait_for(r"Successfully (registered) with master")
        yield Cluster(url, workers)
