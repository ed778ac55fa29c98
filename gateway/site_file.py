"""What may stand in a site file? Its keys, their types, their bounds and their defaults; no secret ever does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from telemetry.asset import ID_PATTERN
from telemetry.strict import Model

Id = Annotated[str, Field(pattern=ID_PATTERN)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
DAY_S = 86_400


class EnterpriseFile(Model):
    """Whose workshop this is."""

    uscc: str = Field(
        pattern=r"^[0-9A-HJ-NPQRTUWXY]{18}$", description="unified social credit code, GB 32100"
    )
    name: str = Field(min_length=1, max_length=200)
    site: str = Field(default="", max_length=200)


class StoreFile(Model):
    """Where sealed batches go."""

    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", max_length=300)
    token_file: str | None = Field(default=None, min_length=1, max_length=4096)
    token_env: EnvName | None = None
    org: str = Field(default="mfl", min_length=1, max_length=100)
    bucket: str = Field(default="evidence", min_length=1, max_length=100)
    timeout_s: int = Field(
        default=10, ge=1, le=14, description="a half-open connection is noticed within 15 s"
    )


class DeviceFile(Model):
    """One device behind an endpoint."""

    device: Id
    profile: str = Field(min_length=1, max_length=300)
    unit: int | None = Field(default=None, ge=1, le=247, description="Modbus unit; 0 would be a broadcast")
    poll_interval_ms: int = Field(default=1000, ge=50, le=3_600_000)
    topic_name: str | None = Field(
        default=None,
        pattern=r"^[^/+#\x00]{1,128}(/[^/+#\x00]{1,128})?$",
        description="the device's name in its topic; NODE/DEVICE under Sparkplug",
    )
    cell: str = Field(default="", max_length=64)
    declared: dict[str, str | int] = Field(default_factory=dict, max_length=16)


class EndpointFile(Model):
    """One address and the devices behind it: `tcp://host:port` (Modbus TCP) or `mqtt://host:port`.

    Modbus is also `tls://host:802`, `rtu:///dev/ttyS0?baudrate=9600&parity=E&stopbits=1`, `rtu+tcp://host:port` and
    `dtu://0.0.0.0:port?registration=HEX&heartbeat=HEX`.
    """

    url: str = Field(pattern=r"^[a-z][a-z0-9+.-]*://", max_length=300)
    timeout_ms: int = Field(default=1000, ge=50, le=60_000)
    client_id: str = Field(default="", max_length=128)
    username: str = Field(default="", max_length=128)
    password_env: EnvName | None = None
    ca_file: str = Field(default="", max_length=4096, description="PEM: who may stand at the other end (TLS)")
    cert_file: str = Field(default="", max_length=4096, description="PEM: our own certificate (TLS)")
    key_file: str = Field(default="", max_length=4096, description="PEM: its private key (TLS)")
    devices: tuple[DeviceFile, ...] = Field(min_length=1, max_length=1000)


class LimitsFile(Model):
    """How much disk may be used; above 80 % windows widen to 15 minutes, at 100 % nothing more is accepted."""

    journal_mb: int = Field(default=64, ge=1, le=100_000)
    outbox_mb: int = Field(default=1000, ge=1, le=1_000_000)


class MetricsFile(Model):
    """The local pages `/metrics` and `/healthz`; always on the loopback address; port 0 turns them off."""

    port: int = Field(default=0, ge=0, le=65535)


class SiteFile(Model):
    """One edge gateway: who it is, where it keeps its state, whom it hears and to whom it reports."""

    version: Literal[1] = 1
    gateway: Id
    enterprise: EnterpriseFile
    window_s: int = Field(default=60, ge=1, le=3600)
    clock_wait_s: int = Field(default=900, ge=0, le=DAY_S)
    state_dir: str = Field(min_length=1, max_length=4096)
    key_file: str = Field(min_length=1, max_length=4096)
    store: StoreFile
    endpoints: tuple[EndpointFile, ...] = Field(min_length=1, max_length=1000)
    limits: LimitsFile = LimitsFile()
    metrics: MetricsFile = MetricsFile()

    @field_validator("window_s")
    @classmethod
    def _divides_a_day(cls, value: int) -> int:
        if DAY_S % value:
            raise ValueError("a window must divide a day (60, 300, 900 ... seconds)")
        return value
