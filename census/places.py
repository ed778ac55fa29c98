"""Where does an enterprise count? Its county, cluster, industry and size in the policy's own codes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.breakdown import ELSEWHERE, Judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from census.ledger import EnterpriseRow, Ledger
    from census.policy import Policy
    from census.verdict import Verdict


class Places:
    """The codes of every enterprise: what its first listing that names one of the policy's says.

    The county is the listing's, else the register's; a social credit code's prefix is no address (it stays when an
    enterprise moves).
    """

    def __init__(self, ledger: Ledger, policy: Policy) -> None:
        rows = ledger.enterprises
        registered = {row.uscc: policy.division_code(row.division) for row in ledger.registry}
        self._division = registered | _first(rows, lambda row: policy.division_code(row.division))
        clusters = {name: one.code for one in policy.clusters for name in (one.code, one.zh)}
        industries = {one.code: one.code for one in policy.industries}
        sizes = {one.code: one.code for one in policy.sizes}
        self._cluster = _first(rows, lambda row: clusters.get(row.cluster, ELSEWHERE))
        self._industry = _first(rows, lambda row: industries.get(row.industry[:3], ELSEWHERE))
        self._size = _first(rows, lambda row: sizes.get(row.size, ELSEWHERE))

    def judged(self, uscc: str, day: int | None, verdict: Verdict) -> Judged:
        """Put a verdict on a claim of an enterprise, of a day, in its place."""
        return Judged(
            verdict,
            self._division.get(uscc, ELSEWHERE),
            self._cluster.get(uscc, ELSEWHERE),
            self._industry.get(uscc, ELSEWHERE),
            self._size.get(uscc, ELSEWHERE),
            day,
        )


def _first(rows: tuple[EnterpriseRow, ...], code_of: Callable[[EnterpriseRow], str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        code = code_of(row)
        if code:
            found.setdefault(row.uscc, code)
    return found
