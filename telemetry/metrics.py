"""Which metrics exist? The closed vocabulary; an unknown metric is a profile error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """A counter only grows; a gauge moves both ways."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """A normalized quantity: an integer in `unit`. Derived metrics are made by us, not read from a register.

    Of an `absolute` gauge the sign says a direction only and is dropped; of a `squared` one the squares are summed too.
    """

    name: str
    kind: MetricKind
    unit: str
    zh: str
    en: str
    squared: bool = False
    absolute: bool = False


_COUNTERS = (
    Metric("cycles", MetricKind.COUNTER, "1", "工作循环数", "work cycles finished, as read from the device"),
    Metric("parts", MetricKind.COUNTER, "1", "产出件数", "parts made, as counted by the cell's controller"),
    Metric("rejects", MetricKind.COUNTER, "1", "不合格件数", "parts rejected"),
    Metric("moves", MetricKind.COUNTER, "1", "动作次数", "moves of an axis"),
    Metric("energy_wh", MetricKind.COUNTER, "Wh", "有功电能", "active energy imported"),
    Metric("power_on_s", MetricKind.COUNTER, "s", "累计通电时间", "time powered on, over the device's life"),
    Metric("run_s", MetricKind.COUNTER, "s", "累计运行时间", "time running, over the device's life"),
)
_GAUGES = (
    Metric("power_w", MetricKind.GAUGE, "W", "有功功率", "active power"),
    Metric(
        "joint_current_ma",
        MetricKind.GAUGE,
        "mA",
        "关节电流",
        "largest joint current, absolute",
        absolute=True,
    ),
    Metric(
        "joint_speed_mdeg_s",
        MetricKind.GAUGE,
        "mdeg/s",
        "关节速度",
        "largest joint speed, absolute",
        absolute=True,
    ),
    Metric(
        "tcp_speed_mm_s",
        MetricKind.GAUGE,
        "mm/s",
        "末端速度",
        "speed of the tool centre point",
        absolute=True,
    ),
    Metric("temperature_mc", MetricKind.GAUGE, "m°C", "温度", "highest temperature reported"),
    Metric("speed_percent", MetricKind.GAUGE, "%", "速度倍率", "speed override"),
    Metric("cycle_time_ms", MetricKind.GAUGE, "ms", "循环时间", "length of a finished cycle", squared=True),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in (*_COUNTERS, *_GAUGES)}
COUNTERS: tuple[str, ...] = tuple(metric.name for metric in _COUNTERS)
GAUGES: tuple[str, ...] = tuple(metric.name for metric in _GAUGES)
