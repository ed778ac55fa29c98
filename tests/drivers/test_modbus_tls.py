"""Modbus under TLS: a foreign server is heard when both sides prove who they are, and nothing is asked when they do not."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
from typing import TYPE_CHECKING, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers import DRIVERS
from drivers.driver import Endpoint
from telemetry.errors import Disconnected
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from drivers.driver import DeviceSpec
    from telemetry.clock import Clock
    from telemetry.profile import Profile
    from telemetry.reading import Reading

    Hear = Callable[..., object]

pytestmark = pytest.mark.wall


class Authority:
    """An authority with a server's and a client's certificate, as PEM files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "workshop authority")])
        self.ca = self._write("ca.pem", self._certify(self._name, self._key.public_key(), None))

    def _write(self, name: str, certificate: x509.Certificate) -> str:
        path = self._folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def _certify(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, host: str | None
    ) -> x509.Certificate:
        now = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now.replace(year=2120))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, host: str) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        private = self._folder / f"{host}.key"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return self._write(f"{host}.pem", self._certify(subject, key.public_key(), host)), str(private)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@contextlib.asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[int]:
    """A pymodbus server that wants a client's certificate. Modbus/TCP Security keeps the MBAP header inside TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("plc.test"))
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    registers = [SimData(address=0, values=[7], datatype=DataType.REGISTERS)]
    server = ModbusTlsServer(
        SimDevice(id=1, simdata=registers),
        framer=FramerType.SOCKET,
        address=("127.0.0.1", 0),
        sslctx=context,
    )
    await server.serve_forever(background=True)
    try:
        yield int(cast("asyncio.Server", server.transport).sockets[0].getsockname()[1])
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.fixture
def listen_tls(
    authority: Authority,
    clock: Clock,
    make_profile: Callable[..., Profile],
    make_spec: Callable[..., DeviceSpec],
    hear: Hear,
) -> Callable[..., list[Reading]]:
    def run(query: str = "?server_name=plc.test", **files: str) -> list[Reading]:
        spec = make_spec(make_profile("  n: {table: holding, address: 0, type: uint16}"))

        async def main() -> list[Reading]:
            async with serving(authority) as port:
                endpoint = Endpoint(f"tls://127.0.0.1:{port}{query}", (spec,), timeout_ms=5000, **files)  # type: ignore[arg-type]
                async with DRIVERS["tls"](endpoint, clock) as driver:
                    readings, lost = await hear(driver, 3)  # type: ignore[misc]
            if lost:
                raise Disconnected(lost)
            return [reading for reading in readings if reading.kind is ReadingKind.POLL]

        return asyncio.run(main())

    return run


def test_both_sides_with_a_certificate(
    authority: Authority, listen_tls: Callable[..., list[Reading]]
) -> None:
    cert, key = authority.issue("gateway.test")
    readings = listen_tls(ca_file=authority.ca, cert_file=cert, key_file=key)
    assert [(reading.quality, reading.values) for reading in readings] == [(Quality.GOOD, {"n": 7})] * len(
        readings
    )


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("", "the certificate's name is not that of the host"),
        ("?server_name=other.test", "nor that of another"),
    ],
)
def test_a_server_of_another_name_is_refused(
    query: str, wrong: str, authority: Authority, listen_tls: Callable[..., list[Reading]]
) -> None:
    cert, key = authority.issue("gateway.test")
    with pytest.raises(Disconnected, match="its certificate is refused"):
        listen_tls(query, ca_file=authority.ca, cert_file=cert, key_file=key)


def test_a_server_of_another_authority_is_refused(listen_tls: Callable[..., list[Reading]]) -> None:
    with pytest.raises(Disconnected, match="its certificate is refused"):
        listen_tls()


def test_without_our_certificate_the_server_refuses_us(
    authority: Authority, listen_tls: Callable[..., list[Reading]]
) -> None:
    with pytest.raises(Disconnected):
        listen_tls(ca_file=authority.ca)


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_that_is_none_is_told(
    content: bytes | None, tmp_path: Path, listen_tls: Callable[..., list[Reading]]
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Disconnected, match="TLS files cannot be used"):
        listen_tls(ca_file=str(path))
