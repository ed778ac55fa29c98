"""Which kinds of claim are there, what must become of them, and by which rule? Set before any census runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of claim: the expected verdict, what gives it away, and the census rules meant to see it (any of them).

    A lie expected to be refuted is so only once there is enough evidence; before, it stays unproven.
    """

    expected: str
    tell: str = ""
    rules: tuple[str, ...] = ()


def _refuted(tell: str, *rules: str) -> Kind:
    return Kind("refuted", tell, rules)


def _unproven(tell: str, *rules: str) -> Kind:
    return Kind("unproven", tell, rules)


ROBOT_KINDS: dict[str, Kind] = {
    "honest": Kind("confirmed"),
    "live_identity": Kind("confirmed"),
    "never_installed": _unproven("no device was ever heard", "gateway_enrolled"),
    "unenrolled": _unproven("its gateway was never enrolled", "gateway_enrolled"),
    "revoked": _unproven("its gateway was revoked before it had shown enough", "gateway_enrolled"),
    "broken_chain": _unproven("its gateway's batches do not link", "gateway_enrolled"),
    "second_hand_hidden": _unproven("nothing shows it to be new", "new_by_evidence"),
    "relabelled": _unproven(
        "two claims tell the same story at the same time behind two gateways", "not_a_copy"
    ),
    "two_enterprises": _unproven(
        "two enterprises claim the same device and serial at the same time", "claimed_once"
    ),
    "idle": _refuted("heard well and never ran", "works"),
    "one_day_show": _refuted("ran on a single day", "works"),
    "claimed_twice": _refuted("its serial was read elsewhere earlier and is claimed there", "claimed_once"),
    "clone": _refuted("its days repeat another robot's days, days later", "not_a_copy"),
    "clone_shifted": _refuted("it repeats another robot's polls, days and hours later", "not_a_copy"),
    "clone_scaled": _refuted("it repeats another robot's polls later, all counts scaled", "not_a_copy"),
    "clone_noisy": _refuted("it repeats another robot's polls later, noise added", "not_a_copy"),
    "replay": _refuted("its weeks repeat its own first weeks", "not_a_copy"),
    "relocated": _refuted(
        "its serial was read at another gateway before", "not_relocated", "new_by_evidence"
    ),
    "second_hand": _refuted("its lifetime counter is too high at first sight", "new_by_evidence"),
    "replacement": _refuted("another robot's serial was read in its place before", "not_a_replacement"),
    "worked_before": _refuted("ran before the period began", "first_worked_in_period"),
    "plc": _refuted("identifies itself as a PLC", "is_robot"),
    "simulator": _refuted("identifies itself as a simulator", "is_robot"),
    "single_axis": _refuted("says that it has a single axis", "is_robot"),
    "live_plc": _refuted("answers Read Device Identification as a PLC", "is_robot"),
    "live_conflict": _refuted("the serial read from it is not the claimed one", "own_identity"),
    "script_constant": _refuted("every poll adds the same", "not_scripted"),
    "script_periodic": _refuted("its increments repeat after a few polls", "not_scripted"),
    "script_jitter": _refuted("its jitter is a short pseudo-random sequence, over and over", "not_scripted"),
    "impossible_rate": _refuted("its counter runs faster than the machine can", "physically_possible"),
    "preset": _refuted("its counter stands higher at first sight than could be run", "physically_possible"),
    "motionless": _refuted("runs and counts without current, speed or energy", "motion_agrees"),
}
"""Kinds of robot claims."""

ENTERPRISE_KINDS: dict[str, Kind] = {
    "honest": Kind("confirmed"),
    "own_gateway": Kind("confirmed"),
    "listed_twice": Kind("confirmed", "two providers list it under two names; it counts once"),
    "two_names": Kind("confirmed", "its provider lists it under two names; it counts once"),
    "never_used": _unproven("no usage was ever reported", "live_use"),
    "unregistered": _refuted("its code is well-formed but not in the register", "registered_entity"),
    "bad_code": _refuted("its code's check character is wrong", "registered_entity"),
    "struck_off": _refuted("the register struck it off", "registered_entity"),
    "sole_trader": _refuted("its code is a sole trader's", "registered_entity"),
    "renewed": _refuted("it was on cloud before the period", "new_in_period"),
    "cancelled": _refuted("its service was cancelled after a week", "live_use"),
    "inflated": _refuted("its usage is the same round number on every day, holidays too", "usage_plausible"),
    "copied": _refuted("its usage equals that of other customers on every day", "usage_plausible"),
}
"""Kinds of enterprise claims."""
