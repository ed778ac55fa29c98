"""Does the census judge by the log alone? It imports no simulator and knows of no truth."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "census").rglob("*.py"))
SQL = sorted((ROOT / "census").rglob("*.sql"))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_imports_what_stands_above_or_beside(path: Path) -> None:
    assert not imported(path) & {
        "simulators",
        "gateway",
        "dashboard",
        "mfl",
        "drivers",
        "importlib.import_module",
    }


@pytest.mark.parametrize("path", FILES + SQL, ids=lambda path: path.name)
def test_no_file_knows_of_the_truth(path: Path) -> None:
    assert "truth.json" not in path.read_text(encoding="utf-8")


def test_rules_touch_nothing_but_claim_evidence_and_policy() -> None:
    allowed = {"__future__", "typing", "collections", "census", "re", "bisect", "operator"}
    for path in (ROOT / "census" / "rules").glob("*.py"):
        assert imported(path) <= allowed, path.name
