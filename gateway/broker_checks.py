"""Can a broker's endpoint be what it says? The checks of MQTT and Sparkplug addresses and of the names behind them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from drivers.mqtt_options import mqtt_options, sparkplug_options
from drivers.sparkplug_topic import place_of

if TYPE_CHECKING:
    from gateway.site_file import DeviceFile
    from telemetry.profile import Profile

BROKER_SECTIONS = {"mqtt": "mqtt", "mqtts": "mqtt", "spb": "sparkplug", "spbs": "sparkplug"}
"""URL scheme → the profile section that a device behind it needs."""


def is_broker(url: str) -> bool:
    """Tell whether an address is a broker's."""
    return urlsplit(url).scheme in BROKER_SECTIONS


def group_of(url: str) -> str:
    """Give what tells two endpoints at one broker apart: the Sparkplug group with its options; else nothing."""
    parts = urlsplit(url)
    return f"?{parts.query}" if BROKER_SECTIONS.get(parts.scheme) == "sparkplug" else ""


def way_of(profile: Profile) -> str:
    """Name the protocol that a profile is heard over."""
    return next(way for way in ("modbus", "mqtt", "sparkplug") if getattr(profile, way) is not None)


def broker_problem(url: str) -> tuple[str, str]:
    """Say what is wrong with a broker's address, and the way out; two empty texts when nothing is."""
    scheme = urlsplit(url).scheme
    is_sparkplug = BROKER_SECTIONS[scheme] == "sparkplug"
    problem = _address_problem(url)
    if not problem:
        try:
            sparkplug_options(url) if is_sparkplug else mqtt_options(url)
        except ValueError as error:
            problem = str(error)
    if problem:
        return problem, f"write {scheme}://host:port" + ("?group=NAME" if is_sparkplug else "")
    if is_sparkplug and find_spec("google.protobuf") is None:
        return "needs an extra that is not installed", "pip install 'machine-for-labor[sparkplug]'"
    return "", ""


def _address_problem(url: str) -> str:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return "has an impossible port"
    if not parts.hostname:
        return "names no host"
    if parts.username or parts.password:
        return "holds a user or password; use username and password_env"
    if port == 0 or parts.path not in {"", "/"} or parts.fragment:
        return "holds more than host and port"
    return ""


def name_problem(device: DeviceFile, profile: Profile, scheme: str) -> str:
    """Say why a device's name cannot be the one its broker knows it by; empty when it can."""
    name = device.topic_name or device.device
    if profile.sparkplug is None or BROKER_SECTIONS.get(scheme) != "sparkplug":
        return "holds a '/': one level of a topic has none" if "/" in name else ""
    try:
        place_of(name, profile.sparkplug.level)
    except ValueError as error:
        return str(error)
    return ""
