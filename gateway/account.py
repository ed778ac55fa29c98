"""Where is every accepted reading? The account of DESIGN section 2: one number in, and where it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.journal import Journal
    from gateway.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Account:
    """All in readings, over the gateway's life; answers about identity are kept but not counted."""

    accepted: int
    open: int
    buffered: int
    delivered: int
    quarantined: int
    dead_lettered: int
    lost: int

    @property
    def holds(self) -> bool:
        """Tell whether accepted = open + {buffered, delivered, quarantined} + dead-lettered + lost."""
        told = self.open + self.buffered + self.delivered + self.quarantined + self.dead_lettered + self.lost
        return self.accepted == told


def take_account(journal: Journal, outbox: Outbox) -> Account:
    """Add up where every reading is, at one moment of each: both go on while this is read."""
    readings, stat = journal.readings, outbox.stat()
    return Account(
        accepted=readings + stat.rowed + stat.lost,
        open=readings,
        buffered=stat.buffered,
        delivered=stat.delivered,
        quarantined=stat.quarantined,
        dead_lettered=stat.dead_lettered,
        lost=stat.lost,
    )
