"""Who speaks on a Sparkplug topic, and what says a host's STATE? Names in, names out. Pure.

Source: Eclipse Sparkplug 3.0, chapter 4: `spBv1.0/GROUP/KIND/NODE[/DEVICE]` and `spBv1.0/STATE/HOST`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

NAMESPACE = "spBv1.0"
TOPIC_CHARS_MAX = 512


class Kind(StrEnum):
    """The messages an edge node sends. Commands (NCMD, DCMD) are for it, not from it."""

    NBIRTH = "NBIRTH"
    NDATA = "NDATA"
    NDEATH = "NDEATH"
    DBIRTH = "DBIRTH"
    DDATA = "DDATA"
    DDEATH = "DDEATH"


@dataclass(frozen=True, slots=True)
class Topic:
    """A node's message; `device` is empty when the node speaks for itself."""

    group: str
    kind: Kind
    node: str
    device: str = ""


def parse_topic(text: str) -> Topic | None:
    """Read a topic; None when it is no message of an edge node, or not formed as one."""
    parts = text.split("/")
    if len(text) > TOPIC_CHARS_MAX or len(parts) not in {4, 5} or parts[0] != NAMESPACE or not all(parts):
        return None
    if parts[2] not in set(Kind):
        return None
    kind = Kind(parts[2])
    if (len(parts) == 5) != kind.startswith("D"):
        return None
    return Topic(parts[1], kind, parts[3], parts[4] if len(parts) == 5 else "")


def is_name(text: str) -> bool:
    """Tell whether a text may be a group, node, device or host id."""
    return 0 < len(text) <= 128 and text.isprintable() and not any(sign in text for sign in "+#/")


def place_of(name: str, level: str) -> tuple[str, str]:
    """Give the edge node and the device (empty at level `node`) that a name means. ValueError says how to write it."""
    node, slash, device = name.partition("/")
    wants_device = level == "device"
    if not is_name(node) or bool(slash) != wants_device or (wants_device and not is_name(device)):
        form = "NODE/DEVICE" if wants_device else "NODE"
        raise ValueError(f"topic_name is written {form}, as the edge node names itself, not {name!r}")
    return node, device


def state_topic(host_id: str) -> str:
    """Give the topic of a host's STATE."""
    return f"{NAMESPACE}/STATE/{host_id}"


def node_filter(group: str, node: str) -> str:
    """Give the filter for everything that one edge node and its devices send."""
    return f"{NAMESPACE}/{group}/+/{node}/#"


def command_topic(group: str, node: str) -> str:
    """Give the topic of the one command there is: the Rebirth request."""
    return f"{NAMESPACE}/{group}/NCMD/{node}"


def state_payload(at_ms: int, *, online: bool) -> bytes:
    """Write a STATE: whether the host is there, and since when (UTC ms)."""
    return json.dumps({"online": online, "timestamp": at_ms}, separators=(",", ":")).encode()


def says_offline(data: bytes) -> bool:
    """Tell whether a STATE says that its host is not there; anything else than a plain `online: false` does not."""
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(root, dict) and root.get("online") is False
