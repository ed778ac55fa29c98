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


def _modbus_tls(endpoint: Endpoint, clock: Clock) -> Driver:
    from drivers.modbus_tcp import ModbusTls

    return ModbusTls(endpoint, clock)


def _modbus_serial(endpoint: Endpoint, clock: Clock) -> Driver:
    from drivers.modbus_rtu import ModbusSerial

    return ModbusSerial(endpoint, clock)


def _modbus_rtu_over_tcp(endpoint: Endpoint, clock: Clock) -> Driver:
    from drivers.modbus_rtu import ModbusRtuOverTcp

    return ModbusRtuOverTcp(endpoint, clock)


def _modbus_dtu(endpoint: Endpoint, clock: Clock) -> Driver:
    from drivers.modbus_rtu import ModbusDtu

    return ModbusDtu(endpoint, clock)


def _mqtt_json(endpoint: Endpoint, clock: Clock) -> Driver:
    from drivers.mqtt_json import MqttJson

    return MqttJson(endpoint, clock)


def _sparkplug(endpoint: Endpoint, clock: Clock) -> Driver:
    from drivers.sparkplug_host import SparkplugHost

    return SparkplugHost(endpoint, clock)


DRIVERS: Mapping[str, Callable[[Endpoint, Clock], Driver]] = {
    "tcp": _modbus_tcp,
    "tls": _modbus_tls,
    "rtu": _modbus_serial,
    "rtu+tcp": _modbus_rtu_over_tcp,
    "dtu": _modbus_dtu,
    "mqtt": _mqtt_json,
    "mqtts": _mqtt_json,
    "spb": _sparkplug,
    "spbs": _sparkplug,
}
"""URL scheme → driver factory."""
