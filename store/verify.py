"""Is the record whole? Walks the evidence log from its first byte and checks everything that can be checked offline.

Frames (CRC32, leaves without a gap), events, seals, signatures under the keys enrolled at the time of receipt, no key
twice, chain links wherever both ends are here, each gateway's own totals against what is here, and a published root if
one is given. Needs no index, no row files and no network; changes nothing. What was made from the log is checked
against it by verify_derived.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from store.balance import Balance
from store.enrolment import Authority, read_event
from store.frames import Damage, FrameKind
from store.influx_line import LineError
from store.merkle import MerkleTree, leaf_hash
from store.points import read_write
from store.progress import SeqSet
from telemetry.errors import SealError
from telemetry.seal import GENESIS, read_lines, read_seal, split_batch

if TYPE_CHECKING:
    from store.balance import Settlement
    from store.frames import Frame
    from store.log import EvidenceLog
    from telemetry.seal import Batch

PROBLEMS_MAX = 1_000
"""Problems listed; the rest are counted."""


@dataclass(slots=True)
class Report:
    """What the walk found; `problem_count` may exceed the problems listed."""

    leaves: int = 0
    batches: int = 0
    events: int = 0
    unsigned: int = 0
    rows: int = 0
    root_hash: str = ""
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    progress: dict[tuple[str, str], SeqSet] = field(default_factory=dict)
    accounts: list[Settlement] = field(default_factory=list)

    def add(self, problem: str) -> None:
        """Note a problem."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


@dataclass(slots=True)
class _Chain:
    """Links not yet compared: hashes whose next, and `prev`s whose former batch has not come by."""

    hashes: dict[int, str] = field(default_factory=dict)
    prevs: dict[int, str] = field(default_factory=dict)

    def add(self, batch: Batch) -> list[int]:
        """Take in a batch; gives the seqs whose `prev` is wrong."""
        seal = batch.seal
        wrong = []
        expected = GENESIS if seal.seq == 1 else self.hashes.pop(seal.seq - 1, None)
        if expected is None:
            self.prevs[seal.seq] = seal.prev
        elif expected != seal.prev:
            wrong.append(seal.seq)
        following = self.prevs.pop(seal.seq + 1, None)
        if following is None:
            self.hashes[seal.seq] = batch.hash
        elif following != batch.hash:
            wrong.append(seal.seq + 1)
        return wrong


class _Walk:
    def __init__(self) -> None:
        self.report = Report()
        self._authority = Authority()
        self._tree = MerkleTree()
        self._balance = Balance()
        self._chains: dict[tuple[str, str], _Chain] = {}
        self.roots: dict[int, str] = {}

    def take(self, frame: Frame, where: str) -> None:
        report = self.report
        if frame.leaf != report.leaves:
            report.add(f"{where}: leaf {frame.leaf} where {report.leaves} should stand")
            report.leaves = frame.leaf
        report.leaves += 1
        body = frame.body
        if frame.kind is FrameKind.BATCH:
            body = split_batch(body)[1] if body.endswith(b"\n") else body
            self._batch(frame, where)
        elif frame.kind is FrameKind.EVENT:
            self._event(frame, where)
        else:
            self._unsigned(frame, where)
        self._tree.add(leaf_hash(body))

    def _batch(self, frame: Frame, where: str) -> None:
        try:
            batch = read_seal(frame.body)
            lines = read_lines(batch)
        except SealError as error:
            self.report.add(f"{where}: leaf {frame.leaf}: {error}")
            return
        seal, key = batch.seal, (batch.seal.gateway, batch.seal.epoch)
        name = f"leaf {frame.leaf}: {seal.gateway} epoch {seal.epoch} seq {seal.seq}"
        verdict = self._authority.allows(seal, frame.received_ms)
        if verdict != "yes":
            said = (
                "was not enrolled when it came"
                if verdict == "unknown"
                else "has a signature that does not hold"
            )
            self.report.add(f"{where}: {name} {said}")
        seqs = self.report.progress.setdefault(key, SeqSet())
        if seal.seq <= seqs.contiguous or seal.seq in seqs.above:
            self.report.add(f"{where}: {name} is here twice")
            return
        seqs.add(seal.seq)
        for wrong in self._chains.setdefault(key, _Chain()).add(batch):
            self.report.add(
                f"{where}: {seal.gateway} epoch {seal.epoch}: seq {wrong} does not follow {wrong - 1}"
            )
        self._balance.add(batch, lines)
        self.report.batches += 1
        self.report.rows += len(lines)

    def _event(self, frame: Frame, where: str) -> None:
        try:
            self._authority.apply(read_event(frame.body, received_ms=frame.received_ms, leaf=frame.leaf))
            self.report.events += 1
        except ValueError as error:
            self.report.add(f"{where}: leaf {frame.leaf}: not an event: {error}")

    def _unsigned(self, frame: Frame, where: str) -> None:
        try:
            read_write(frame.body, frame.received_ms)
            self.report.unsigned += 1
        except (LineError, ValueError, KeyError) as error:
            self.report.add(f"{where}: leaf {frame.leaf}: not an unsigned write: {error}")

    def settle(self) -> None:
        """Close the accounts; one with more readings than were accepted is a problem."""
        for account in self._balance.settle():
            self.report.accounts.append(account)
            if not account.is_sound:
                self.report.add(f"{account.gateway}: more readings are here than were accepted: {account}")

    def root(self) -> str:
        return self._tree.root().hex()


def verify_log(log: EvidenceLog, *, expected: tuple[int, str] | None = None, is_live: bool = False) -> Report:
    """Walk the log. `expected` is a published (log size, root hash); `is_live` excuses a tail still being written."""
    walk = _Walk()
    found = ""
    segments = log.segments()
    for segment, item in log.walk():
        where = f"{log.path(segment).name} at {item.offset}"
        if isinstance(item, Damage):
            if not (is_live and item.is_tail and segment == segments[-1]):
                walk.report.add(f"{where}: {item.length} bytes that are no frame")
            continue
        if expected is not None and expected[0] == walk.report.leaves:
            found = walk.root()
        walk.take(item.frame, where)
    walk.settle()
    report = walk.report
    report.root_hash = walk.root()
    if expected is not None:
        found = report.root_hash if expected[0] == report.leaves else found
        if found != expected[1].lower():
            report.add(f"the root over {expected[0]} leaves is {found or 'not there'}, not {expected[1]}")
    return report
