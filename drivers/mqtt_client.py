"""How is MQTT heard with acknowledgement in our own hands? The one place that knows aiomqtt, and paho beneath it.

aiomqtt acknowledges a QoS 1 message as soon as it has queued it, that is, before anything is durable. Its inner paho
client can leave that to the caller (`manual_ack_set`, `ack`); aiomqtt does not offer it, so this file reaches inside, and
a test pins what it relies on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiomqtt

from telemetry.errors import Disconnected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType

KEEPALIVE_S = 7
"""A half-open line is found within twice this: one period of silence, and one without an answer to the ping."""
QUEUE_MAX = 1_000
"""Messages taken from the socket and not yet handed on. A broker sends at most its in-flight limit (20 by default) of
QoS 1 before it waits for acknowledgements; only QoS 0, which promises nothing, can overrun this and is then dropped."""
_SOCKET_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, and the call that tells the broker that it is safe with us (at most once, from any thread)."""

    topic: str
    payload: bytes
    is_retained: bool
    ack: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect, and as whom. A persistent session belongs to the client id, which must be stable."""

    host: str
    port: int
    client_id: str
    timeout_s: float
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Broker({self.host}:{self.port} as {self.client_id})"


class MqttSession:
    """A persistent session (clean_session off) in which nothing is acknowledged but by `Delivery.ack`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._client = aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=broker.client_id,
            username=broker.username or None,
            password=broker.password or None,
            clean_session=False,
            keepalive=KEEPALIVE_S,
            timeout=broker.timeout_s,
            max_queued_incoming_messages=QUEUE_MAX,
            socket_options=_SOCKET_OPTIONS,
        )
        self._paho = self._client._client  # noqa: SLF001 the reason of this file
        self._paho.manual_ack_set(True)  # noqa: FBT003 paho's own signature
        self._paho.connect_timeout = broker.timeout_s
        self._is_open = False

    async def __aenter__(self) -> Self:
        """Connect, one attempt; Disconnected when the broker is away or refuses."""
        try:
            await self._client.__aenter__()
        except aiomqtt.MqttError as error:
            self._let_go()
            raise Disconnected(f"{self._broker.host}:{self._broker.port}: {error}") from None
        except asyncio.CancelledError:
            self._let_go()
            raise
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye when the line is well; the session stays with the broker."""
        await asyncio.sleep(0)  # acknowledgements given before now still go out
        self._is_open = False
        with contextlib.suppress(aiomqtt.MqttError):
            await self._client.__aexit__(None, None, None)
        self._let_go()

    def _let_go(self) -> None:
        """Close what a failed connection leaves open: the socket, its reader, and aiomqtt's once-a-second task."""
        task = self._client._misc_task  # noqa: SLF001 as above
        if task is not None and not task.done():
            task.cancel()
        left = self._paho.socket()
        if isinstance(left, socket.socket):
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(left.fileno())
                self._loop.remove_writer(left.fileno())
            left.close()

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe at QoS 1, on every connect: a broker may have lost the session. Disconnected when it refuses."""
        try:
            granted = await self._client.subscribe([(topic, 1) for topic in topics])
        except aiomqtt.MqttError as error:
            raise Disconnected(f"subscribe: {error}") from None
        codes = [code if isinstance(code, int) else int(code.value) for code in granted]
        refused = [topic for topic, code in zip(topics, codes, strict=False) if code >= 0x80]
        if refused:
            raise Disconnected(f"the broker refuses the subscription to {', '.join(refused)}")

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """Give messages as they come; Disconnected when the line is lost."""
        try:
            async for message in self._client.messages:
                ack = self._ack_of(message.mid, message.qos)
                yield Delivery(str(message.topic), message.payload, message.retain, ack)
        except aiomqtt.MqttError as error:
            self._is_open = False
            raise Disconnected(f"{self._broker.host}:{self._broker.port}: {error}") from None

    def _ack_of(self, message_id: int, qos: int) -> Callable[[], None]:
        """Make the acknowledgement of one message: once, on the loop's thread, and only in this session."""
        spent = False

        def send() -> None:
            nonlocal spent
            if not spent and self._is_open and qos > 0:
                spent = True
                self._paho.ack(message_id, qos)

        def ack() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the broker will deliver again
                self._loop.call_soon_threadsafe(send)

        return ack
