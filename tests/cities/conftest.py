"""Which cities are judged? Six seeds (more under MFL_ALL), each written, read and scored in a process of one shared pool."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from census.city import city_census
from census.report import to_json
from simulators.build import build_world
from simulators.city import write_city
from simulators.past import LocalMaker
from simulators.specs import city_spec
from simulators.truth import TruthFile, read_truth, score_document

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = range(1, 21) if os.environ.get("MFL_ALL") else range(1, 7)
PROCESSES = 2
PATIENCE_S = 1_500


@dataclass(frozen=True)
class Judged:
    """One city: its truth, the census's document on it, and how the two compare."""

    seed: int
    truth: TruthFile
    document: dict[str, Any]
    score: dict[str, Any]

    def verdicts(self, group: str, kind: str, *, enough: bool = True) -> dict[str, dict[str, Any]]:
        """Give the verdicts on the subjects of a kind, those with enough evidence or all."""
        lines = getattr(self.truth, group)
        return {
            subject: self.document["verdicts"][group][subject]
            for subject, line in lines.items()
            if line.kind == kind and (line.enough or not enough)
        }


def judge(seed: int) -> Judged:
    """Write the city of a seed, take its census, and compare; no file stays."""
    with tempfile.TemporaryDirectory(prefix="mfl-city-") as scratch:
        folder = Path(scratch) / "city"
        world = build_world(city_spec(seed))
        write_city(world, folder, [LocalMaker(world)], lambda _day, _rows: None)
        document = json.loads(json.dumps(to_json(city_census(folder))))
        truth = read_truth(folder)
    return Judged(seed, truth, document, score_document(truth, document))


@pytest.fixture(scope="session")
def cities() -> Iterator[list[Judged]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        yield list(pool.map(judge, SEEDS, timeout=PATIENCE_S))
