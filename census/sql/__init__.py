"""Which SQL makes evidence of rows? The templates beside this file, read as package data."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def template(name: str) -> str:
    """Give a template's text by its name without the ending."""
    return (resources.files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
