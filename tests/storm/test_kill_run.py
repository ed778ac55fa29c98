from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from simulators.kill_run import kill_often

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.kill
@pytest.mark.wall
def test_a_process_killed_at_random_owes_nothing(tmp_path: Path) -> None:
    tally = asyncio.run(kill_often(3, random.Random(2), tmp_path))
    assert tally.problems == []
    assert tally.kills == 3
    assert tally.accepted == tally.delivered > 0
