"""Which batches are awaited? Numbers missing in a chain may hold what speaks against a claim. Pure.

Batches are numbered from 1 without a hole, so one that was sealed and never received is seen as soon as a later one is here.
What it holds nobody knows: it may still come. Rules that conclude from absence (nobody worked here before, nothing was heard
before the period) have nothing to stand on until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from census.epochs import way_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from census.evidence import Epoch

SHOWN = 3
"""Gaps told by their numbers, a gateway; the others are counted."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers missing in one chain, first and last, with the seals (UTC ms) of the batches before (None: none) and behind.

    It `is_explained` when a person's word stands for its epoch.
    """

    epoch: str
    first_seq: int
    last_seq: int
    after_ms: int | None
    before_ms: int
    is_explained: bool = False


def judge_gaps(
    rows: Iterable[tuple[Any, ...]], epochs: Mapping[str, Sequence[Epoch]]
) -> dict[str, tuple[Gap, ...]]:
    """Give each gateway's gaps in order; `rows` are gateway, epoch, first and last number, seal before, seal behind."""
    explained = {
        (gateway, one.epoch) for gateway, found in epochs.items() for one in found if one.is_explained
    }
    gaps: dict[str, list[Gap]] = {}
    for gateway, epoch, first, last, after_ms, before_ms in rows:
        is_explained = (gateway, epoch) in explained
        gaps.setdefault(gateway, []).append(Gap(epoch, first, last, after_ms, before_ms, is_explained))
    return {gateway: tuple(gaps[gateway]) for gateway in sorted(gaps)}


def awaited(
    gaps: Mapping[str, Sequence[Gap]], spans: Iterable[tuple[str, int]], end_ms: int
) -> tuple[tuple[str, Gap], ...]:
    """Name the unexplained gaps of gateways, each up to its moment (UTC ms), that may hold rows of before `end_ms`.

    What is missing behind a batch that was sealed after both was sealed later still: its rows are not what is judged.
    """
    return tuple(
        dict.fromkeys(
            (gateway, gap)
            for gateway, until_ms in spans
            for gap in gaps.get(gateway, ())
            if not gap.is_explained and (gap.after_ms is None or gap.after_ms < min(until_ms, end_ms))
        )
    )


def tell_gaps(found: Sequence[tuple[str, Gap]]) -> tuple[str, str]:
    """Say which batches are awaited, Chinese and English; `found` is not empty."""
    gateway, gap = found[0]
    more = len(found) - 1
    also_zh, also_en = (f"等 {more + 1} 处", f" and {more} more gaps") if more else ("", "")
    command = way_out(gateway, gap.epoch)
    zh = (
        f"网关 {gateway} 的链 {gap.epoch} 缺第 {_numbers(gap)} 号批次{also_zh}，补到之前不作认定；"
        f"不会再有的，知情人可用 {command} 说明"
    )
    en = (
        f"batches {_numbers(gap)} of epoch {gap.epoch} of {gateway}{also_en} were never received and are awaited: if they"
        f" cannot come, whoever knows why may say so with {command}"
    )
    return zh, en


def gap_problems(gaps: Mapping[str, Sequence[Gap]]) -> list[str]:
    """Say, a line a gateway and epoch, which numbers are missing."""
    problems = []
    for gateway, found in gaps.items():
        for epoch in dict.fromkeys(gap.epoch for gap in found):
            mine = [gap for gap in found if gap.epoch == epoch]
            count = sum(gap.last_seq - gap.first_seq + 1 for gap in mine)
            numbers = ", ".join(map(_numbers, mine[:SHOWN]))
            more = f" and {len(mine) - SHOWN} more gaps" if mine[SHOWN:] else ""
            what = (
                "somebody has answered for the epoch, so its claims do not wait for them"
                if mine[0].is_explained
                else "claims that need its word stay unproven until they come, or until somebody who knows says why: "
                + way_out(gateway, epoch)
            )
            problems.append(
                f"gateway {gateway}: {count} batches of epoch {epoch} are missing ({numbers}{more}); {what}"
            )
    return problems


def _numbers(gap: Gap) -> str:
    return f"{gap.first_seq}" if gap.first_seq == gap.last_seq else f"{gap.first_seq}-{gap.last_seq}"
