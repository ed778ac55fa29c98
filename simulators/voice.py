"""What would this device answer? A machine's moment spoken in its profile's raw values.

The inverse of normalizing, found by search over the profile's own state rules, so that it serves every profile.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from itertools import product
from typing import TYPE_CHECKING

from drivers.profiles import LoadedProfile, load_profile
from gateway.normalize import Normalizer
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.behaviour import Moment
    from telemetry.profile import Profile
    from telemetry.reading import RawValue

COMBINATIONS_MAX = 20_000
"""Raw combinations tried to find one state; a profile's rules name a handful of values."""
UNBOUNDED = 2**63
"""Where an integer register states no modulus, none is reached."""
_FALLBACK = {
    MachineState.OFF: (MachineState.READY,),
    MachineState.PAUSED: (MachineState.READY,),
    MachineState.FAULT: (MachineState.PAUSED, MachineState.READY),
}


class Voice:
    """One profile's way of saying things."""

    def __init__(self, profile: Profile) -> None:
        self._templates = {state: _template(profile, state) for state in MachineState}
        groups: dict[tuple[str, int, int, int], list[str]] = {}
        for name, point in profile.points.items():
            if point.metric is not None:
                modulus = 0 if point.type in {"float32", "float64"} else point.modulus or UNBOUNDED
                groups.setdefault((point.metric, point.divide, point.multiply, modulus), []).append(name)
        self._groups = [
            (_QUANTITIES[metric], divide, multiply, modulus, names)
            for (metric, divide, multiply, modulus), names in groups.items()
        ]

    def say(self, moment: Moment) -> dict[str, RawValue]:
        """Give point → raw value at a moment: states, counters and gauges; identity points are not said here."""
        values = dict(self._templates[moment.state])
        for quantity, divide, multiply, modulus, names in self._groups:
            amount = quantity(moment)
            raw = amount * divide // multiply % modulus if modulus else amount * divide / multiply
            for name in names:
                values[name] = raw
        return values


@cache
def voiced(name: str) -> tuple[LoadedProfile, Voice, Normalizer]:
    """Load a profile of the wheel, or one made up for simulated cities, with its voice and its normalizer."""
    made_up = resources.files("simulators") / "profiles" / f"{name}.yaml"
    loaded = load_profile(str(made_up) if made_up.is_file() else name)
    return loaded, Voice(loaded.profile), Normalizer(loaded.profile)


def _template(profile: Profile, wanted: MachineState) -> dict[str, RawValue]:
    """Find raw state values for a state, or for the nearest one that the profile can tell."""
    for state in (wanted, *_FALLBACK.get(wanted, ())):
        found = _search(profile, state)
        if found is not None:
            return found
    return {}


def _search(profile: Profile, wanted: MachineState) -> dict[str, RawValue] | None:
    choices: dict[str, set[RawValue]] = {}
    for rule in profile.states:
        point = profile.points[rule.point]
        neutral: set[RawValue] = (
            {False, True} if point.type == "bool" else {"" if point.type == "string" else 0}
        )
        others = {value + 1 for value in rule.differs if type(value) is int}
        choices.setdefault(rule.point, set(neutral)).update(rule.equals, rule.differs, others)
    names = list(choices)
    ordered = [sorted(choices[name], key=lambda value: (value != 0, str(value))) for name in names]
    for number, combination in enumerate(product(*ordered)):
        if number >= COMBINATIONS_MAX:
            break
        values = dict(zip(names, combination, strict=True))
        if _first_state(profile, values) is wanted:
            return values
    return None


def _first_state(profile: Profile, values: dict[str, RawValue]) -> MachineState:
    for rule in profile.states:
        value = values[rule.point]
        if value in rule.equals if rule.equals else value not in rule.differs:
            return rule.state
    return MachineState.UNKNOWN


_QUANTITIES: dict[str, Callable[[Moment], int]] = {
    "cycles": lambda moment: moment.cycles,
    "parts": lambda moment: moment.cycles,
    "rejects": lambda moment: moment.cycles // 50,
    "moves": lambda moment: moment.cycles * 8,
    "energy_wh": lambda moment: moment.energy_wh,
    "power_on_s": lambda moment: moment.on_s,
    "run_s": lambda moment: moment.run_s,
    "power_w": lambda moment: moment.current_ma // 4,
    "joint_current_ma": lambda moment: moment.current_ma,
    "joint_speed_mdeg_s": lambda moment: moment.current_ma // 3 * 10,
    "tcp_speed_mm_s": lambda moment: moment.current_ma // 8,
    "temperature_mc": lambda moment: 31_000 + moment.current_ma,
    "speed_percent": lambda moment: 80 if moment.state is MachineState.RUNNING else 0,
    "cycle_time_ms": lambda moment: 20_000 + moment.current_ma,
}
"""A metric's quantity at a moment, in its own unit."""
