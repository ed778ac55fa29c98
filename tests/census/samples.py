"""Which evidence do the rules' tests share? A robot and an enterprise with everything in order, to be spoilt one by one."""

from __future__ import annotations

from typing import Any

from census.calendar import DAY_MS, HOUR_MS, day_start_ms, parse_day
from census.evidence import DeviceDay, GaugeDay, Identity, Usage
from census.ledger import Binding, EnterpriseRow, RegistryRow, RobotClaim
from census.robot_evidence import RobotEvidence

USCC = "91110000600037341L"
FIRST = parse_day("2018-01-08")


def claim(**values: Any) -> RobotClaim:
    given: dict[str, Any] = {
        "robot": "R1", "uscc": USCC, "workshop": "w", "cell": "c", "manufacturer": "ACME", "model": "Arm6", "serial": "S1",
        "category": "articulated", "axes": 6, "commissioned_day": FIRST, "addition": "new", "contract": "", "invoice": "",
    }  # fmt: skip
    return RobotClaim(**given | values)


def device_day(day: int, running_h: float = 8, **values: Any) -> DeviceDay:
    """A day well heard, running some hours, ready for the rest."""
    start, running = day_start_ms(day), int(running_h * HOUR_MS)
    given: dict[str, Any] = {
        "day": day, "gateway": "gw1", "device": "r1", "life": 1, "rows": 6, "readings": 1440, "bad": 0, "polls_due": 1440,
        "polls_ok": 1440, "window_ms": DAY_MS, "running_ms": running, "ready_ms": DAY_MS - running, "paused_ms": 0,
        "fault_ms": 0, "off_ms": 0, "unknown_ms": 0, "starts": 1, "changes": 2, "boots": 0, "first_ms": start,
        "last_ms": start + DAY_MS, "first_running_ms": start if running else None, "overlap_ms": 0, "leaf_min": day,
        "leaf_max": day, "received_min_ms": start + DAY_MS, "received_max_ms": start + DAY_MS, "signed": True,
        "pattern": f"p{day}", "pattern_windows": 6, "gauges": {"joint_current_ma": GaugeDay(1440, 1_000_000, 20, 2_000)},
    }  # fmt: skip
    return DeviceDay(**given | values)


def silent_day(day: int, **values: Any) -> DeviceDay:
    """A day on which a due device gave no answer."""
    given: dict[str, Any] = {
        "readings": 0, "polls_ok": 0, "ready_ms": 0, "unknown_ms": DAY_MS, "pattern": "", "pattern_windows": 0,
    }  # fmt: skip
    return device_day(day, 0, **given | values)


def identity(**values: Any) -> Identity:
    start = day_start_ms(FIRST)
    given: dict[str, Any] = {
        "gateway": "gw1", "device": "r1", "life": 1, "manufacturer": "ACME", "model": "Arm6", "serial": "S1",
        "kind": "robot", "axes": 6, "source": "declared", "first_ms": start, "last_ms": start, "leaf": 1,
        "received_ms": start + DAY_MS, "signed": True,
    }  # fmt: skip
    return Identity(**given | values)


def robot_evidence(days: list[DeviceDay] | None = None, **values: Any) -> RobotEvidence:
    """Evidence that confirms `claim()`: ten working days, a declared serial, a gateway there before."""
    heard = tuple([device_day(FIRST + number) for number in range(10)] if days is None else days)
    given: dict[str, Any] = {
        "bindings": (Binding("R1", "gw1", "r1", None, None),), "days": heard, "all_days": heard,
        "identities": (identity(),), "serials": frozenset({"S1"}), "gateway_days_before": 8,
        "first_received_ms": min((day.received_min_ms for day in heard), default=None),
        "first_heard_ms": min((day.first_ms for day in heard if day.heard), default=None),
    }  # fmt: skip
    return RobotEvidence(**given | values)


def listing(**values: Any) -> EnterpriseRow:
    given: dict[str, Any] = {
        "uscc": USCC, "name": "示例有限公司", "division": "330302", "cluster": "", "industry": "C38", "size": "small",
        "claimed_day": FIRST, "level": "", "provider": "p", "evidence": "",
    }  # fmt: skip
    return EnterpriseRow(**given | values)


def registered(**values: Any) -> RegistryRow:
    given: dict[str, Any] = {
        "uscc": USCC, "name": "示例有限公司", "status": "active", "division": "330302", "from_day": 1, "until_day": None,
    }  # fmt: skip
    return RegistryRow(**given | values)


def usage(days: list[int] | None = None, **values: Any) -> Usage:
    used = tuple(FIRST + number for number in range(8)) if days is None else tuple(days)
    given: dict[str, Any] = {
        "enterprise": USCC, "provider": "p", "gateway": "rep", "days": used, "heard_days": len(used),
        "first_day": min(used, default=FIRST), "last_day": max(used, default=FIRST), "since": "2018-01-08",
        "statuses": ("active",), "leaf_min": 1, "leaf_max": 2,
    }  # fmt: skip
    return Usage(**given | values)
