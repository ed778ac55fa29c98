"""Does a site file make sense as a whole? The checks that need more than one key, each problem at its own line."""

from __future__ import annotations

import difflib
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from drivers import DRIVERS
from drivers.modbus_url import MODBUS_SCHEMES
from drivers.profiles import load_profile
from gateway.broker_checks import BROKER_SECTIONS, broker_problem, group_of, is_broker, name_problem, way_of
from gateway.modbus_checks import ModbusLines, is_modbus, modbus_url_problem
from telemetry.errors import ConfigError, Problem
from telemetry.schema import MEASUREMENTS
from telemetry.strict import locate, position, source_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruamel.yaml.nodes import Node

    from drivers.profiles import LoadedProfile
    from gateway.site_file import DeviceFile, EndpointFile, SiteFile

TOKEN_BYTES_MAX = 4096
_PROTOCOL = {**dict.fromkeys(MODBUS_SCHEMES, "modbus"), **BROKER_SECTIONS}
"""URL scheme → the profile section that a device behind it needs."""


class SiteChecker:
    """Collects the problems of one file, and on the way what was resolved: profiles, token, passwords."""

    def __init__(self, file: SiteFile, root: Node, text: str, path: Path, environ: Mapping[str, str]) -> None:
        self._file = file
        self._root = root
        self._text = text
        self._path = path
        self._environ = environ
        self._modbus_lines = ModbusLines()
        self.problems: list[Problem] = []
        self.profiles: dict[str, LoadedProfile] = {}
        """Profile as named in the file → what was loaded."""
        self.token = ""
        self.passwords: dict[int, str] = {}
        """Endpoint's place → its password."""

    def check(self) -> None:
        """Run every check."""
        self._check_store()
        urls: dict[str, int] = {}
        devices: dict[str, int] = {}
        for index, endpoint in enumerate(self._file.endpoints):
            self._check_endpoint(index, endpoint, urls)
            self._check_units(index, endpoint)
            for number, device in enumerate(endpoint.devices):
                self._check_device(["endpoints", index, "devices", number], device, endpoint, devices)

    def _add(self, location: list[int | str], message: str, hint: str = "") -> None:
        line, column = position(locate(self._root, location))
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        self.problems.append(
            Problem(str(self._path), line, column, key, message, hint, _shown(source_line(self._text, line)))
        )

    def _line(self, location: list[int | str]) -> int:
        return position(locate(self._root, location))[0]

    def _check_store(self) -> None:
        store = self._file.store
        if (store.token_file is None) == (store.token_env is None):
            self._add(
                ["store"],
                "needs either token_file or token_env",
                "the token itself never stands in a file like this",
            )
        elif store.token_env is not None:
            self.token = self._secret(["store", "token_env"], store.token_env)
        elif store.token_file is not None:
            self.token = self._token_from(self._path.resolve().parent / store.token_file)

    def _token_from(self, path: Path) -> str:
        location: list[int | str] = ["store", "token_file"]
        try:
            mode = path.stat().st_mode
            token = path.read_bytes()[: TOKEN_BYTES_MAX + 1].decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            self._add(location, f"cannot be read: {reason}", "write there the token that enrolment printed")
            return ""
        if mode & 0o077:
            self._add(location, "can be read by others than its owner", f"chmod 600 {path.name}")
        if not _is_token(token):
            self._add(location, "holds no token", "one line of visible characters")
        return token

    def _secret(self, location: list[int | str], name: str) -> str:
        value = self._environ.get(name, "")
        if not value:
            self._add(
                location, f"the environment variable {name} is not set", "set it where the gateway is started"
            )
        return value

    def _check_endpoint(self, index: int, endpoint: EndpointFile, urls: dict[str, int]) -> None:
        location: list[int | str] = ["endpoints", index, "url"]
        parts = urlsplit(endpoint.url)
        if parts.scheme not in DRIVERS:
            close = difflib.get_close_matches(parts.scheme, DRIVERS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else ""
            self._add(location, f"unknown scheme {parts.scheme!r}; one of {', '.join(sorted(DRIVERS))}", hint)
        elif is_modbus(endpoint.url):
            self._check_modbus_line(location, endpoint)
            self._check_tls_files(index, endpoint)
        elif is_broker(endpoint.url):
            self._check_broker(location, endpoint)
            self._check_tls_files(index, endpoint)
        key = f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}{group_of(endpoint.url)}"
        if key in urls and not is_modbus(endpoint.url):
            self._add(
                location,
                f"is given twice (first on line {urls[key]})",
                "list all its devices under one endpoint",
            )
        urls.setdefault(key, self._line(location))
        if endpoint.password_env is not None:
            self.passwords[index] = self._secret(["endpoints", index, "password_env"], endpoint.password_env)

    def _check_broker(self, location: list[int | str], endpoint: EndpointFile) -> None:
        problem, hint = broker_problem(endpoint.url)
        if problem:
            self._add(location, problem, hint)

    def _check_modbus_line(self, location: list[int | str], endpoint: EndpointFile) -> None:
        if problem := modbus_url_problem(endpoint.url):
            self._add(location, problem)
            return
        first = self._profile(endpoint.devices[0].profile)
        port = first.profile.modbus.port if first is not None and first.profile.modbus is not None else 502
        clash = self._modbus_lines.add(endpoint.url, port, self._line(location))
        if clash is not None:
            self._add(location, *clash)

    def _check_tls_files(self, index: int, endpoint: EndpointFile) -> None:
        for name in ("ca_file", "cert_file", "key_file"):
            given = getattr(endpoint, name)
            here: list[int | str] = ["endpoints", index, name]
            if given and urlsplit(endpoint.url).scheme not in {"tls", "mqtts", "spbs"}:
                way_out = "write tls://host:802, mqtts:// or spbs://, or leave it out"
                self._add(here, "belongs to a line under TLS", way_out)
            elif given and not (self._path.resolve().parent / given).is_file():
                self._add(here, "is not there", "a PEM file; a relative path starts at the site file")
        if bool(endpoint.cert_file) < bool(endpoint.key_file):
            self._add(["endpoints", index, "key_file"], "is the key of no cert_file", "give both")

    def _check_units(self, index: int, endpoint: EndpointFile) -> None:
        if not is_modbus(endpoint.url):
            return
        seen: dict[int, int] = {}
        for number, device in enumerate(endpoint.devices):
            location: list[int | str] = ["endpoints", index, "devices", number]
            unit = device.unit
            if unit is None:
                loaded = self._profile(device.profile)
                unit = loaded.profile.modbus.unit if loaded and loaded.profile.modbus else None
            else:
                location = [*location, "unit"]
            if unit is None:
                continue
            if unit in seen:
                self._add(
                    location,
                    f"unit {unit} is taken on this endpoint (line {seen[unit]})",
                    "give each device its own unit",
                )
            seen.setdefault(unit, self._line(location))

    def _check_device(
        self, location: list[int | str], device: DeviceFile, endpoint: EndpointFile, seen: dict[str, int]
    ) -> None:
        here = [*location, "device"]
        if device.device in seen:
            self._add(
                here,
                f"device {device.device!r} is given twice (first on line {seen[device.device]})",
                "ids are unique in a gateway",
            )
        seen.setdefault(device.device, self._line(here))
        if device.device == self._file.gateway:
            self._add(
                here,
                "a device may not be called as the gateway is",
                "that name stands for losses of the gateway itself",
            )
        if device.poll_interval_ms > self._file.window_s * 1000:
            self._add(
                [*location, "poll_interval_ms"],
                f"is longer than the window of {self._file.window_s} s: some windows would hear nothing",
                "poll more often, or choose a longer window_s",
            )
        self._check_declared(location, device)
        self._check_profile([*location, "profile"], device, urlsplit(endpoint.url).scheme)

    def _check_declared(self, location: list[int | str], device: DeviceFile) -> None:
        known = MEASUREMENTS["identity"].fields
        for name, value in device.declared.items():
            here = [*location, "declared", name]
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                self._add(
                    here,
                    "is no field of an identity",
                    f"did you mean {close[0]!r}?" if close else ", ".join(sorted(known)),
                )
            elif not isinstance(value, known[name]):
                self._add(here, f"must be {'a number' if known[name] is int else 'text'}, not {value!r}")

    def _profile(self, name: str) -> LoadedProfile | None:
        if name not in self.profiles:
            try:
                self.profiles[name] = load_profile(self._resolved(name))
            except ConfigError:
                return None
        return self.profiles[name]

    def _resolved(self, name: str) -> str:
        """Let a profile's relative path start at the site file, whatever directory the gateway runs in."""
        return str(self._path.resolve().parent / name) if _is_path(name) else name

    def _check_profile(self, location: list[int | str], device: DeviceFile, scheme: str) -> None:
        name = device.profile
        if _is_path(name) and (".." in PurePosixPath(name).parts or not self._is_inside(name)):
            self._add(
                location, "leads out of the site file's directory", "copy the profile beside the site file"
            )
            return
        loaded = self._profile(name)
        if loaded is None:
            try:
                load_profile(self._resolved(name))
            except ConfigError as error:
                for problem in error.problems:
                    self._add(location, f"{problem.key}: {problem.message}".removeprefix(": "), problem.hint)
            return
        if unfit := name_problem(device, loaded.profile, scheme):
            self._add([*location[:-1], "topic_name"], unfit)
        wanted = _PROTOCOL.get(scheme)
        if wanted is not None and getattr(loaded.profile, wanted) is None:
            other = way_of(loaded.profile)
            self._add(
                location,
                f"{name!r} is heard over {other}, this endpoint is {scheme}://",
                "move the device under the right endpoint",
            )

    def _is_inside(self, name: str) -> bool:
        home = self._path.resolve().parent
        return not Path(name).is_absolute() and (home / name).resolve().is_relative_to(home)


def _shown(line: str) -> str:
    """Let a password inside an address not be repeated."""
    return re.sub(r"//[^/@\s]*@", "//...@", line)


def _is_path(name: str) -> bool:
    file = name.partition("?")[0]  # what follows is what the integrator chose
    return "/" in file or file.endswith(".yaml")


def _is_token(token: str) -> bool:
    return 0 < len(token) <= TOKEN_BYTES_MAX and token.isascii() and token.isprintable() and " " not in token
