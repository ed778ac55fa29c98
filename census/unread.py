"""What do rows name that could not be read? The words of their cells: such a row speaks for nobody and against nobody. Pure.

A rule that concludes from absence (no such code in the register, no second claim, no document) asks here first
(decision 0018). What stands in an unread row may be a word that was read elsewhere: codes, ids, serials, names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from census.unseen import without_unseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from census.ledger import Binding, Ledger, RobotClaim

_ID_RUN = re.compile(r"[0-9A-Za-z._-]+")


def fold(text: str) -> str:
    """Spell a word for comparison: what is seen of it, in capitals, without blanks or dashes."""
    seen = without_unseen(unicodedata.normalize("NFKC", text))
    return "".join(seen.upper().split()).replace("-", "")


def words_of(cells: Iterable[str]) -> frozenset[str]:
    """Give the words of a row's cells: each cell as a whole, and each run of an id's characters within it."""
    words = set()
    for cell in cells:
        words.add(fold(cell))
        for line in unicodedata.normalize("NFKC", cell).splitlines():
            words.update(map(fold, _ID_RUN.findall(without_unseen(line))))
    return frozenset(words - {""})


class Unread:
    """The rows of one file that could not be read, by the words of their cells; `is_whole` when no row could."""

    __slots__ = ("_rows_of", "count", "is_whole", "rows")

    def __init__(self, rows: Iterable[frozenset[str]] = (), *, is_whole: bool = False) -> None:
        self.rows = tuple(rows)
        self.count = len(self.rows)
        self.is_whole = is_whole
        self._rows_of: dict[str, set[int]] = {}
        for number, words in enumerate(self.rows):
            for word in words:
                self._rows_of.setdefault(word, set()).add(number)

    def names(self, *words: str) -> bool:
        """Tell whether one unread row has all these words; a file that is broken as a whole may name anybody."""
        if self.is_whole:
            return True
        found = [self._rows_of.get(fold(word), set()) for word in words if word]
        return bool(found) and bool(set.intersection(*found))

    def without(self, known: frozenset[str]) -> Unread:
        """Give those rows that have none of these (folded) words."""
        return Unread((words for words in self.rows if not words & known), is_whole=self.is_whole)


NOTHING = Unread()


class UnreadIndex:
    """In which files do unread rows name a claim? A set of file names, empty for nearly everybody."""

    def __init__(self, ledger: Ledger) -> None:
        self._unread: Mapping[str, Unread] = ledger.unread
        if not self._unread:
            return
        gateways = {row.gateway for row in ledger.bindings} | {row.gateway for row in ledger.gateways}
        known = frozenset(map(fold, gateways))
        self._of_no_gateway = self.of("bindings").without(known)
        claimed = {claim.robot for claim in ledger.robots}
        self._unclaimed: dict[tuple[str, str], set[str]] = {}
        for row in ledger.bindings:
            if row.robot not in claimed:
                self._unclaimed.setdefault((row.gateway, row.device), set()).add(row.robot)
        self._names: dict[str, set[str]] = {}
        for listing in ledger.enterprises:
            self._names.setdefault(listing.uscc, set()).add(listing.name)

    def of(self, file: str) -> Unread:
        """Give a file's unread rows."""
        return self._unread.get(file, NOTHING)

    def of_robot(
        self,
        claim: RobotClaim,
        bindings: Sequence[Binding],
        serials: Iterable[str],
        others: tuple[Iterable[str], Iterable[str]],
    ) -> frozenset[str]:
        """Name the files whose unread rows name a robot, a serial of its, a device it is bound to, or one of the others.

        `others` are the robots that claim the same, and the gateways that its copies come through.
        """
        if not self._unread:
            return frozenset()
        keys = sorted({(row.gateway, row.device) for row in bindings})
        rivals, gateways = others
        robots, serials = (claim.robot, *rivals), {claim.serial, *serials}
        unclaimed = {robot for key in keys for robot in self._unclaimed.get(key, ())}
        found = {
            "robots": self._any("robots", *robots, *serials, *unclaimed),
            "bindings": self._any("bindings", *robots) or any(self._names_device(*key) for key in keys),
            "replacements": self._any("replacements", claim.robot, *serials),
            "invoices": self._any("invoices", *serials),
            "gateways": self._any("gateways", *(gateway for gateway, _ in keys), *gateways),
        }
        return frozenset(file for file, is_named in found.items() if is_named)

    def of_enterprise(self, uscc: str, reporters: Iterable[str], *, is_registered: bool) -> frozenset[str]:
        """Name the files whose unread rows name an enterprise or a gateway that reports on it.

        A name is not one's own: in the register it is asked for only where the code is not found.
        """
        if not self._unread:
            return frozenset()
        names = () if is_registered else self._names.get(uscc, ())
        found = {
            "enterprises": self._any("enterprises", uscc),
            "registry": self._any("registry", uscc, *names),
            "gateways": self._any("gateways", uscc, *reporters),
        }
        return frozenset(file for file, is_named in found.items() if is_named)

    def _any(self, file: str, *words: str) -> bool:
        unread = self.of(file)
        return unread.is_whole or any(unread.names(word) for word in words)

    def _names_device(self, gateway: str, device: str) -> bool:
        """Tell whether a binding's row names a device: with its gateway, or with none that anybody knows."""
        return self.of("bindings").names(gateway, device) or self._of_no_gateway.names(device)
