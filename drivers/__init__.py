"""Which drivers exist? One factory a URL scheme; each imports its driver only when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drivers.driver import Driver, Endpoint
    from telemetry.clock import Clock


def _modbus_tcp(endpoint: Endpoint, clock: Clock) -> Driver:
    from drivers.modbus_tcp import ModbusTcp

    return ModbusTcp(endpoint, clock)


def _mqtt_json(endpoint: Endpoint, clock: Clock) -> Driver:
    from drivers.mqtt_json import MqttJson

    return MqttJson(endpoint, clock)


DRIVERS: Mapping[str, Callable[[Endpoint, Clock], Driver]] = {"tcp": _modbus_tcp, "mqtt": _mqtt_json}
"""URL scheme → driver factory."""
