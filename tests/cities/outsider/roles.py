"""Who lies, and how? A recipe a kind, each installed, claimed and entered in the truth."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.cities.outsider import frauds
from tests.cities.outsider.cast import (
    City,
    attach,
    best_of_window,
    by_day,
    claim,
    heard_enough,
    lifetime,
    plain_robot,
    works_enough,
)
from tests.cities.outsider.devices import PROFILES, Device, Profile
from tests.cities.outsider.gateways import Run
from tests.cities.outsider.honest import BY_NAME, MOVERS, honest, some
from tests.cities.outsider.machines import Trace, work
from tests.cities.outsider.shifts import DAY, dates_of

if TYPE_CHECKING:
    from collections.abc import Callable


def lie(
    city: City,
    kind: str,
    trace: Trace,
    rules: list[str],
    tell: str,
    *,
    expected: str = "refuted",
    profile: Profile | None = None,
    enough: bool | None = None,
    first: int | None = None,
    begins: dict[str, int] | None = None,
    row: dict[str, Any] | None = None,
    commissioned: dt.date | None = None,
    invoice: bool = True,
    gateway_more: dict[str, Any] | None = None,
    steady: bool = False,
    facts: dict[str, str] | None = None,
    **more: Any,
) -> Device:
    """Install a liar behind a gateway of its own and claim it."""
    firm = city.new_firm()
    model = profile or some(city, PROFILES)
    gateway = city.new_gateway(firm, steady=steady, **(gateway_more or {}))
    begin = max(first or 0, gateway.first + int(city.rng.integers(2, 50)))
    if model.source == "declared" and kind != "second_hand_silent":
        # A liar knows the rules: where nothing else shows that it is new, its gateway is heard for some days before.
        begin = max(begin, gateway.first + 6 * DAY + 30)
    since = commissioned or city.day(begin)
    trace.on[:begin] = False
    start = {**lifetime(city.rng, city, trace, since), **(begins or {})}
    device = attach(city, gateway, trace, model, begin, begins=start, **more)
    told = {**trace.facts, **(facts or {}), "profile": model.name}
    shown = works_enough(city, device, gateway) if enough is None else enough
    if rules == ["works"]:
        shown = heard_enough(city, device, gateway)
    claim(city, device, gateway, firm, kind, truth=(expected, rules, tell), enough=shown, profile=model,
          commissioned=since, invoice=invoice, row=row, facts=told)  # fmt: skip
    return device


def show(city: City, kind: str) -> None:
    model = some(city, PROFILES)
    if kind == "weekend_show":
        trace = frauds.weekend_show(city.minutes, city.rng, city.first.weekday())
    else:
        trace = frauds.RECIPES[kind](city.minutes, city.rng)
    lie(city, kind, trace, ["works"], "heard well and hardly ever ran", profile=model)


def replayed(city: City, kind: str) -> None:
    trace = frauds.replay(work(city.rng, city.dates), city.rng, kind.removeprefix("replay_"))
    weeks = int(trace.facts["template_weeks"])
    begin = int(trace.facts["begin_min"]) + weeks * frauds.WEEK
    worked = by_day(city, trace.run_ms, city.minutes)[begin // DAY :] >= 2 * 3_600_000
    enough = int(worked.sum()) >= 10 and best_of_window(worked) >= 6
    lie(city, kind, trace, ["not_a_copy", "not_scripted"], "its own weeks again", enough=enough,
        gateway_more={"first": 480}, steady=True)  # fmt: skip


def cloned(city: City, kind: str) -> int:
    """A source of its own, honest, and its clone in another firm. The clone is heard later by its shift."""
    style = kind.removeprefix("clone_")
    at_once = style in {"minutes", "hours"}
    device, source = plain_robot(
        city, "honest_cloned", steady=True, gateway_first=int(city.rng.integers(20, 300)), long_there=True,
        profile=some(city, [p for p in PROFILES if p.source != "declared"]),
    )  # fmt: skip
    trace = frauds.clone(device.trace, city.rng, style)
    shift = int(trace.facts["shift_min"])
    if at_once:
        shift = int(trace.facts["shift_min"]) if style == "minutes" else min(shift, 300)
        trace = frauds.taken(device.trace, np.maximum(np.arange(city.minutes) - shift, 0))
        frauds.told(trace, shift_min=shift)
        source.kind, source.expected, source.rules = "cloned_at_once", "unproven", ["not_a_copy"]
        source.tell = "another sends the same within hours: none can say whose it is"
    worked = by_day(city, trace.run_ms, city.minutes) >= 2 * 3_600_000
    source.facts["cloned_by"] = kind
    enough = int(worked.sum()) >= 8 and best_of_window(worked) >= 6
    lie(city, kind, trace, ["not_a_copy"], "another's hours", enough=enough, steady=True,
        expected="unproven" if at_once else "refuted", first=shift, facts={"source": source.robot},
        gateway_more={"first": 300})  # fmt: skip
    return 2


def scripted(city: City, kind: str) -> None:
    trace = frauds.script(city.minutes, city.rng, kind.removeprefix("script_"))
    lie(city, kind, trace, ["not_scripted", "not_a_copy"], "counts made by a program")


def posing(city: City, kind: str) -> None:
    """Something else calls itself a robot, or is said to be one."""
    said: dict[str, Any] = {}
    model, expected, row = some(city, MOVERS), "refuted", {}
    if kind == "posing_simulator":
        said = {"kind": "simulator"}
    if kind == "posing_simulator_name":
        said = {"model": "Robot Simulator 4"}
    if kind == "posing_simulator_declared":
        model, expected, said = some(city, [p for p in PROFILES if p.source == "declared"]), "unproven", {
            "model": "Simulator HL20"}  # fmt: skip
    if kind == "posing_plc":
        said = {"kind": "plc", "model": "S7-1214C"}
    if kind == "single_axis":
        said = {"axes": 1}
        row = {} if city.rng.random() < 0.5 else {"axes": 1}
    lie(city, kind, work(city.rng, city.dates), ["is_robot"], "its identity says what it is", profile=model,
        identity=said, row=row, expected=expected)  # fmt: skip


def impossible(city: City, kind: str) -> None:
    trace = work(city.rng, city.dates)
    begins: dict[str, int] = {}
    model = some(city, PROFILES)
    if kind == "hurried":
        trace = frauds.hurried(trace, city.rng)
    if kind == "preset":
        model = some(city, [p for p in MOVERS if not p.modulus])
        begins = {"cycles": int(city.rng.integers(4 * 10**7, 4 * 10**9))}
    rules = ["physically_possible", "new_by_evidence"]
    lie(city, kind, trace, rules, "counts no machine makes", profile=model, begins=begins,
        facts={"begins": str(begins)}, first=None if kind == "hurried" else 0)  # fmt: skip


def motionless(city: City, kind: str) -> None:
    names = {"current": ("orbit_r6", "nimbus_c5", "vela_d3", "tekko_birth"), "power": ("hualin_cell", "massiv_big"),
             "energy": ("hualin_metered",)}[kind.removeprefix("motionless_")]  # fmt: skip
    expected = "unproven" if kind == "motionless_energy" else "refuted"
    lie(city, kind, work(city.rng, city.dates), ["motion_agrees"], "counts while nothing moves or draws",
        profile=BY_NAME[str(city.rng.choice(names))], motion="still", expected=expected)  # fmt: skip


def old_machine(city: City, kind: str) -> None:
    """Relocated, second-hand, replacing, commissioned before."""
    rng = city.rng
    row: dict[str, Any] = {}
    more: dict[str, Any] = {}
    rules = ["not_relocated"]
    model = some(city, MOVERS)
    trace = work(rng, city.dates)
    if kind == "relocated_said":
        row = {"addition": "relocated"}
    if kind == "replacement_said":
        row, rules = {"addition": "replacement"}, ["not_a_replacement"]
    if kind == "commissioned_before":
        day = dt.date(2017, 12, 20) - dt.timedelta(days=int(rng.integers(0, 200)))
        row, rules = {"commissioned_on": day}, ["first_worked_in_period"]
    if kind == "second_hand_counter":
        model, rules = BY_NAME[str(rng.choice(["orbit_r6", "vela_d3"]))], ["new_by_evidence"]
        more["begins"] = {"power_on_s": int(rng.integers(9_000, 40_000)) * 3_600}
        more["begins"] |= {"run_s": more["begins"]["power_on_s"] // 3}
    if kind == "second_hand_silent":
        model, rules, more["invoice"] = some(city, [p for p in PROFILES if p.source == "declared"]), [
            "new_by_evidence"], False  # fmt: skip
        more["gateway_more"] = {"first": 500}
    if kind == "wrong_serial":
        row, rules = {"serial": city.serial(model)}, ["own_identity"]
    expected = "unproven" if kind == "second_hand_silent" else "refuted"
    said = {} if model.source == "declared" else {"source": "register"}
    device = lie(city, kind, trace, rules, "an old machine by its papers or counters", profile=model, row=row,
                 expected=expected, identity=said, **more)  # fmt: skip
    if kind == "second_hand_silent":
        device.begins["energy_wh"] = 0


def seen_before(city: City, kind: str) -> None:
    """Its serial was heard elsewhere before, or another's worked in its place."""
    model, rng = some(city, MOVERS), city.rng
    first = int(rng.integers(12, 20)) * DAY
    trace = work(rng, city.dates)
    if kind == "relocated_heard":
        trace.rest(slice(0, first))
        device = lie(
            city, kind, trace, ["not_relocated"], "heard elsewhere before", profile=model, first=first
        )
        elsewhere = city.new_gateway(city.new_firm(), first=200, steady=True)
        old = attach(city, elsewhere, work(rng, city.dates), model, 240, serial=device.identity["serial"])
        old.last = first - int(rng.integers(2, 5)) * DAY
        return
    fresh = city.serial(model)
    device = lie(city, kind, trace, ["not_a_replacement"], "another worked in its place", profile=model,
                 serial_from=(first, fresh), row={"serial": fresh}, commissioned=city.day(first),
                 gateway_more={"first": 300}, first=300)  # fmt: skip
    if kind == "replacement_paper":
        before = device.identity["serial"]
        device.identity["serial"], device.serial_from, device.first = fresh, None, first
        line = {
            "robot": city.claims[-1].robot,
            "on": city.day(first),
            "old_serial": before,
            "new_serial": fresh,
        }
        city.replacements.append({**line, "document": "Z1"})


def twice(city: City, kind: str) -> int:
    if kind == "serial_twice":
        device, made = plain_robot(city, "honest_doubled", steady=True, gateway_first=200, long_there=True)
        late = int(city.rng.integers(6, 14)) * DAY
        trace = work(city.rng, city.dates)
        trace.rest(slice(0, late))
        lie(city, kind, trace, ["claimed_once", "not_relocated"], "a serial heard and claimed elsewhere before",
            first=late, profile=device.profile, serial=device.identity["serial"], steady=True)  # fmt: skip
        made.facts["doubled_by"] = city.claims[-1].robot
        return 2
    device, made = plain_robot(city, kind)
    made.expected, made.rules, made.tell = "unproven", ["claimed_once"], "one device, two claims, no order"
    gateway = next(one for one in city.gateways if device in one.devices)
    claim(city, device, gateway, city.new_firm(), kind, truth=("unproven", ["claimed_once"], made.tell),
          enough=made.enough, profile=device.profile, commissioned=made.row["commissioned_on"])  # fmt: skip
    return 2


def unwitnessed(city: City, kind: str) -> None:
    """Never installed, or behind a gateway that bears no witness."""
    trace = work(city.rng, city.dates)
    more: dict[str, Any] = {}
    if kind == "never_installed":
        model = some(city, PROFILES)
        claim(city, None, None, city.new_firm(), kind, truth=("unproven", ["works"], "never heard"), enough=True,
              profile=model, commissioned=city.day(int(city.rng.integers(0, city.minutes))))  # fmt: skip
        return
    if kind == "gateway_unenrolled":
        more = {"enrolled": False}
    if kind == "gateway_revoked":
        more = {"first": 600, "revoked_minute": 600 + int(city.rng.integers(1, 4)) * DAY}
    if kind == "chain_forged":
        more = {"forges_every": 2}
    if kind == "chain_restarted":
        more = {"first": 600, "replaced_at": [600 + day * DAY for day in range(1, city.days - 1)]}
    rules = ["unbroken_chain"] if kind.startswith("chain") else ["gateway_enrolled"]
    lie(city, kind, trace, rules, "nobody answers for what it sends", expected="unproven", gateway_more=more,
        steady=True)  # fmt: skip


def worked_before(city: City, kind: str) -> None:
    """It worked in December 2017; the claim says it came later."""
    rng, zero = city.rng, dt.date(2017, 12, 8)
    firm, model = city.new_firm(), some(city, MOVERS)
    gap = (city.first - zero).days
    trace = work(rng, dates_of(zero, gap + city.days))
    gateway = city.new_gateway(firm, first=400, steady=True)
    start = gap * DAY + gateway.first
    gateway.day_zero, gateway.last = zero, (gap + city.days) * DAY
    boot = gateway.gateway[-6:]
    gateway.runs = [Run(400, 20 * DAY, "a" + boot, 400), Run(start, gateway.last, "b" + boot, start)]
    gateway.bus_down, gateway.cuts = [], []
    device = attach(city, gateway, trace, model, 430)
    device.last = gateway.last
    claim(city, device, gateway, firm, kind, truth=("refuted", ["first_worked_in_period", "new_by_evidence"],
          "heard at work in December"), enough=works_enough(city, device, gateway), profile=model,
          commissioned=city.first)  # fmt: skip


FRAUDS: dict[str, Callable[[City, str], int | None]] = {
    **dict.fromkeys(("idle", "one_day_show", "weekend_show"), show),
    **dict.fromkeys(("replay_exact", "replay_noisy", "replay_cut"), replayed),
    **{f"clone_{s}": cloned for s in ("minutes", "hours", "days", "scaled", "noisy", "part", "two_weeks")},
    **{f"script_{style}": scripted for style in ("constant", "periodic", "jitter", "sine")},
    **{f"posing_{s}": posing for s in ("simulator", "simulator_name", "simulator_declared", "plc")},
    "single_axis": posing,
    **dict.fromkeys(("hurried", "preset"), impossible),
    **{f"motionless_{what}": motionless for what in ("current", "power", "energy")},
    **dict.fromkeys(
        ("relocated_said", "replacement_said", "commissioned_before", "second_hand_counter"), old_machine
    ),
    **dict.fromkeys(("second_hand_silent", "wrong_serial"), old_machine),
    **dict.fromkeys(("relocated_heard", "replacement_heard", "replacement_paper"), seen_before),
    **dict.fromkeys(("serial_twice", "device_twice"), twice),
    **dict.fromkeys(("never_installed", "gateway_unenrolled", "gateway_revoked"), unwitnessed),
    **dict.fromkeys(("chain_forged", "chain_restarted"), unwitnessed),
    "worked_before": worked_before,
}


def populate(city: City, robots: int) -> None:
    """Fill the city: half the claims honest of their own, the rest liars with those they lie about."""
    kinds = list(city.rng.permutation(list(FRAUDS)))
    turn, lies, plain = int(city.rng.integers(0, 91)), 0, 0
    while len(city.claims) < robots:
        if plain * 2 <= len(city.claims):
            plain += honest(city, turn)
            turn += 1
        else:
            kind = str(kinds[lies % len(kinds)])
            FRAUDS[kind](city, kind)
            lies += 1
