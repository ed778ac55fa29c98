"""Which drivers hear Modbus over TCP? Plain, and under TLS (Modbus/TCP Security); one connection an endpoint."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from drivers.modbus_connection import connect
from drivers.modbus_poller import ModbusPoller
from drivers.modbus_url import parse_modbus_url
from telemetry.errors import Disconnected

if TYPE_CHECKING:
    from drivers.driver import Endpoint
    from drivers.modbus_connection import ModbusConnection
    from telemetry.clock import Clock

PORT = 502


class ModbusTcp(ModbusPoller):
    """Modbus TCP at `tcp://host:port`; without a port the first device's profile names it."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        host, port = _address(endpoint)
        timeout_s = endpoint.timeout_ms / 1000
        super().__init__(endpoint, clock, lambda: connect(host, port, timeout_s))


class ModbusTls(ModbusPoller):
    """Modbus TCP under TLS at `tls://host:802`: the server's certificate is checked, ours is shown when there is one."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        url = parse_modbus_url(endpoint.url)
        timeout_s = endpoint.timeout_ms / 1000

        async def opener() -> ModbusConnection:
            # Anew at each attempt: certificates are renewed while the gateway runs.
            tls = client_context(endpoint.ca_file, endpoint.cert_file, endpoint.key_file)
            return await connect(url.host, url.port, timeout_s, tls=tls, server_name=url.server_name)

        super().__init__(endpoint, clock, opener)


def _address(endpoint: Endpoint) -> tuple[str, int]:
    url = parse_modbus_url(endpoint.url)
    ports = [spec.profile.modbus.port for spec in endpoint.devices if spec.profile.modbus is not None]
    return url.host, url.port or (ports[0] if ports else PORT)


def client_context(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """Make a client's TLS context: 1.2 or newer, the peer's certificate and name checked. Disconnected: a file is unfit.

    No `ca_file` trusts the system's authorities; the house's own devices seldom have a certificate from one.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert_file:
            context.load_cert_chain(cert_file, key_file or None)
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        raise Disconnected(
            f"TLS files cannot be used: {error.strerror if isinstance(error, OSError) else error}"
        ) from None
    return context
