"""How fast is the census, and how much does it hold? Fold, comparison and judgement of a city, each in a process of its own.

`./run bench census [--robots N] [--days D]` prints rows a second, peak memory, bytes a row, and times; ratios compare with
a bare count of the same rows in the same run, so that they mean something on a busy machine. With `--quarter` a simulated
quarter is written, folded from scratch and judged (bench/whole.py).
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from bench import whole
from bench.fleet import FIRST_DAY, Fleet, FleetFiles
from bench.timing import child, peak_mb, timed
from census.calendar import DAY_MS, day_start_ms, write_day
from census.copies import all_copies
from census.engine import Scope, gather_evidence
from census.evidence import CounterDay, DeviceDay, Evidence, Increments, Usage
from census.ledger import load_ledger
from census.policy import load_policy
from census.regularity import find_rhythms
from census.run import Header, judge_all

if TYPE_CHECKING:
    from census.ledger import Ledger

HOURS = struct.Struct("<48i")
QUARTER_D = 91
ENTERPRISES = 15_000
USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def fold(directory: Path) -> dict[str, float]:
    """Fold every day there; the bare scan reads one column of the same files."""
    scope = Scope(10**12, 10**15, {f"gw{number:03}": [(0, 10**16)] for number in range(100)})
    files = sorted(directory.glob("*.parquet"))
    rows = 0

    def scan() -> None:
        nonlocal rows
        with duckdb.connect(config={"threads": 2}) as con:
            found = con.execute(
                "SELECT sum(running_ms), count(*) FROM read_parquet($files)", {"files": [*map(str, files)]}
            )
            rows = (found.fetchone() or (0, 0))[1]

    bare, _ = timed(scan)
    before = peak_mb()
    wall, cpu = timed(lambda: gather_evidence(FleetFiles(directory), scope))
    size = sum(path.stat().st_size for path in files)
    return {
        "rows": rows,
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_mb": peak_mb(),
        "before_mb": before,
        "scan_s": bare,
        "row_bytes": size / rows,
    }


def quarter(robots: int, days: int = QUARTER_D) -> Evidence:
    """Make a quarter's evidence as a fold would give it: shifts, chance, growing counters."""
    rng = np.random.default_rng(5)
    hours = np.arange(24)
    found: dict[tuple[str, str], tuple[DeviceDay, ...]] = {}
    for robot in range(robots):
        start = 6 + robot % 4
        on = (hours >= start) & (hours < start + 10)
        told = np.rint(
            on * rng.uniform(20, 400) * np.clip(rng.normal(1, 0.25, (days, 24)), 0.05, None)
        ).astype(int)
        key = (f"gw{robot % 100:03}", f"r{robot:05}")
        found[key] = tuple(_day(key, FIRST_DAY + day, on, told[day]) for day in range(days))
    usage = {
        uscc: (
            Usage(uscc, "p", "rep", tuple(range(FIRST_DAY, FIRST_DAY + 60)), 60, FIRST_DAY, FIRST_DAY + 59, "2018-07-02", ("active",), 1, 2),
        )
        for uscc in map(code, range(ENTERPRISES))
    }  # fmt: skip
    return Evidence(device_days=found, usage=usage)


def code(number: int) -> str:
    """Give an enterprise's code; whether its check digit holds makes no difference to the time."""
    return f"91330300{number:09}X"


def _day(key: tuple[str, str], day: int, on: np.ndarray, told: np.ndarray) -> DeviceDay:  # type: ignore[type-arg]
    start, running = day_start_ms(day), int(on.sum()) * 3_600_000
    total = (day - FIRST_DAY) * 5_000
    return DeviceDay(
        day, *key, 1, 1440, 86_400, 0, 86_400, 86_400, DAY_MS, running, DAY_MS - running, 0, 0, 0, 0, 5, 9, 0, start,
        start + DAY_MS, start, 0, day, day, start + DAY_MS, start + DAY_MS, signed=True, pattern=f"{key}{day}",
        pattern_windows=90, hours=HOURS.pack(*(3600 * on).tolist(), *told.tolist()),
        counters={
            "cycles": CounterDay(4_000, total, total + 4_000, 3_000, 0, 0, 0, 0),
            "power_on_s": CounterDay(86_400, 86_400 * (day - FIRST_DAY), 86_400 * (day - FIRST_DAY + 1), 1_000, 0, 0, 0, 0),
        },
        increments=Increments(600, 40, 30, 40, 3),
    )  # fmt: skip


def pairs(robots: int) -> dict[str, float]:
    evidence, limits = quarter(robots), load_policy("wenzhou-2018").policy.thresholds
    count = 0

    def compare() -> None:
        nonlocal count
        count = len(all_copies(evidence.device_days, limits))

    before = peak_mb()
    wall, cpu = timed(compare)
    return {"wall_s": wall, "cpu_s": cpu, "peak_mb": peak_mb(), "before_mb": before, "copies": count}


def judge(robots: int) -> dict[str, float]:
    """Judge claims on ready evidence, after the comparison."""
    with tempfile.TemporaryDirectory() as name:
        ledger: Ledger = write_ledger(Path(name), robots) and load_ledger(Path(name))
    policy = load_policy("wenzhou-2018").policy
    evidence = quarter(robots)
    evidence = replace(evidence, copies={}, rhythms=find_rhythms(evidence.device_days))
    header = Header("p", "", "", (), day_start_ms(FIRST_DAY + QUARTER_D), 1, "", "")
    wall, cpu = timed(lambda: judge_all(ledger, evidence, policy, header, []))
    again, _ = timed(lambda: judge_all(ledger, evidence, policy, header, []))
    return {"wall_s": min(wall, again), "cpu_s": cpu, "peak_mb": peak_mb()}


def write_ledger(home: Path, robots: int) -> bool:
    """Write a ledger of claimed robots and enterprises."""
    day = write_day(FIRST_DAY)

    def put(name: str, head: str, lines: list[str]) -> None:
        (home / f"{name}.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")

    put(
        "robots",
        "robot,uscc,workshop,cell,manufacturer,model,serial,category,axes,commissioned_on,addition,contract,invoice",
        [f"R{n},{code(n)},w,c,ACME,Arm6,S{n},articulated,6,{day},new,," for n in range(robots)],
    )
    put(
        "bindings",
        "robot,gateway,device,from,until",
        [f"R{n},gw{n % 100:03},r{n:05},," for n in range(robots)],
    )
    put(
        "enterprises",
        "uscc,name,division,cluster,industry,size,cloud_claimed_on,cloud_level,cloud_provider,evidence",
        [f"{code(n)},n{n},330302,,C38,small,{day},,p," for n in range(ENTERPRISES)],
    )
    put(
        "registry",
        "uscc,name,status,division,from,to",
        [f"{code(n)},n{n},active,330302,2010-01-01," for n in range(ENTERPRISES)],
    )
    put(
        "gateways",
        "gateway,kind,provider,uscc,workshop,public_key,enrolled_on,retired_on",
        ["rep,provider,p,,,,,"],
    )
    return True


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="./run bench census")
    parser.add_argument("--robots", type=int, default=1300)
    parser.add_argument("--days", type=int, default=None, help="days to fold (1), or of the quarter (91)")
    parser.add_argument(
        "--quarter",
        action="store_true",
        help="write a whole quarter without seals, fold it from scratch, judge",
    )
    parser.add_argument("--enterprises", type=int, default=ENTERPRISES)
    parser.add_argument(
        "--keep", type=Path, help="write the quarter there, and leave it (default: a temporary folder)"
    )
    parser.add_argument("--part", choices=["fold", "pairs", "judge", "write", "take"], help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.part is not None:
        parts = {
            "fold": lambda: fold(given.directory),
            "pairs": lambda: pairs(given.robots),
            "judge": lambda: judge(given.robots),
            "write": lambda: whole.write(given.directory, given.robots, given.enterprises, given.days),
            "take": lambda: whole.take(given.directory),
        }
        print(json.dumps(parts[given.part]()))
        return
    if given.quarter:
        whole.show(given.robots, given.enterprises, given.days or QUARTER_D, given.keep)
        return
    days = given.days or 1
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        fleet = Fleet(given.robots)
        for day in range(FIRST_DAY, FIRST_DAY + days):
            fleet.write_day(Path(name) / f"machine-{date.fromordinal(day)}.parquet", day)
        told = child("--part", "fold", "--directory", name)
    print(
        f"{given.robots} robots, a row a minute, {days} day(s): {told['rows']:,.0f} rows of {told['row_bytes']:.1f} bytes at rest"
    )
    print(
        f"fold            {told['wall_s']:7.1f} s  {told['cpu_s']:7.1f} s CPU  {told['rows'] / told['wall_s']:11,.0f} rows/s"
        f"  peak {told['peak_mb']:5.0f} MB  {told['wall_s'] / told['scan_s']:6.0f} x a bare scan of one column"
    )
    robots = ("--robots", str(given.robots))
    told = child("--part", "pairs", *robots)
    count = given.robots * (given.robots - 1) // 2
    print(
        f"all pairs       {told['wall_s']:7.1f} s  {told['cpu_s']:7.1f} s CPU  {count / told['wall_s']:11,.0f} pairs/s"
        f" peak {told['peak_mb']:5.0f} MB  ({told['before_mb']:.0f} MB of it a quarter's evidence)"
    )
    told = child("--part", "judge", *robots)
    print(
        f"judge and count {told['wall_s']:7.1f} s  {told['cpu_s']:7.1f} s CPU  {given.robots} robots, {ENTERPRISES} enterprises"
    )
