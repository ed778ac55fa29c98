"""Does a row that cannot be read leave the verdict of whom it names alone, and everybody else's as well?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from census.enterprise_evidence import EnterpriseEvidence, EnterpriseIndex, merge_claims
from census.evidence import Evidence
from census.finding import Answer
from census.ledger import Binding, GatewayRow, Ledger, NamedListRow, load_ledger, read_part
from census.named_lists import UNREAD, _may_be_longer
from census.robot_evidence import RobotIndex
from census.rules import RULES
from census.unread import Unread, words_of
from census.verdict import judge_robot
from tests.census.samples import (
    FIRST,
    USCC,
    claim,
    device_day,
    identity,
    listing,
    registered,
    robot_evidence,
    usage,
)

if TYPE_CHECKING:
    from pathlib import Path

    from census.policy import Policy

OTHER = "92340621MA2UJT9WXP"


def unread(*rows: str) -> Unread:
    return Unread([words_of(row.split(",")) for row in rows])


def test_a_row_names_its_cells_and_the_ids_within_them() -> None:
    row = unread('R 2,"SN-0\u200b7/a,９133x温州\u00adA')
    for word in ("R2", "sn07", "SN-07", "9133X", "a"):
        assert row.names(word), word
    assert not row.names("R1")
    assert not row.names("")
    assert row.names("R2", "9133X")
    assert not unread("R1,x", "R2,y").names("R1", "y")
    assert Unread(is_whole=True).names("anybody")


def entity(register: Ledger, uscc: str, policy: Policy, name: str = "示例有限公司") -> Answer:
    ledger = replace(register, enterprises=(listing(uscc=uscc, name=name),))
    evidence = EnterpriseIndex(ledger, Evidence(), policy).gather(uscc)
    return RULES["registered_entity"](merge_claims(ledger.enterprises)[0], evidence, policy).answer  # type: ignore[arg-type]


def registry(*lines: str) -> Ledger:
    rows, _, lost = read_part(
        "registry", "\n".join(["uscc,name,status,division,from,to", *lines]).encode(), "registry.csv"
    )
    return Ledger(registry=rows, unread={"registry": lost})


GOOD = f"{OTHER},别的,active,330302,,"


@pytest.mark.parametrize(
    "bad",
    [
        f"{USCC},示例,active,330302,2009/5/11,",
        f"{USCC},示例,存续,330302,,",
        f'{USCC},"示例"公司,active,330302,,',
        f"{USCC},示例,active,330302",
        f"{USCC}\u200b,示例,active,330302,,",
        f"{USCC},示例,active,330302,2009-01-01,2001-01-01",
        "?,示例有限公司,active",
    ],
)
def test_an_unread_row_of_the_register_is_no_absence(bad: str, policy: Policy) -> None:
    assert entity(registry(GOOD), USCC, policy) is Answer.CONTRADICTS
    assert entity(registry(GOOD, bad), USCC, policy) is Answer.SILENT
    assert entity(registry(bad, GOOD), OTHER.replace("92", "91"), policy) is Answer.CONTRADICTS, "nobody else"


def test_an_unread_row_of_the_register_is_no_presence_either(policy: Policy) -> None:
    good = f"{USCC},示例,active,330302,,"
    assert entity(registry(good), USCC, policy) is Answer.SUPPORTS
    assert entity(registry(good, f"{USCC},示例,struck off,330302,,"), USCC, policy) is Answer.SILENT
    assert (
        entity(registry(good.replace("active", "struck_off"), f"{USCC},x"), USCC, policy)
        is Answer.CONTRADICTS
    )


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe", b"", b"uscc,name\n", b'uscc,"name\n', b"uscc,name,status,division,from\nX,n,active,,\n"],
)
def test_a_register_that_is_broken_as_a_whole_is_silent_for_all_and_told_once(
    data: bytes, policy: Policy, tmp_path: Path
) -> None:
    (tmp_path / "registry.csv").write_bytes(data)
    (tmp_path / "enterprises.csv").write_text(
        "uscc,name,division,cluster,industry,size,cloud_claimed_on,cloud_level,cloud_provider,evidence\n"
        f"{USCC},n,330302,,C38,small,2018-01-08,,,\n"
    )
    ledger = load_ledger(tmp_path)
    assert entity(ledger, USCC, policy) is Answer.SILENT
    assert sum("no row was read" in str(problem) for problem in ledger.problems) == 1


def verdict(ledger: Ledger, policy: Policy) -> Any:
    days = tuple(device_day(FIRST + number) for number in range(10))
    evidence = Evidence(device_days={("gw1", "r1"): days}, identities={("gw1", "r1"): (identity(),)})
    mine = ledger.robots[0]
    return judge_robot(mine, RobotIndex(ledger, evidence, policy).gather(mine), policy)


def answers(ledger: Ledger, policy: Policy) -> dict[str, Answer]:
    return {one.rule: one.answer for one in verdict(ledger, policy).findings}


PLAIN = Ledger(
    robots=(claim(robot="ROB1"),),
    bindings=(Binding("ROB1", "gw1", "r1", None, None), Binding("R9", "gw9", "r1", None, None)),
    gateways=(GatewayRow("gw1", "edge", "", USCC, "w", "", None, None),),
)


@pytest.mark.parametrize(
    ("file", "row", "rule"),
    [
        ("bindings", "ROB1,gw2,r9,soon,", "claimed_once"),
        ("bindings", "R2,gw1,r1,soon,", "claimed_once"),
        ("bindings", "R2,gw/1,r1,,", "claimed_once"),
        ("robots", "R7,x,w,c,m,m,S-1,six axis", "claimed_once"),
        ("replacements", "ROB1,2018-13-01,S0,S5,", "not_a_replacement"),
        ("replacements", "R0,2018-13-01,S0,s 1,", "not_a_replacement"),
        ("gateways", "gw1,box,,,,,,", "gateway_enrolled"),
    ],
)
def test_nobody_is_confirmed_by_the_absence_of_an_unread_row(
    file: str, row: str, rule: str, policy: Policy
) -> None:
    assert answers(PLAIN, policy)[rule] is Answer.SUPPORTS
    assert answers(replace(PLAIN, unread={file: unread(row)}), policy)[rule] is Answer.SILENT
    assert answers(replace(PLAIN, unread={file: Unread(is_whole=True)}), policy)[rule] is Answer.SILENT
    assert rule in policy.robots.required


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("bindings", "R2,gw9,r1,soon,"),
        ("bindings", "R2,gw1,r2,soon,"),
        ("robots", "R7,x,w,c,m,m,S2,six axis"),
        ("replacements", "R2,2018-13-01,S0,S5,"),
        ("gateways", "gw2,box,,,,,,"),
    ],
)
def test_a_row_that_names_somebody_else_changes_nothing(file: str, row: str, policy: Policy) -> None:
    assert answers(replace(PLAIN, unread={file: unread(row)}), policy) == answers(PLAIN, policy)


def test_a_rival_whose_claim_cannot_be_read_is_known_by_its_binding(policy: Policy) -> None:
    rival = replace(PLAIN, bindings=(*PLAIN.bindings, Binding("R7", "gw1", "r1", None, None)))
    assert answers(rival, policy)["claimed_once"] is Answer.SUPPORTS
    assert (
        answers(replace(rival, unread={"robots": unread("R7,,w")}), policy)["claimed_once"] is Answer.SILENT
    )


def test_nobody_is_refuted_by_the_absence_of_an_unread_row(policy: Policy) -> None:
    idle = robot_evidence([device_day(FIRST + number, 0.1) for number in range(14)])
    strange = robot_evidence(identities=(identity(serial="S9", source="register"),))
    moved = robot_evidence(elsewhere=(identity(gateway="gw2", first_ms=0),))
    for evidence, file, rule in (
        (idle, "bindings", "works"),
        (strange, "replacements", "own_identity"),
        (moved, "bindings", "not_relocated"),
    ):
        asked = RULES[rule]
        assert asked(claim(), evidence, policy).answer is Answer.CONTRADICTS, rule  # type: ignore[arg-type]
        unsure = replace(evidence, unread=frozenset({file}))
        assert asked(claim(), unsure, policy).answer is Answer.SILENT, rule  # type: ignore[arg-type]


def test_an_enterprise_is_judged_neither_way_by_a_listing_or_reporter_unread(policy: Policy) -> None:
    mine = merge_claims((listing(),))[0]
    used = EnterpriseEvidence(registry=registered(), has_register=True, usage=(usage(),))
    gone = used._replace(usage=(usage(days=[], statuses=("cancelled",)),))
    for evidence, file, rule, before in (
        (used, "enterprises", "new_in_period", Answer.SUPPORTS),
        (used, "gateways", "new_in_period", Answer.SUPPORTS),
        (gone, "gateways", "live_use", Answer.CONTRADICTS),
    ):
        asked = RULES[rule]
        assert asked(mine, evidence, policy).answer is before, rule  # type: ignore[arg-type]
        unsure = evidence._replace(unread=frozenset({file}))
        assert asked(mine, unsure, policy).answer is Answer.SILENT, rule  # type: ignore[arg-type]


def test_unread_rows_name_an_enterprise_by_its_code_and_its_reporters(policy: Policy) -> None:
    ledger = Ledger(
        enterprises=(listing(),),
        registry=(registered(),),
        unread={
            "enterprises": unread(f"{USCC},x"),
            "gateways": unread("rep,box"),
            "registry": unread("示例有限公司"),
        },
    )
    evidence = replace(Evidence(), usage={USCC: (usage(),)})
    assert EnterpriseIndex(ledger, evidence, policy).gather(USCC).unread == {"enterprises", "gateways"}


def test_a_list_with_an_unread_row_has_no_figure() -> None:
    rows = (NamedListRow("pilots", USCC, "n", None), NamedListRow("others", USCC, "n", None))
    for row, is_longer in (
        ("pilots,,n", True),
        ("others,,n", False),
        ("Pilots X,,n", True),
        ("名单,,n", True),
    ):
        assert (
            _may_be_longer(Ledger(named_lists=rows, unread={"named_lists": unread(row)}), "pilots")
            is is_longer
        )
    assert not _may_be_longer(Ledger(named_lists=rows), "pilots")
    assert UNREAD[1]
