"""Which commands has `mfl`, and which options has each? The page made from the click commands themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mfl.cli import cli
from mfl.reference.tables import code, table

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "the commands in each package's cli.py"


def page() -> str:
    """Write the page."""
    sections = "\n\n".join(_section(path, command) for path, command in leaves(cli, "mfl"))
    return f"""# Commands · 命令

Exit codes: 0 fine; 1 found wrong; 2 usage, configuration or a missing extra; 75 another process holds the lock.

{sections}
"""


def leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Walk a command down to those that do something: path and command."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command, info_name=path)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        if inner is not None and not inner.hidden:
            yield from leaves(inner, f"{path} {name}")


def _section(path: str, command: click.Command) -> str:
    arguments = [part for part in command.params if isinstance(part, click.Argument)]
    usage = " ".join([path, *(part.human_readable_name for part in arguments)])
    options = [part for part in command.params if isinstance(part, click.Option) and not part.hidden]
    text = f"## {path}\n\n`{usage}`\n\n{_help(command)}"
    if options:
        context = click.Context(command)
        records = [part.get_help_record(context) for part in options]
        rows = [(code(spelling), meaning) for spelling, meaning in filter(None, records)]
        text += "\n\n" + table(("option", "meaning"), rows)
    return text


def _help(command: click.Command) -> str:
    paragraphs = (command.help or "").replace("\b\n", "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
