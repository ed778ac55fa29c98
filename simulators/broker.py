"""Which MQTT broker serves the demo where no Mosquitto is? amqtt, in this process, on loopback, for anybody there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig

if TYPE_CHECKING:
    from types import TracebackType

_NOISY = ("amqtt", "transitions")
"""Loggers that report every packet and every state change of the library at INFO and WARNING."""


class LocalBroker:
    """An MQTT 3.1.1 broker on 127.0.0.1, anonymous; port 0 takes a free one. It keeps nothing over a restart."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._broker: Broker | None = None

    @property
    def url(self) -> str:
        """Where it listens: `mqtt://127.0.0.1:PORT`."""
        return f"mqtt://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        """Start listening."""
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        config = BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"127.0.0.1:{self._port}")},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
        self._broker = Broker(config)
        await self._broker.start()
        listener = self._broker._servers["default"].instance  # noqa: SLF001 the only place that knows a free port
        self._port = int(listener.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, with all its tasks."""
        if self._broker is not None:
            await self._broker.shutdown()
            self._broker = None
