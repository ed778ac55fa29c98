"""How are the reference pages made? From the declarations themselves; `./run docs` writes them, a test compares."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
PAGES: Mapping[str, str] = {
    "commands.md": "mfl.reference.commands:page",
    "ledger.md": "mfl.reference.ledger:page",
    "metrics.md": "mfl.reference.metrics:page",
    "policy.md": "mfl.reference.policy:page",
    "profiles.md": "mfl.reference.profiles:page",
    "rules.md": "mfl.reference.rules:page",
    "server.md": "mfl.reference.server:page",
    "sparkplug.md": "mfl.reference.sparkplug:page",
    "wire.md": "mfl.reference.wire:page",
}
"""File in docs/reference → the function that gives its text."""
NOTE = "<!-- Made by ./run docs from {source}. Change that, not this page. -->"


def render(name: str) -> str:
    """Make one page's text: its note, then what its function gives."""
    module, _, function = PAGES[name].partition(":")
    text: str = getattr(importlib.import_module(module), function)()
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{NOTE.format(source=importlib.import_module(module).SOURCE)}\n{rest.rstrip()}\n"


def write_all(folder: Path = FOLDER) -> None:
    """Write every page anew."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (folder / name).write_text(render(name), encoding="utf-8")


if __name__ == "__main__":
    write_all()
