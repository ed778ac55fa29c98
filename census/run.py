"""How is a census taken? Ledger, policy and log in; verdicts and figures out, the same for the same inputs."""

from __future__ import annotations

import gc
import hashlib
import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata, resources
from typing import TYPE_CHECKING, Protocol

from census.copies import all_copies
from census.engine import DayFiles, Scope, gather_evidence
from census.enrolments import enrolled_spans, explained_epochs
from census.enterprise_evidence import EnterpriseClaim, EnterpriseIndex, merge_claims
from census.figures import Figure, Judged, count_figure
from census.ledger import load_ledger
from census.ledger_words import unknown_words
from census.named_lists import ListFigure, count_lists
from census.places import Places
from census.policy import load_policy
from census.regularity import find_rhythms
from census.robot_evidence import RobotIndex
from census.unread import fold
from census.verdict import judge_enterprise, judge_robot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from census.enrolments import LogEvent, Span
    from census.evidence import Evidence
    from census.ledger import Ledger
    from census.policy import Policy

log = logging.getLogger(__name__)
YearBefore = dict[str, dict[str, int | None]]
"""Figure → month → confirmed claims of the year before (None: too small to publish); the base of 同比."""


class CensusStore(DayFiles, Protocol):
    """What the census asks of a store: rows by day, the events of the log, its size and its root."""

    def events(self) -> Sequence[LogEvent]:
        """List the log's events."""
        ...

    def apply(self) -> None:
        """Bring the row files up to the end of the log."""
        ...

    def log_size(self) -> int:
        """Count the log's leaves."""
        ...

    def root_hash(self, size: int | None = None) -> str:
        """Give the RFC 6962 root (hex) over the first `size` leaves."""
        ...


@dataclass(frozen=True, slots=True)
class Header:
    """What a figure is (DESIGN section 2): with these and the log it recomputes exactly."""

    policy: str
    policy_digest: str
    ledger_digest: str
    profile_digests: tuple[str, ...]
    as_of_ms: int
    log_size: int
    root_hash: str
    code_version: str


@dataclass(frozen=True, slots=True)
class CensusResult:
    """The whole count at one moment, with the evidence it stands on."""

    header: Header
    policy: Policy
    robots: Mapping[str, Judged]
    enterprises: Mapping[str, Judged]
    robots_new: Figure
    enterprises_on_cloud: Figure
    named_lists: tuple[ListFigure, ...]
    problems: tuple[str, ...]
    ledger: Ledger
    evidence: Evidence


def run_census(
    store: CensusStore,
    ledger_dir: Path,
    policy_path: Path | str,
    *,
    as_of_ms: int,
    log_size: int | None = None,
    year_before: YearBefore | None = None,
    gather: Callable[[DayFiles, Scope], Evidence] = gather_evidence,
) -> CensusResult:
    """Take the census of everything before `as_of_ms` (UTC, exclusive) within the log's first `log_size` leaves.

    ConfigError when the policy is wrong or there is no ledger; bad ledger rows are problems of the result.
    """
    loaded = load_policy(policy_path)
    ledger = load_ledger(ledger_dir)
    # The size first, the rows then: every leaf below the size has its rows, and later ones are filtered out.
    size = store.log_size() if log_size is None else min(log_size, store.log_size())
    store.apply()
    spans, problems = enrolled_spans(store.events(), ledger.gateways, size)
    policy = loaded.policy
    unsigned = "C" in policy.robots.grades or "C" in policy.enterprises.grades
    explained, limits = explained_epochs(store.events(), size), policy.thresholds
    scope = Scope(size, as_of_ms, spans, unsigned, explained, limits.epoch_breaks_max.value)
    evidence = gather(store, scope)
    days = evidence.device_days
    places = {row.gateway: (row.uscc, fold(row.workshop)) for row in ledger.gateways if row.uscc}
    evidence = replace(
        evidence,
        copies=all_copies(days, limits, places),
        rhythms=find_rhythms(days, limits.scripted_growth.value),
    )
    header = Header(
        policy=policy.policy,
        policy_digest=loaded.digest,
        ledger_digest=ledger.digest,
        profile_digests=evidence.profiles,
        as_of_ms=as_of_ms,
        log_size=size,
        root_hash=store.root_hash(size),
        code_version=code_version(),
    )
    result = judge_all(ledger, evidence, policy, header, problems, spans=spans, year_before=year_before)
    log.info(
        "census as_of_ms=%d log_size=%d robots=%d enterprises=%d",
        as_of_ms,
        size,
        len(result.robots),
        len(result.enterprises),
    )
    return result


@contextmanager
def _garbage_left_alone() -> Iterator[None]:
    """Judge without the search for cycles: a city's verdicts are a million small values and none of them is in one.

    The search walks the whole evidence again and again, a third of the time; what is made here is freed by counting.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_garbage_left_alone()
def judge_all(
    ledger: Ledger,
    evidence: Evidence,
    policy: Policy,
    header: Header,
    problems: list[str],
    *,
    spans: Mapping[str, Sequence[Span]] | None = None,
    year_before: YearBefore | None = None,
) -> CensusResult:
    """Judge every claim and count the figures; pure, so that figures recompute from evidence alone.

    `spans` are the enrolments that the evidence was gathered under: they explain silence and change no verdict.
    """
    claims = merge_claims(ledger.enterprises)
    places = Places(ledger, policy)
    robots, enterprises = (
        RobotIndex(ledger, evidence, policy, spans),
        EnterpriseIndex(ledger, evidence, policy),
    )
    judged_robots = {
        claim.robot: places.judged(
            claim.uscc, claim.commissioned_day, judge_robot(claim, robots.gather(claim), policy)
        )
        for claim in ledger.robots
    }
    judged_enterprises = {
        claim.uscc: places.judged(
            claim.uscc, claim.claimed_day, judge_enterprise(claim, enterprises.gather(claim.uscc), policy)
        )
        for claim in claims
    }
    lists, list_problems = count_lists(ledger, policy)
    told = [*map(str, ledger.problems), *unknown_words(ledger, policy), *problems, *evidence.problems]
    told += [*enterprises.problems, *_merged_listings(claims), *list_problems]
    year = year_before or {}
    targets = policy.targets
    return CensusResult(
        header=header,
        policy=policy,
        robots=judged_robots,
        enterprises=judged_enterprises,
        robots_new=count_figure(
            targets.robots_new, judged_robots.values(), policy, header.as_of_ms, year.get("robots_new")
        ),
        enterprises_on_cloud=count_figure(
            targets.enterprises_on_cloud,
            judged_enterprises.values(),
            policy,
            header.as_of_ms,
            year.get("enterprises_on_cloud"),
        ),
        named_lists=lists,
        problems=tuple(told),
        ledger=ledger,
        evidence=evidence,
    )


def _merged_listings(claims: Sequence[EnterpriseClaim]) -> list[str]:
    extra = sum(len(claim.listings) - 1 for claim in claims)
    return [f"enterprises: {extra} further listings of codes already listed were merged"] if extra else []


def code_version() -> str:
    """Name this code: the package's version and the SHA-256 (12 hex) of the census's own files."""
    try:
        version = metadata.version("machine-for-labor")
    except metadata.PackageNotFoundError:
        version = "0"
    digest = hashlib.sha256()
    root = resources.files("census")
    for folder in (root, root / "rules", root / "sql"):
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith((".py", ".sql")):
                digest.update(entry.name.encode() + b"\0" + entry.read_bytes())
    return f"{version}+census.{digest.hexdigest()[:12]}"
