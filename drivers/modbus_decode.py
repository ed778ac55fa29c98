"""What does a block of registers say? A decoder compiled once a block: at most four Structs, no work a point. Pure.

Every byte order is one of four cases: ABCD reads '>' from the payload, DCBA '<' from the payload, CDAB '<' from the copy
with the bytes of each word swapped, BADC '>' from that copy. Pad bytes skip what no point wants.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from math import isfinite
from struct import Struct
from typing import TYPE_CHECKING

from drivers.modbus_plan import BIT_TABLES, point_order
from telemetry.line import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.modbus_plan import Block
    from telemetry.profile import Point, Profile
    from telemetry.reading import RawValue

    Decoder = Callable[[bytes], dict[str, RawValue]]

_FORMATS = {
    "bool": "H", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q", "float32": "f", "float64": "d", "bcd16": "H", "bcd32": "I",
}  # fmt: skip
_PLACES = {"ABCD": (">", False), "DCBA": ("<", False), "CDAB": ("<", True), "BADC": (">", True)}
_TEXT_PLACES = {"ABCD": (">", False), "CDAB": (">", False), "DCBA": (">", True), "BADC": (">", True)}
"""Text has no word order: only the bytes of a word may be swapped."""


def compile_block(block: Block, profile: Profile) -> Decoder:
    """Compile the decoder of one planned read: payload bytes → point name → raw value.

    A point is absent when its value is a sentinel, not a number, infinite, not UTF-8, or a flag that is neither 0 nor 1.
    """
    points = {name: profile.points[name] for name in block.points}
    if block.table in BIT_TABLES:
        return _compile_bits({name: (point.address or 0) - block.address for name, point in points.items()})
    groups: dict[tuple[str, bool], _Group] = {}
    for name, point in sorted(points.items(), key=lambda item: item[1].address or 0):
        places = _TEXT_PLACES if point.type == "string" else _PLACES
        place = places[point_order(point, profile)]
        groups.setdefault(place, _Group()).add(name, point, 2 * ((point.address or 0) - block.address))
    return _compile_groups([(place[1], group.compiled(place[0])) for place, group in groups.items()])


def _compile_bits(offsets: dict[str, int]) -> Decoder:
    def decode(payload: bytes) -> dict[str, RawValue]:
        bits = int.from_bytes(payload, "little")
        return {name: bool(bits >> offset & 1) for name, offset in offsets.items()}

    return decode


def _compile_groups(groups: list[tuple[bool, _Compiled]]) -> Decoder:
    def decode(payload: bytes) -> dict[str, RawValue]:
        values: dict[str, RawValue] = {}
        swapped = b""
        for is_swapped, group in groups:
            if is_swapped and not swapped:
                swapped = swap_words(payload)
            group.decode(swapped if is_swapped else payload, values)
        return values

    return decode


def swap_words(payload: bytes) -> bytes:
    """Give the payload with the two bytes of each register exchanged."""
    words = array("H", payload)
    words.byteswap()
    return words.tobytes()


@dataclass(frozen=True, slots=True)
class _Flag:
    """Some bits of a register that was taken whole: a flag, or a number."""

    name: str
    word: str
    shift: int
    mask: int
    is_flag: bool
    sentinels: frozenset[int]


def _flag(name: str, word: str, point: Point) -> _Flag:
    is_flag = point.width is None
    sentinels = frozenset[int]() if is_flag else frozenset(point.sentinels)
    return _Flag(name, word, point.bit or 0, (1 << (point.width or 1)) - 1, is_flag, sentinels)


@dataclass(slots=True)
class _Group:
    """Collects the points of one byte order in address order."""

    format: str = ""
    end: int = 0
    start: int = -1
    names: list[str] = field(default_factory=list)
    checks: dict[str, Callable[[RawValue], RawValue | None]] = field(default_factory=dict)
    flags: list[_Flag] = field(default_factory=list)

    def add(self, name: str, point: Point, offset: int) -> None:
        if offset == self.start:  # another bit of the register just taken
            self.flags.append(_flag(name, self.names[-1], point))
            return
        taken = name
        if point.bit is not None:
            taken = f"{offset}/word"  # no point's name: names hold no slash
            self.flags.append(_flag(name, taken, point))
        self.format += f"{offset - self.end}x" if offset > self.end else ""
        self.format += f"{2 * point.length}s" if point.type == "string" else _FORMATS[point.type]
        self.start, self.end = offset, offset + 2 * point.words
        self.names.append(taken)
        check = _check_of(point)
        if check is not None:
            self.checks[taken] = check

    def compiled(self, endian: str) -> _Compiled:
        struct = Struct(endian + self.format)
        return _Compiled(struct, tuple(self.names), tuple(self.checks.items()), tuple(self.flags))


@dataclass(frozen=True, slots=True)
class _Compiled:
    struct: Struct
    names: tuple[str, ...]
    checks: tuple[tuple[str, Callable[[RawValue], RawValue | None]], ...]
    flags: tuple[_Flag, ...]

    def decode(self, payload: bytes, values: dict[str, RawValue]) -> None:
        found = dict(zip(self.names, self.struct.unpack_from(payload), strict=True))
        for name, check in self.checks:
            checked = check(found[name])
            if checked is None:
                del found[name]
            else:
                found[name] = checked
        for flag in self.flags:
            part = found[flag.word] >> flag.shift & flag.mask
            value = bool(part) if flag.is_flag else part
            if value not in flag.sentinels:
                found[flag.name] = value
        for word in {flag.word for flag in self.flags}:
            del found[word]
        values.update(found)


def _check_of(point: Point) -> Callable[[RawValue], RawValue | None] | None:
    """Choose what a value of this point has to pass; None when every bit pattern is a value."""
    if point.type == "string":
        return _text
    if point.bit is not None:
        return None
    if point.type == "bool":
        return {0: False, 1: True}.get  # type: ignore[return-value]
    if point.type.startswith("bcd"):
        return _bcd(2 * point.words, frozenset(point.sentinels))
    if point.type.startswith("float"):
        return _finite_but(frozenset(float(sentinel) for sentinel in point.sentinels))
    return _any_but(_both_signs(point)) if point.sentinels else None


def _both_signs(point: Point) -> frozenset[int]:
    """Let a sentinel be written as its bit pattern (0x8000) or as the value it decodes to (-32768)."""
    size = 1 << 16 * point.words
    return frozenset(
        number for sentinel in point.sentinels for number in (sentinel % size, sentinel % size - size)
    )


def _any_but(sentinels: frozenset[int]) -> Callable[[RawValue], RawValue | None]:
    return lambda value: None if value in sentinels else value


def _finite_but(sentinels: frozenset[float]) -> Callable[[RawValue], RawValue | None]:
    return lambda value: value if isfinite(value) and value not in sentinels else None  # type: ignore[arg-type]


def _bcd(bytes_: int, sentinels: frozenset[int]) -> Callable[[RawValue], RawValue | None]:
    """Read binary coded decimal; a nibble above 9 is no value, and a sentinel may stand as its bits or as its number."""

    def check(value: RawValue) -> RawValue | None:
        digits = f"{value:0{2 * bytes_}x}"
        if not digits.isdecimal() or value in sentinels or int(digits) in sentinels:
            return None
        return int(digits)

    return check


def _text(value: RawValue) -> RawValue | None:
    """Read text up to its first NUL, stripped and made fit for the wire; empty or undecodable text is no value."""
    raw: bytes = value  # type: ignore[assignment]
    try:
        text = raw.split(b"\0", 1)[0].decode().strip()
    except UnicodeDecodeError:
        return None
    return clean(text) or None
