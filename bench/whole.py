"""How long does a whole quarter take, from nothing to verdicts? A simulated city, folded from scratch day by day.

The rows are written without seals (docs/city-folder.md): what is timed is the census, and how fast such a city is made.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.timing import child, peak_mb, timed
from census.city import open_rows
from census.copies import all_copies
from census.engine import DayFiles, Scope, gather_evidence
from census.report import to_json
from census.run import run_census
from simulators.build import build_world
from simulators.city import write_row_city
from simulators.specs import city_spec
from simulators.truth import read_truth, score_document

if TYPE_CHECKING:
    from census.evidence import Evidence

SEED = 2018
WINDOW_S = 60


def cpu_s() -> float:
    """Give this process's CPU seconds, children's left out."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def write(folder: Path, robots: int, enterprises: int, days: int) -> dict[str, float]:
    """Write the city."""
    spec = city_spec(SEED, robots=robots, enterprises=enterprises, days=days, window_s=WINDOW_S)
    world = build_world(spec)
    rows = 0

    def make() -> None:
        nonlocal rows
        rows = write_row_city(world, folder, lambda _day, _rows: None)

    wall, cpu = timed(make)
    machine = sum(path.stat().st_size for path in (folder / "rows" / "machine").rglob("*.parquet"))
    size = sum(path.stat().st_size for path in (folder / "rows").rglob("*.parquet"))
    return {
        "rows": rows,
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_mb": peak_mb(),
        "bytes": size,
        "machine": machine,
    }


def take(folder: Path) -> dict[str, float]:
    """Take the census of it, from the day files alone; the comparison is timed once more by itself."""
    store, end_ms, _ = open_rows(folder)
    told: dict[str, float] = {}

    def gather(files: DayFiles, scope: Scope) -> Evidence:
        start, cpu = time.perf_counter(), cpu_s()
        found = gather_evidence(files, scope)
        told.update(fold_s=time.perf_counter() - start, fold_cpu_s=cpu_s() - cpu, fold_mb=peak_mb())
        return found

    start = time.perf_counter()
    result = run_census(store, folder / "ledger", str(folder / "policy.yaml"), as_of_ms=end_ms, gather=gather)
    told["whole_s"] = time.perf_counter() - start
    told["peak_mb"] = peak_mb()
    limits, days = result.policy.thresholds, result.evidence.device_days
    told["pairs_s"], told["pairs_cpu_s"] = timed(lambda: all_copies(days, limits))
    score = score_document(read_truth(folder), to_json(result))
    names = ("false_confirmed", "honest_refuted", "honest_unproven")
    return told | {"devices": len(days)} | {name: score[name] for name in names}


def show(robots: int, enterprises: int, days: int, keep: Path | None) -> None:
    """Run both parts and print what they took."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = keep or Path(name) / "city"
        sizes = ("--robots", str(robots), "--enterprises", str(enterprises), "--days", str(days))
        made = child("--part", "write", "--directory", str(folder), *sizes)
        rows = made["rows"]
        print(
            f"{robots} robots, {enterprises} enterprises, {days} days by the minute: {rows:,.0f} rows, "
            f"{made['bytes'] / 1e9:.2f} GB, {made['bytes'] / rows:.1f} bytes a row",
            flush=True,
        )
        print(_line("write, no seals", made["wall_s"], made["cpu_s"], rows, made["peak_mb"]), flush=True)
        found = child("--part", "take", "--directory", str(folder))
    print(_line("fold", found["fold_s"], found["fold_cpu_s"], rows, found["fold_mb"]))
    pairs = found["devices"] * (found["devices"] - 1) / 2
    print(
        f"all pairs       {found['pairs_s']:7.1f} s  {found['pairs_cpu_s']:7.1f} s CPU  {pairs / found['pairs_s']:11,.0f} pairs/s"
    )
    print(
        f"whole census    {found['whole_s']:7.1f} s  {'':13}  {'':11}        peak {found['peak_mb']:5.0f} MB"
    )
    print(
        f"lies confirmed {found['false_confirmed']:.0f}, honest ones refuted {found['honest_refuted']:.0f}, "
        f"honest ones with enough evidence unproven {found['honest_unproven']:.0f}"
    )


def _line(name: str, wall_s: float, spent_s: float, rows: float, peak: float) -> str:
    each = f"{wall_s / rows * 1e6:.1f} us a row"
    return f"{name:<15} {wall_s:7.1f} s  {spent_s:7.1f} s CPU  {rows / wall_s:11,.0f} rows/s peak {peak:5.0f} MB  {each}"
