"""1,500 states that a power cut may leave, each started by production code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulators.storm_power import cut_everywhere
from tests.storm import planted_bugs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STATES = 1_500


@pytest.mark.kill
def test_every_state_that_a_power_cut_may_leave_starts_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = cut_everywhere(20180401, STATES, tmp_path)
    with capsys.disabled():
        print(f"\npower-cut states started: {tally.states:,} behind {tally.calls} calls")  # noqa: T201
    assert not tally.problems
    assert tally.states == STATES
    assert tally.calls > 300


@pytest.mark.parametrize(
    "plant",
    [
        planted_bugs.ack_before_sync,
        # The storm's seeds find these two as well, in less time.
        pytest.param(planted_bugs.record_not_synced, marks=pytest.mark.long),
        pytest.param(planted_bugs.store_answers_before_sync, marks=pytest.mark.long),
    ],
    ids=lambda plant: plant.__name__,
)
def test_the_states_show_a_planted_bug(
    plant: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        assert cut_everywhere(20180401, 300, tmp_path).problems
