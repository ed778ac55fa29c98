"""How does a batch reach a store over HTTP? As the body of `/api/v2/write`, its bytes unchanged, by influxdb-client.

One sink for our own store and for any InfluxDB of version 2 or 3. What the store answers becomes a decision
(`AnswerKind`); a store that is away is an answer too, never an exception.
"""

from __future__ import annotations

import asyncio
import logging
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from types import TracebackType

    from gateway.config import StoreTarget
    from telemetry.clock import Clock
    from telemetry.seal import Batch

KINDS: dict[int, AnswerKind] = {
    400: AnswerKind.INVALID,
    401: AnswerKind.FORBIDDEN,
    403: AnswerKind.FORBIDDEN,
    409: AnswerKind.CONFLICT,
    413: AnswerKind.TOO_LARGE,
    422: AnswerKind.INVALID,
}
"""HTTP status → decision (DESIGN section 5). Any other status but 204 is a store that cannot answer now."""
DETAIL_MAX = 300
"""Characters of a store's own words that reach a log."""

# The client logs every failed request with its response; the uplink says it once, in our words.
logging.getLogger("influxdb_client").setLevel(logging.CRITICAL)


class InfluxSink:
    """One store. Async context manager, for the connection pool is of its event loop; connects on the first write."""

    def __init__(self, target: StoreTarget, clock: Clock) -> None:
        self._target = target
        self._clock = clock
        self._client: Any = None
        self._api: Any = None

    async def __aenter__(self) -> Self:
        """Open the pool; nothing is sent yet."""
        # Redirects are refused, for the token would travel with them.
        self._client = InfluxDBClientAsync(
            url=self._target.url,
            token=self._target.token,
            org=self._target.org,
            timeout=self._target.timeout_s * 1000,
            allow_redirects=False,
            connection_pool_maxsize=2,
        )
        self._api = self._client.write_api()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pool."""
        await self._client.close()

    async def write(self, batch: Batch) -> Answer:
        """Offer one batch; the request is given up after the target's timeout, so a half-open line costs that long."""
        try:
            async with asyncio.timeout(self._target.timeout_s + 1):
                stored = await self._api.write(
                    bucket=self._target.bucket,
                    org=self._target.org,
                    record=batch.data,
                    write_precision=WritePrecision.NS,
                )
        except ApiException as error:
            return self._answer(error)
        except TimeoutError:
            return Answer(AnswerKind.UNAVAILABLE, f"no answer within {self._target.timeout_s} s")
        except (aiohttp.ClientError, OSError) as error:
            return Answer(AnswerKind.UNAVAILABLE, f"{type(error).__name__}: {error}"[:DETAIL_MAX])
        if not stored:
            return Answer(AnswerKind.UNAVAILABLE, "an unexpected success status; only 204 is durable")
        return Answer(AnswerKind.STORED)

    def _answer(self, error: ApiException) -> Answer:
        status = int(error.status or 0)
        body = _bytes(error.body)
        words = body[: DETAIL_MAX * 4].decode(errors="replace")
        detail = " ".join(f"HTTP {status} {words}".split())[:DETAIL_MAX]
        kind = KINDS.get(status, AnswerKind.UNAVAILABLE)
        return Answer(kind, detail, self._retry_after(error))

    def _retry_after(self, error: ApiException) -> float | None:
        """Read Retry-After: seconds or an HTTP date (RFC 9110 section 10.2.3); None when absent or nonsense."""
        headers: Any = error.headers
        text = str(headers.get("Retry-After", "")).strip() if headers else ""
        if not text:
            return None
        if text.isascii() and text.isdigit() and len(text) < 10:
            return float(text)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        return max(0.0, moment.timestamp() - self._clock.wall_ms() / 1000)


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else str(body or "").encode()
