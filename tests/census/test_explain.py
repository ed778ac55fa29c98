"""Does a number lead down to registers? Figure, robot, day, rows, leaf, batch, and where on the wire it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import day_start_ms, parse_day
from census.explain import explain, explain_rows
from drivers.profiles import load_profile
from tests.census.fake_store import FakeStore, identity_row, machine_day
from tests.census.test_run import take

if TYPE_CHECKING:
    from census.run import CensusResult

PROFILE = load_profile("ufactory_xarm6")
DAY = parse_day("2018-01-12")
GATEWAY, DEVICE = "gw-lucheng-1", "arm-1"


@pytest.fixture
def heard(store: FakeStore) -> FakeStore:
    """Give a store with nine days of R-0001, read by a packaged profile, and the batches that brought them."""
    store.enrol(GATEWAY)
    store.put("identity", [identity_row("2018-01-10", gateway=GATEWAY, device=DEVICE, serial="XF600101")])
    for number in range(9):
        day = f"2018-01-{10 + number}"
        leaf = 100 + number
        values: dict[str, Any] = {
            "gateway": GATEWAY,
            "device": DEVICE,
            "leaf": leaf,
            "profile": PROFILE.profile_id,
        }
        values["cycles_odd"] = 3 if number == 2 else None
        values |= {"cycles_from": 10 * number, "cycles_raw": 10 * number + 10, "cycles_inc": 10}
        store.put("machine", machine_day(day, **values))
        sealed = day_start_ms(parse_day(day) + 2)
        batch = {
            "gateway": GATEWAY,
            "epoch": "e" * 32,
            "seq": number + 1,
            "leaf": leaf,
            "count": 6,
            "prev": "0" * 64,
        }
        store.put("batch", [batch | {"hash": f"{leaf:064x}", "sealed_ms": sealed, "received_ms": sealed + 5}])
    return store


@pytest.fixture
def result(heard: FakeStore) -> CensusResult:
    return take(heard)


def test_a_figure_leads_to_its_claims(result: CensusResult) -> None:
    told = explain(result, "robots_new", "en") or ""
    assert "robots newly deployed: 3" in told
    assert all(f"  {robot}  " in told for robot in result.robots)
    narrowed = explain(result, "robots_new/unproven/division/330382", "zh") or ""
    assert "乐清市 / unproven: 1" in narrowed
    assert "R-0002" in narrowed
    assert "R-0001" not in narrowed
    assert "2018-01: 3" in (explain(result, "robots_new/month/2018-01", "en") or "")


@pytest.mark.parametrize(
    "subject", ["robots_new/denied", "robots_new/division", "robots_new/confirmed/county/1"]
)
def test_a_figure_narrowed_in_no_way_that_exists_is_refused(result: CensusResult, subject: str) -> None:
    with pytest.raises(ValueError, match="expected FIGURE"):
        explain(result, subject, "en")


def test_a_robot_leads_to_days_and_rule_texts(result: CensusResult) -> None:
    told = explain(result, "R-0001", "en") or ""
    for rule in result.robots["R-0001"].verdict.findings:
        assert f" {rule.rule}: " in told
    assert "2018-01-12" in told
    assert "102-102" in told


def test_a_day_leads_to_rows_batches_and_registers(heard: FakeStore, result: CensusResult) -> None:
    told = explain_rows(heard, result, "R-0001", DAY, "en")
    assert "rows 6" in told
    assert "cycles:20→30(+10)  cycles_odd=3" in told
    assert f"leaf 102  {GATEWAY}/{'e' * 32}/3  sha256 {102:064x}" in told
    assert PROFILE.profile_id in told
    point = next(name for name, point in PROFILE.profile.points.items() if point.metric == "cycles")
    line = next(line for line in told.splitlines() if f" {point} " in line)
    assert f"{PROFILE.profile.points[point].table} {PROFILE.profile.points[point].address}" in line


def test_leaves_beyond_the_log_size_are_not_told(heard: FakeStore) -> None:
    told = explain_rows(heard, take(heard, log_size=102), "R-0001", DAY, "en")
    assert "no rows on this day" in told


def test_a_profile_of_another_text_is_not_taken_for_the_packaged_one(store: FakeStore) -> None:
    store.enrol(GATEWAY)
    values: dict[str, Any] = {"gateway": GATEWAY, "device": DEVICE, "profile": "ufactory_xarm6@000000000000"}
    store.put("machine", machine_day("2018-01-12", **values))
    told = explain_rows(store, take(store), "R-0001", DAY, "zh")
    assert "所用设备型号文件不在本机" in told
