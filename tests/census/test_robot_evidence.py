"""Which days, identities and rivals belong to a claim? Bindings, lives, replacements and papers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from census.calendar import day_start_ms
from census.compare import Copy
from census.evidence import Epoch, Evidence, GatewayDay
from census.ledger import Binding, InvoiceLine, Ledger, Replacement
from census.papers import normal_serial
from census.robot_evidence import RobotEvidence, RobotIndex
from tests.census.samples import FIRST, USCC, claim, device_day, identity, silent_day

if TYPE_CHECKING:
    from census.evidence import DeviceDay, Identity
    from census.ledger import RobotClaim
    from census.policy import Policy


def at(day: int) -> int:
    return day_start_ms(FIRST + day)


def bind(robot: str = "R1", device: str = "r1", start: int | None = None, end: int | None = None) -> Binding:
    return Binding(
        robot, "gw1", device, None if start is None else at(start), None if end is None else at(end)
    )


def world(*days: DeviceDay, identities: tuple[Identity, ...] = (), **values: Any) -> Evidence:
    by_device: dict[tuple[str, str], tuple[DeviceDay, ...]] = {}
    for day in days:
        key = (day.gateway, day.device)
        by_device[key] = (*by_device.get(key, ()), day)
    told: dict[tuple[str, str], tuple[Identity, ...]] = {}
    for one in identities:
        key = (one.gateway, one.device)
        told[key] = (*told.get(key, ()), one)
    return Evidence(device_days=by_device, identities=told, **values)


def gather(
    policy: Policy, evidence: Evidence, *claims: RobotClaim, bindings: tuple[Binding, ...], **ledger: Any
) -> RobotEvidence:
    asked = claims or (claim(),)
    return RobotIndex(Ledger(robots=asked, bindings=bindings, **ledger), evidence, policy).gather(asked[0])


def test_days_count_only_inside_the_binding_but_all_are_seen(policy: Policy) -> None:
    evidence = world(*[device_day(FIRST + number) for number in range(6)])
    found = gather(policy, evidence, bindings=(bind(start=1, end=3), bind(start=5)))
    assert [day.day - FIRST for day in found.days] == [1, 2, 5]
    assert len(found.all_days) == 6


def test_days_of_two_devices_stand_in_the_order_of_time(policy: Policy) -> None:
    evidence = world(*[device_day(FIRST + day, device=device) for device in ("r2", "r1") for day in (0, 1)])
    found = gather(policy, evidence, bindings=(bind(device="r2"), bind(device="r1", start=1)))
    assert [(day.day - FIRST, day.device) for day in found.all_days] == [
        (0, "r1"),
        (0, "r2"),
        (1, "r1"),
        (1, "r2"),
    ]
    assert [(day.day - FIRST, day.device) for day in found.days] == [(0, "r2"), (1, "r1"), (1, "r2")]


def test_a_day_bound_in_part_is_not_credited(policy: Policy) -> None:
    noon = replace(bind(), from_ms=at(0) + 43_200_000)
    found = gather(policy, world(device_day(FIRST), device_day(FIRST + 1)), bindings=(noon,))
    assert [day.day - FIRST for day in found.days] == [1]


def test_another_serials_life_is_not_the_claims(policy: Policy) -> None:
    evidence = world(
        device_day(FIRST - 9, life=1),
        device_day(FIRST, life=2),
        identities=(
            identity(serial="OLD", source="fc43", life=1, first_ms=at(-9)),
            identity(source="fc43", life=2, first_ms=at(0)),
        ),
    )
    found = gather(policy, evidence, bindings=(bind(start=0),))
    assert [day.life for day in found.all_days] == [2]
    assert [one.serial for one in found.identities] == ["S1"]


def test_a_documented_replacement_carries_the_claim_on(policy: Policy) -> None:
    identities = (
        identity(source="fc43", life=1),
        identity(serial="S2", source="fc43", life=2, first_ms=at(3)),
    )
    evidence = world(device_day(FIRST), device_day(FIRST + 4, life=2), identities=identities)
    without = gather(policy, evidence, bindings=(bind(),))
    assert (len(without.days), without.serials) == (1, frozenset({"S1"}))
    paper = Replacement("R1", FIRST + 3, "S1", "S2", "doc-1")
    found = gather(policy, evidence, bindings=(bind(),), replacements=(paper,))
    assert (len(found.days), found.serials) == (2, frozenset({"S1", "S2"}))
    undocumented = replace(paper, document="")
    assert gather(policy, evidence, bindings=(bind(),), replacements=(undocumented,)).serials == {"S1"}


def test_the_gateway_counts_as_there_before_the_device_first_answered(policy: Policy) -> None:
    gateway_days = {"gw1": tuple(GatewayDay(FIRST - 6 + number, 1, 0, 6) for number in range(12))}
    days = (silent_day(FIRST - 2), device_day(FIRST))
    found = gather(policy, world(*days, gateway_days=gateway_days), bindings=(bind(),))
    assert found.gateway_days_before == 6


def test_the_same_serial_elsewhere_is_found_however_it_is_spelled(policy: Policy) -> None:
    other = identity(gateway="gw2", device="x", serial=" s-1 ")
    found = gather(policy, world(identities=(identity(), other)), bindings=(bind(),))
    assert found.elsewhere == (other,)
    assert normal_serial(" s-1 ") == "S1"


def test_claims_that_share_a_serial_or_a_device_are_rivals(policy: Policy) -> None:
    evidence = world(device_day(FIRST), device_day(FIRST + 2, device="r2"))
    claims = (claim(), claim(robot="R2"), claim(robot="R3", serial="S3"), claim(robot="R4", serial="S4"))
    bindings = (bind(), bind("R2", "r2"), bind("R3", end=5), bind("R4", start=90))
    found = gather(policy, evidence, *claims, bindings=(*bindings[:1], *bindings[1:3]))
    assert [rival.robot for rival in found.rivals] == ["R2", "R3"]
    assert [rival.first_received_ms for rival in found.rivals] == [at(3), at(1)]
    late = gather(policy, evidence, *claims, bindings=(bind(end=90), bindings[3]))
    assert [rival.robot for rival in late.rivals] == ["R2"]


def test_invoices_are_found_by_serial(policy: Policy) -> None:
    line = InvoiceLine("FP1", "1", USCC, "s", "ACME", "Arm6", "s1", FIRST)
    found = gather(policy, world(), bindings=(), invoices=(line, replace(line, serial="S9")))
    assert found.invoices == (line,)


def test_an_unbound_claim_has_no_evidence(policy: Policy) -> None:
    found = gather(policy, world(device_day(FIRST), identities=(identity(),)), bindings=())
    assert (found.days, found.all_days, found.identities, found.first_received_ms) == ((), (), (), None)


def heard_lives(*lives: tuple[int, str, str], worked: tuple[int, ...] = (1, 2, 3)) -> Evidence:
    """Give one device whose lives (number, serial, source) each last three days, some of them at work."""
    days = [
        device_day(FIRST + 3 * life + day, 8 if life in worked else 0, life=life)
        for life, *_ in lives
        for day in range(3)
    ]
    told = tuple(
        identity(life=life, serial=serial, source=source, first_ms=at(3 * life), last_ms=at(3 * life + 2))
        for life, serial, source in lives
    )
    return world(*days, identities=told)


def paper(robot: str, old: str, new: str, document: str = "D1") -> Replacement:
    return Replacement(robot, FIRST, old, new, document)


def test_who_worked_in_its_place_before_is_a_predecessor(policy: Policy) -> None:
    lives = ((1, "OLD", "register"), (2, "S1", "register"))
    found = gather(policy, heard_lives(*lives), bindings=(bind(),))
    assert [(one.serial, one.last_day - FIRST, one.moved_to) for one in found.predecessors] == [
        ("OLD", 5, None)
    ]
    assert {day.life for day in found.all_days} == {2}


def test_a_declared_predecessor_is_one_too_and_its_days_are_not_mine(policy: Policy) -> None:
    lives = ((1, "OLD", "declared"), (2, "S1", "declared"))
    found = gather(policy, heard_lives(*lives), bindings=(bind(),))
    assert [one.serial for one in found.predecessors] == ["OLD"]
    assert {day.life for day in found.all_days} == {2}


def test_what_never_worked_or_came_later_is_no_predecessor(policy: Policy) -> None:
    idle = heard_lives((1, "OLD", "register"), (2, "S1", "register"), worked=(2,))
    assert gather(policy, idle, bindings=(bind(),)).predecessors == ()
    later = heard_lives((1, "S1", "register"), (2, "NEXT", "register"))
    assert gather(policy, later, bindings=(bind(),)).predecessors == ()


def test_a_predecessor_heard_elsewhere_later_moved(policy: Policy) -> None:
    evidence = heard_lives((1, "OLD", "register"), (2, "S1", "register"))
    moved = identity(gateway="gw9", device="r9", serial="OLD", source="register", last_ms=at(30))
    told = replace(evidence, identities={**evidence.identities, ("gw9", "r9"): (moved,)})
    assert gather(policy, told, bindings=(bind(),)).predecessors[0].moved_to == ("gw9", "r9")


def test_a_documented_exchange_of_its_own_makes_both_serials_one_robot(policy: Policy) -> None:
    evidence = heard_lives((1, "S0", "register"), (2, "S1", "register"))
    found = gather(policy, evidence, bindings=(bind(),), replacements=(paper("R1", "S0", "S1"),))
    assert found.serials == {"S0", "S1"}
    assert found.predecessors == ()
    assert {day.life for day in found.all_days} == {1, 2}
    assert [one.old_serial for one in found.replaced] == ["S0"]


def test_anothers_exchange_is_told_and_makes_no_serial_mine(policy: Policy) -> None:
    evidence = heard_lives((1, "S0", "register"), (2, "S1", "register"))
    found = gather(policy, evidence, bindings=(bind(),), replacements=(paper("R7", "S0", "S1"),))
    assert found.serials == {"S1"}
    assert [one.robot for one in found.replaced] == ["R7"]


def test_broken_days_are_those_of_bound_gateways_inside_the_binding(policy: Policy) -> None:
    days = {
        "gw1": (GatewayDay(FIRST, 1, 1, 1), GatewayDay(FIRST + 5, 1, 2, 1)),
        "gw2": (GatewayDay(FIRST, 0, 1, 0),),
    }
    found = gather(policy, world(device_day(FIRST), gateway_days=days), bindings=(bind(end=3),))
    assert found.broken_days == {("gw1", FIRST)}


def test_silent_epochs_are_those_of_bound_gateways_begun_before_the_bindings_end(policy: Policy) -> None:
    silent = Epoch("e" * 32, at(1), 5, is_break=True, is_silent=True)
    later, fine = replace(silent, epoch="f" * 32, began_ms=at(9)), replace(silent, is_silent=False)
    days = {
        "gw1": (GatewayDay(FIRST, 1, 0, 1, (fine,)), GatewayDay(FIRST + 1, 0, 2, 1, (silent, later))),
        "gw2": (GatewayDay(FIRST, 0, 1, 0, (replace(silent, epoch="d" * 32),)),),
    }
    found = gather(policy, world(device_day(FIRST), gateway_days=days), bindings=(bind(end=3), bind(end=4)))
    assert found.silent_epochs == (("gw1", silent),)


def test_what_goes_with_days_that_come_again_is_no_copy(policy: Policy) -> None:
    """Days repeated over and over go with anybody's at some shift; exact equality stays evidence."""
    mine, looping = ("gw1", "r1"), ("gw9", "r9")
    copies = {
        mine: (Copy(looping, 4, 14, True, "correlated", 80), Copy(looping, 4, 5, True)),
        looping: (Copy(looping, 7, 20, None, "replay", 99),),
    }
    found = gather(policy, world(device_day(FIRST), copies=copies), bindings=(bind(),))
    assert [copy.kind for copy in found.copies] == ["exact"]
