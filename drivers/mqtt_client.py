"""How is MQTT heard with acknowledgement in our own hands? The one place that knows aiomqtt, and paho beneath it.

aiomqtt acknowledges a QoS 1 message as soon as it has queued it, that is, before anything is durable. Its inner paho
client can leave that to the caller (`manual_ack_set`, `ack`); aiomqtt does not offer it, so this file reaches inside, and
a test pins what it relies on. It also keeps its own inbox and reads the
socket itself: aiomqtt's queue forgets what does not fit, even at QoS 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from telemetry.errors import Disconnected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType

    from paho.mqtt.client import MQTTMessage

KEEPALIVE_S = 7
"""A half-open line is found within twice this: one period of silence, and one without an answer to the ping."""
QUEUE_MAX = 1_000
"""Messages taken from the socket and not yet handed on; when there are more, the socket is not read until half are gone.
So nothing is dropped here: the broker waits, and drops of QoS 0 what it must. A pause as long as two keepalives is a lost
line; nothing that hands messages on waits that long."""
QUEUE_BYTES_MAX = 32_000_000
"""The same bound in bytes, which holds also while a session begins: what the broker kept comes before its answer to our
subscription, and is let in."""
_OVERHEAD_BYTES = 1_024
"""What a message costs beside its payload."""
RECEIVE_MAX = 100
"""QoS 1 messages that a version 5 broker may have in flight to us."""
PACKET_BYTES_MAX = 2_097_152
"""A version 5 broker sends nothing longer: twice the longest payload that any driver reads."""
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
    is_repeated: bool = False
    """Whether the broker has tried to deliver it before (the DUP flag)."""
    packet_id: int = 0
    """The broker's number for it in this session, the same at every try, 1 to 65,535; 0 at QoS 0."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: who may stand at the other end (empty: the system's authorities), our certificate, its key."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Farewell:
    """What the broker says for us when the line breaks: the will, always QoS 1 and retained."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect, as whom, and how. A persistent session belongs to the client id, which must be stable."""

    host: str
    port: int
    client_id: str
    timeout_s: float
    username: str = ""
    password: str = ""
    is_persistent: bool = True
    """Whether the broker keeps our session; a Sparkplug host must begin each with nothing."""
    is_v5: bool = False
    session_expiry_s: int = 0
    tls: TlsFiles | None = None
    will: Farewell | None = None

    def __repr__(self) -> str:
        return f"Broker({self.host}:{self.port} as {self.client_id})"


class _Inbox:
    """What came and was not yet handed on."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.is_flowing = False
        """Whether the session has begun, and somebody takes what comes."""
        self._waiting: deque[MQTTMessage] = deque()
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether no more should be read."""
        return (self.is_flowing and len(self._waiting) >= QUEUE_MAX) or self._bytes >= QUEUE_BYTES_MAX

    @property
    def is_half_empty(self) -> bool:
        """Whether reading should go on."""
        return len(self._waiting) <= QUEUE_MAX // 2 and self._bytes <= QUEUE_BYTES_MAX // 2

    def on_message(self, _client: object, _userdata: object, message: MQTTMessage) -> None:
        """Take a message from paho, on the loop's thread."""
        self._bytes += len(message.payload) + _OVERHEAD_BYTES
        self._waiting.append(message)
        self.changed.set()

    def take(self) -> MQTTMessage:
        """Give the oldest."""
        message = self._waiting.popleft()
        self._bytes -= len(message.payload) + _OVERHEAD_BYTES
        return message


class MqttSession:
    """One session in which nothing is acknowledged but by `Delivery.ack`."""

    def __init__(self, broker: Broker) -> None:
        """Prepare; Disconnected when a certificate file cannot be used."""
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        will = broker.will
        self._client = aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=broker.client_id,
            username=broker.username or None,
            password=broker.password or None,
            protocol=aiomqtt.ProtocolVersion.V5 if broker.is_v5 else aiomqtt.ProtocolVersion.V311,
            clean_session=None if broker.is_v5 else not broker.is_persistent,
            clean_start=not broker.is_persistent if broker.is_v5 else MQTT_CLEAN_START_FIRST_ONLY,
            properties=_connect_properties(broker) if broker.is_v5 else None,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
            keepalive=KEEPALIVE_S,
            timeout=broker.timeout_s,
            socket_options=_SOCKET_OPTIONS,
        )
        self._paho = self._client._client  # noqa: SLF001 the reason of this file
        self._paho.manual_ack_set(True)  # noqa: FBT003 paho's own signature
        self._paho.connect_timeout = broker.timeout_s
        self._inbox = _Inbox()
        self._paho.on_message = self._inbox.on_message
        self._paho._ssl_wrap_socket = self._encrypted  # type: ignore[method-assign,assignment]  # noqa: SLF001 as above
        self._context = None if broker.tls is None else _tls_context(broker.tls)
        if self._context is not None:
            self._paho.tls_set_context(self._context)
        self._is_paused = False
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether the line was there when last looked at."""
        return self._is_open and not self._client._disconnected.done()  # noqa: SLF001 as above

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
        self._client._disconnected.add_done_callback(lambda _: self._inbox.changed.set())  # noqa: SLF001 as above
        line = self._paho.socket()
        if isinstance(line, socket.socket) and line.fileno() >= 0:
            self._loop.add_reader(line.fileno(), self._read)  # in the place of aiomqtt's, which never waits
        return self

    def _encrypted(self, plain: socket.socket) -> ssl.SSLSocket:
        """Shake hands, in the connecting thread; paho leaves a socket open when that fails."""
        if self._context is None:
            raise ValueError("TLS without a context")
        line: socket.socket = plain
        try:
            line = encrypted = self._context.wrap_socket(
                plain, server_hostname=self._broker.host, do_handshake_on_connect=False
            )
            encrypted.settimeout(self._broker.timeout_s)
            encrypted.do_handshake()
        except BaseException:
            line.close()
            raise
        return encrypted

    def _read(self) -> None:
        """Read what is there, unless enough is waiting; then leave it to the socket, and so to the broker."""
        line = self._paho.socket()
        if not isinstance(line, socket.socket):
            return
        try:
            while not self._inbox.is_full:
                self._paho.loop_read()
                if not isinstance(line, ssl.SSLSocket) or line.fileno() < 0 or not line.pending():
                    return
        except Exception as error:  # noqa: BLE001 whatever paho makes of bytes that are no MQTT
            lost = self._client._disconnected  # noqa: SLF001 as above
            if not lost.done():
                lost.set_exception(error)
            return
        self._is_paused = True
        self._loop.remove_reader(line.fileno())

    def _resume(self) -> None:
        line = self._paho.socket()
        self._is_paused = False
        if isinstance(line, socket.socket) and line.fileno() >= 0:
            self._loop.add_reader(line.fileno(), self._read)
            self._loop.call_soon(self._read)  # TLS may have read ahead

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye when the line is well; a persistent session stays with the broker."""
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
        lost = self._client._disconnected  # noqa: SLF001 as above
        if lost.done() and not lost.cancelled():
            lost.exception()  # seen: why a line that nobody listens to was lost is nobody's concern
        left = self._paho.socket()
        if isinstance(left, socket.socket):
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(left.fileno())
                self._loop.remove_writer(left.fileno())
            left.close()

    async def subscribe(self, topics: Sequence[str], *, fresh_only: Sequence[str] = ()) -> None:
        """Subscribe at QoS 1, on every connect: a broker may have lost the session. Disconnected when it refuses.

        For those among `fresh_only` a version 5 broker is told to send what it retains only with a new subscription.
        """
        if self._broker.is_v5:
            options = [SubscribeOptions(qos=1, retainHandling=int(topic in fresh_only)) for topic in topics]
            wanted = list(zip(topics, options, strict=True))
            coming = self._client.subscribe(wanted)
        else:
            coming = self._client.subscribe([(topic, 1) for topic in topics])
        try:
            granted = await coming
        except aiomqtt.MqttError as error:
            raise Disconnected(f"subscribe: {error}") from None
        codes = [code if isinstance(code, int) else int(code.value) for code in granted]
        refused = [topic for topic, code in zip(topics, codes, strict=False) if code >= 0x80]
        if refused:
            raise Disconnected(f"the broker refuses the subscription to {', '.join(refused)}")

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, is_retained: bool = False) -> None:
        """Publish; at QoS 1 this returns when the broker has it. Disconnected when it does not take it."""
        try:
            await self._client.publish(topic, payload, qos=qos, retain=is_retained)
        except aiomqtt.MqttError as error:
            raise Disconnected(f"publish to {topic}: {error}") from None

    async def next_delivery(self, timeout_s: float | None = None) -> Delivery | None:
        """Give the next message, or None when none came in time; Disconnected when the line is lost."""
        lost = self._client._disconnected  # noqa: SLF001 as above
        self._inbox.is_flowing = True
        while not self._inbox and not lost.done():
            self._inbox.changed.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._inbox.changed.wait()
            except TimeoutError:
                return None
        if not self._inbox:
            self._is_open = False
            reason = lost.exception() or "the broker closed the line"
            raise Disconnected(f"{self._broker.host}:{self._broker.port}: {reason}")
        message = self._inbox.take()
        if self._is_paused and self._inbox.is_half_empty:
            self._resume()
        ack = self._ack_of(message.mid, message.qos)
        payload = bytes(message.payload)
        return Delivery(_topic_of(message), payload, message.retain, ack, message.dup, message.mid)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """Give messages as they come; Disconnected when the line is lost."""
        while True:
            delivery = await self.next_delivery()
            if delivery is not None:
                yield delivery

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


def _topic_of(message: MQTTMessage) -> str:
    """Read the topic; one that is no UTF-8 is no topic of ours."""
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""


def _connect_properties(broker: Broker) -> Properties:
    found = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    found.SessionExpiryInterval = broker.session_expiry_s if broker.is_persistent else 0
    found.ReceiveMaximum = RECEIVE_MAX
    found.MaximumPacketSize = PACKET_BYTES_MAX
    return found


def _tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Make a context that checks the broker's name and certificate; there is no way to turn that off."""
    try:
        context = ssl.create_default_context(cafile=files.ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.cert_file:
            context.load_cert_chain(files.cert_file, files.key_file or None)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        named = ", ".join(name for name in (files.ca_file, files.cert_file, files.key_file) if name)
        raise Disconnected(f"the certificate files cannot be used ({named}): {error}") from None
    return context
