"""How is a device heard? What every driver is given, and the one shape all drivers have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from drivers.modbus_holes import HoleBook
    from telemetry.profile import Profile
    from telemetry.reading import Heard


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device of an endpoint: who we say it is, what its profile says it can tell, and how often it is asked.

    `unit` None takes the profile's; `topic_name` None takes the device id. `declared` is the identity given at
    enrolment: it fills what the device does not tell of itself and never replaces what it does tell.
    """

    device: str
    profile: Profile
    profile_id: str
    poll_interval_ms: int
    unit: int | None = None
    topic_name: str | None = None
    declared: Mapping[str, str | int] = field(default_factory=dict)
    cell: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and the devices behind it. The password is kept out of every representation.

    `ca_file`, `cert_file` and `key_file` are PEM files for lines under TLS: who may stand at the other end (empty: the
    system's authorities), and who we are. `holes` is what was learnt of refused registers; None learns afresh.
    """

    url: str
    devices: tuple[DeviceSpec, ...]
    timeout_ms: int = 1000
    client_id: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    holes: HoleBook | None = field(default=None, repr=False, compare=False)

    def address(self, default_port: int) -> tuple[str, int]:
        """Give (host, port) of the URL; ValueError when it names no host or an impossible port."""
        parts = urlsplit(self.url)
        if not parts.hostname:
            raise ValueError(f"an endpoint is written scheme://host:port, not {self.url!r}")
        return parts.hostname, parts.port or default_port


class Driver(Protocol):
    """One connection to one endpoint.

    Entering makes one attempt to connect and raises Disconnected when it fails; iterating gives what is heard and
    raises Disconnected when the line is lost. There is no retry loop inside, no sleep after an error, and no waiting
    for durability: `Heard.ack` is called by whoever made the reading durable.
    """

    async def __aenter__(self) -> Self:
        """Connect, once."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the line, in bounded time."""
        ...

    def __aiter__(self) -> AsyncIterator[Heard]:
        """Give what is heard, until the line is lost."""
        ...
