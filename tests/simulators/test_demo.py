"""The demonstration runs as its user runs it, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 240


def run_demo(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mfl", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env=os.environ | {"TMPDIR": str(folder)},
    )


def check(document: dict[str, Any]) -> None:
    assert document["false_confirmed"] == 0
    assert document["honest_refuted"] == 0
    live = document["live"]
    assert live["readings_heard"] == live["readings_stored"] + live["lost"]
    assert live["readings_heard"] > 0
    assert live["counter_increase_simulated"] == live["counter_increase_stored"] > 0


@pytest.mark.wall
def test_a_small_demonstration_is_as_expected_and_leaves_nothing(tmp_path: Path) -> None:
    done = run_demo("--small", "--json", "--seed", "11", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    check(document)
    assert document["seed"] == 11
    assert document["surprises"] == []
    for figure in document["figures"].values():
        assert figure["claimed"] == figure["confirmed"] + figure["refuted"] + figure["unproven"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.wall
def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mfl", "demo", "--small"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any("The page: http://127.0.0.1:" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.wall
@pytest.mark.parametrize("seed", [2018, 42])
def test_the_whole_city(seed: int, tmp_path: Path) -> None:
    done = run_demo("--json", "--seed", str(seed), folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    check(document)
    assert document["figures"]["robots_new"]["claimed"] >= 1_300
    assert document["figures"]["robots_new"]["confirmed"] == document["truth"]["robots_new"] >= 1_200
    assert (
        document["figures"]["enterprises_on_cloud"]["confirmed"] == document["truth"]["enterprises_on_cloud"]
    )
    assert document["truth"]["enterprises_on_cloud"] > 15_000
    assert document["live"]["devices"] >= 40
