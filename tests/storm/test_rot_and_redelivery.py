"""Storms whose turned bit hit the frame of a message still in flight: found by a night of 5,000 (decision 0015)."""

from __future__ import annotations

import pytest

from simulators.storm import run_one


@pytest.mark.parametrize("seed", [236, 4356])
def test_a_message_whose_frame_rotted_is_not_brought_back_behind_later_ones(seed: int) -> None:
    outcome = run_one(seed)
    assert not outcome.problems
    assert outcome.declared, "the seed no longer turns a bit of an accepted reading: it proves nothing now"
