"""Which fixtures do the census tests share? An empty store and the packaged policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from census.policy import load_policy
from tests.census.fake_store import FakeStore

if TYPE_CHECKING:
    from pathlib import Path

    from census.policy import Policy


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    directory = tmp_path / "store"
    directory.mkdir()
    return FakeStore(directory)


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_policy("wenzhou-2018").policy
