"""Which breaks of a chain are let stand, and what becomes of the rows behind one too many, until somebody answers for it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import DAY_MS, HOUR_MS, day_start_ms, parse_day
from census.engine import Scope, gather_evidence
from census.enrolments import explained_epochs
from census.epochs import EpochSeen, epoch_problems, judge_epochs
from tests.census.fake_store import FakeEvent, FakeStore, identity_row, machine_day

if TYPE_CHECKING:
    from census.evidence import Evidence

FIRST, SECOND, THIRD = "a" * 32, "b" * 32, "c" * 32
WHOLE = Scope(1000, day_start_ms(parse_day("2018-02-01")), {"gw1": [(0, 2**53)]}, epoch_breaks_max=1)


def seen(epoch: str, day: str, reason: str = "outbox_lost", previous: str = "x") -> EpochSeen:
    return EpochSeen("g", epoch, day_start_ms(parse_day(day)), 1, reason, previous, None)


def silent(*epochs: EpochSeen, explained: str = "", breaks_max: int | None = 1) -> str:
    judged = judge_epochs(epochs, {("g", epoch) for epoch in explained}, breaks_max)
    return "".join(one.epoch for one in judged["g"] if one.is_silent)


BIRTH = seen("a", "2018-01-01", "first", "")


@pytest.mark.parametrize(
    ("found", "explained", "silenced"),
    [
        ((BIRTH,), "", ""),
        ((BIRTH, seen("b", "2018-01-02")), "", ""),
        ((BIRTH, seen("b", "2018-01-02"), seen("c", "2018-03-31")), "", "c"),
        ((BIRTH, seen("b", "2018-01-02"), seen("c", "2018-03-31")), "c", ""),
        # An explained break is ordinary: another one in the quarter is the first that needs indulgence.
        ((BIRTH, seen("b", "2018-01-02"), seen("c", "2018-03-31")), "b", ""),
        ((BIRTH, seen("b", "2018-01-02"), seen("c", "2018-04-01")), "", ""),
        ((BIRTH, *(seen(name, "2018-02-01") for name in "bcde")), "d", "ce"),
        # Whoever calls every epoch the first has begun all but one of them anew.
        ((BIRTH, seen("b", "2018-01-02", "first", ""), seen("c", "2018-01-03", "", "")), "", "c"),
        # One that names what no batch here is of broke with it all the same.
        ((seen("a", "2018-01-01", "replaced"), seen("b", "2018-01-02")), "", "b"),
    ],
)
def test_one_break_a_quarter_stands_and_more_need_a_word(
    found: tuple[EpochSeen, ...], explained: str, silenced: str
) -> None:
    assert silent(*found, explained=explained) == silenced
    assert silent(*reversed(found), explained=explained) == silenced
    assert not silent(*found, breaks_max=None)


def test_the_quarter_is_the_one_at_the_stores_offset() -> None:
    late = day_start_ms(parse_day("2018-04-01")) - 1
    one = EpochSeen("g", "c", late, 1, "conflict", "b", 4)
    assert silent(BIRTH, seen("b", "2018-01-02"), one) == "c"
    assert not silent(BIRTH, seen("b", "2018-01-02"), EpochSeen("g", "c", late + 1, 1, "conflict", "b", 4))


def test_a_gateway_has_one_line_however_often_it_breaks() -> None:
    (line,) = epoch_problems(
        judge_epochs([BIRTH, *(seen(name, "2018-02-01") for name in "bcde")], frozenset(), 1)
    )
    assert line.startswith("gateway g: epoch c of 2018-02-01 (outbox_lost) and 2 later ones:")
    assert line.endswith("mfl store explain-epoch g c")
    (line,) = epoch_problems(judge_epochs([BIRTH, seen("b", "2018-02-01", "\x1b[2J")], frozenset(), 0))
    assert "(no known reason)" in line
    assert "\x1b" not in line


def test_words_are_read_as_far_as_the_log_goes() -> None:
    events = [FakeEvent("explain", "g", epoch="e", leaf=7), FakeEvent("enrol", "h", epoch="f", leaf=1)]
    assert explained_epochs(events, 8) == {("g", "e")}
    assert explained_epochs(events, 7) == frozenset()


def told(epoch: str, day: str, **values: Any) -> dict[str, Any]:
    """An epoch row in the first batch of an epoch, two hours into a day."""
    start = day_start_ms(parse_day(day))
    return {
        "gateway": "gw1", "time_ms": start + 2 * HOUR_MS, "reason": "outbox_lost", "previous": FIRST, "previous_seq": 3,
        "epoch": epoch, "seq": 1, "leaf": 1, "received_ms": start + DAY_MS, "grade": "signed", "quarantined": False,
    } | values  # fmt: skip


def put_days(store: FakeStore, *epochs: tuple[str, str], rows: bool = True) -> None:
    """Write a day of machine rows, an identity and one batch for each (epoch, day)."""
    seqs: dict[str, int] = {}
    for number, (epoch, day) in enumerate(epochs):
        seq = seqs[epoch] = seqs.get(epoch, 0) + 1
        place: dict[str, Any] = {"epoch": epoch, "seq": seq, "leaf": number + 1}
        sealed = day_start_ms(parse_day(day)) + DAY_MS - HOUR_MS
        prev = f"{number - 1:064d}" if seq > 1 else "0" * 64
        line = {"hash": f"{number:064d}", "prev": prev, "sealed_ms": sealed, "received_ms": sealed}
        store.put("batch", [{"gateway": "gw1", "clock_state": "synced"} | place | line])
        store.put("machine", machine_day(day, **place))
        store.put("identity", [identity_row(day, **place, serial=f"S-{epoch[0]}")])
        if rows and seq == 1:
            birth = {"reason": "first", "previous": None} if epoch == FIRST else {}
            store.put("epoch", [told(epoch, day, leaf=number + 1, **birth)])


DAYS = (
    (FIRST, "2018-01-01"), (FIRST, "2018-01-02"), (SECOND, "2018-01-03"), (SECOND, "2018-01-04"),
    (THIRD, "2018-01-05"), (THIRD, "2018-01-06"),
)  # fmt: skip


def heard(evidence: Evidence) -> list[int]:
    first = parse_day("2018-01-01")
    return sorted({day.day - first + 1 for day in evidence.device_days.get(("gw1", "r1"), ())})


@pytest.mark.parametrize(("rows", "chunk_rows"), [(True, 13), (False, 10**9)], ids=["told", "untold"])
def test_rows_of_one_break_too_many_bear_no_witness(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch, *, chunk_rows: int, rows: bool
) -> None:
    """The same whether or not the gateway tells of its epochs: batches show them."""
    monkeypatch.setattr("census.duck_engine.CHUNK_ROWS", chunk_rows)
    put_days(store, *DAYS, rows=rows)
    evidence = gather_evidence(store, WHOLE)
    assert heard(evidence) == [1, 2, 3, 4]
    assert {one.serial for one in evidence.identities["gw1", "r1"]} == {"S-a", "S-b"}
    days = evidence.gateway_days["gw1"]
    assert [(day.batches, day.broken) for day in days] == [(1, 0)] * 4 + [(0, 1)] * 2
    assert [[one.epoch for one in day.epochs] for day in days] == [[epoch] for epoch, _ in DAYS]
    (last,) = days[-1].epochs
    began = day_start_ms(parse_day("2018-01-05")) + (2 * HOUR_MS if rows else DAY_MS - HOUR_MS)
    assert (last.is_break, last.is_silent, last.leaf, last.began_ms) == (True, True, 5, began)
    assert (last.reason, last.previous, last.previous_seq) == (
        ("outbox_lost", FIRST, 3) if rows else ("", "", None)
    )
    assert [THIRD in problem for problem in evidence.problems] == [True]


def test_a_persons_word_brings_them_back(store: FakeStore) -> None:
    put_days(store, *DAYS)
    answered = Scope(
        1000, WHOLE.as_of_ms, WHOLE.enrolled, explained=frozenset({("gw1", THIRD)}), epoch_breaks_max=1
    )
    evidence = gather_evidence(store, answered)
    assert heard(evidence) == [1, 2, 3, 4, 5, 6]
    assert evidence.problems == ()
    (last,) = evidence.gateway_days["gw1"][-1].epochs
    assert (last.is_break, last.is_explained, last.is_silent) == (True, True, False)


def test_only_what_the_log_held_counts_as_a_break(store: FakeStore) -> None:
    put_days(store, *DAYS)
    early = gather_evidence(store, Scope(4, WHOLE.as_of_ms, WHOLE.enrolled, epoch_breaks_max=1))
    assert (heard(early), early.problems) == ([1, 2, 3], ())


def test_the_word_of_a_later_batch_on_how_its_epoch_began_is_nobodys(store: FakeStore) -> None:
    put_days(store, *DAYS, rows=False)
    store.put("epoch", [told(THIRD, "2018-01-06", seq=2, leaf=6, reason="first", previous="")])
    evidence = gather_evidence(store, WHOLE)
    assert evidence.gateway_days["gw1"][-1].epochs[0].reason == ""
    assert heard(evidence) == [1, 2, 3, 4]


def test_batches_of_another_time_than_the_enrolment_begin_no_epoch(store: FakeStore) -> None:
    put_days(store, *DAYS)
    spans = {"gw1": [(day_start_ms(parse_day("2018-01-03")), 2**53)]}
    evidence = gather_evidence(store, Scope(1000, WHOLE.as_of_ms, spans, epoch_breaks_max=1))
    assert heard(evidence) == [3, 4]
    assert [day.epochs[0].is_break for day in evidence.gateway_days["gw1"]] == [True] * 4
