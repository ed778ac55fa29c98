"""Is Spark's evidence equal to DuckDB's on every row, though a worker is killed in the middle of the work?"""

from __future__ import annotations

import json
import pickle
import random
import subprocess
import sys
import threading
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import day_start_ms, parse_day
from census.engine import Scope, gather_evidence
from tests.census.fake_store import FakeStore, identity_row, machine_row
from tests.census.test_chain import batch
from tests.census.test_evidence import usage_row

if TYPE_CHECKING:
    from pathlib import Path

    from census.enrolments import Span
    from tests.spark.conftest import Cluster

DAYS = [f"2018-01-{day:02}" for day in range(5, 17)]
RUN_S = 1500


def start_ms(number: int) -> int:
    """When the numbered day begins (UTC ms)."""
    return day_start_ms(parse_day(DAYS[number]))


CHILD = """
import pickle, sys
from pathlib import Path
from census.engine import fold_evidence
from census.spark_engine import spark_engine

store, scope, settings = pickle.loads(Path(sys.argv[2]).read_bytes())
with spark_engine(store, sys.argv[1], settings) as engine:
    evidence = fold_evidence(engine, scope)
Path(sys.argv[3]).write_bytes(pickle.dumps(evidence))
"""


def rows_of(device: str, gateway: str, seed: int) -> list[dict[str, Any]]:
    """Twelve days by the hour: growth, resets, rollovers, falls, glitches, late rows, gauges."""
    rng = random.Random(seed)
    rows, raw = [], {"cycles": rng.randrange(1000), "energy_wh": 2**32 - 500}
    for number, day in enumerate(DAYS):
        for hour in range(24):
            values: dict[str, Any] = {"device": device, "gateway": gateway, "window_ms": 3_600_000}
            values |= {
                "leaf": number * 24 + hour,
                "seq": number * 24 + hour,
                "running_ms": rng.randrange(3_600_000),
            }
            for name, before in raw.items():
                start = max(0, before + rng.choice([0, 0, 0, 4, -7]))
                inc = rng.randrange(60)
                raw[name] = start + inc
                if rng.random() < 0.03:
                    raw[name], event = inc, rng.choice(["resets", "rollovers", "unexplained"])
                    values[f"{name}_{event}"] = 1
                values |= {f"{name}_from": start, f"{name}_raw": raw[name], f"{name}_inc": inc}
                values |= {
                    f"{name}_step_max": rng.randrange(9),
                    f"{name}_step_ms": rng.choice([0, 1000, 60_000]),
                }
            if hour % 7 == 0:
                values["cycles_odd"] = number
            values["epoch"] = "aabbccddddee"[number] * 32
            level = rng.randrange(-50, 5000)
            values |= {
                "power_w_n": 60,
                "power_w_sum": level * 60,
                "power_w_min": level - 9,
                "power_w_max": level + 9,
            }
            rows.append(machine_row(day, hour, **values))
            if rng.random() < 0.02:
                rows.append(rows[-1] | {"late": True, "leaf": 2000 + number, "polls_due": 0})
    return rows


def city(store: FakeStore) -> Scope:
    """Put a small city of every measurement into a store."""
    spans: dict[str, list[Span]] = {f"gw{number}": [(0, 2**53)] for number in range(4)} | {
        "rep": [(0, 2**53)]
    }
    for number in range(24):
        store.put("machine", rows_of(f"r{number}", f"gw{number % 4}", number))
    serials: list[dict[str, Any]] = [
        {"serial": "S1", "source": "register"},
        {"serial": "S2", "source": "fc43"},
        {"axes": None},
    ]
    for number, (day, said) in enumerate(zip(DAYS[::4], serials, strict=True)):
        store.put("identity", [identity_row(day, gateway="gw0", device="r0", leaf=number, **said)])
    links = [batch(seq, gateway="gw1") for seq in range(1, 9)]
    links[4]["prev"] = "f" * 64
    links[6]["clock_state"] = "unsynced"
    store.put("batch", links)
    # gw3 breaks its chain three times; one epoch is explained, and of the other two one is too many.
    for number, epoch in enumerate("abcd"):
        place = {"gateway": "gw3", "epoch": epoch * 32, "leaf": 60 * number + 1, "received_ms": 2**42}
        store.put("batch", [batch(1, **place, sealed_ms=start_ms(4 + number))])
        told = {"reason": "conflict", "previous": "z", "previous_seq": number, "grade": "signed"}
        if number < 3:
            store.put("epoch", [{"seq": 1, "time_ms": start_ms(3 + number), **place, **told}])
    beats = [machine_row(day, hour) for day in DAYS for hour in range(0, 24, 6)]
    store.put("heartbeat", [row | {"gateway": "gw2"} for row in beats])
    for enterprise in ("E1", "E2"):
        store.put(
            "cloud_usage", [usage_row(day, enterprise=enterprise, requests=5000, cpu_s=7000) for day in DAYS]
        )
    explained = frozenset({("gw3", "b" * 32)})
    return Scope(10_000, 2**53, spans, explained=explained, epoch_breaks_max=1)


def kill_when_working(log: Path, cluster: Cluster, done: threading.Event) -> None:
    """Kill the first worker, with its executor, as soon as the event log tells of a finished task."""
    while not done.wait(0.1):
        if any(
            "SparkListenerTaskEnd" in path.read_text(errors="replace")
            for path in log.rglob("*")
            if path.is_file()
        ):
            cluster.workers[0].kill()
            return


def test_evidence_is_equal_though_a_worker_is_killed(tmp_path: Path, cluster: Cluster) -> None:
    home, log = tmp_path / "store", tmp_path / "events"
    home.mkdir()
    log.mkdir()
    store = FakeStore(home)
    scope = city(store)
    settings = {
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.executor.memory": "600m",
        "spark.sql.shuffle.partitions": "4", "spark.default.parallelism": "4", "spark.task.maxFailures": "20",
        "spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(), "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false", "spark.eventLog.buffer.kb": "1",
    }  # fmt: skip
    given, answer = tmp_path / "given", tmp_path / "answer"
    given.write_bytes(pickle.dumps((store, scope, settings)))
    done = threading.Event()
    killer = threading.Thread(target=kill_when_working, args=(log, cluster, done))
    killer.start()
    try:
        command = [sys.executable, "-c", CHILD, cluster.url, str(given), str(answer)]
        child = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    finally:
        done.set()
        killer.join(timeout=60)
    assert child.returncode == 0, child.stderr[-3000:]
    theirs = pickle.loads(answer.read_bytes())  # noqa: S301 - written by this test's own child
    ours = gather_evidence(store, scope)
    for field in fields(ours):
        assert getattr(theirs, field.name) == getattr(ours, field.name), field.name
    assert sum(len(days) for days in ours.device_days.values()) >= 24 * 10
    assert any("explain-epoch" in problem for problem in ours.problems)
    assert {len(days) for key, days in ours.device_days.items() if key[0] == "gw3"} == {12 - 4 - 2}
    events = [json.loads(line)["Event"] for path in log.iterdir() for line in path.read_text().splitlines()]
    tasks = [place for place, event in enumerate(events) if event == "SparkListenerTaskEnd"]
    lost = events.index("SparkListenerExecutorRemoved")
    assert tasks[0] < lost < tasks[-1]
    assert cluster.workers[0].process.poll() is not None


pytestmark = [pytest.mark.long, pytest.mark.kill]
