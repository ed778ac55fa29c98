"""Does a Modbus endpoint of a site file make sense? Its URL by framing, and what two endpoints may not share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from drivers.modbus_url import MODBUS_SCHEMES, parse_modbus_url

if TYPE_CHECKING:
    from drivers.modbus_url import ModbusUrl


@dataclass(frozen=True, slots=True)
class _Seen:
    line: int
    url: ModbusUrl


def is_modbus(url: str) -> bool:
    """Whether this URL is of one of the Modbus framings."""
    return urlsplit(url).scheme in MODBUS_SCHEMES


def modbus_url_problem(url: str) -> str:
    """Say what is wrong with a Modbus URL; empty when nothing is."""
    try:
        parse_modbus_url(url)
    except ValueError as error:
        return str(error)
    return ""


class ModbusLines:
    """Collects the lines of a site: each may have one endpoint, and one framing."""

    def __init__(self) -> None:
        self._seen: dict[str, list[_Seen]] = {}

    def add(self, text: str, default_port: int, line: int) -> tuple[str, str] | None:
        """Add a well-formed URL standing on `line`; gives (problem, way out) when its line is taken."""
        url = parse_modbus_url(text)
        if url.device:
            place = os.path.realpath(url.device)  # /dev/serial/by-id/... and /dev/ttyUSB0 are one wire
        elif url.scheme == "dtu":
            place = url.line
        else:
            place = f"{url.host}:{url.port or default_port}".lower()
        others = self._seen.setdefault(place, [])
        problem = next(filter(None, (_clash(url, other) for other in others)), None)
        others.append(_Seen(line, url))
        return problem


def _clash(url: ModbusUrl, other: _Seen) -> tuple[str, str] | None:
    if url.scheme != other.url.scheme:
        return (
            f"speaks {url.scheme} where line {other.line} speaks {other.url.scheme}: one place has one framing",
            "keep the one that the device is set to",
        )
    if url.scheme == "dtu" and url.registration and other.url.registration:
        first, second = sorted((url.registration, other.url.registration), key=len)
        if not second.startswith(first):
            return None
        return (
            f"has a registration that line {other.line} has too, or begins with",
            "give each DTU a registration of its own",
        )
    return (f"is given twice (first on line {other.line})", "list all its devices under one endpoint")
