"""Does a device speak the map that it is said to speak? Each point is read once, and the answers are weighed.

Only reads are ever sent (function codes 1 to 4, and 43/14). When the answers do not settle it, a few telltale registers of
the other models of the same kind are read too, so that a look-alike is told by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from typing import TYPE_CHECKING

from drivers.identity import told_by_objects
from drivers.modbus_plan import Block, plan_reads
from drivers.probe_judge import better_models, judge, propose_orders, score
from drivers.probe_peer import CHINESE, name_peer
from telemetry.errors import Disconnected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from drivers.probe_judge import Judged, OrderProposal, Score
    from drivers.probe_line import Answer, Asker
    from drivers.profiles import LoadedProfile
    from telemetry.profile import Profile, Table

COMPARE_BLOCKS_MAX, COMPARE_READS_MAX = 3, 40
"""Reads spent on each other model, and on all of them: 40 s at the default pace."""
LIBRARY_NAMES = ("pymodbus", "libmodbus", "jsmodbus", "nmodbus", "modbuspal")
"""What a server says that was built on a library and never told who it is: simulators, and some real devices."""


class Verdict(StrEnum):
    """What the probe found."""

    FITS = "fits"
    WORD_ORDER = "word_order"
    ANOTHER_MODEL = "another_model"
    DOUBTFUL = "doubtful"
    NOT_MODBUS = "not_modbus"
    SILENT = "silent"
    UNREACHABLE = "unreachable"


@dataclass(slots=True)
class Heard:
    """What one probe has read so far."""

    image: dict[tuple[Table, int], int] = field(default_factory=dict)
    refused: dict[tuple[Table, int], str] = field(default_factory=dict)
    faults: dict[tuple[Table, int], str] = field(default_factory=dict)
    took_ms: dict[tuple[Table, int], int] = field(default_factory=dict)
    peer: str = ""
    lost: str = ""

    def take(self, answer: Answer) -> None:
        """Keep what an answer says of each of its addresses."""
        block = answer.block
        for place in range(block.count):
            key = (block.table, block.address + place)
            self.took_ms[key] = answer.ms
            if answer.words:
                self.image[key] = answer.words[place]
            elif answer.refusal:
                self.refused[key] = answer.refusal
            else:
                self.faults[key] = answer.fault
        if answer.data and not self.image:
            self.peer = self.peer or name_peer(answer.data)

    def knows(self, block: Block) -> bool:
        """Whether every address of a block was asked for already."""
        keys = [(block.table, block.address + place) for place in range(block.count)]
        return all(key in self.image or key in self.refused for key in keys)


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome: the verdict with its sentence in both languages, and all that it rests on."""

    loaded: LoadedProfile
    verdict: Verdict
    en: str
    zh: str
    heard: Heard
    judged: dict[str, Judged]
    own: Score
    orders: tuple[OrderProposal, ...] = ()
    better: tuple[Score, ...] = ()
    told: dict[str, str] = field(default_factory=dict)
    reads: int = 0

    @property
    def is_library(self) -> bool:
        """Whether the device names itself by a library: a mark for review, not a refusal."""
        words = " ".join(self.told.values()).lower()
        return any(name in words for name in LIBRARY_NAMES)


def own_blocks(profile: Profile) -> tuple[Block, ...]:
    """Give the reads that a probe makes of the named profile."""
    return plan_reads(profile, tuple(profile.points))


async def probe(
    loaded: LoadedProfile,
    asker: Asker,
    *,
    others: Callable[[], Sequence[Profile]],
    strangers: Callable[[], Awaitable[str]],
    always_compare: bool = False,
) -> Probe:
    """Probe one device.

    `others` gives the models it could be instead, when that is left open; `strangers` is asked who stands there when
    nothing answers Modbus. A line that fails ends the probe with what was heard until then.
    """
    profile, heard, told = loaded.profile, Heard(), dict[str, str]()
    rivals: Sequence[Profile] = ()
    try:
        await _read_own(profile, asker, heard)
        if asker.answered:
            if always_compare or _is_open(profile, heard):
                rivals = others()
                await _read_others(rivals, asker, heard)
            told = told_by_objects(await asker.identify())
    except Disconnected as error:
        heard.lost = str(error)
    finally:
        await asker.close()
    if not asker.answered and not heard.peer and (asker.asked or not heard.lost):
        heard.peer = await strangers()
    own = score(profile, heard.image, heard.refused)
    better = better_models(own, [score(other, heard.image, heard.refused) for other in rivals])
    orders = propose_orders(profile, heard.image)
    verdict, en, zh = _verdict(asker, heard, own, orders, better)
    return Probe(
        loaded, verdict, en, zh, heard, judge(profile, heard.image), own, orders, better, told, asker.asked
    )


async def _read_own(profile: Profile, asker: Asker, heard: Heard) -> None:
    for block in own_blocks(profile):
        answer = await asker.read(block)
        heard.take(answer)
        if heard.peer or asker.is_silent:
            return
        if answer.refusal and len(block.points) > 1:
            for single in _singles(profile, block):
                heard.take(await asker.read(single))


def _singles(profile: Profile, block: Block) -> Iterator[Block]:
    """Split a refused block into its points, each address once: one of them may be all that is refused."""
    seen = set()
    for name in block.points:
        point = profile.points[name]
        if point.address is not None and point.address not in seen:
            seen.add(point.address)
            yield Block(block.table, point.address, point.words, (name,))


def _is_open(profile: Profile, heard: Heard) -> bool:
    """Tell whether the map's own registers leave it open which device this is."""
    if score(profile, heard.image, heard.refused).is_settled:
        return False
    return bool(heard.refused) or not propose_orders(profile, heard.image)


async def _read_others(others: Sequence[Profile], asker: Asker, heard: Heard) -> None:
    """Read the blocks of other models that hold most points, a first one of each before any second."""
    reads = 0
    for block in _telltales(others):
        if heard.knows(block):
            continue
        if reads >= COMPARE_READS_MAX or asker.is_silent:
            return
        reads += 1
        heard.take(await asker.read(block))


def _telltales(others: Iterable[Profile]) -> Iterator[Block]:
    ranked = [
        sorted(own_blocks(other), key=lambda block: -len(block.points))[:COMPARE_BLOCKS_MAX]
        for other in others
    ]
    for row in zip_longest(*ranked):
        yield from (block for block in row if block is not None)


def _verdict(
    asker: Asker, heard: Heard, own: Score, orders: tuple[OrderProposal, ...], better: tuple[Score, ...]
) -> tuple[Verdict, str, str]:
    if heard.peer:
        return (
            Verdict.NOT_MODBUS,
            f"this is {heard.peer}",
            f"这不是 Modbus 端口：{CHINESE.get(heard.peer, heard.peer)}",
        )
    if not asker.asked:
        return Verdict.UNREACHABLE, f"cannot be reached: {heard.lost}", f"连接不上：{heard.lost}"
    if not asker.answered:
        en = f"nobody answers as unit {asker.unit}; check the unit, the port and the gateway's serial side"
        return Verdict.SILENT, en, f"站号 {asker.unit} 无应答：请检查站号、端口和网关的串口侧"
    return _weighed(own, orders, better)


def _weighed(
    own: Score, orders: tuple[OrderProposal, ...], better: tuple[Score, ...]
) -> tuple[Verdict, str, str]:
    """Say what the answers amount to. A byte order is believed only of a map that refuses nothing."""
    if orders and not own.refused:
        first, rest = orders[0], " or ".join(item.order for item in orders[1:])
        en = f"the byte order looks like {first.order}: {first.mended} absurd values become plausible in it"
        en += f" (less usual, and as plausible: {rest})" if rest else ""
        return Verdict.WORD_ORDER, en, f"字节序应为 {first.order}：{first.mended} 个荒谬的值变得合理"
    if better:
        names = ", ".join(item.profile for item in better)
        en = f"the answers look like another model's map: {names} (named: {own.profile})"
        return Verdict.ANOTHER_MODEL, en, f"应答更像另一型号：{names}（指定的是 {own.profile}）"
    against = own.doubtful + own.refused
    if own.is_settled:
        en = f"the answers look like {own.profile}: {own.plausible} points speak for it, none against"
        return Verdict.FITS, en, f"应答与 {own.profile} 相符：{own.plausible} 点支持，无一反对"
    en = (
        f"the answers do not settle it: of {own.heard} points {own.plausible} speak for {own.profile}, "
        f"{against} against, {own.empty} are zero or not available and say nothing"
    )
    zh = f"无法断定：{own.plausible} 点支持 {own.profile}，{against} 点反对，{own.empty} 点为零或无值"
    return Verdict.DOUBTFUL, en, zh
