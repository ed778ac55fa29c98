"""How is a census taken? Ledger, policy and log in; verdicts and figures out, the same for the same inputs."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from importlib import metadata, resources
from typing import TYPE_CHECKING, Protocol

from census.engine import DayFiles, Scope, gather_evidence
from census.enrolments import enrolled_spans
from census.enterprise_evidence import EnterpriseClaim, EnterpriseIndex, merge_claims
from census.figures import ELSEWHERE, Figure, Judged, count_figure
from census.ledger import load_ledger
from census.policy import load_policy
from census.robot_evidence import RobotIndex
from census.verdict import judge_enterprise, judge_robot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from census.enrolments import LogEvent
    from census.evidence import Evidence
    from census.ledger import Ledger
    from census.policy import Policy

log = logging.getLogger(__name__)


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
    evidence = gather_evidence(store, Scope(size, as_of_ms, spans, unsigned))
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
    result = judge_all(ledger, evidence, policy, header, problems)
    log.info(
        "census as_of_ms=%d log_size=%d robots=%d enterprises=%d",
        as_of_ms,
        size,
        len(result.robots),
        len(result.enterprises),
    )
    return result


def judge_all(
    ledger: Ledger, evidence: Evidence, policy: Policy, header: Header, problems: list[str]
) -> CensusResult:
    """Judge every claim and count the figures; pure, so that figures recompute from evidence alone."""
    claims = merge_claims(ledger.enterprises)
    divisions = _divisions(ledger, policy)
    robots, enterprises = (
        RobotIndex(ledger, evidence, policy),
        EnterpriseIndex(ledger, evidence, policy),
    )
    judged_robots = {
        claim.robot: Judged(
            judge_robot(claim, robots.gather(claim), policy), divisions.get(claim.uscc, ELSEWHERE)
        )
        for claim in ledger.robots
    }
    judged_enterprises = {
        claim.uscc: Judged(
            judge_enterprise(claim, enterprises.gather(claim.uscc), policy),
            divisions.get(claim.uscc, ELSEWHERE),
        )
        for claim in claims
    }
    targets = policy.targets
    return CensusResult(
        header=header,
        policy=policy,
        robots=judged_robots,
        enterprises=judged_enterprises,
        robots_new=count_figure(targets.robots_new, judged_robots.values(), policy, header.as_of_ms),
        enterprises_on_cloud=count_figure(
            targets.enterprises_on_cloud, judged_enterprises.values(), policy, header.as_of_ms
        ),
        problems=(
            *map(str, ledger.problems),
            *problems,
            *evidence.problems,
            *enterprises.problems,
            *_merged_listings(claims),
        ),
        ledger=ledger,
        evidence=evidence,
    )


def _divisions(ledger: Ledger, policy: Policy) -> dict[str, str]:
    """Place each enterprise: where its listing says, else where the register says; a code's prefix is no address."""
    placed = {row.uscc: policy.division_code(row.division) for row in ledger.registry}
    listed: dict[str, str] = {}
    for row in ledger.enterprises:
        code = policy.division_code(row.division)
        if code:
            listed.setdefault(row.uscc, code)
    return placed | listed


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
