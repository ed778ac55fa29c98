"""Which verbs has `mfl`, and where does each live? One table; a verb is imported when it is used.

So `mfl --help` imports nothing heavy, and the edge image runs without the store's packages. Exit codes: 0 fine,
1 found wrong, 2 usage, configuration or a missing extra.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from telemetry.errors import ConfigError, FactoryError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb's click command is (`module:attribute`), its one line of help, and commands grafted onto it."""

    target: str
    help: str
    grafts: tuple[tuple[str, str], ...] = ()


VERBS: Mapping[str, Verb] = {
    "demo": Verb("simulators.cli:demo", "A whole city on this machine, from robot to figure. 演示"),
    "gateway": Verb("gateway.cli:gateway", "Run, check and look into an edge gateway. 边缘网关"),
    "keys": Verb("gateway.cli:keys", "Make a gateway's signing key. 密钥"),
    "probe": Verb("drivers.cli:probe", "Compare a device with its profile, reading only. 只读探测"),
    "profile": Verb("drivers.cli:profile", "List, show, test and start device profiles. 设备型号"),
    "store": Verb(
        "store.cli:store",
        "Serve, enrol into, verify and export the evidence store. 存证库",
        grafts=(("serve", "dashboard.cli:serve"),),
    ),
    "census": Verb(
        "census.cli:census",
        "Judge the claims and explain a figure. 普查",
        grafts=(("score", "simulators.score_cli:score"),),
    ),
    "storm": Verb("simulators.storm_cli:storm", "Faults by seed against gateway and store. 风暴测试"),
    "simulate": Verb(
        "simulators.cli:simulate", "Simulated devices and cities for trying things out. 模拟设备"
    ),
}

EXTRAS: Mapping[str, str] = {
    "duckdb": "store",
    "jinja2": "store",
    "numpy": "store",
    "pyarrow": "store",
    "starlette": "store",
    "uvicorn": "store",
    "amqtt": "demo",
    "pymodbus": "demo",
    "fpdf": "report",
    "xlsxwriter": "report",
    "pyspark": "spark",
}
"""Which extra brings a package that the edge does not install (pyproject.toml; a test compares the two)."""


class Verbs(click.Group):
    """A group whose commands come from VERBS, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Name the verbs without importing any."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb's command; None for an unknown verb, as click expects."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        ctx.meta["verb"] = cmd_name
        command = _load(verb.target)
        for name, target in verb.grafts:
            if not isinstance(command, click.Group):
                raise TypeError(f"{verb.target} is no group, so {name} cannot be grafted onto it")
            command.add_command(_load(target), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of verbs from the table, importing none of them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; a missing extra or a file to mend ends in its own words and exit code 2."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            problems = [
                f"mfl {ctx.meta['verb']} needs the extra '{extra}': pip install 'machine-for-labor[{extra}]'"
            ]
        except ConfigError as error:
            problems = [str(problem) for problem in error.problems]
        except FactoryError as error:
            problems = [f"error: {error}"]
        for problem in problems:
            click.echo(problem, err=True)
        return ctx.exit(2)


def _load(target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{target} is not a click command")
    return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="machine-for-labor", message="mfl %(version)s")
def cli() -> None:
    """Turn factory telemetry into sealed evidence, and evidence into figures that anyone can recompute."""


def main() -> None:
    """Run the command line; the console script of pyproject.toml."""
    cli(prog_name="mfl")
