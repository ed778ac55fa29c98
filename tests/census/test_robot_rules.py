"""Does each robot rule support, contradict and stay silent where its wording says so?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import DAY_MS, HOUR_MS, day_start_ms, parse_day, write_day
from census.compare import Copy
from census.evidence import CounterDay, Epoch, GaugeDay, Increments
from census.ledger import InvoiceLine, Replacement
from census.regularity import Rhythm
from census.robot_evidence import Predecessor, Rival, RobotEvidence
from census.rules import ROBOT_RULES, RULES, wording
from tests.census.samples import FIRST, USCC, claim, device_day, identity, robot_evidence, silent_day

if TYPE_CHECKING:
    from census.finding import Finding
    from census.ledger import RobotClaim
    from census.policy import Policy

NOTHING = RobotEvidence()
HEARD = day_start_ms(FIRST + 1)
FESTIVAL = parse_day("2018-02-12")
ME = ("gw1", "r1")
OTHER = ("gw9", "r9")


def hours(first: int) -> dict[str, CounterDay]:
    return {"power_on_s": CounterDay(0, first * 3600, first * 3600, 0, 0, 0, 0, 0)}


def with_counter(first_h: int) -> RobotEvidence:
    return robot_evidence([device_day(FIRST + 1, counters=hours(first_h))], gateway_days_before=0)


def elsewhere(days_earlier: float) -> RobotEvidence:
    first_ms = day_start_ms(FIRST) - int(days_earlier * DAY_MS)
    return robot_evidence(elsewhere=(identity(gateway="gw9", device="r9", first_ms=first_ms),))


def counting(gauges: dict[str, GaugeDay] | None = None, **counters: CounterDay) -> RobotEvidence:
    values: dict[str, Any] = (
        {"counters": counters} if gauges is None else {"counters": counters, "gauges": gauges}
    )
    return robot_evidence([device_day(FIRST + number, **values) for number in range(10)])


def moving(**gauges: GaugeDay) -> RobotEvidence:
    return robot_evidence([device_day(FIRST + number, gauges=gauges) for number in range(10)])


def powered(*hours_told: int) -> RobotEvidence:
    """A counter of hours powered, that grew by so many hours on each day."""
    return robot_evidence([
        device_day(FIRST + number, counters={"power_on_s": CounterDay(told * 3600, 0, told * 3600, 1000, 0, 0, 0, 0)})
        for number, told in enumerate(hours_told)
    ])  # fmt: skip


def drawing(standing_w: int, more_w: int) -> RobotEvidence:
    """Energy alone, over days of two to eleven hours running and twelve powered."""
    days = []
    for number in range(10):
        running_h = 2 + number
        used = standing_w * 12 + more_w * running_h + number % 3
        energy = CounterDay(used, 0, used, 1, 0, 0, 0, 0)
        powered = {"ready_ms": (12 - running_h) * HOUR_MS, "off_ms": 12 * HOUR_MS}
        days.append(
            device_day(FIRST + number, running_h, gauges={}, counters={"energy_wh": energy}, **powered)
        )
    return robot_evidence(days)


def scripted(told: Increments, grown: int = 200, days: int = 10) -> RobotEvidence:
    counters = {"cycles": CounterDay(grown, 0, grown, 1, 0, 0, 0, 0)}
    varied = Increments(10, 10, 0, 0, 0)
    return robot_evidence(
        [
            device_day(FIRST + number, counters=counters, increments=told if number < days else varied)
            for number in range(10)
        ]
    )


def paper(robot: str, document: str = "D1") -> Replacement:
    return Replacement(robot, FIRST, "S0", "S1", document)


SOLD = InvoiceLine("FP0", "1", "92340621MA2UJT9WXP", "s", "ACME", "Arm6", "S1", FIRST - 30)
INVOICED = robot_evidence(
    gateway_days_before=0,
    identities=(identity(source="register"),),
    invoices=(InvoiceLine("FP1", "1", USCC, "s", "ACME", "Arm6", "S1", FIRST),),
)
LOST = Epoch("e" * 32, day_start_ms(FIRST + 1), 7, "outbox_lost", is_break=True, is_silent=True)
CASES: list[tuple[str, str, str, RobotClaim, RobotEvidence]] = [
    ("claimed_once", "supports", "only claim", claim(), robot_evidence()),
    ("claimed_once", "contradicts", "bad code", claim(uscc="91110000600037341M"), robot_evidence()),
    ("claimed_once", "silent", "no serial", claim(serial=""), robot_evidence()),
    ("claimed_once", "contradicts", "rival earlier", claim(), robot_evidence(rivals=(Rival("R2", HEARD - DAY_MS),))),
    ("claimed_once", "supports", "rival later", claim(), robot_evidence(rivals=(Rival("R2", HEARD + DAY_MS),))),
    ("claimed_once", "supports", "rival unheard", claim(), robot_evidence(rivals=(Rival("R2", None),))),
    ("claimed_once", "silent", "undecided", claim(), robot_evidence(rivals=(Rival("R2", HEARD + HOUR_MS),))),
    ("claimed_once", "silent", "both unheard", claim(), robot_evidence([], rivals=(Rival("R2", None),))),
    ("claimed_once", "silent", "me unheard", claim(), robot_evidence([], rivals=(Rival("R2", HEARD),))),
    ("is_robot", "supports", "six axes", claim(), robot_evidence()),
    ("is_robot", "supports", "three axes, unheard", claim(axes=3), NOTHING),
    ("is_robot", "contradicts", "two axes claimed", claim(axes=2), robot_evidence()),
    ("is_robot", "contradicts", "a category of none", claim(category="conveyor"), robot_evidence()),
    ("is_robot", "contradicts", "a PLC", claim(), robot_evidence(identities=(identity(kind="plc"),))),
    ("is_robot", "contradicts", "one axis heard", claim(), robot_evidence(identities=(identity(axes=1),))),
    ("is_robot", "contradicts", "calls itself PLC", claim(), robot_evidence(identities=(identity(model="PFC200 PLC", source="fc43"),))),
    ("is_robot", "silent", "declared PLC", claim(), robot_evidence(identities=(identity(model="PFC200 PLC"),))),
    ("is_robot", "silent", "library", claim(), robot_evidence(identities=(identity(manufacturer="pymodbus", source="fc43"),))),
    ("is_robot", "silent", "no axes given", claim(axes=None), robot_evidence()),
    ("own_identity", "supports", "declared", claim(), robot_evidence()),
    ("own_identity", "supports", "read, spelled else", claim(serial="s-1"), robot_evidence(identities=(identity(serial="S 1", source="fc43"),))),
    ("own_identity", "contradicts", "another read", claim(), robot_evidence(identities=(identity(serial="X", source="birth"),))),
    ("own_identity", "contradicts", "declared well, read else", claim(), robot_evidence(identities=(identity(), identity(serial="X", source="register")))),
    ("own_identity", "silent", "another declared", claim(), robot_evidence(identities=(identity(serial="X"),))),
    ("own_identity", "silent", "none heard", claim(), NOTHING),
    ("new_by_evidence", "supports", "gateway before", claim(), robot_evidence()),
    ("new_by_evidence", "supports", "leased", claim(addition="leased"), robot_evidence()),
    ("new_by_evidence", "supports", "counter possible", claim(), with_counter(224)),
    ("new_by_evidence", "contradicts", "counter preset", claim(), with_counter(225)),
    ("new_by_evidence", "supports", "invoice", claim(), INVOICED),
    ("new_by_evidence", "silent", "invoice, declared", claim(), replace(INVOICED, identities=(identity(),))),
    ("new_by_evidence", "silent", "another's invoice", claim(uscc="92340621MA2UJT9WXP"), INVOICED),
    ("new_by_evidence", "silent", "relocated", claim(addition="relocated"), robot_evidence()),
    ("not_relocated", "contradicts", "by its claim", claim(addition="relocated"), robot_evidence()),
    ("not_relocated", "contradicts", "heard elsewhere", claim(), elsewhere(3)),
    ("not_relocated", "supports", "elsewhere at once", claim(), elsewhere(0.4)),
    ("not_relocated", "supports", "elsewhere later", claim(), elsewhere(-3)),
    ("not_relocated", "supports", "invoiced to another", claim(), robot_evidence(invoices=(SOLD,))),
    ("not_relocated", "supports", "nowhere else", claim(), robot_evidence()),
    ("not_relocated", "silent", "unheard", claim(), NOTHING),
    ("not_a_replacement", "contradicts", "by its claim", claim(addition="replacement"), NOTHING),
    ("not_a_replacement", "contradicts", "of another robot", claim(), robot_evidence(replaced=(paper("OLD-1"),))),
    ("not_a_replacement", "contradicts", "of its own, never heard before", claim(), robot_evidence(replaced=(paper("R1"),))),
    ("not_a_replacement", "supports", "its own body exchanged in place", claim(), robot_evidence(identities=(identity(serial="S0"), identity()), replaced=(paper("R1"),))),
    ("not_a_replacement", "contradicts", "exchanged without a document", claim(), robot_evidence(identities=(identity(serial="S0"), identity()), replaced=(paper("R1", document=""),))),
    ("not_a_replacement", "contradicts", "another worked in its place", claim(), robot_evidence(predecessors=(Predecessor("gw1", "r1", "S0", FIRST - 2, None),))),
    ("not_a_replacement", "silent", "who moved on", claim(), robot_evidence(predecessors=(Predecessor("gw1", "r1", "S0", FIRST - 2, OTHER),))),
    ("not_a_replacement", "supports", "no sign", claim(), robot_evidence()),
    ("not_a_replacement", "silent", "unheard", claim(), NOTHING),
    ("physically_possible", "supports", "no counters", claim(), robot_evidence()),
    ("physically_possible", "supports", "possible", claim(), counting(cycles=CounterDay(9_000, 0, 9_000, 5_000, 0, 0, 0, 0))),
    ("physically_possible", "supports", "a burst", claim(), counting(cycles=CounterDay(9_000, 0, 9_000, 499_000, 0, 0, 0, 0))),
    ("physically_possible", "contradicts", "too fast all day", claim(), counting(cycles=CounterDay(480_000, 0, 480_000, 5_000, 0, 0, 0, 0))),
    ("physically_possible", "contradicts", "too fast in a step", claim(), counting(cycles=CounterDay(9_000, 0, 9_000, 501_000, 0, 0, 0, 0))),
    ("physically_possible", "contradicts", "too fast while it ran", claim(), counting(cycles=CounterDay(200_000, 0, 200_000, 5_000, 0, 0, 0, 0))),
    ("physically_possible", "contradicts", "too fast between rows", claim(), counting(cycles=CounterDay(10, 0, 5_400_000, 5_000, 0, 0, 0, 5_400_000))),
    ("physically_possible", "contradicts", "between rows while it stood", claim(), counting(cycles=CounterDay(10, 0, 300_000, 5_000, 0, 0, 0, 300_000))),
    ("physically_possible", "contradicts", "hours between rows", claim(), counting(run_s=CounterDay(10, 0, 30 * 3600, 0, 0, 0, 0, 30 * 3600))),
    ("physically_possible", "supports", "some between rows", claim(), counting(cycles=CounterDay(9_000, 0, 9_000, 5_000, 0, 0, 0, 9_000))),
    ("physically_possible", "contradicts", "more hours than a day has", claim(), counting(run_s=CounterDay(30 * 3600, 0, 30 * 3600, 0, 0, 0, 0, 0))),
    ("physically_possible", "supports", "a cut line over midnight", claim(), powered(24, 21, 27, 24, 21, 27, 24)),
    ("physically_possible", "contradicts", "two midnights too much", claim(), powered(24, 24, 27, 24, 24, 27, 24)),
    ("physically_possible", "contradicts", "preset", claim(), counting(cycles=CounterDay(100, 9_000_000, 9_000_100, 100, 0, 0, 0, 0))),
    ("physically_possible", "silent", "for one day", claim(), robot_evidence([device_day(FIRST, counters={"cycles": CounterDay(480_000, 0, 480_000, 1, 0, 0, 0, 0)}), device_day(FIRST + 1)])),
    ("physically_possible", "silent", "unheard", claim(), NOTHING),
    ("motion_agrees", "supports", "current", claim(), robot_evidence()),
    ("motion_agrees", "supports", "joint speed alone", claim(), moving(joint_speed_mdeg_s=GaugeDay(9, 9, 0, 1_000))),
    ("motion_agrees", "supports", "tool speed beside a dead current", claim(), moving(joint_current_ma=GaugeDay(9, 0, 0, 0), tcp_speed_mm_s=GaugeDay(9, 99, 0, 250))),
    ("motion_agrees", "supports", "power that swings", claim(), moving(power_w=GaugeDay(9, 900, 60, 110))),
    ("motion_agrees", "contradicts", "no current", claim(), moving(joint_current_ma=GaugeDay(9, 900, 0, 199))),
    ("motion_agrees", "contradicts", "steady power", claim(), moving(power_w=GaugeDay(9, 900, 100, 149))),
    ("motion_agrees", "contradicts", "no energy", claim(), counting({}, energy_wh=CounterDay(300, 0, 300, 1, 0, 0, 0, 0))),
    ("motion_agrees", "supports", "energy", claim(), counting({}, energy_wh=CounterDay(400, 0, 400, 1, 0, 0, 0, 0))),
    ("motion_agrees", "supports", "energy that goes with the running", claim(), drawing(190, 120)),
    ("motion_agrees", "silent", "a standing draw whatever runs", claim(), drawing(190, 0)),
    ("motion_agrees", "silent", "two still days", claim(), robot_evidence([device_day(FIRST + n, gauges={"joint_current_ma": GaugeDay(9, 9, 0, 2_000 if n > 1 else 5)}) for n in range(8)])),
    ("motion_agrees", "silent", "nothing that could tell", claim(), moving()),
    ("motion_agrees", "silent", "unheard", claim(), NOTHING),
    ("not_scripted", "supports", "varied", claim(), scripted(Increments(10, 9, 1, 2, 3))),
    ("not_scripted", "supports", "no counters, varied windows", claim(), robot_evidence()),
    ("not_scripted", "supports", "few counts", claim(), scripted(Increments(10, 1, 9, 9, 1), grown=199)),
    ("not_scripted", "contradicts", "constant", claim(), scripted(Increments(10, 1, 9, 9, 1))),
    ("not_scripted", "contradicts", "periodic", claim(), scripted(Increments(10, 3, 0, 7, 3))),
    ("not_scripted", "supports", "two constant days of ten", claim(), scripted(Increments(10, 1, 9, 9, 1), days=2)),
    ("not_scripted", "contradicts", "a rhythm under jitter", claim(), robot_evidence(rhythms=(Rhythm(3, 60, 40, 50),))),
    ("not_scripted", "contradicts", "the same counts again", claim(), robot_evidence(rhythms=(Rhythm(0, 0, 0, 0, 8, 50, 60),))),
    ("not_scripted", "supports", "a drift", claim(), robot_evidence(rhythms=(Rhythm(3, 60, 39, 50),))),
    ("not_scripted", "silent", "poor windows", claim(), robot_evidence([device_day(FIRST + n, pattern_windows=3) for n in range(9)])),
    ("not_scripted", "silent", "unheard", claim(), NOTHING),
    ("unbroken_chain", "supports", "whole", claim(), robot_evidence()),
    ("unbroken_chain", "supports", "one break", claim(), robot_evidence(broken_days=frozenset({("gw1", FIRST)}))),
    ("unbroken_chain", "silent", "too few whole days", claim(), robot_evidence(broken_days=frozenset({("gw1", FIRST + n) for n in range(6)}))),
    ("unbroken_chain", "silent", "an epoch nobody explained", claim(), robot_evidence([device_day(FIRST)], broken_days=frozenset({("gw1", FIRST + 1)}), silent_epochs=(("gw1", LOST),))),
    ("unbroken_chain", "silent", "unheard", claim(), NOTHING),
    ("new_by_evidence", "silent", "gateway as new", claim(), robot_evidence(gateway_days_before=4)),
    ("new_by_evidence", "silent", "unheard", claim(), NOTHING),
    ("first_worked_in_period", "supports", "inside", claim(), robot_evidence()),
    ("first_worked_in_period", "contradicts", "commissioned before", claim(commissioned_day=parse_day("2017-12-31")), NOTHING),
    ("first_worked_in_period", "contradicts", "commissioned after", claim(commissioned_day=parse_day("2019-01-01")), NOTHING),
    ("first_worked_in_period", "contradicts", "worked before, unbound", claim(), robot_evidence(all_days=(device_day(parse_day("2017-12-30"), 1),))),
    ("first_worked_in_period", "supports", "moved before", claim(), robot_evidence(all_days=(device_day(parse_day("2017-12-30"), 0.1), device_day(FIRST)))),
    ("first_worked_in_period", "silent", "never", claim(), robot_evidence([device_day(FIRST, 0)])),
    ("first_worked_in_period", "silent", "after", claim(), robot_evidence([device_day(parse_day("2019-01-02"))])),
    ("first_worked_in_period", "silent", "no day claimed", claim(commissioned_day=None), robot_evidence()),
    ("works", "supports", "ten days", claim(), robot_evidence()),
    ("works", "supports", "five of fourteen", claim(), robot_evidence([device_day(FIRST + 3 * n, 2) for n in range(5)])),
    ("works", "silent", "four", claim(), robot_evidence([device_day(FIRST + n, 2) for n in range(4)])),
    ("works", "silent", "thinly spread", claim(), robot_evidence([device_day(FIRST + 4 * n, 2) for n in range(8)])),
    ("works", "silent", "short days", claim(), robot_evidence([device_day(FIRST + n, 1.9) for n in range(7)])),
    ("works", "contradicts", "idle", claim(), robot_evidence([device_day(FIRST + n, 0) for n in range(8)])),
    ("works", "contradicts", "one-day show", claim(), robot_evidence([device_day(FIRST + n, 8 * (n == 2)) for n in range(9)])),
    ("works", "silent", "idle but badly heard", claim(), robot_evidence([device_day(FIRST + n, 0, polls_ok=1000) for n in range(20)])),
    ("works", "silent", "idle half the day", claim(), robot_evidence([device_day(FIRST + n, 0, window_ms=DAY_MS // 2) for n in range(20)])),
    ("works", "silent", "at rest on holidays", claim(), robot_evidence([device_day(FESTIVAL + n, 0) for n in range(10)])),
    ("works", "silent", "idle before commissioning", claim(), robot_evidence([device_day(FIRST - 20 + n, 0) for n in range(15)])),
    ("works", "silent", "work before commissioning", claim(), robot_evidence([device_day(FIRST - 7 + n) for n in range(7)])),
    ("works", "silent", "overlapping windows", claim(), robot_evidence([device_day(FIRST + n, 8, overlap_ms=7 * HOUR_MS) for n in range(7)])),
    ("works", "silent", "unheard", claim(), NOTHING),
    ("not_a_copy", "supports", "own", claim(), robot_evidence()),
    ("not_a_copy", "supports", "the original", claim(), robot_evidence(copies=(Copy(OTHER, -2, 5, False),))),
    ("not_a_copy", "contradicts", "later", claim(), robot_evidence(copies=(Copy(OTHER, 2, 5, True),))),
    ("not_a_copy", "contradicts", "a replay of itself", claim(), robot_evidence(copies=(Copy(ME, 7, 5, None),))),
    ("not_a_copy", "contradicts", "correlated, later", claim(), robot_evidence(copies=(Copy(OTHER, 3, 12, True, "correlated", 88, 5),))),
    ("not_a_copy", "contradicts", "a replay under noise", claim(), robot_evidence(copies=(Copy(ME, 14, 12, None, "replay", 90),))),
    ("not_a_copy", "contradicts", "one week over and over", claim(), robot_evidence(copies=(Copy(ME, 7, 40, None, "replay", 92),))),
    ("not_a_copy", "silent", "a rigid weekly plan", claim(), robot_evidence(copies=(Copy(ME, 7, 40, None, "replay", 66),))),
    ("not_a_copy", "silent", "undecided", claim(), robot_evidence(copies=(Copy(OTHER, 0, 5, None),))),
    ("not_a_copy", "silent", "poor days", claim(), robot_evidence([device_day(FIRST + n, pattern_windows=3) for n in range(9)])),
    ("gateway_enrolled", "supports", "ten days", claim(), robot_evidence()),
    ("gateway_enrolled", "silent", "four days", claim(), robot_evidence([device_day(FIRST + n) for n in range(4)])),
    ("gateway_enrolled", "silent", "only silence", claim(), robot_evidence([silent_day(FIRST + n) for n in range(9)])),
    ("gateway_enrolled", "silent", "no binding", claim(), NOTHING),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{one[0]}-{one[2]}" for one in CASES])
def test_each_rule_answers_as_its_wording_says(
    case: tuple[str, str, str, RobotClaim, RobotEvidence], policy: Policy
) -> None:
    rule, answer, about, asked, evidence = case
    finding = ROBOT_RULES[rule](asked, evidence, policy)
    assert (finding.rule, str(finding.answer)) == (rule, answer), (about, finding.en)
    assert finding.zh
    assert finding.en


def test_every_rule_has_its_three_examples() -> None:
    shown = {(rule, answer) for rule, answer, *_ in CASES}
    # Trust is never a no: an unenrolled gateway is silence.
    cannot = {("gateway_enrolled", "contradicts"), ("unbroken_chain", "contradicts")}
    wanted = {(rule, answer) for rule in ROBOT_RULES for answer in ("supports", "contradicts", "silent")}
    assert wanted - cannot == shown


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_publishes_its_wording_in_both_languages(rule: str) -> None:
    zh, en = wording(rule)
    assert zh.endswith("。")
    assert en.endswith(".")
    assert en.isascii()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_a_file_named_after_it(rule: str) -> None:
    assert RULES[rule].__module__ == f"census.rules.{rule}"


def _find(rule: str, evidence: RobotEvidence, policy: Policy) -> Finding:
    return ROBOT_RULES[rule](claim(), evidence, policy)


@pytest.mark.parametrize("days", [0, 1, 9])
def test_an_epoch_that_waits_is_named_with_its_day_and_the_way_out(days: int, policy: Policy) -> None:
    """Whether nothing, too little or enough is heard beside it."""
    heard = [device_day(FIRST + 2 + number) for number in range(days)]
    waiting = (("gw1", LOST), ("gw1", replace(LOST, epoch="f" * 32)))
    broken = frozenset({("gw1", FIRST + 1)})
    evidence = robot_evidence(heard, broken_days=broken, silent_epochs=waiting)
    finding = _find("unbroken_chain", evidence, policy)
    assert finding.answer == ("supports" if days == 9 else "silent")
    assert finding.review
    for text, more in ((finding.zh, "另有 1 条"), (finding.en, "and 1 more")):
        assert more in text
        assert write_day(FIRST + 1) in text
        assert f"mfl store explain-epoch gw1 {'e' * 32}" in text


def test_what_nobody_can_decide_asks_for_a_person(policy: Policy) -> None:
    assert _find("claimed_once", robot_evidence(rivals=(Rival("R2", HEARD),)), policy).review
    assert _find("not_a_copy", robot_evidence(copies=(Copy(OTHER, 0, 5, None),)), policy).review
    assert _find("is_robot", robot_evidence(identities=(identity(model="Demo"),)), policy).review
    assert not any(_find(rule, robot_evidence(), policy).review for rule in ROBOT_RULES)
