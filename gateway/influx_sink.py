"""How does a batch reach a store over HTTP? As the body of `/api/v2/write`, its bytes unchanged, by influxdb-client.

One sink for our own store and for any InfluxDB of version 2 or 3. What is answered becomes a decision
(`gateway.http_answer`); a store that is away is an answer too, never an exception.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from gateway.http_answer import DETAIL_MAX, read_answer
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from types import TracebackType

    from gateway.config import StoreTarget
    from telemetry.clock import Clock
    from telemetry.seal import Batch

BODY_BYTES_MAX = 65_536
"""What of an answer's body is read; a store's refusal has some hundred bytes, and the rest is nobody's business."""
BODY_WAIT_S = 2.0
"""How long an answer's body may take once its status is known; then the status alone counts."""

# The client logs every failed request with its response; the uplink says it once, in our words.
logging.getLogger("influxdb_client").setLevel(logging.CRITICAL)


class InfluxSink:
    """One store. Async context manager, for the connection pool is of its event loop; connects on the first write."""

    def __init__(self, target: StoreTarget, clock: Clock) -> None:
        self._target = target
        self._clock = clock
        self._client: Any = None
        self._writes: Any = None

    async def __aenter__(self) -> Self:
        """Open the pool; nothing is sent yet."""
        # Redirects are refused, for the token would travel with them. What comes back is taken as it is: an answer
        # that unpacks to gigabytes is a few kilobytes of something that is no store's, and cookies are nobody's.
        self._client = InfluxDBClientAsync(
            url=self._target.url,
            token=self._target.token,
            org=self._target.org,
            timeout=self._target.timeout_s * 1000,
            allow_redirects=False,
            connection_pool_maxsize=2,
            client_session_kwargs={
                "auto_decompress": False,
                "cookie_jar": aiohttp.DummyCookieJar(),
                "headers": {"Accept-Encoding": "identity"},
            },
        )
        self._writes = WriteService(self._client.api_client)  # type: ignore[no-untyped-call]
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
                response = await self._writes.post_write_async(
                    bucket=self._target.bucket,
                    org=self._target.org,
                    body=batch.data,
                    precision=WritePrecision.NS,
                    content_type="text/plain; charset=utf-8",
                    async_req=False,
                    # The client would read a body of any size, and takes 201 for 204: the answer is read here.
                    _preload_content=False,
                )
                body = await _read_body(response)
        except TimeoutError:
            return Answer(AnswerKind.UNAVAILABLE, f"no answer within {self._target.timeout_s} s")
        except (ApiException, aiohttp.ClientError, OSError) as error:
            return Answer(AnswerKind.UNAVAILABLE, f"{type(error).__name__}: {error}"[:DETAIL_MAX])
        return read_answer(response.status, response.headers, body, self._clock.wall_ms())


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read at most BODY_BYTES_MAX bytes; a body that is longer, late or broken ends the connection, not the answer."""
    body = b""
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            while len(body) < BODY_BYTES_MAX and (part := await response.content.read(BODY_BYTES_MAX)):
                body += part
    except (TimeoutError, aiohttp.ClientError):
        body = b""
    finally:
        # A connection whose answer was read to its end went back to the pool already; this closes only the others.
        response.close()
    return body[:BODY_BYTES_MAX]
