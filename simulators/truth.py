"""What does a city folder's truth file say? Read here, by the simulators' own score, and nowhere in the census."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from simulators.city import TRUTH_FILE
from simulators.score import score_truth
from simulators.world import Truth
from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TruthLine:
    """One subject's truth as the file has it; `enough` tells whether there is evidence enough for the verdict."""

    kind: str
    expected: str
    tell: str
    enough: bool
    rules: tuple[str, ...] = ()

    @property
    def truth(self) -> Truth:
        """The truth without the amount of evidence."""
        return Truth(self.kind, self.expected, self.tell, self.rules)


class TruthFile(msgspec.Struct, frozen=True):
    """The truth of a whole city."""

    robots: dict[str, TruthLine]
    enterprises: dict[str, TruthLine]
    seed: int = 0
    days: int = 0


def read_truth(folder: Path) -> TruthFile:
    """Read a folder's truth; ConfigError when there is none or it is no truth file."""
    try:
        return msgspec.json.decode((folder / TRUTH_FILE).read_bytes(), type=TruthFile)
    except OSError as error:
        hint = "only a simulated city has one; `mfl census run --city` needs none"
        problem = Problem(TRUTH_FILE, 0, 0, "", f"cannot be read: {error.strerror}", hint)
    except msgspec.DecodeError as error:
        problem = Problem(TRUTH_FILE, 0, 0, "", f"is no truth file: {error}", "see docs/city-folder.md")
    raise ConfigError([problem])


def score_document(truth: TruthFile, document: Mapping[str, Any]) -> dict[str, Any]:
    """Compare a census document with the truth: the three mistakes, by kind, and every surprise."""
    groups = {"robots": truth.robots, "enterprises": truth.enterprises}
    few = frozenset(
        subject for lines in groups.values() for subject, line in lines.items() if not line.enough
    )
    found = score_truth(
        {name: {subject: line.truth for subject, line in lines.items()} for name, lines in groups.items()},
        document,
        few,
    )
    honest = {
        name: sum(line.expected == "confirmed" and line.enough for line in lines.values())
        for name, lines in groups.items()
    }
    return asdict(found) | {"honest_with_enough": honest, "seed": truth.seed}
