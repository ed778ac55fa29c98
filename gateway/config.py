"""What does this gateway do? A site file read, checked as a whole, and resolved: profiles loaded, secrets fetched."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drivers.driver import DeviceSpec, Endpoint
from drivers.mqtt_options import default_client_id
from gateway.hole_file import load_holes
from gateway.site_checks import SiteChecker
from gateway.site_file import SiteFile
from telemetry.errors import ConfigError, Problem
from telemetry.strict import FILE_BYTES_MAX, decode_yaml, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from drivers.modbus_holes import HoleBook
    from drivers.profiles import LoadedProfile
    from gateway.site_file import DeviceFile


_SECRETS = {
    "pass": "use password_env: the name of an environment variable",
    "pwd": "use password_env: the name of an environment variable",
    "token": "use token_file or token_env",
    "secret": "use token_file, token_env or password_env",
    "key": "use key_file",
}
"""What people call the keys under which they write secrets → what to write instead."""


@dataclass(frozen=True, slots=True)
class StoreTarget:
    """Where batches are pushed; the token is kept out of every representation."""

    url: str
    org: str
    bucket: str
    timeout_s: int
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of disk that journal and outbox may take."""

    journal_bytes: int = 64_000_000
    outbox_bytes: int = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Site:
    """A checked site: everything `run_gateway` needs."""

    gateway: str
    uscc: str
    enterprise: str
    window_ms: int
    clock_wait_s: int
    state_dir: Path
    key_file: Path
    store: StoreTarget
    endpoints: tuple[Endpoint, ...]
    profile_texts: Mapping[str, str]
    """Profile id → exact text; kept beside the journal, so that a later run reads today's readings by today's map."""
    limits: Limits = Limits()
    metrics_port: int = 0
    digest: str = ""
    """First 12 hex digits of the file's SHA-256: the heartbeat's `config`."""

    def devices(self) -> list[DeviceSpec]:
        """Give every device of every endpoint."""
        return [spec for endpoint in self.endpoints for spec in endpoint.devices]


def load_site(path: Path, environ: Mapping[str, str] | None = None) -> Site:
    """Read a site file; ConfigError carries every problem with line and column. Relative paths start at the file."""
    text = _read(path)
    file = _decode(text, str(path))
    root, _ = parse_yaml(text, str(path))
    checker = SiteChecker(file, root, text, path, os.environ if environ is None else environ)
    checker.check()
    if checker.problems:
        raise ConfigError(checker.problems)
    home = path.resolve().parent
    holes = load_holes(home / file.state_dir)
    return Site(
        gateway=file.gateway,
        uscc=file.enterprise.uscc,
        enterprise=file.enterprise.name,
        window_ms=file.window_s * 1000,
        clock_wait_s=file.clock_wait_s,
        state_dir=home / file.state_dir,
        key_file=home / file.key_file,
        store=StoreTarget(
            file.store.url.rstrip("/"), file.store.org, file.store.bucket, file.store.timeout_s, checker.token
        ),
        endpoints=tuple(_endpoint(file, index, checker, home, holes) for index in range(len(file.endpoints))),
        profile_texts={profile.profile_id: profile.text for profile in checker.profiles.values()},
        limits=Limits(file.limits.journal_mb * 1_000_000, file.limits.outbox_mb * 1_000_000),
        metrics_port=file.metrics.port,
        digest=hashlib.sha256(text.encode()).hexdigest()[:12],
    )


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
        return data.decode()
    except OSError as error:
        problem = Problem(
            str(path), 0, 0, "", f"cannot be read: {error.strerror}", "give the path of a site file"
        )
        raise ConfigError([problem]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), 0, 0, "", f"is not UTF-8 at byte {error.start}")]) from None


def _decode(text: str, path: str) -> SiteFile:
    """Decode; a secret written out is answered with the way to keep it out of the file, and never repeated."""
    try:
        return decode_yaml(SiteFile, text, path)
    except ConfigError as error:
        secret_lines = {problem.line for problem in error.problems if _way_out(problem)}
        raise ConfigError([_without_secret(item, secret_lines) for item in error.problems]) from None


def _way_out(problem: Problem) -> str:
    name = problem.key.rpartition(".")[2].lower()
    if problem.message != "is not a known key":
        return ""
    meant = [word for word in ("password", "token") if word in problem.hint]
    return next(
        (way for word, way in _SECRETS.items() if word in name or any(word in item for item in meant)), ""
    )


def _without_secret(problem: Problem, secret_lines: set[int]) -> Problem:
    way_out = _way_out(problem)
    if way_out:
        message = "a secret may not stand in this file"
        return Problem(problem.file, problem.line, problem.column, problem.key, message, way_out)
    return replace(problem, source="") if problem.line in secret_lines else problem


def _endpoint(file: SiteFile, index: int, checker: SiteChecker, home: Path, holes: HoleBook) -> Endpoint:
    endpoint = file.endpoints[index]

    def beside(name: str) -> str:
        return str(home / name) if name else ""

    return Endpoint(
        url=endpoint.url,
        devices=tuple(_spec(device, checker.profiles[device.profile]) for device in endpoint.devices),
        timeout_ms=endpoint.timeout_ms,
        client_id=endpoint.client_id or default_client_id(file.gateway, endpoint.url),
        username=endpoint.username,
        password=checker.passwords.get(index, ""),
        ca_file=beside(endpoint.ca_file),
        cert_file=beside(endpoint.cert_file),
        key_file=beside(endpoint.key_file),
        holes=holes,
    )


def _spec(device: DeviceFile, loaded: LoadedProfile) -> DeviceSpec:
    return DeviceSpec(
        device=device.device,
        profile=loaded.profile,
        profile_id=loaded.profile_id,
        poll_interval_ms=device.poll_interval_ms,
        unit=device.unit,
        topic_name=device.topic_name,
        declared=device.declared,
        cell=device.cell,
    )
