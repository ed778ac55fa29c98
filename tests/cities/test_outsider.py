"""Does the census judge a city right whose liars and honest machines a stranger invented? Two seeds; ten under MFL_ALL."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from census.city import city_census
from census.report import to_json
from simulators.truth import read_truth, score_document
from tests.cities.outsider.folder import Written, write_city

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = range(1, 11) if os.environ.get("MFL_ALL") else range(1, 3)
UNPROVEN_PERCENT_MAX = 1
MEANT = (
    "not enrolled, or revoked",
    "the log never enrolled it",
    "unsynchronised clock",
    "more breaks of the chain",
    "predecessor's hash",
    "listings of codes already listed were merged",
)
"""Words of the problems that the city was given on purpose."""
MISSED = {
    "clone_days": "few days of it, or several days late",
    "clone_two_weeks": "two weeks among many of its own",
    "cloud_constant": "fewer than a hundred requests a day, as a flat subscription has",
    "cloud_copied_late": "fewer days in common than are compared, 14",
    "cloud_copied_noise": "as much noise as the source's own ups and downs, or few days",
    "hurried": "a counter of parts, of which a mould makes ten a cycle",
    "motionless_current": "a current whose noise is as large as a small drive's",
    "motionless_energy": "days too alike for a line through running and power",
    "motionless_power": "a standing draw whose noise is as large as a small drive's swing",
    "replay_cut": "a slow machine, with many days cut out",
    "replay_noisy": "noise of more than a twelfth, few days, or a slow machine",
    "script_jitter": "jitter nearly as large as the rhythm",
    "script_sine": "a period longer than ten hours",
}
"""Kinds of which some are confirmed, each a gap that is known, and when: of no other kind is any."""
MISSED_PERCENT_MAX = 15
"""Of all lies in a city."""


@dataclass(frozen=True)
class Judged:
    """One city of the outsider's: what was written, the census's document on it, how it scored."""

    seed: int
    written: Written
    document: dict[str, Any]
    score: dict[str, Any]

    def surprises(self, words: str) -> list[str]:
        """Give each surprise in which these words stand, with the parameters drawn for the subject."""
        told = [text for text in self.score["surprises"] if words in text]
        return [f"seed {self.seed} {text} {self.written.facts.get(text.split()[1])}" for text in told]


@pytest.fixture(scope="module", params=SEEDS, ids=lambda seed: f"seed{seed}")
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder: Path = tmp_path_factory.mktemp("outsider")
    written = write_city(folder, request.param)
    document = json.loads(json.dumps(to_json(city_census(folder))))
    return Judged(request.param, written, document, score_document(read_truth(folder), document))


def test_the_folder_is_read_as_it_was_meant(judged: Judged) -> None:
    """No row, batch or paper is refused or doubted but those that are meant to be."""
    odd = [text for text in judged.document["problems"] if not any(words in text for words in MEANT)]
    assert not odd, (judged.seed, odd)
    for group in ("robots", "enterprises"):
        assert set(judged.written.truth[group]) == set(judged.document["verdicts"][group])


def test_no_lie_is_confirmed_but_those_known_to_be_missed(judged: Judged) -> None:
    confirmed = judged.surprises(": confirmed, not")
    assert len(confirmed) == judged.score["false_confirmed"]
    assert not [text for text in confirmed if not any(f"({kind})" in text for kind in MISSED)]
    lies = sum(
        line["expected"] != "confirmed"
        for group in ("robots", "enterprises")
        for line in judged.written.truth[group].values()
    )
    assert len(confirmed) * 100 <= MISSED_PERCENT_MAX * lies, "\n".join(confirmed)


def test_no_honest_subject_is_refuted(judged: Judged) -> None:
    assert judged.score["honest_refuted"] == 0, "\n".join(judged.surprises(": refuted, not confirmed"))


def test_honest_subjects_with_enough_evidence_are_confirmed(judged: Judged) -> None:
    enough = sum(judged.score["honest_with_enough"].values())
    assert enough >= 100
    least = judged.score["honest_unproven"] * 100
    assert least <= UNPROVEN_PERCENT_MAX * enough, "\n".join(judged.surprises(": unproven, not confirmed"))
