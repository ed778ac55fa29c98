from __future__ import annotations

from census.enrolments import OPEN_MS, enrolled_spans, merged
from census.ledger import GatewayRow
from tests.census.fake_store import FakeEvent

KEY = "ed25519 AAAA"


def row(gateway: str = "g", key: str = KEY, since: int | None = None, until: int | None = None) -> GatewayRow:
    return GatewayRow(gateway, "edge", "", "", "", key, since, until)


def test_the_log_enrols_and_revokes() -> None:
    events = [FakeEvent("enrol", "g", 10, leaf=0), FakeEvent("revoke", "g", 50, leaf=1)]
    assert enrolled_spans(events, [], 2) == ({"g": [(10, 50)]}, [])
    assert enrolled_spans(events, [], 1) == ({"g": [(10, OPEN_MS)]}, [])


def test_an_enrolment_after_a_revocation_opens_a_new_span() -> None:
    events = [
        FakeEvent("enrol", "g", 10, leaf=0),
        FakeEvent("revoke", "g", 50, leaf=1),
        FakeEvent("enrol", "g", 70, 90, leaf=2),
    ]
    assert enrolled_spans(events, [], 3)[0] == {"g": [(10, 50), (70, 90)]}


def test_the_ledger_narrows_but_never_widens() -> None:
    events = [FakeEvent("enrol", "g", 10, 90)]
    assert enrolled_spans(events, [row(since=0, until=40)], 1)[0] == {"g": [(10, 40)]}
    assert enrolled_spans(events, [row(since=20)], 1)[0] == {"g": [(20, 90)]}


def test_a_gateway_only_the_ledger_knows_has_no_span() -> None:
    spans, problems = enrolled_spans([], [row()], 1)
    assert spans == {}
    assert problems == ["gateway g: the ledger lists it, the log never enrolled it"]


def test_a_ledger_key_that_is_not_the_logs_takes_the_gateway_out() -> None:
    spans, problems = enrolled_spans([FakeEvent("enrol", "g")], [row(key="ed25519 BBBB")], 1)
    assert spans == {"g": []}
    assert "not the log's" in problems[0]


def test_other_events_change_nothing() -> None:
    assert enrolled_spans([FakeEvent("conflict", "g"), FakeEvent("writer", "w")], [], 1) == ({}, [])


def test_spans_merge() -> None:
    assert merged([(5, 9), (1, 3), (3, 5), (20, 20), (30, 10)]) == [(1, 9)]
