"""How well did the census do on a simulated city? `mfl census score`: here, because here the truth may be opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SURPRISES_SHOWN = 40


@click.command()
@click.option(
    "--city",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of `mfl simulate city`, its truth included.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole comparison as JSON.")
def score(*, folder: Path, as_json: bool) -> None:
    """Take the census of a simulated city and compare it with the truth; exit 1 when a lie was confirmed or an honest one refuted."""
    from census.city import city_census  # noqa: PLC0415
    from census.report import to_json  # noqa: PLC0415
    from simulators.truth import read_truth, score_document  # noqa: PLC0415

    truth = read_truth(folder)
    found = score_document(truth, to_json(city_census(folder)))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        click.echo("\n".join(_lines(found)))
    if found["false_confirmed"] or found["honest_refuted"]:
        click.get_current_context().exit(1)


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    for kind, verdicts in found["by_kind"].items():
        yield f"{kind:<32}" + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    yield (
        f"false claims confirmed: {found['false_confirmed']}; honest ones refuted: {found['honest_refuted']}; "
        f"honest ones with enough evidence unproven: {found['honest_unproven']}"
    )
    yield from (f"  {text}" for text in found["surprises"][:SURPRISES_SHOWN])
