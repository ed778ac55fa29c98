"""Does what a device answered look like its profile? Values, word orders and other models' maps, weighed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, get_args

from drivers.modbus_decode import compile_block
from drivers.modbus_plan import BIT_TABLES, Block, point_order
from telemetry.metrics import METRICS, MetricKind
from telemetry.profile import WordOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.profile import Point, Profile, Table
    from telemetry.reading import RawValue

    Image = Mapping[tuple[Table, int], int]
    """What was read: (table, address) → register or bit."""

ORDERS: tuple[WordOrder, ...] = get_args(WordOrder)
FLOAT_LEAST, FLOAT_MOST = 1e-9, 1e12
"""Nothing that a machine measures lies outside; floats put together from wrong words mostly do."""
TELLING_MIN = 3
"""Points that must speak for a map before anything is said of it: one or two fit many maps by chance."""


class Looks(StrEnum):
    """What one point's registers say for or against the map."""

    PLAUSIBLE = "plausible"
    EMPTY = "empty"
    """All zero, or the device's own 'not available': possible under any map, so it speaks for none."""
    DOUBTFUL = "doubtful"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Judged:
    """One point: its registers (None when not read), its value, and what is thought of it."""

    words: tuple[int, ...] | None
    value: RawValue | None
    looks: Looks
    why: str = ""


def judge(profile: Profile, image: Image) -> dict[str, Judged]:
    """Judge every Modbus point of a profile by what was read."""
    return {name: _judge_point(profile, name, point, image) for name, point in profile.points.items()}


def _judge_point(profile: Profile, name: str, point: Point, image: Image) -> Judged:
    if point.table is None or point.address is None:
        return Judged(None, None, Looks.UNREAD)
    found = [image.get((point.table, point.address + offset)) for offset in range(point.words)]
    words = tuple(word for word in found if word is not None)
    if len(words) < len(found):
        return Judged(None, None, Looks.UNREAD)
    value = _decoded(profile, name, point, words)
    if value is None:
        why = _why_no_value(point, words)
        return Judged(words, None, Looks.DOUBTFUL if why else Looks.EMPTY, why or "not available")
    why = _doubt(profile, name, point, value, words)
    if why:
        return Judged(words, value, Looks.DOUBTFUL, why)
    return Judged(words, value, Looks.PLAUSIBLE if any(words) else Looks.EMPTY)


def _decoded(profile: Profile, name: str, point: Point, words: tuple[int, ...]) -> RawValue | None:
    if point.table is None or point.address is None:
        return None
    payload = (
        bytes(words) if point.table in BIT_TABLES else b"".join(word.to_bytes(2, "big") for word in words)
    )
    return compile_block(Block(point.table, point.address, point.words, (name,)), profile)(payload).get(name)


def _why_no_value(point: Point, words: tuple[int, ...]) -> str:
    """Say why registers give no value; nothing where that is the device's way of saying that it has none."""
    if point.type == "bool":
        return "a flag that is neither 0 nor 1"
    if point.type == "string":
        return "no text" if any(words) else ""
    if point.type.startswith("float") and not point.sentinels:
        return "no finite number"
    return "no decimal digits" if point.type.startswith("bcd") and not point.sentinels else ""


def _doubt(profile: Profile, name: str, point: Point, value: RawValue, words: tuple[int, ...]) -> str:
    if isinstance(value, bool | str):
        return ""
    if isinstance(value, float) and value and not FLOAT_LEAST <= abs(value) <= FLOAT_MOST:
        return "absurdly small" if abs(value) < FLOAT_LEAST else "absurdly large"
    known = _states_named(profile, name)
    if known and value not in known:
        return "no state of the profile has this value"
    return _out_of_bounds(point, value) or _swapped(point, value, words)


def _states_named(profile: Profile, name: str) -> frozenset[int | str | bool]:
    """Give every value the state rules know of a point; empty where a rule takes all others."""
    rules = [rule for rule in profile.states if rule.point == name]
    if not all(rule.equals for rule in rules):
        return frozenset()
    return frozenset(value for rule in rules for value in rule.equals)


def _out_of_bounds(point: Point, value: float) -> str:
    """Compare with the profile's bounds, in the metric's unit where there is one, else raw."""
    if not isfinite(value):
        return "no finite number"
    least, most, amount = point.minimum, point.maximum, value
    if point.metric is not None:
        amount = value * point.multiply / point.divide + point.offset
        if METRICS[point.metric].kind is MetricKind.COUNTER:
            least = max(least or 0, 0)
    if point.modulus is not None and value >= point.modulus:
        return f"at or above its modulus {point.modulus}"
    if least is not None and amount < least:
        return f"below {least}"
    return f"above {most}" if most is not None and amount > most else ""


def _swapped(point: Point, value: float, words: tuple[int, ...]) -> str:
    """See a whole number whose low half is empty and whose high half is not: a small one with its words exchanged."""
    half = 8 * len(words)
    if isinstance(value, int) and len(words) > 1 and point.metric and value and not value & ((1 << half) - 1):
        return "only its high half is used"
    return ""


@dataclass(frozen=True, slots=True)
class OrderProposal:
    """Another byte order for the whole device, under which `mended` doubtful points become plausible."""

    order: WordOrder
    mended: int


def propose_orders(profile: Profile, image: Image) -> tuple[OrderProposal, ...]:
    """Give the byte orders under which the absurd becomes plausible and nothing is left absurd, best first."""
    now = _speaking(profile, image)
    doubted = [name for name, one in now.items() if one.looks is Looks.DOUBTFUL]
    wide = [name for name in now if profile.points[name].words > 1]
    if not doubted:
        return ()
    found = []
    for order in ORDERS:
        turned = _in_order(profile, order)
        then = _speaking(turned, image)
        orders = {point_order(profile.points[name], profile) for name in wide or now}
        if orders == {order} or any(one.looks is Looks.DOUBTFUL for one in then.values()):
            continue
        found.append(OrderProposal(order, sum(then[name].looks is Looks.PLAUSIBLE for name in doubted)))
    return tuple(sorted(found, key=lambda proposal: (_swaps_bytes(proposal.order), -proposal.mended)))


def _speaking(profile: Profile, image: Image) -> dict[str, Judged]:
    """Leave out what no byte order changes: bits of a table, texts, what was not read, and zeros."""
    return {
        name: one
        for name, one in judge(profile, image).items()
        if one.words and any(one.words)
        if profile.points[name].table not in BIT_TABLES and profile.points[name].type != "string"
    }


def _in_order(profile: Profile, order: WordOrder) -> Profile:
    points = {name: point.model_copy(update={"order": order}) for name, point in profile.points.items()}
    return profile.model_copy(update={"points": points})


def _swaps_bytes(order: str) -> bool:
    return order in {"BADC", "DCBA"}


@dataclass(frozen=True, slots=True)
class Score:
    """How well a map agrees with what was read: its points by what they say."""

    profile: str
    plausible: int
    empty: int
    doubtful: int
    refused: int

    @property
    def heard(self) -> int:
        """Points that were asked for and answered in some way."""
        return self.plausible + self.empty + self.doubtful + self.refused

    @property
    def merit(self) -> float:
        """From -1 (all against) to 1 (all for); 0 where nothing speaks."""
        return (self.plausible - self.doubtful - self.refused) / self.heard if self.heard else 0.0

    @property
    def is_settled(self) -> bool:
        """Whether it agrees so well that no other map need be looked at."""
        return (
            not self.doubtful
            and not self.refused
            and self.plausible >= min(TELLING_MIN, max(1, self.heard // 2))
        )


def score(profile: Profile, image: Image, refused: Mapping[tuple[Table, int], str]) -> Score:
    """Count what speaks for a profile and against it; a refused point speaks against."""
    judged = judge(profile, image)
    looks = [one.looks for one in judged.values()]
    unread = [profile.points[name] for name, one in judged.items() if one.looks is Looks.UNREAD]
    return Score(
        profile.profile,
        looks.count(Looks.PLAUSIBLE),
        looks.count(Looks.EMPTY),
        looks.count(Looks.DOUBTFUL),
        sum(point.table is not None and (point.table, point.address) in refused for point in unread),
    )


def better_models(own: Score, others: list[Score]) -> tuple[Score, ...]:
    """Give the maps that agree clearly better than the one that was named, best first."""
    better = [
        other
        for other in others
        if other.plausible >= TELLING_MIN
        and not other.doubtful
        and not other.refused
        and other.merit > own.merit + MERIT_MARGIN
    ]
    return tuple(sorted(better, key=lambda other: (-other.merit, -other.plausible, other.profile)))


MERIT_MARGIN = 0.25
"""A quarter of all points: less is within what idle machines and zeros move."""
