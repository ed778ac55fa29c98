from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from mfl import cli
from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def _plant(monkeypatch: pytest.MonkeyPatch, body: Callable[[], None]) -> None:
    """Replace every loaded command by one that runs body."""
    monkeypatch.setattr(cli, "_load", lambda _target: click.Command("planted", callback=body))
    monkeypatch.setattr(cli, "VERBS", {"planted": cli.Verb("nowhere:planted", "planted")})


def test_help_lists_every_verb_and_imports_none_of_their_packages() -> None:
    script = (
        "import sys\nfrom click.testing import CliRunner\nfrom mfl.cli import cli\n"
        "result = CliRunner().invoke(cli, ['--help'])\nprint(result.output)\n"
        "ours = {'simulators', 'dashboard', 'gateway', 'census', 'drivers', 'store'}\n"
        "heavy = {'duckdb', 'pyarrow', 'starlette', 'pydantic', 'aiomqtt', 'influxdb_client'}\n"
        "print('LOADED', sorted((ours | heavy) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "LOADED []" in done.stdout
    for verb in cli.VERBS:
        assert re.search(rf"^  {verb}\b", done.stdout, re.MULTILINE), verb


@pytest.mark.parametrize("name", list(cli.VERBS))
def test_every_verb_loads_and_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli.cli, [name, "--help"], prog_name="mfl")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: mfl {name}")


def test_store_serve_is_grafted_from_the_dashboard() -> None:
    result = CliRunner().invoke(cli.cli, ["store", "serve", "--help"], prog_name="mfl")
    assert result.exit_code == 0, result.output
    assert "--behind-proxy" in result.output


def test_an_unknown_verb_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli.cli, ["censsus"])
    assert result.exit_code == 2
    assert "No such command" in result.output


def test_a_missing_extra_gives_one_line_and_exit_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_duckdb() -> None:
        raise ModuleNotFoundError("No module named 'duckdb'", name="duckdb.experimental")

    _plant(monkeypatch, without_duckdb)
    result = CliRunner().invoke(cli.cli, ["planted"])
    assert result.exit_code == 2
    assert result.output == "mfl planted needs the extra 'store': pip install 'machine-for-labor[store]'\n"


def test_our_own_missing_module_is_a_bug_and_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ModuleNotFoundError("No module named 'telemetry.nothing'", name="telemetry.nothing")

    _plant(monkeypatch, broken)
    result = CliRunner().invoke(cli.cli, ["planted"])
    assert isinstance(result.exception, ModuleNotFoundError)


def test_config_errors_print_every_problem_and_exit_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def misconfigured() -> None:
        raise ConfigError(
            [Problem("b.yaml", 2, 1, "x", "is missing"), Problem("a.yaml", 9, 3, "y", "is odd")]
        )

    _plant(monkeypatch, misconfigured)
    result = CliRunner().invoke(cli.cli, ["planted"])
    assert result.exit_code == 2
    assert result.output.splitlines() == ["a.yaml:9:3: y: is odd", "b.yaml:2:1: x: is missing"]


def test_the_table_of_extras_agrees_with_the_project_file() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installs = {"fpdf2": "fpdf"}
    declared: dict[str, str] = {}
    for extra in ("store", "demo", "report", "spark"):
        for requirement in extras[extra]:
            name = re.match(r"[\w-]+", requirement)
            assert name is not None
            if name[0] != "machine-for-labor":
                declared[installs.get(name[0], name[0])] = extra
    assert dict(cli.EXTRAS) == declared


def test_version_is_one_line() -> None:
    result = CliRunner().invoke(cli.cli, ["--version"])
    if result.exit_code == 1:
        pytest.skip("the package is not installed, only on the path; ./run installs it")
    assert re.fullmatch(r"mfl \d+\.\d+\.\d+\n", result.output)
