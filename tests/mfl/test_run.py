"""Does `run` make its environment when it must, and only then? Tried with a stand-in for Python that notes its calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
echo "$0 $*" >>"$CALLS"
case "$*" in
-V) echo "Python 3.11.99" ;;
"-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
*ensurepip*) [ -z "${NO_VENV-}" ] ;;
*version_info*) [ -z "${OLD-}" ] ;;
esac
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Make a folder with `run` and a stand-in for Python."""
    shutil.copy(ROOT / "run", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("click==8.5.1\n")
    stand_in = tmp_path / "stand-in"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    return tmp_path


def _run(house: Path, *words: str, **variables: str) -> tuple[int, str, list[str]]:
    """Run a verb; gives exit code, output, and what Python was called for."""
    calls = house / "calls"
    calls.write_text("")
    done = subprocess.run(
        ["/bin/sh", house / "run", *words],
        env={"PATH": os.environ["PATH"], "PYTHON": str(house / "stand-in"), "CALLS": str(calls), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines()


def _installs(calls: list[str]) -> list[str]:
    return [call for call in calls if " install " in call]


def test_the_environment_is_made_once_and_again_when_a_file_changes(house: Path) -> None:
    code, _, calls = _run(house, "docs")
    assert code == 0
    (install,) = _installs(calls)
    assert install.endswith("-c constraints.txt -e .[dev]")
    assert calls[-1].endswith("-m mfl.docs")
    assert not _installs(_run(house, "docs")[2])
    (house / "constraints.txt").write_text("click==8.5.2\n")
    assert _installs(_run(house, "docs")[2])
    assert not _installs(_run(house, "docs")[2])


def test_a_half_made_environment_is_made_again(house: Path) -> None:
    _run(house, "docs")
    (house / ".venv" / "stamp").unlink()
    assert _installs(_run(house, "docs")[2])


def test_an_old_python_is_told_what_is_needed(house: Path) -> None:
    code, output, _ = _run(house, "docs", OLD="1")
    assert code == 2
    assert "needs Python 3.11" in output


@pytest.mark.parametrize("words", [(), ("nothing",), ("storms",)])
def test_an_unknown_verb_prints_the_usage_and_makes_nothing(house: Path, words: tuple[str, ...]) -> None:
    code, output, calls = _run(house, *words)
    assert code == 2
    assert output.startswith("usage: ./run VERB")
    assert calls == []
    assert not (house / ".venv").exists()


@pytest.mark.parametrize("script", ["run", ".ci/run", "deploy/image.sh"])
def test_a_script_is_posix_and_stops_at_the_first_failure(script: str) -> None:
    subprocess.run(["/bin/sh", "-n", ROOT / script], check=True, timeout=20)
    text = (ROOT / script).read_text()
    assert text.startswith("#!/bin/sh\n")
    assert "set -eu" in text or "&& exec" in text
