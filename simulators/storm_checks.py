"""Did the storm break a promise? Checks of the record, the rows and the account against what is known to be true.

None of them asks the code under test: batches are read from the evidence log by the wire format's own reader, and counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from simulators.storm_hosts import KEY
from store.frames import Found, FrameKind
from store.log import EvidenceLog
from store.verify import verify_log
from telemetry.seal import GENESIS, NS_PER_MS, read_lines, read_seal, signature_holds

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gateway.account import Account
    from simulators.storm_world import World
    from store.embedded import EmbeddedStore
    from telemetry.line import FieldValue
    from telemetry.seal import Batch

STATES = ("running_ms", "ready_ms", "paused_ms", "fault_ms", "off_ms", "unknown_ms")
REASONS_ALLOWED = {"first"}
"""Why an epoch may begin in a storm without rot: nothing in it justifies another reason."""

RowFields = dict[str, "FieldValue"]


@dataclass(slots=True)
class Evidence:
    """What the log holds: every batch in order of arrival, and their rows as one dictionary each."""

    batches: list[Batch] = field(default_factory=list)
    rows: list[RowFields] = field(default_factory=list)

    def of(self, measurement: str) -> list[RowFields]:
        """Give the rows of a measurement."""
        return [row for row in self.rows if row["measurement"] == measurement]


def read_evidence(directory: Path) -> Evidence:
    """Read a store's log as an auditor would."""
    found = Evidence()
    log = EvidenceLog(directory / "log", directory / "quarantine", is_writable=False)
    for _, item in log.walk():
        if not isinstance(item, Found) or item.frame.kind is not FrameKind.BATCH:
            continue
        batch = read_seal(item.frame.body)
        found.batches.append(batch)
        for line in read_lines(batch):
            place: RowFields = {
                "measurement": line.measurement,
                "time_ms": line.time_ns // NS_PER_MS,
                "epoch": batch.seal.epoch,
                "seq": batch.seal.seq,
            }
            found.rows.append({**line.fields, **line.tags, **place})
    return found


def check_verified(directory: Path) -> Iterable[str]:
    """See that `mfl store verify` finds nothing wrong with the log."""
    log = EvidenceLog(directory / "log", directory / "quarantine", is_writable=False)
    yield from (f"verify: {problem}" for problem in verify_log(log).problems)


def check_chain(evidence: Evidence, *, may_break: bool) -> Iterable[str]:
    """Every key once, seqs without a gap, links and signatures whole, epochs with an allowed reason."""
    keys = Counter((batch.seal.epoch, batch.seal.seq) for batch in evidence.batches)
    yield from (
        f"double: seq {key[1]} of epoch {key[0][:8]} {times} times"
        for key, times in keys.items()
        if times > 1
    )
    chains: dict[str, dict[int, Batch]] = defaultdict(dict)
    for batch in evidence.batches:
        chains[batch.seal.epoch][batch.seal.seq] = batch
        if not signature_holds(batch.seal, KEY.public_key()):
            yield f"seq {batch.seal.seq} is not signed by the gateway"
    for chain in chains.values():
        before = GENESIS
        for seq in range(1, max(chain) + 1):
            if seq not in chain:
                before = ""
                if not may_break:
                    yield f"lost: seq {seq} of {max(chain)} never arrived"
            else:
                if before not in {"", chain[seq].seal.prev}:
                    yield f"seq {seq} does not continue seq {seq - 1}"
                before = chain[seq].hash
    reasons = Counter(str(row["reason"]) for row in evidence.of("epoch"))
    if not may_break and (set(reasons) - REASONS_ALLOWED or reasons["first"] != len(chains)):
        yield f"epochs begun without cause: {dict(reasons)} of {len(chains)}"


def check_balance(evidence: Evidence, account: Account, world: World, *, may_lose: bool) -> Iterable[str]:
    """See that the account of DESIGN section 2 holds, the store has what it says, and nothing acknowledged is missing."""
    if not account.holds or min(account.open, account.buffered, account.delivered) < 0:
        yield f"the account does not hold: {account}"
    if account.open or account.buffered:
        yield f"not drained: {account}"
    stored, declared = stored_readings(evidence), declared_lost(evidence)
    total, lost = sum(stored.values()), sum(declared.values())
    if not may_lose and (lost or account.lost or account.quarantined or account.dead_lettered):
        yield f"lost without cause: {dict(declared)} {account}"
    if total + lost < account.accepted or (not may_lose and total != account.accepted):
        yield f"accepted {account.accepted}, in the store {total}, declared lost {lost}"
    for device in world.robots:
        if stored[device] + lost < world.acked[device]:
            yield f"lost: {device} had {world.acked[device]} acknowledged, {stored[device]} stored, {lost} declared"
        if stored[device] > world.said[device]:
            yield f"double: {device} said {world.said[device]}, {stored[device]} are stored"
    if total > sum(world.said.values()):
        yield f"double: {total} readings stored, {sum(world.said.values())} said"


def stored_readings(evidence: Evidence) -> Counter[str]:
    """Count the readings in the store's rows, by device."""
    counted: Counter[str] = Counter()
    for row in evidence.of("machine"):
        counted[str(row["device"])] += int(row["readings"])
    return counted


def declared_lost(evidence: Evidence) -> Counter[str]:
    """Count the accepted readings that were declared lost, by reason."""
    counted: Counter[str] = Counter()
    for row in evidence.of("loss"):
        if int(row["readings"]):
            counted[str(row["reason"]).split(" ")[0]] += int(row["readings"])
    return counted


def check_counters(evidence: Evidence, world: World, *, may_lose: bool) -> Iterable[str]:
    """See that what rows count of r1 and p1 lies side by side on their true scales, and that r2 has no more than it made."""
    yield from _check_scale(evidence, "r1", world.acked_r1, may_lose=may_lose)
    yield from _check_scale(evidence, "p1", list(world.acked_p1.values()), may_lose=may_lose)
    made = sum(int(row.get("cycles_inc", 0)) for row in evidence.of("machine") if row["device"] == "r2")
    if made > world.robots["r2"].made:
        yield f"counters: r2 made {world.robots['r2'].made}, the rows count {made}"


def _check_scale(evidence: Evidence, device: str, acked: list[int], *, may_lose: bool) -> Iterable[str]:
    spans: list[tuple[int, int]] = []
    late: list[tuple[int, int]] = []
    set_aside = False
    for row in evidence.of("machine"):
        if row["device"] != device or "cycles_raw" not in row:
            continue
        before, raw, grown = int(row["cycles_from"]), int(row["cycles_raw"]), int(row.get("cycles_inc", 0))
        # A run whose first reading is a glitch counts from 0: what robots show is set aside (`c_odd`) until it agrees, and the
        # step to it is no increase but unexplained (DESIGN section 5), be that in one row or in the next.
        set_aside |= 0 in {before, raw}
        if row["late"]:
            late.append((min(before, raw), max(before, raw)))
        elif raw:
            spans.append((raw - grown, raw))
            if before and not row.get("cycles_unexplained") and grown != raw - before:
                yield f"counters: {device} from {before} to {raw} counted {grown}"
    spans.sort()
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            yield f"double: {device} counted up to {end} and again from {start}"
    if not may_lose and not set_aside:
        yield from _uncovered(device, spans + late, acked)


def _uncovered(device: str, spans: list[tuple[int, int]], counts: list[int]) -> Iterable[str]:
    """Find what a robot showed and no row knows of."""
    spans.sort()
    at, reach = 0, -1
    for count in sorted(counts):
        while at < len(spans) and spans[at][0] <= count:
            reach = max(reach, spans[at][1])
            at += 1
        if count > reach:
            yield f"lost: {device} showed {count}, and no row reaches it"
            return


def check_rows(evidence: Evidence) -> Iterable[str]:
    """Every window's time is shared out among the six states, and to the last millisecond."""
    for row in evidence.of("machine"):
        told = sum(int(row[state]) for state in STATES)
        if told != row["window_ms"] or min(int(row[state]) for state in STATES) < 0:
            yield f"a window of {row['window_ms']} ms tells of {told} ms: {row['device']} at {row['time_ms']}"
            return


def check_files(evidence: Evidence, store: EmbeddedStore) -> Iterable[str]:
    """See that the row files hold the log's rows, all of them, each once."""
    expected = Counter(_key(row) for row in evidence.rows)
    found: Counter[str] = Counter()
    for measurement in store.measurements():
        if measurement == "batch":
            continue
        for day in store.days(measurement):
            for row in store.scan(day, measurement).to_pylist():
                derived = ("leaf", "received_ms", "grade", "quarantined")
                told = {
                    name: value for name, value in row.items() if value is not None and name not in derived
                }
                found[_key({**told, "measurement": measurement})] += 1
    if found != expected:
        lacking, excess = expected - found, found - expected
        yield f"row files: {lacking.total()} rows lacking, {excess.total()} in excess: {[*lacking, *excess][:1]}"


def _key(row: RowFields) -> str:
    return repr(sorted(row.items()))
