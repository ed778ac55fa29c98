"""Who plays what? Firms, gateways, robots and claims, drawn by the seed; each claim knows what is true of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.cities.outsider.devices import PROFILES, Device, Profile
from tests.cities.outsider.enterprises import Firm, firm_of
from tests.cities.outsider.gateways import Gateway, troubles
from tests.cities.outsider.machines import Trace, work
from tests.cities.outsider.shifts import DAY, dates_of, holidays

if TYPE_CHECKING:
    Rng = np.random.Generator

PERIOD = dt.date(2018, 1, 1)
WORKING_MS = 130 * 60_000


@dataclass
class Claim:
    """One row of robots.csv with its papers, and what is true of it."""

    robot: str
    uscc: str
    kind: str
    expected: str
    tell: str
    rules: list[str]
    enough: bool
    row: dict[str, Any]
    facts: dict[str, str] = field(default_factory=dict)


@dataclass
class City:
    """A city in the making. Minutes count from midnight, +08:00, of `first`."""

    rng: Rng
    first: dt.date
    days: int
    window_min: int
    firms: list[Firm] = field(default_factory=list)
    gateways: list[Gateway] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    invoices: list[dict[str, Any]] = field(default_factory=list)
    bindings: list[dict[str, Any]] = field(default_factory=list)
    replacements: list[dict[str, Any]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)

    @property
    def dates(self) -> list[dt.date]:
        return dates_of(self.first, self.days)

    @property
    def minutes(self) -> int:
        return self.days * DAY

    def day(self, minute: int) -> dt.date:
        return self.first + dt.timedelta(days=minute // DAY)

    def name(self, prefix: str) -> str:
        return f"{prefix}-{self.rng.bytes(5).hex()}"

    def serial(self, profile: Profile) -> str:
        return f"{profile.maker[:2].upper()}{self.rng.integers(10**7, 10**8)}"

    def new_firm(self) -> Firm:
        firm = firm_of(self.rng, 9_000 + len(self.firms), "owner", 0)
        self.firms.append(firm)
        return firm

    def new_gateway(
        self, firm: Firm, *, first: int | None = None, steady: bool = False, **more: Any
    ) -> Gateway:
        rng = self.rng
        start = int(rng.integers(0, 6)) * DAY + int(rng.integers(420, 1_000)) if first is None else first
        made = Gateway(
            gateway=self.name("gw"),
            uscc=firm.uscc,
            workshop=f"W{int(rng.integers(1, 5))}",
            day_zero=self.first,
            first=start,
            last=self.minutes,
            secret=rng.bytes(32),
            batch_min=720 if steady else int(rng.choice([480, 720, 720])),
            window_min=self.window_min,
            **more,
        )
        troubles(made, rng, steady=steady)
        self.gateways.append(made)
        return made


def cut_power(trace: Trace, gateway: Gateway) -> Trace:
    """A power cut of the hall stops the machine as well."""
    for start, end in gateway.cuts:
        trace.rest(slice(start, end))
        trace.on[start:end] = False
    return trace


def attach(city: City, gateway: Gateway, trace: Trace, profile: Profile, first: int, **more: Any) -> Device:
    """Put a device behind a gateway. Its serial, unless told, is its own."""
    serial = more.pop("serial", None) or city.serial(profile)
    said: dict[str, str | int] = {
        "kind": "robot",
        "axes": profile.axes,
        "manufacturer": profile.maker,
        "model": profile.model,
    }
    said |= {"serial": serial, "firmware": f"{city.rng.integers(1, 9)}.{city.rng.integers(0, 20)}"}
    said |= {
        "source": profile.source,
        "endpoint": f"10.0.{city.rng.integers(0, 9)}.{city.rng.integers(2, 250)}:502",
    }
    said |= more.pop("identity", {})
    device = Device(city.name("d"), profile, trace, said, first, city.minutes, **more)
    gateway.devices.append(device)
    return device


def invoiced(city: City, claim: dict[str, Any], day: dt.date) -> None:
    claim["invoice"] = f"{city.rng.integers(10**7, 10**8)}"
    line = {"invoice": claim["invoice"], "line": "1", "uscc": claim["uscc"], "seller": "温州机器人有限公司"}
    line |= {name: claim[name] for name in ("manufacturer", "model", "serial")}
    city.invoices.append({**line, "issued_on": day - dt.timedelta(days=int(city.rng.integers(3, 40)))})


def claim(
    city: City,
    device: Device | None,
    gateway: Gateway | None,
    firm: Firm,
    kind: str,
    *,
    truth: tuple[str, list[str], str],
    enough: bool,
    profile: Profile,
    commissioned: dt.date,
    invoice: bool = True,
    row: dict[str, Any] | None = None,
    facts: dict[str, str] | None = None,
    bound_from: dt.date | None = None,
) -> Claim:
    """Write a claim, its invoice and its binding. `truth`: expected verdict, rules, tell."""
    robot = city.name("r")
    told: dict[str, Any] = {
        "robot": robot,
        "uscc": firm.uscc,
        "workshop": gateway.workshop if gateway else "W1",
        "cell": f"C{city.rng.integers(1, 40)}",
        "manufacturer": profile.maker,
        "model": profile.model,
        "serial": device.identity["serial"] if device else city.serial(profile),
        "category": profile.category,
        "axes": profile.axes,
        "commissioned_on": commissioned,
        "addition": "leased" if city.rng.random() < 0.1 else "new",
        "contract": f"H{city.rng.integers(1_000, 10_000)}",
        "invoice": "",
    }
    told.update(row or {})
    if invoice:
        invoiced(city, told, commissioned)
    if device and gateway:
        bound = {"robot": robot, "gateway": gateway.gateway, "device": device.device}
        city.bindings.append({**bound, "from": bound_from or commissioned, "until": ""})
    made = Claim(robot, firm.uscc, kind, truth[0], truth[2], truth[1], enough, told, facts or {})
    city.claims.append(made)
    return made


def by_day(city: City, values: np.ndarray[Any, Any], minutes: int) -> np.ndarray[Any, Any]:
    return np.asarray(values[: minutes // DAY * DAY].reshape(-1, DAY).sum(axis=1))


def best_of_window(days: np.ndarray[Any, Any]) -> int:
    total = np.concatenate([[0], np.cumsum(days)])
    return int(max(total[min(at + 14, len(days))] - total[at] for at in range(len(days))))


def works_enough(city: City, device: Device, gateway: Gateway, *, days: int = 6) -> bool:
    """Tell from the schedule and the outages whether enough work was heard in some fourteen days."""
    heard = device.heard(gateway.silent(len(device.trace.on)))
    worked = by_day(city, device.trace.run_ms * heard, len(heard)) >= WORKING_MS
    return bool(best_of_window(worked) >= days)


def heard_enough(city: City, device: Device, gateway: Gateway, *, days: int = 9) -> bool:
    """Tell whether it was heard well on enough days that are no holiday, in some fourteen."""
    heard = device.heard(gateway.silent(len(device.trace.on)))
    well = by_day(city, heard, len(heard)) >= 0.88 * DAY
    rest = holidays()
    plain = [day not in rest for day in dates_of(gateway.day_zero, len(well))]
    return bool(best_of_window(well & np.array(plain)) >= days)


def lifetime(rng: Rng, city: City, trace: Trace, commissioned: dt.date) -> dict[str, int]:
    """What the counters showed on the city's first day: burn-in at the maker's, work since commissioning."""
    since_h = max((city.first - commissioned).days, 0) * 24
    duty = float(rng.uniform(0.2, 0.7))
    power_h = float(rng.uniform(2, 120)) + since_h * duty
    run_h = power_h * float(rng.uniform(0.2, 0.7))
    made = {"power_on_s": int(power_h * 3_600), "run_s": int(run_h * 3_600)}
    count = int(run_h * 3_600_000 / max(trace.cycle_ms, 1_000))
    made |= {"cycles": count, "parts": count, "energy_wh": int(rng.integers(100, 90_000)) * 100}
    return made


def fitting(rng: Rng, trace: Trace) -> Profile:
    """Choose a model; a meter in whole kilowatts stands beside large robots only."""
    while True:
        model = PROFILES[int(rng.integers(0, len(PROFILES)))]
        if model.name != "massiv_big" or trace.power_w >= 3_500:
            return model


def honest_robot(
    city: City,
    firm: Firm,
    gateway: Gateway,
    trace: Trace,
    kind: str,
    *,
    profile: Profile | None = None,
    long_there: bool | None = None,
    expected: str = "confirmed",
    first: int | None = None,
    **more: Any,
) -> tuple[Device, Claim]:
    """Install and claim an honest robot: just now, or early in the period, before the gateway came."""
    rng = city.rng
    model = profile or fitting(rng, trace)
    early = (rng.random() < 0.35) if long_there is None else long_there
    proves = model.source != "declared"
    early = early and proves
    begin = gateway.first + int(rng.integers(2, 40)) if first is None else first
    if not early and first is None and (not proves or rng.random() < 0.3):
        begin = gateway.first + int(rng.integers(6, 11)) * DAY + int(rng.integers(0, 600))
    since = city.day(begin) - dt.timedelta(days=int(rng.integers(0, 3)))
    if early:
        since = PERIOD + dt.timedelta(days=int(rng.integers(0, (city.first - PERIOD).days + 1)))
        since = max(since, city.first - dt.timedelta(days=120))
    since = max(since, PERIOD)
    if not early:
        trace.rest(slice(0, begin))
        trace.on[:begin] = False
    cut_power(trace, gateway)
    if "resets_when_off" not in more and not model.modulus and rng.random() < 0.2:
        more["resets_when_off"] = True
    more.setdefault("parts_per_cycle", int(rng.choice([1, 1, 2, 4])))
    more.setdefault("odd", 0.001 if rng.random() < 0.1 else 0.0)
    begins = lifetime(rng, city, trace, since)
    if more.get("resets_when_off"):
        begins |= {"cycles": 0, "parts": 0}
    device = attach(city, gateway, trace, model, begin, begins=begins, **more)
    bus_heard = works_enough(city, device, gateway, days=9 if model.gauges == () else 6)
    proof = early or proves or begin >= gateway.first + 5 * DAY
    made = claim(
        city,
        device,
        gateway,
        firm,
        kind,
        truth=(expected, [], ""),
        enough=bus_heard and proof and best_is_trusted(gateway),
        profile=model,
        commissioned=since,
        facts={
            **trace.facts,
            "profile": model.name,
            "early": str(early),
            "resets": str(device.resets_when_off),
        },
    )
    return device, made


def best_is_trusted(gateway: Gateway) -> bool:
    """A gateway whose clock or chain fails often bears little witness; these hardly ever do."""
    return gateway.enrolled and gateway.revoked_minute is None and not gateway.forges_every


def plain_robot(
    city: City, kind: str = "honest_plain", style: str = "plain", **more: Any
) -> tuple[Device, Claim]:
    firm = city.new_firm()
    gateway = city.new_gateway(firm, steady=more.pop("steady", False), first=more.pop("gateway_first", None))
    trace = work(city.rng, city.dates, style=style, job=more.pop("job", None))
    return honest_robot(city, firm, gateway, trace, kind, **more)
