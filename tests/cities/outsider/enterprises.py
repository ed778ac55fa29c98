"""Which firms are on cloud, and which only say so? Their codes, their usage day by day, their frauds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rng = np.random.Generator
    Usage = dict[str, NDArray[np.int64]]

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
DIVISIONS = (
    "330302",
    "330303",
    "330304",
    "330305",
    "330324",
    "330326",
    "330327",
    "330371",
    "330381",
    "330382",
)
SIZES = {"micro": 14, "small": 160, "medium": 600, "large": 2_500}
SERVICES = ("infrastructure", "management", "business")
PROVIDERS = ("yunqi", "haiyun", "dianxin")
EXPECTED = {
    "cloud_bad_check": ("refuted", "registered_entity", "a check character of its code does not hold"),
    "cloud_invented_code": ("refuted", "registered_entity", "the register does not know its code"),
    "cloud_struck_off": ("refuted", "registered_entity", "the register has it as struck off"),
    "cloud_sole_trader": ("refuted", "registered_entity", "its code is a sole trader's"),
    "cloud_cancelled": ("refuted", "live_use", "cancelled within a week"),
    "cloud_since_before": ("refuted", "new_in_period", "the provider's contract began before the period"),
    "cloud_constant": ("refuted", "usage_plausible", "the same numbers every day"),
    "cloud_round": ("refuted", "usage_plausible", "nearly all numbers are round thousands"),
    "cloud_requests": ("refuted", "usage_plausible", "more requests a user than anyone can make"),
    "cloud_users": ("refuted", "usage_plausible", "more users than ten times its staff"),
    "cloud_copied": ("refuted", "usage_plausible", "day for day an earlier customer's numbers"),
    "cloud_copied_noise": ("refuted", "usage_plausible", "an earlier customer's numbers under noise"),
    "cloud_copied_late": ("refuted", "usage_plausible", "an earlier customer's numbers, days later"),
    "cloud_template": ("refuted", "usage_plausible", "three firms of one template"),
    "cloud_suspended": ("unproven", "live_use", "suspended all the time"),
    "cloud_silent": ("unproven", "live_use", "never heard"),
}


def code_of(rng: Rng, *, first: str = "91", division: str = "330300") -> str:
    """Make a social credit code whose two check characters hold (GB 32100, GB 11714)."""
    organ = "".join(str(digit) for digit in rng.integers(0, 10, 8))
    inner = (11 - sum(int(c) * w for c, w in zip(organ, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11) % 11
    body = first + division + organ + ("X" if inner == 10 else str(inner))
    total = sum(ALPHABET.index(char) * pow(3, place, 31) for place, char in enumerate(body))
    return body + ALPHABET[(31 - total % 31) % 31]


@dataclass
class Firm:
    """One firm: what is claimed of it, and what a provider says it used from day `starts` on."""

    uscc: str
    name: str
    division: str
    size: str
    kind: str
    starts: int
    provider: str = ""
    services: tuple[str, ...] = ()
    usage: Usage = field(default_factory=dict)
    status: list[str] = field(default_factory=list)
    since: dt.date | None = None
    registered: str = "active"
    claims: int = 1
    twin_provider: str = ""
    enough: bool = True
    facts: dict[str, str] = field(default_factory=dict)


def firm_of(rng: Rng, number: int, kind: str, starts: int) -> Firm:
    division = str(rng.choice(DIVISIONS))
    size = str(rng.choice(list(SIZES), p=[0.35, 0.4, 0.18, 0.07]))
    code = code_of(rng, first="92" if kind == "cloud_sole_trader" else "91", division=division)
    trade = str(rng.choice(["阀门", "电气", "鞋业", "服饰", "塑业", "五金", "泵业", "印刷", "光电"]))
    return Firm(code, f"温州{number:04d}{trade}有限公司", division, size, kind, starts)


def usage_of(rng: Rng, firm: Firm, first: dt.date, days: int) -> Usage:
    """Draw honest use: offices by weekday, shops all week, tiny firms, machines that always run."""
    style = str(rng.choice(["office", "shop", "tiny", "always"], p=[0.45, 0.2, 0.2, 0.15]))
    staff = SIZES[firm.size]
    users = {"tiny": float(rng.uniform(1, 4))}.get(style, staff * float(rng.uniform(0.1, 0.6)) + 1)
    weekday = np.array([(first + dt.timedelta(days=day)).weekday() for day in range(days)])
    busy = np.where(weekday > 4, 0.95 if style in {"shop", "always"} else float(rng.uniform(0.03, 0.3)), 1.0)
    trend = 1 + np.linspace(0, float(rng.uniform(-0.2, 0.8)), days)
    active = rng.binomial(max(int(users * 1.3), 1), np.clip(busy * trend / 1.9, 0.01, 0.98), days)
    requests = rng.poisson(active * float(rng.uniform(15, 400)) + 3 * float(rng.uniform(0, 9)))
    made: Usage = {"active_users": active, "requests": requests}
    storage = int(rng.integers(500, 90_000)) + np.cumsum(rng.poisson(float(rng.uniform(0.1, 120)), days))
    made["storage_mb"] = storage - np.where(rng.random(days) < 0.05, storage // 50, 0)
    machines = int(rng.integers(1, 9))
    level = 86_400 * machines if style == "always" else 3_000 * machines
    made["cpu_s"] = (level * np.clip(busy * rng.normal(0.4, 0.06, days), 0.01, 1)).astype(np.int64)
    if rng.random() < 0.5:
        made["billed_fen"] = np.full(days, int(rng.integers(2, 90)) * 500)
    else:
        made["billed_fen"] = made["cpu_s"] // 90 + machines * 1_730
    if style == "tiny" or rng.random() < 0.3:
        made.pop("cpu_s")
    firm.facts["style"] = style
    return made


def inflate(rng: Rng, firm: Firm, days: int) -> None:
    """Bend the numbers as the kind says."""
    if firm.kind == "cloud_constant":
        firm.usage = {name: np.full(days, int(series[0]) + 7) for name, series in firm.usage.items()}
    if firm.kind == "cloud_round":
        firm.usage = {
            name: np.maximum(rng.integers(1, 30, days), 1) * 1_000
            for name in ("requests", "storage_mb", "cpu_s")
        }
        firm.usage["active_users"] = rng.integers(2, 9, days)
    if firm.kind == "cloud_requests":
        firm.usage["active_users"] = rng.integers(1, 5, days)
        firm.usage["requests"] = firm.usage["active_users"] * rng.integers(230_000, 900_000, days)
    if firm.kind == "cloud_users":
        firm.size = str(rng.choice(["micro", "small"]))
        top = {"micro": 20, "small": 300}[firm.size]
        firm.usage["active_users"] = (top * rng.uniform(11, 25, days)).astype(np.int64)
        firm.usage["requests"] = firm.usage["active_users"] * rng.integers(3, 60, days)


def copied(rng: Rng, firm: Firm, source: Firm, days: int) -> None:
    """Take an earlier customer's numbers: exact, under noise, or of days before."""
    lag = int(rng.integers(1, 9)) if firm.kind == "cloud_copied_late" else 0
    noise = float(rng.uniform(0.01, 0.08)) if firm.kind == "cloud_copied_noise" else 0.0
    firm.provider, firm.services = source.provider, source.services
    firm.starts = min(source.starts + int(rng.integers(2, 6)) + lag, days - 5)
    firm.usage = {name: np.roll(series, lag) for name, series in source.usage.items()}
    if noise:
        firm.usage = {
            name: np.maximum(np.rint(series * (1 + noise * rng.standard_normal(days))), 0).astype(np.int64)
            for name, series in firm.usage.items()
        }
    firm.facts.update(source=source.uscc, lag_days=str(lag), noise=f"{noise:.3f}")


def provided(rng: Rng, firm: Firm, first: dt.date, days: int) -> Firm:
    """Put a firm on a provider's cloud, honestly or as its kind bends it."""
    firm.provider = str(rng.choice(PROVIDERS))
    count = int(rng.integers(1, 4))
    firm.services = tuple(sorted(rng.choice(SERVICES, count, replace=False).tolist()))
    firm.since = first + dt.timedelta(days=firm.starts)
    firm.usage = usage_of(rng, firm, first, days)
    firm.status = ["active"] * days
    inflate(rng, firm, days)
    if firm.kind == "cloud_cancelled":
        lasts = int(rng.integers(2, 8))
        firm.status = ["active" if day < firm.starts + lasts else "cancelled" for day in range(days)]
        firm.facts["lasts_days"] = str(lasts)
    if firm.kind == "cloud_suspended":
        firm.status = ["suspended"] * days
    if firm.kind == "cloud_since_before":
        firm.since = dt.date(2017, 12, 28) - dt.timedelta(days=int(rng.integers(0, 300)))
    if firm.kind == "cloud_silent":
        firm.status = []
    if firm.kind == "cloud_bad_check":
        last = ALPHABET[(ALPHABET.index(firm.uscc[-1]) + int(rng.integers(1, 31))) % 31]
        firm.uscc = firm.uscc[:-1] + last
    if firm.kind in {"cloud_bad_check", "cloud_invented_code"}:
        firm.registered = ""
    if firm.kind == "cloud_struck_off":
        firm.registered = "struck_off"
    if firm.kind == "cloud_two_providers":
        firm.twin_provider = str(rng.choice([name for name in PROVIDERS if name != firm.provider]))
        firm.claims = 2
    if firm.kind == "cloud_two_names":
        firm.claims = 2
    used = sum(1 for day in firm.status[firm.starts :] if day == "active")
    firm.enough = used >= 15 or firm.kind in {"cloud_cancelled", "cloud_since_before"} or not firm.registered
    return firm


def firms(rng: Rng, first: dt.date, days: int, count: int) -> list[Firm]:
    """Make all firms that claim a provider's cloud: six in ten honest, the rest of every kind in turn."""
    frauds = list(rng.permutation(list(EXPECTED)))
    made: list[Firm] = []
    for number in range(count):
        kind = "cloud_honest"
        if number % 5 in {1, 3}:
            kind = str(frauds[number // 2 % len(frauds)])
        elif number % 10 == 2:
            kind = "cloud_two_providers" if number % 20 == 2 else "cloud_two_names"
        starts = int(rng.integers(0, max(days // 2, 1)))
        firm = provided(rng, firm_of(rng, number, kind, starts), first, days)
        if kind.startswith("cloud_copied"):
            sources = [other for other in made if other.kind == "cloud_honest"]
            copied(rng, firm, sources[int(rng.integers(0, len(sources)))], days)
            firm.since = first + dt.timedelta(days=firm.starts)
            firm.enough = days - firm.starts >= 15
        made.append(firm)
        if kind == "cloud_template":
            for more in (1, 2):
                other = firm_of(rng, number + 5_000 * more, kind, starts)
                same = {"provider", "services", "usage", "status", "since", "enough"}
                made.append(replace(other, **{name: getattr(firm, name) for name in same}))
    return made


def usage_rows(firm: Firm, day: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Give (provider, service, fields) of what a day's report says of a firm."""
    if not firm.status or day < firm.starts or firm.since is None:
        return []
    fields: dict[str, Any] = {"status": firm.status[day], "since": firm.since.isoformat(), "name": firm.name}
    if firm.status[day] == "active":
        fields |= {name: int(series[day]) for name, series in firm.usage.items()}
    else:
        fields |= {"storage_mb": int(firm.usage["storage_mb"][day]) if firm.status[day] == "suspended" else 0}
    fields["contract"] = f"C-{firm.uscc[8:14]}"
    rows = [(firm.provider, service, dict(fields)) for service in firm.services]
    if firm.twin_provider:
        other = {
            name: value * 2 // 3 + 1 if isinstance(value, int) else value for name, value in fields.items()
        }
        rows.append((firm.twin_provider, firm.services[0], other))
    return rows
