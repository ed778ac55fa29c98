"""How do day files become evidence? An engine runs the one fold over them: DuckDB here, or Spark on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import day_of
from census.fold import Fold, Scope
from census.store_files import DayFiles

if TYPE_CHECKING:
    from census.evidence import Evidence
    from census.fold import EvidenceEngine

__all__ = ["DayFiles", "Scope", "fold_evidence", "gather_evidence"]


def gather_evidence(store: DayFiles, scope: Scope) -> Evidence:
    """Fold every day's files in this process; the answer does not depend on the order in which rows arrived."""
    from census.duck_engine import duck_engine

    with duck_engine(store) as engine:
        return fold_evidence(engine, scope)


def fold_evidence(engine: EvidenceEngine, scope: Scope) -> Evidence:
    """Fold every day's files by an engine; the same evidence whichever it is."""
    return Fold(engine, scope, day_of(scope.as_of_ms - 1)).evidence()
