"""How do dashboards elsewhere get the rows? A copy follows the log to InfluxDB or VictoriaMetrics, behind every answer.

The copy is for looking at, never evidence (decision 0011). It reads what is already stored, one request at a time, in a task
of its own: a target that is slow, full or gone delays no writer's 204 and costs no memory. At least once: after a failure
the last minute is sent again, for VictoriaMetrics answers before it is durable; give it -dedup.minScrapeInterval=1ms.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiohttp

from store.frames import FrameKind
from store.influx_line import LineError, spell_line
from store.log import replace_file
from store.points import read_write
from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.embedded import EmbeddedStore
    from store.frames import Frame

BODY_BYTES = 1_000_000
"""Bytes gathered into one request; also what the copy may hold in memory."""
LEAVES_AT_ONCE = 500
TIMEOUT_S = 30.0
IDLE_S = 1.0
WAITS_S = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Waits after the first, second, … failure in a row; the last one goes on."""
REWIND_MS = 60_000
"""What was sent this shortly before a failure is sent again: VictoriaMetrics lost rows up to 8 s old in a kill [measured]."""
SAVE_EVERY_MS = 10_000
DETAIL_MAX = 200
_REFUSED = {400, 413, 422}
"""Statuses that mean these rows, not this moment."""
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ForwardState:
    """What can be told of the copy; `next_leaf` is the first leaf not yet sent."""

    next_leaf: int = 0
    sent: int = 0
    refused: int = 0
    failures: int = 0
    detail: str = ""


class _Away(Exception):
    """The target did not take the rows now."""


def write_url(url: str) -> str:
    """Complete a target's URL: without a path it is InfluxDB 2's API (VictoriaMetrics and InfluxDB 3 answer it too).

    With a path it is used as given, as in `http://host:8086/write?db=evidence` for InfluxDB 1. ConfigError for anything
    that is no such URL, and for secrets in it.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError([Problem("--forward", 0, 0, "", f"{url[:80]!r} is no http URL")])
    if parts.username or parts.password:
        message = "a password in the URL would be seen in every process list"
        raise ConfigError([Problem("--forward", 0, 0, "", message, "put the token into MFL_FORWARD_TOKEN")])
    query = dict(parse_qsl(parts.query))
    path = parts.path
    if path in ("", "/"):
        path = "/api/v2/write"
        query = {"bucket": "evidence", "org": "mfl", **query}
    if path.endswith("/api/v2/write"):
        query["precision"] = "ns"
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))


class Forwarder:
    """Copies one store's rows to one target; where it stands is kept in the store's directory."""

    def __init__(self, store: EmbeddedStore, url: str, token: str = "") -> None:
        self._store = store
        self._url = write_url(url)
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        self._path = store.directory / "forward.json"
        self._sent: deque[tuple[int, int]] = deque()
        """(monotonic ms, leaf) of requests of the last minute: where to begin again after a failure."""
        self._saved_ms = store.clock.mono_ms()
        self.state = ForwardState(next_leaf=self._load())

    async def run(self) -> None:
        """Copy until cancelled; whatever the target does, this only waits and tries again."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            failures = 0
            try:
                while True:
                    try:
                        wait_s = 0.0 if await self.step(session) else IDLE_S
                        failures = 0
                    except _Away as error:
                        wait_s = WAITS_S[min(failures, len(WAITS_S) - 1)]
                        failures += 1
                        self._fail(str(error), wait_s)
                    await asyncio.sleep(wait_s)
            finally:
                self._save()

    async def step(self, session: aiohttp.ClientSession) -> bool:
        """Send one request's worth of rows; False when there is nothing new."""
        start = self.state.next_leaf
        frames, stop = await asyncio.to_thread(self._store.read_frames, start, LEAVES_AT_ONCE, BODY_BYTES)
        if stop == start:
            return False
        bodies = [body for frame in frames if (body := body_of(frame))]
        await self._send(session, bodies)
        now_ms = self._store.clock.mono_ms()
        self._sent.append((now_ms, start))
        while self._sent and self._sent[0][0] < now_ms - REWIND_MS:
            self._sent.popleft()
        self.state.next_leaf, self.state.sent = stop, self.state.sent + len(bodies)
        if self.state.detail:
            _logger.info("event=forward_again leaf=%d", stop)
            self.state.detail = ""
        if now_ms - self._saved_ms >= SAVE_EVERY_MS:
            await asyncio.to_thread(self._save)
        return True

    async def _send(self, session: aiohttp.ClientSession, bodies: Sequence[bytes]) -> None:
        """Send bodies together; when the target refuses them as such, halve until the one that it means stands alone."""
        if not bodies:
            return
        status, detail = await self._post(session, b"".join(bodies))
        if 200 <= status < 300:
            return
        if status not in _REFUSED:
            raise _Away(f"HTTP {status} {detail}")
        if len(bodies) == 1:
            self.state.refused += 1
            _logger.error("event=forward_refused count=%d detail=%s", self.state.refused, detail)
            return
        half = len(bodies) // 2
        await self._send(session, bodies[:half])
        await self._send(session, bodies[half:])

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> tuple[int, str]:
        try:
            async with session.post(
                self._url, data=body, headers=self._headers, allow_redirects=False
            ) as response:
                words = (await response.content.read(DETAIL_MAX)).decode(errors="replace")
                return response.status, " ".join(words.split())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _Away(f"{type(error).__name__}: {error}"[:DETAIL_MAX]) from None

    def _fail(self, detail: str, wait_s: float) -> None:
        """Go back to what the target may have lost; say a new reason once."""
        state = self.state
        state.failures += 1
        if self._sent:
            state.next_leaf = min(state.next_leaf, self._sent[0][1])
            self._sent.clear()
        if detail != state.detail:
            state.detail = detail
            _logger.warning(
                "event=forward_failed leaf=%d wait_s=%g detail=%s", state.next_leaf, wait_s, detail
            )

    def _load(self) -> int:
        """Read where this target stands; from the first leaf when nothing says so."""
        try:
            leaf = json.loads(self._path.read_bytes())[self._url]
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return leaf if isinstance(leaf, int) and 0 <= leaf <= self._store.log_size() else 0

    def _save(self) -> None:
        """Keep where this target stands; on a full disk what was sent is sent again after a restart."""
        self._saved_ms = self._store.clock.mono_ms()
        try:
            replace_file(self._path, json.dumps({self._url: self.state.next_leaf}).encode())
        except OSError as error:
            _logger.warning("event=forward_not_saved error=%s", error.strerror)


def body_of(frame: Frame) -> bytes:
    """Give a frame's rows as line protocol with nanoseconds: a sealed batch as it is, an unsigned write spelled anew."""
    if frame.kind is FrameKind.BATCH:
        return frame.body
    if frame.kind is not FrameKind.UNSIGNED:
        return b""
    try:
        write = read_write(frame.body, frame.received_ms)
    except (LineError, ValueError, KeyError):
        return b""  # damaged since; `mfl store verify` tells it
    return "".join(spell_line(line) + "\n" for line in write.lines).encode()
