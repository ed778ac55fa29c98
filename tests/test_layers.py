"""Do the arrows point down? The contracts of pyproject.toml hold, and each would notice a violation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("mfl", "telemetry", "drivers", "gateway", "store", "census", "dashboard", "simulators", "config")
HEAVY = {"duckdb", "pyarrow", "starlette", "uvicorn", "jinja2", "pymodbus", "amqtt"}
LINT = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
PURE = "Pure modules know no sockets, files, clock or chance"
EDGE = "The edge needs neither the store's weight nor the simulators'"
PLANTED = (
    ("Arrows point down", "census/planted.py", "import simulators\n"),
    ("Arrows point down", "gateway/planted.py", "import census\n"),
    ("Arrows point down", "telemetry/planted.py", "def f() -> None:\n    import store\n"),
    (PURE, "telemetry/planted.py", "import socket\n"),
    (PURE, "census/rules/planted.py", "import random\n"),
    (EDGE, "drivers/planted.py", "import duckdb\n"),
)


def _lint(where: Path) -> tuple[int, str]:
    """Run import-linter on the packages in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(where), "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the house, so that a violation can be planted in it."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold() -> None:
    code, report = _lint(ROOT)
    assert code == 0, report
    assert "3 kept, 0 broken" in report


@pytest.mark.parametrize(("contract", "file", "code"), PLANTED)
def test_a_planted_violation_breaks_its_contract(copy: Path, contract: str, file: str, code: str) -> None:
    (copy / file).write_text(f'"""Planted."""\n\n{code}')
    failed, report = _lint(copy)
    assert failed == 1, report
    assert re.search(rf"^{re.escape(contract)} BROKEN", report, re.MULTILINE), report


def test_the_edge_loads_nothing_heavy_even_through_others() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("telemetry", "drivers", "gateway")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    script = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert not HEAVY & set(done.stdout.split())
