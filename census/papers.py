"""Which papers of the ledger speak of a robot? Bindings and replacements by robot, replacements and invoices by serial. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from census.ledger import Binding, InvoiceLine, Ledger, Replacement


def normal_serial(serial: str) -> str:
    """Spell a serial for comparison: capitals, no blanks or dashes."""
    return "".join(serial.upper().split()).replace("-", "")


class Papers:
    """A ledger's papers, arranged so that a robot's share is found at once; `replaced` is by the new serial."""

    def __init__(self, ledger: Ledger) -> None:
        self.bindings: dict[str, list[Binding]] = {}
        for binding in ledger.bindings:
            self.bindings.setdefault(binding.robot, []).append(binding)
        self.replacements: dict[str, list[Replacement]] = {}
        self.replaced: dict[str, list[Replacement]] = {}
        for replacement in ledger.replacements:
            self.replacements.setdefault(replacement.robot, []).append(replacement)
            self.replaced.setdefault(normal_serial(replacement.new_serial), []).append(replacement)
        self.invoices: dict[str, list[InvoiceLine]] = {}
        for line in ledger.invoices:
            if line.serial:
                self.invoices.setdefault(normal_serial(line.serial), []).append(line)
