"""Does the repository keep its manners? Sizes, opening sentences, banned calls, dead modules, plain documents."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGES = ("mfl", "telemetry", "drivers", "gateway", "store", "census", "dashboard", "simulators", "config")
FILE_LINES_MAX, FUNCTION_LINES_MAX = 400, 60
MEASURED = {".py", ".sql", ".sh", ".css", ".html"}
VAGUE = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
BANNED = {
    "datetime.now": "take a telemetry.clock.Clock",
    "datetime.utcnow": "take a telemetry.clock.Clock",
    "datetime.today": "take a telemetry.clock.Clock",
    "date.today": "take a telemetry.clock.Clock",
    "time.time": "take a telemetry.clock.Clock",
    "time.sleep": "await with a timeout",
    "print": "click.echo in a cli.py, logging elsewhere",
    "asyncio.create_task": "asyncio.TaskGroup",
    "asyncio.ensure_future": "asyncio.TaskGroup",
    "asyncio.get_event_loop": "asyncio.get_running_loop",
}


@cache
def _files() -> tuple[Path, ...]:
    """List what git tracks or would track, so that a file is judged before it is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(_text(path), str(path))


def _python() -> list[Path]:
    return [path for path in _files() if path.suffix == ".py"]


def _sources() -> list[Path]:
    return [path for path in _python() if _name(path).partition("/")[0] in PACKAGES]


def _texts() -> Iterator[tuple[Path, str]]:
    for path in _files():
        try:
            yield path, _text(path)
        except UnicodeDecodeError:
            continue


def _none(problems: list[str]) -> None:
    assert not problems, "\n" + "\n".join(problems)


def test_there_is_something_to_judge() -> None:
    assert len(_sources()) > 50
    assert {path.relative_to(ROOT).parts[0] for path in _sources()} == set(PACKAGES)


def test_no_file_is_long() -> None:
    measured = [path for path in _files() if path.suffix in MEASURED or path.name == "run"]
    _none(
        [
            f"{_name(path)}: {count} lines, at most {FILE_LINES_MAX}: split the second subject off"
            for path in measured
            if (count := _text(path).count("\n")) > FILE_LINES_MAX
        ]
    )


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines, its docstring apart."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_no_function_is_long() -> None:
    _none(
        [
            f"{_name(path)}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES_MAX}"
            for path in _python()
            for node in ast.walk(_tree(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (length := _length(node)) > FUNCTION_LINES_MAX
        ]
    )


def test_every_module_opens_with_one_sentence() -> None:
    problems = []
    for path in _sources():
        first = (ast.get_docstring(_tree(path)) or "").partition("\n\n")[0]
        if not first.rstrip().endswith((".", "?", "!", "。", ":")):
            problems.append(f"{_name(path)}: its first docstring paragraph is no sentence: {first[:60]!r}")
    _none(problems)


def test_no_name_is_vague() -> None:
    _none([f"{_name(path)}: name it by its question" for path in _python() if path.stem in VAGUE])


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return f"{function.value.id}.{function.attr}"
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Attribute):
        return f"{function.value.attr}.{function.attr}"
    return ""


def _replacement(call: str) -> str | None:
    if call.startswith("random.") and call != "random.Random":
        return "take a random.Random"
    return BANNED.get(call)


def banned_calls(tree: ast.Module) -> list[tuple[int, str, str]]:
    """Find the banned calls of a module: line, call, and what to use instead."""
    return [
        (node.lineno, call, instead)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (instead := _replacement(call := _called(node))) is not None
    ]


def test_no_banned_call() -> None:
    _none(
        [
            f"{_name(path)}:{line}: {call}() is banned; {instead}"
            for path in _sources()
            for line, call, instead in banned_calls(_tree(path))
        ]
    )


@pytest.mark.parametrize("call", [*BANNED, "random.choice", "datetime.datetime.now"])
def test_a_banned_call_is_seen(call: str) -> None:
    assert banned_calls(ast.parse(f"x = {call}()"))


@pytest.mark.parametrize(
    "call", ["random.Random", "group.create_task", "clock.now", "rng.choice", "time.time_ns"]
)
def test_an_allowed_call_is_let_through(call: str) -> None:
    assert not banned_calls(ast.parse(f"x = {call}()"))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _mentioned(path: Path) -> Iterator[str]:
    """Name what a module imports, and the modules it names in strings (`package.module:attribute`)."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 100:
            yield node.value.partition(":")[0]


def test_no_module_is_dead() -> None:
    used = {"mfl.__main__"}
    for path in _sources():
        used |= {name for name in _mentioned(path) if name != _module(path)}
    for path in (ROOT / "run", ROOT / "pyproject.toml", *ROOT.glob("deploy/*"), ROOT / "Dockerfile"):
        if path.is_file():
            used |= set(re.findall(r"[a-z_]+(?:\.[a-z_]+)+", _text(path)))
    dead = [_module(path) for path in _sources() if path.name != "__init__.py" and _module(path) not in used]
    _none([f"{name}: imported by nothing but perhaps tests" for name in dead])


def test_no_blanket_exception_to_the_tools() -> None:
    blanket = re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:\s*[A-Z]+\d+)|#\s*mypy:|#\s*ruff:\s*noqa")
    _none(
        [
            f"{_name(path)}:{number}: name the code"
            for path in _python()
            if path != Path(__file__)
            for number, line in enumerate(_text(path).splitlines(), 1)
            if blanket.search(line)
        ]
    )


def test_no_note_to_self_and_no_path_of_one_machine() -> None:
    note = re.compile("|".join(("FIX" + "ME", "XX" + "X", "TO" + "DO", "HA" + "CK:")))
    machine = re.compile(r"/(?:work|root|home/[a-z]+)/|/tmp/\w")
    problems = []
    for path, text in _texts():
        name = _name(path)
        for number, line in enumerate(text.splitlines(), 1):
            if note.search(line):
                problems.append(f"{name}:{number}: do it now or say why not")
            if machine.search(line) and not name.startswith("tests/") and name != ".gitignore":
                problems.append(f"{name}:{number}: a path of one machine")
    _none(problems)


def test_every_document_has_one_title() -> None:
    problems = []
    for path in _files():
        if path.suffix == ".md":
            prose = re.sub(r"^```.*?^```", "", _text(path), flags=re.MULTILINE | re.DOTALL)
            titles = re.findall(r"^# ", prose, re.MULTILINE)
            if len(titles) != 1:
                problems.append(f"{_name(path)}: {len(titles)} titles")
    _none(problems)


def test_text_files_end_with_one_newline_and_hold_no_carriage_return() -> None:
    _none(
        [
            f"{_name(path)}: ends badly or has carriage returns"
            for path, text in _texts()
            if text and (not text.endswith("\n") or text.endswith("\n\n") or "\r" in text)
            if not _name(path).startswith("tests/scenarios/")
        ]
    )


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_name_versions_and_nothing_else() -> None:
    lines = _text(ROOT / "constraints.txt").splitlines()
    _none([line for line in lines if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*", line)])
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    project = tomllib.loads(_text(ROOT / "pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["store"], *extras["demo"], *extras["dev"]]
    required = {_canonical(re.split(r"[\[<>=!~ ]", requirement)[0]) for requirement in wanted}
    assert required - {_canonical(project["name"])} <= set(names)


def test_no_secret_and_no_foreign_script_is_committed() -> None:
    names = [_name(path) for path in _files()]
    _none([name for name in names if name.endswith((".pem", ".key", ".js", ".lock", "package-lock.json"))])


def test_the_two_doors_can_be_opened() -> None:
    for name in ("run", ".ci/run", "deploy/image.sh"):
        assert (ROOT / name).stat().st_mode & 0o111, f"{name} is not executable"
    assert "exec ./run test" in _text(ROOT / ".ci" / "run")
