"""What can a device model say, and where? The profile: register map or payload map, states, identity; data only."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from telemetry.metrics import METRICS, MetricKind
from telemetry.placement import placed_points
from telemetry.reading import MachineState
from telemetry.strict import Model, decode_yaml

Table = Literal["coil", "discrete", "input", "holding"]
WordOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
PointType = Literal[
    "bool",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "string",
    "bcd16",
    "bcd32",
]
Grade = Literal["A", "B", "C", "D", "U"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
WORDS: dict[str, int] = {
    "bool": 1, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2, "int64": 4, "uint64": 4, "float64": 4,
    "bcd16": 1, "bcd32": 2,
}  # fmt: skip
"""Registers a type takes; a string's come from its `length`."""


class Kind(StrEnum):
    """What stands there: only a robot can be claimed as one."""

    ROBOT = "robot"
    PLC = "plc"
    METER = "meter"


class Text(Model):
    """A name in both languages."""

    zh: str
    en: str


class Source(Model):
    """Where the map comes from; grades as in the devices' facts: A vendor, B mirror, C public code, D secondary."""

    title: str
    grade: Grade
    ref: str = ""


class Caveat(Model):
    """What is known to misbehave, with its evidence."""

    text: str
    ref: str


class Golden(Model):
    """A known pair of what is on the wire and what it means: registers (or a JSON value) → the point's raw value."""

    words: tuple[int, ...] = ()
    json_value: int | float | str | bool | None = Field(default=None, alias="json")
    value: int | float | str | bool
    source: str = ""


class Parameter(Model):
    """A number that the integrator chose and the vendor could not know, such as which D register counts parts.

    It is added to the address of every point that names it as its `base`. A device's place in the site file gives it
    (`profile: NAME?parameter=value`); who gives none gets `default`.
    """

    default: int
    minimum: int = 0
    maximum: int = 65535
    name: Text

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.minimum <= self.default <= self.maximum:
            raise ValueError(f"the default {self.default} is not from {self.minimum} to {self.maximum}")
        return self


class Point(Model):
    """One thing a profile can read.

    Modbus points have `table`, `address` (0-based, as on the wire) and `type`; MQTT points have `path` (dotted keys
    of the JSON payload, or a Sparkplug metric's name) and `type`. A point with `metric` is normalized as raw * multiply / divide into the metric's
    integer unit, in which `minimum` and `maximum` stand; `sentinels` are raw. Several points of one gauge give the
    largest of them, absolute where the metric is. The value of the parameter named `base` is added to the address as
    written; in a parsed profile `address` already holds the sum. A gauge's `offset` is added after scaling. `bit` alone is a
    flag of a register; with `width` it is the lowest bit of a number inside it. A point with `every: N` is read with each
    Nth poll only.
    """

    table: Table | None = None
    address: int | None = Field(default=None, ge=0, le=65535)
    base: Name | None = Field(default=None, description="the parameter that is added to the address")
    path: str | None = None
    type: PointType
    length: int = Field(default=0, ge=0, le=60, description="registers of a string")
    order: WordOrder | None = None
    bit: int | None = Field(default=None, ge=0, le=15)
    width: int | None = Field(default=None, ge=1, le=16, description="bits of a number inside a register")
    metric: str | None = None
    multiply: int = Field(default=1, ge=1)
    divide: int = Field(default=1, ge=1)
    offset: int = Field(default=0, ge=-(10**9), le=10**9, description="added after scaling, metric units")
    every: int = Field(default=1, ge=1, le=3600, description="read with each Nth poll only")
    unit: str = ""
    delta: bool = Field(
        default=False, description="an increase since the message before, not a total (pushed counters only)"
    )
    modulus: int | None = Field(
        default=None,
        ge=2,
        description="the raw value at which a counter starts again at 0 (65536 of a uint16)",
    )
    rate_max: int | None = Field(
        default=None, ge=1, description="largest possible increase a minute, metric units"
    )
    minimum: int | None = None
    maximum: int | None = None
    sentinels: tuple[int, ...] = ()
    name: Text | None = None
    golden: tuple[Golden, ...] = ()

    @property
    def words(self) -> int:
        """Registers (or bits of a bit table) this point takes."""
        return self.length if self.type == "string" else WORDS[self.type]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.table is None) == (self.path is None):
            raise ValueError("a point has either table and address (Modbus) or path (MQTT)")
        if self.table is not None and self.address is None:
            raise ValueError("a point with a table needs its address")
        if self.table in {"coil", "discrete"} and self.type != "bool":
            raise ValueError("a coil or discrete input is a bool")
        if self.table is not None and self.type == "string" and self.length == 0:
            raise ValueError("a string in registers needs its length")
        if self.base is not None and self.table is None:
            raise ValueError("only a point with a table has a base")
        if self.address is not None and self.address + self.words > 65536:
            raise ValueError("a point ends beyond address 65535")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is greater than maximum")
        self._check_bits()
        if self.every > 1 and self.table is None:
            raise ValueError("only what is polled has a scan rate (`every`)")
        self._check_metric()
        return self

    def _check_bits(self) -> None:
        if self.width is None:
            if self.bit is not None and self.type != "bool":
                raise ValueError("a bit of a register is a bool; a number inside it needs its width")
        elif self.bit is None or self.type != "uint16" or self.table not in {"holding", "input"}:
            raise ValueError("a point with a width is a uint16 inside a register, from its lowest `bit`")
        elif self.bit + self.width > 16:
            raise ValueError("the bits end beyond the register")

    def _check_metric(self) -> None:
        if self.metric is None:
            if self.offset:
                raise ValueError("an offset needs a metric in whose unit it stands")
            return
        metric = METRICS.get(self.metric)
        if metric is None:
            raise ValueError(f"unknown metric {self.metric!r}; one of {', '.join(sorted(METRICS))}")
        if self.type in {"bool", "string"}:
            raise ValueError("a metric is a number")
        if self.delta and (metric.kind is not MetricKind.COUNTER or "int" not in self.type):
            raise ValueError("only a counter of whole numbers is a delta")
        if metric.kind is MetricKind.COUNTER and self.offset:
            raise ValueError("a counter has no offset: only its increase counts")
        if metric.kind is MetricKind.COUNTER and self.rate_max is None:
            raise ValueError("a counter needs rate_max, its largest possible increase a minute")


class StateRule(Model):
    """The machine is in `state` when `point` has one of the values; the first rule that holds decides."""

    state: MachineState
    point: Name
    equals: tuple[int | str | bool, ...] = ()
    differs: tuple[int | str | bool, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.equals) == bool(self.differs):
            raise ValueError("a state rule has either equals or differs")
        return self


class Identity(Model):
    """Which points tell who the device is, and whether FC 43/14 is asked."""

    manufacturer: Name | None = None
    model: Name | None = None
    serial: Name | None = None
    firmware: Name | None = None
    fc43: bool = False


class Modbus(Model):
    """The limits of a device's Modbus server."""

    port: int = Field(default=502, ge=1, le=65535)
    unit: int = Field(default=1, ge=0, le=247)
    order: WordOrder = "ABCD"
    max_registers: int = Field(default=125, ge=1, le=125)
    max_bits: int = Field(default=2000, ge=1, le=2000)
    gap_max: int = Field(default=0, ge=0, le=64, description="unused registers a read may bridge")
    pause_ms: int = Field(
        default=0, ge=0, le=10_000, description="least time from an answer to the next request"
    )
    in_flight: int = Field(default=1, ge=1, le=16, description="requests it takes at once, on TCP and TLS")
    holes: tuple[tuple[int, int], ...] = Field(
        default=(), description="first and last address never to be read"
    )


class Mqtt(Model):
    """Where a device publishes: the topic filter, with `+` where the device's own name stands."""

    topic: str
    timestamp: str | None = Field(default=None, description="path of the source time")
    timestamp_unit: Literal["s", "ms", "us", "ns", "iso8601"] | None = Field(
        default=None, description="iso8601 is text with an offset or Z; the others are numbers since 1970"
    )
    interval_s: int = Field(default=1, ge=1, le=3600, description="how often it is expected to publish")
    identity_topic: str | None = None
    message_id: str | None = Field(
        default=None, description="path of a number or text that no other message of the device has"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.timestamp is None) != (self.timestamp_unit is None):
            raise ValueError("timestamp and timestamp_unit stand together")
        return self


class Sparkplug(Model):
    """How a device speaks Sparkplug B 3.0: the `path` of a point is the metric's whole name, slashes and all.

    `level` says whether the values come from a device of an edge node or from the node itself.
    """

    level: Literal["device", "node"] = "device"
    interval_s: int = Field(default=1, ge=1, le=3600, description="how often it is expected to publish")


class Profile(Model):
    """One device model: all that the house knows of it."""

    profile: Annotated[str, Field(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")]
    kind: Kind
    manufacturer: str
    models: tuple[str, ...]
    name: Text
    axes: int = Field(ge=0, le=16)
    category: Literal["articulated", "scara", "cartesian", "parallel", "cylindrical", "none"] = "none"
    firmware: str
    sources: tuple[Source, ...] = Field(min_length=1)
    caveats: tuple[Caveat, ...] = ()
    modbus: Modbus | None = None
    mqtt: Mqtt | None = None
    sparkplug: Sparkplug | None = None
    parameters: dict[Name, Parameter] = Field(default={}, description="what the integrator chooses")
    bind: dict[Name, int] = Field(default={}, description="parameter values given for one device")
    points: dict[Name, Point] = Field(min_length=1)
    states: tuple[StateRule, ...] = ()
    identity: Identity = Identity()
    boot_clock: Name | None = Field(default=None, description="point: seconds since the device's own restart")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(way is not None for way in (self.modbus, self.mqtt, self.sparkplug)) != 1:
            raise ValueError("a profile is heard over either modbus or mqtt or sparkplug")
        over_modbus = self.modbus is not None
        for name, point in self.points.items():
            if (point.table is not None) != over_modbus:
                raise ValueError(f"point {name} does not belong to this protocol")
            if point.delta and (self.mqtt is None or self.mqtt.message_id is None):
                raise ValueError(f"point {name} is a delta: name the message_id under mqtt, or push totals")
        for rare in {*(rule.point for rule in self.states), self.boot_clock or ""}:
            if rare in self.points and self.points[rare].every > 1:
                raise ValueError(f"point {rare} tells the state or a restart: it is read with each poll")
        identity = self.identity
        named: list[str | None] = [rule.point for rule in self.states]
        named += [self.boot_clock, identity.manufacturer, identity.model, identity.serial, identity.firmware]
        for wanted in named:
            if wanted is not None and wanted not in self.points:
                raise ValueError(f"names the point {wanted!r}, which is not there")
        _check_overlaps(placed_points(self))
        return self

    def counters(self) -> dict[str, Point]:
        """Give counter metric → its point."""
        return {
            point.metric: point
            for point in self.points.values()
            if point.metric is not None and METRICS[point.metric].kind is MetricKind.COUNTER
        }


def _check_overlaps(points: dict[str, Point]) -> None:
    taken: dict[tuple[str, int], tuple[str, bool]] = {}
    for name, point in points.items():
        if point.table is None or point.address is None:
            continue
        for address in range(point.address, point.address + point.words):
            other = taken.get((point.table, address))
            if other is not None and (point.bit is None or not other[1]):
                raise ValueError(f"points {other[0]} and {name} overlap at {point.table} {address}")
            taken[point.table, address] = (name, point.bit is not None)
    counters = [
        point.metric for point in points.values() if point.metric and METRICS[point.metric].kind == "counter"
    ]
    for metric in counters:
        if counters.count(metric) > 1:
            raise ValueError(f"two points give the counter {metric}")


def parse_profile(text: str, file: str) -> Profile:
    """Read a profile file's text; ConfigError carries every mistake."""
    profile = decode_yaml(Profile, text, file)
    return profile.model_copy(update={"points": placed_points(profile)}) if profile.parameters else profile


def profile_digest(name: str, text: str) -> str:
    """Name a profile's exact content: `name@` and 12 hex digits of its SHA-256."""
    return f"{name}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"
