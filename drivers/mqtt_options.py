"""What may stand behind the `?` of a broker's address? Checked, typed, with defaults; nobody else reads it. Pure.

`mqtt://HOST:PORT?version=5&session_expiry_s=86400&status_topic=mfl/G1/status`, `mqtts://` the same under TLS;
`spb://HOST:PORT?group=G&host_id=H&primary=1&reorder_ms=2000&version=5`, `spbs://` the same under TLS.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from drivers.sparkplug_topic import is_name

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN_PORT, TLS_PORT = 1883, 8883
"""Registered with IANA for MQTT, and for MQTT under TLS."""
SCHEMES = ("mqtt", "mqtts", "spb", "spbs")
QUERY_CHARS_MAX = 400
REORDER_MS_MAX = 60_000
REORDER_MS = 2_000
EXPIRY_S = 7 * 86_400
EXPIRY_S_MAX = 31 * 86_400


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """How JSON devices are heard: the protocol's version, how long the broker keeps our session, our own status topic.

    `session_expiry_s` is told with version 5 only; in 3.1.1 the broker's own setting rules.
    """

    is_v5: bool = False
    session_expiry_s: int = EXPIRY_S
    status_topic: str = ""


@dataclass(frozen=True, slots=True)
class SparkplugOptions:
    """How a Sparkplug group is heard. With a `host_id` our STATE is published; a primary host must have one."""

    group: str
    host_id: str = ""
    is_primary: bool = False
    reorder_ms: int = REORDER_MS
    is_v5: bool = False


def is_tls(url: str) -> bool:
    """Tell whether the line to this address is encrypted."""
    return urlsplit(url).scheme in {"mqtts", "spbs"}


def default_port(url: str) -> int:
    """Give the port an address without one means."""
    return TLS_PORT if is_tls(url) else PLAIN_PORT


def default_client_id(gateway: str, url: str) -> str:
    """Name the session of one endpoint: always the same, and another for each scheme and Sparkplug group.

    Two endpoints may lead to one broker, and two clients of one name throw each other out for ever.
    """
    scheme = urlsplit(url).scheme
    if not scheme.startswith("spb"):
        return f"mfl-{gateway}-tls" if scheme == "mqtts" else f"mfl-{gateway}"
    return f"mfl-{gateway}-{scheme}-{zlib.crc32(urlsplit(url).query.encode()):08x}"


def mqtt_options(url: str) -> MqttOptions:
    """Read the options of an `mqtt` or `mqtts` address. ValueError says what is wrong and what may stand there."""
    found = _query(url, ("version", "session_expiry_s", "status_topic"))
    topic = found.get("status_topic", "")
    if topic and (len(topic) > 256 or not topic.isprintable() or any(sign in topic for sign in "+#")):
        raise ValueError("status_topic is no topic: at most 256 characters, no '+', no '#'")
    return MqttOptions(
        is_v5=_is_v5(found),
        session_expiry_s=_number(found, "session_expiry_s", EXPIRY_S, EXPIRY_S_MAX),
        status_topic=topic,
    )


def sparkplug_options(url: str) -> SparkplugOptions:
    """Read the options of an `spb` or `spbs` address. ValueError says what is wrong and what may stand there."""
    found = _query(url, ("group", "host_id", "primary", "reorder_ms", "version"))
    group, host_id, primary = found.get("group", ""), found.get("host_id", ""), found.get("primary", "0")
    if not is_name(group):
        raise ValueError("names no Sparkplug group; add ?group=NAME (no '+', '#' or '/')")
    if host_id and not is_name(host_id):
        raise ValueError("host_id is no Sparkplug host id: no '+', '#' or '/'")
    if primary not in {"0", "1"}:
        raise ValueError(f"primary is 0 or 1, not {primary!r}")
    if primary == "1" and not host_id:
        raise ValueError("a primary host needs host_id: the name that the edge nodes wait for")
    return SparkplugOptions(
        group=group,
        host_id=host_id,
        is_primary=primary == "1",
        reorder_ms=_number(found, "reorder_ms", REORDER_MS, REORDER_MS_MAX),
        is_v5=_is_v5(found),
    )


def _query(url: str, known: tuple[str, ...]) -> Mapping[str, str]:
    text = urlsplit(url).query
    if len(text) > QUERY_CHARS_MAX:
        raise ValueError(f"holds more than {QUERY_CHARS_MAX} characters behind the '?'")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        raise ValueError("cannot be read behind the '?'; write name=value&name=value") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise ValueError(f"has no option {name!r}; one of {', '.join(known)}")
        if name in found:
            raise ValueError(f"gives {name} twice")
        found[name] = value
    return found


def _is_v5(found: Mapping[str, str]) -> bool:
    version = found.get("version", "3.1.1")
    if version not in {"3.1.1", "5"}:
        raise ValueError(f"version is 3.1.1 or 5, not {version!r}")
    return version == "5"


def _number(found: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = found.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > most:
        raise ValueError(f"{name} is a whole number from 0 to {most}, not {text!r}")
    return int(text)
