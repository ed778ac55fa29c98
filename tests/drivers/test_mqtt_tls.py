"""MQTT under TLS: whom we believe, whom we show our certificate, and that nothing is said to anybody else."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from typing import TYPE_CHECKING

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from drivers.driver import Endpoint
from drivers.mqtt_json import MqttJson
from telemetry.errors import Disconnected
from telemetry.reading import ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.driver import DeviceSpec
    from telemetry.clock import Clock

pytestmark = pytest.mark.wall
AT_MS = 1_650_006_388_943
PATIENCE_S = 30.0
DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


async def cycles(driver: MqttJson, count: int) -> list[object]:
    """Hear and acknowledge at once, as a journal that is never behind."""
    found: list[object] = []
    async with asyncio.timeout(PATIENCE_S):
        async for heard in driver:
            found += [
                reading.values.get("cycles") for reading in heard.readings if reading.kind is ReadingKind.PUSH
            ]
            if heard.ack is not None:
                heard.ack()
            if len(found) >= count:
                break
    return found


@pytest.fixture
def make_driver(make_spec: Callable[..., DeviceSpec], clock: Clock) -> Callable[..., MqttJson]:
    def make(url: str, timeout_ms: int = 5000, **more: str) -> MqttJson:
        spec = make_spec("kuka_krc4_neuron", "r1")
        return MqttJson(Endpoint(url, (spec,), timeout_ms, client_id="gateway-1", **more), clock)  # type: ignore[arg-type]

    return make


def payload(number: int) -> bytes:
    return b'{"timestamp":%d,"values":{"cycles":%d}}' % (AT_MS, number)


class Authority:
    """A certificate authority of one test, and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = self._write(
            f"{name}.pem", self._sign(self._subject, self._key, NOW + 9999 * DAY, ca=True)
        )

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: dt.datetime, *, ca: bool
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate) -> str:
        path = self._folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def issue(self, name: str, until: dt.datetime = NOW + 9999 * DAY) -> tuple[str, str]:
        """Give (certificate file, key file)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._write(f"{self._name}-{name}.pem", self._sign(subject, key, until, ca=False))
        secret = self._folder / f"{self._name}-{name}.key"
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, str(secret)


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[str], Authority]:
    made: dict[str, Authority] = {}
    return lambda name: made.setdefault(name, Authority(tmp_path, name))


def tls_settings(ours: Authority, server: tuple[str, str]) -> str:
    return (
        f"cafile {ours.file}\ncertfile {server[0]}\nkeyfile {server[1]}\nrequire_certificate true\n"
        "use_identity_as_username true\nallow_anonymous false\nuser root"
    )


def test_tls_with_a_client_certificate(
    mosquitto: Callable[..., str],
    make_driver: Callable[..., MqttJson],
    authority: Callable[[str], Authority],
) -> None:
    ours, theirs = authority("ours"), authority("theirs")
    mine = ours.issue("gateway")

    async def main() -> None:
        url = mosquitto(tls_settings(ours, ours.issue("broker"))).replace("mqtt:", "mqtts:")
        host, _, port = url.removeprefix("mqtts://").partition(":")
        for version in ("3.1.1", "5"):
            driver = make_driver(
                f"{url}?version={version}", ca_file=ours.file, cert_file=mine[0], key_file=mine[1]
            )
            async with driver:
                context = ssl.create_default_context(cafile=ours.file)
                context.load_cert_chain(*ours.issue("device"))
                async with aiomqtt.Client(host, int(port), tls_context=context) as device:
                    await device.publish("/neuron/mfl/r1/robot", payload(7), qos=1)
                assert await cycles(driver, 1) == [7]
        with pytest.raises(Disconnected, match="certificate verify failed"):
            async with make_driver(url, ca_file=theirs.file, cert_file=mine[0], key_file=mine[1]):
                pass
        with pytest.raises(Disconnected):  # who shows no certificate is not let in
            async with make_driver(url, 500, ca_file=ours.file):
                pass
        with pytest.raises(Disconnected, match="cannot be used"):
            async with make_driver(url, ca_file="/nowhere.pem"):
                pass

    asyncio.run(main())


@pytest.mark.parametrize("wrong", ["expired", "plain"])
def test_a_broker_that_cannot_prove_itself_gets_no_word_from_us(
    wrong: str,
    mosquitto: Callable[..., str],
    make_driver: Callable[..., MqttJson],
    authority: Callable[[str], Authority],
) -> None:
    ours = authority("ours")
    settings = "allow_anonymous true"
    if wrong == "expired":
        settings = tls_settings(ours, ours.issue("broker", dt.datetime(2021, 1, 1, tzinfo=dt.UTC)))

    async def main() -> None:
        url = mosquitto(settings).replace("mqtt:", "mqtts:")
        reason = "expired" if wrong == "expired" else r"(?i)ssl|reset|eof|wrong version|record"
        with pytest.raises(Disconnected, match=reason):
            async with make_driver(url, ca_file=ours.file):
                pass

    asyncio.run(main())
