"""What did a device say? Readings as heard, samples as normalized, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RawValue = int | float | str | bool
SESSION_BYTES = 4
"""The part of a delivery's name that tells the session it came through."""


class Quality(StrEnum):
    """How far a value can be trusted, grouped as OPC UA groups it."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class MachineState(StrEnum):
    """The common states, from the intersection of OPC 40010, PackML and MTConnect; no answer is `unknown`."""

    RUNNING = "running"
    READY = "ready"
    PAUSED = "paused"
    FAULT = "fault"
    OFF = "off"
    UNKNOWN = "unknown"


class ReadingKind(StrEnum):
    """How a reading came to us."""

    POLL = "poll"
    PUSH = "push"
    IDENTITY = "identity"
    HISTORY = "history"
    """Told of the past: `source_ms` is when it was, and it follows on nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of one device, raw: point name → value as the device gave it.

    A point without a value is absent: no answer is never a value. A bad reading has no values and a reason.
    `received_ms` and `source_ms` are UTC; `mono_ms` is the gateway's monotonic time. For an identity reading
    the names are the identity fields (`manufacturer model serial firmware kind axes cell endpoint fingerprint source`).
    """

    device: str
    kind: ReadingKind
    received_ms: int
    mono_ms: int
    quality: Quality
    values: Mapping[str, RawValue]
    profile: str
    source_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a driver hands over: readings, and the acknowledgement to call once they are durably journalled.

    `message` names the delivery, the same each time its sender tries: SESSION_BYTES of the session, then the message's
    digest. Empty where nothing is ever delivered again.
    """

    readings: tuple[Reading, ...]
    ack: Callable[[], None] | None = None
    message: bytes = b""
    is_repeated: bool = False
    """Whether the sender says that it has delivered this message before; without it equal messages are two."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A reading normalized: state and metrics in the vocabulary's integer units.

    `boot_clock` is the device's seconds since its own restart, when its map has such a register; `derived`
    holds raw values whose changes are counted (program transitions). A historical sample follows on nothing.
    """

    device: str
    at_ms: int
    quality: Quality
    state: MachineState
    counters: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, int] = field(default_factory=dict)
    boot_clock: int | None = None
    reason: str = ""
    is_historical: bool = False
