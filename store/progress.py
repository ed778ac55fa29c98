"""Which seqs of an epoch are here? The contiguous beginning as one number, and the set above the first gap.

Unbounded in time and constant in space while a gateway delivers everything; what lies above a gap is held one by one,
and a gateway's outbox bounds how far it can run ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class SeqSet:
    """The seqs heard of one (gateway, epoch): 1..contiguous, and `above`."""

    contiguous: int = 0
    above: set[int] = field(default_factory=set)

    def add(self, seq: int) -> None:
        """Take in a seq; one already here changes nothing."""
        if seq <= self.contiguous:
            return
        self.above.add(seq)
        while self.contiguous + 1 in self.above:
            self.contiguous += 1
            self.above.discard(self.contiguous)

    @property
    def highest(self) -> int:
        """The largest seq heard, 0 when none."""
        return max(self.above, default=self.contiguous)

    def missing(self, limit: int = 100) -> list[tuple[int, int]]:
        """Give the gaps below the highest seq as (first, last), at most `limit` of them, ascending."""
        gaps = []
        previous = self.contiguous
        for seq in sorted(self.above):
            if seq > previous + 1:
                gaps.append((previous + 1, seq - 1))
                if len(gaps) == limit:
                    break
            previous = seq
        return gaps
