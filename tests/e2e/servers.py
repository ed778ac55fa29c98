"""Which real time series servers do the tests start? InfluxDB 1.6 behind nginx, and VictoriaMetrics, from Debian, on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 30.0
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
INFLUX = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{home}/meta"
[data]
  dir = "{home}/data"
  wal-dir = "{home}/wal"
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[monitor]
  store-enabled = false
"""
NGINX = """\
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
events {{}}
http {{
  access_log off;
  client_max_body_size 2m;
  client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
  uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
  map $arg_precision $unit {{ default n; us u; ms ms; s s; }}
  server {{
    listen 127.0.0.1:{port};
    location = /api/v2/write {{
      proxy_set_header Authorization "";
      proxy_pass http://127.0.0.1:{influx}/write?db=$arg_bucket&precision=$unit;
    }}
    location = /query {{ proxy_set_header Authorization ""; proxy_pass http://127.0.0.1:{influx}; }}
  }}
}}
"""
"""The one location that lets the InfluxDB 2 client write into InfluxDB 1; user and token end at the proxy."""


def need(binary: str, package: str) -> str:
    found = shutil.which(binary, path=PATH)
    if found is None:
        pytest.skip(f"no {binary}: install the Debian package {package} to run this test")
    return found


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


class Server:
    """One real server process on loopback."""

    def __init__(self, words: list[str], home: Path, ready_url: str) -> None:
        self._words, self._home, self._ready_url = words, home, ready_url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._home / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._words, stdout=output, stderr=output, env={**os.environ, "HOME": str(self._home)}
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            log = (self._home / "output.log").read_text(errors="replace")[-1000:]
            assert self._process.poll() is None, f"{self._words[0]} ended: {log}"
            assert time.monotonic() < deadline, f"{self._words[0]} does not answer: {log}"

    def _answers(self) -> bool:
        try:
            with urlopen(self._ready_url, timeout=1) as answer:  # noqa: S310 - loopback
                return bool(answer.status < 300)
        except OSError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None


class Influx:
    """InfluxDB 1.6, and nginx before it that speaks the write API of version 2."""

    def __init__(self, home: Path) -> None:
        influxd, nginx = need("influxd", "influxdb"), need("nginx", "nginx-light")
        home.mkdir()
        self.port, rpc, self.front = free_ports(3)
        (home / "influx.conf").write_text(INFLUX.format(home=home, port=self.port, rpc=rpc))
        (home / "nginx.conf").write_text(NGINX.format(home=home, port=self.front, influx=self.port))
        self.url, self.direct = f"http://127.0.0.1:{self.front}", f"http://127.0.0.1:{self.port}"
        self.server = Server([influxd, "-config", str(home / "influx.conf")], home, f"{self.direct}/ping")
        front = [nginx, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "nginx.log")]
        self.nginx = Server(front, home, f"{self.url}/query?q=SHOW%20DATABASES")

    def start(self) -> None:
        self.server.start()
        with urlopen(  # noqa: S310 - loopback
            f"{self.direct}/query?q=CREATE%20DATABASE%20evidence", data=b"", timeout=PATIENCE_S
        ) as answer:
            assert answer.status == 200
        self.nginx.start()

    def stop(self) -> None:
        self.nginx.kill()
        self.server.kill()


class Victoria:
    """VictoriaMetrics, single node, keeping a century so that rows of 2018 stay."""

    def __init__(self, home: Path) -> None:
        binary = need("victoria-metrics", "victoria-metrics")
        home.mkdir()
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        words = [
            binary, f"-storageDataPath={home}/data", f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms", "-search.latencyOffset=0s",
        ]  # fmt: skip
        self.server = Server(words, home, f"{self.url}/health")

    def flush(self) -> None:
        """Make what was written visible to queries."""
        with urlopen(f"{self.url}/internal/force_flush", timeout=PATIENCE_S) as answer:  # noqa: S310 - loopback
            assert answer.status == 200
