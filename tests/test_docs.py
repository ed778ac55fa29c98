"""Do the documents tell the truth? Links lead somewhere, commands exist, reference pages are what `./run docs` makes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from mfl.cli import cli
from mfl.docs import FOLDER, PAGES, render
from telemetry.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]


def _documents() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert ROOT / "README.md" in found
    return found


def _anchor(title: str) -> str:
    """Make the anchor that Markdown viewers make of a title."""
    kept = re.sub(r"[^\w\- ]", "", title.strip().lower())
    return kept.replace(" ", "-")


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_every_link_leads_somewhere() -> None:
    broken = []
    for document in _documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", _prose(document.read_text())):
            if re.match(r"https?://|mailto:", target):
                continue
            file, _, anchor = target.partition("#")
            path = (document.parent / file).resolve() if file else document
            if not path.exists():
                broken.append(f"{document.relative_to(ROOT)}: {target} is not there")
            elif anchor and path.suffix == ".md":
                titles = re.findall(r"^#+ (.*)$", _prose(path.read_text()), re.MULTILINE)
                if anchor not in {_anchor(title) for title in titles}:
                    broken.append(f"{document.relative_to(ROOT)}: {target} has no such title")
    assert not broken, "\n" + "\n".join(broken)


def _code(text: str) -> Iterator[str]:
    """Give the lines of code blocks and the inline code of a document."""
    for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    yield from re.findall(r"`([^`\n]+)`", _prose(text))


def test_every_file_named_in_the_documents_is_there() -> None:
    named = re.compile(r"(?:\.?[a-z_]+/)+[a-z0-9_.-]*[a-z0-9_]\.(?:py|sql|yaml|sh|toml|md|service)")
    missing = [
        f"{document.relative_to(ROOT)}: {text}"
        for document in _documents()
        for text in re.findall(r"`([^`\n]+)`", _prose(document.read_text()))
        if named.fullmatch(text)
        if not (ROOT / text).exists() and not (document.parent / text).exists()
    ]
    assert not missing, "\n" + "\n".join(missing)


def _verbs_of_run() -> set[str]:
    usage = (ROOT / "run").read_text()
    verbs = re.search(r"^([a-z]+(?: \| [a-z]+)+)\) shift", usage, re.MULTILINE)
    assert verbs is not None
    return set(verbs[1].split(" | "))


def test_the_usage_of_run_names_its_verbs() -> None:
    usage = re.findall(r"^  ([a-z]+)  ?", (ROOT / "run").read_text(), re.MULTILINE)
    assert _verbs_of_run() <= set(usage)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line.strip().removeprefix("$ "), comments=True)
    except ValueError:
        return []


def unknown(words: list[str]) -> str:
    """Say what of an `mfl` command line does not exist; nothing when all does."""
    command: click.Command = cli
    for position, word in enumerate(words[1:], 1):
        if word.startswith("-") and len(word) > 1:
            known = {name for part in command.params for name in (*part.opts, *part.secondary_opts)}
            if word.partition("=")[0] not in known | {"--help", "-h"}:
                return f"{' '.join(words[:position])} has no option {word}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            inner = command.get_command(click.Context(command), word)
            if inner is None:
                return f"{' '.join(words[:position])} has no command {word}"
            command = inner
    return ""


def test_every_command_in_the_documents_exists() -> None:
    wrong = []
    for document in _documents():
        for line in _code(document.read_text()):
            words = _words(line)
            if words[:1] == ["./run"] and len(words) > 1 and words[1] not in _verbs_of_run() | {"VERB"}:
                wrong.append(f"{document.relative_to(ROOT)}: {line}: no such verb")
            if words[:1] == ["mfl"] and (reason := unknown(words)):
                wrong.append(f"{document.relative_to(ROOT)}: {line}: {reason}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("line", ["mfl nothing", "mfl store serve --nothing", "mfl store nothing x"])
def test_a_wrong_command_is_seen(line: str) -> None:
    assert unknown(line.split())


@pytest.mark.parametrize("name", list(PAGES))
def test_a_reference_page_is_what_run_docs_makes(name: str) -> None:
    assert (FOLDER / name).read_text() == render(name), "run ./run docs and commit the result"


def test_no_reference_page_is_left_over() -> None:
    measured = {"performance.md", "faults.md"}  # written by hand from the last bench run
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES) | measured


def test_the_table_of_metrics_is_the_vocabulary() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\S+) \|", (FOLDER / "metrics.md").read_text(), re.MULTILINE)
    assert rows == [(metric.name, str(metric.kind), metric.unit) for metric in METRICS.values()]
