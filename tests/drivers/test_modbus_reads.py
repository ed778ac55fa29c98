"""Which reads a poll makes: scan rates, and what a refusal teaches. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus_holes import NOTHING, HoleBook, Learned
from drivers.modbus_reads import HOLE_RETRY_MS, HOPELESS_MS, Reads
from drivers.profiles import load_profile
from telemetry.errors import ConfigError, Refused
from telemetry.profile import Modbus, Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.modbus_reads import Read
    from telemetry.profile import Profile

    MakeProfile = Callable[..., Profile]


def words(*addresses: int, table: str = "holding", every: int = 1) -> str:
    return "".join(
        f"  p{at}: {{table: {table}, address: {at}, type: uint16, every: {every}}}\n" for at in addresses
    )


def spans(reads: list[Read]) -> list[tuple[int, int]]:
    return [(read.request.address, read.request.count) for read in reads]


class Device:
    """Refuses every read that touches a hole, or is longer than it likes."""

    def __init__(self, *holes: int, longest: int = 125, code: int = 2) -> None:
        self.holes, self.longest, self.code = set(holes), longest, code

    def answer(self, read: Read) -> Refused | None:
        touched = set(range(read.request.address, read.request.address + read.request.count))
        refuses = touched & self.holes or read.request.count > self.longest
        return Refused(self.code, "no") if refuses else None

    def poll(self, reads: Reads, now_ms: int = 0) -> tuple[set[str], bool]:
        """Make one poll: the points heard, and whether it taught something worth keeping."""
        results = [(read, self.answer(read)) for read in reads.due(now_ms)]
        heard = {name for read, refusal in results if refusal is None for name in read.block.points}
        return heard, reads.take(results, now_ms)


def reads_of(profile: Profile, learned: Learned = NOTHING) -> Reads:
    return Reads(profile, 1, tuple(profile.points), learned, 0)


def settle(device: Device, reads: Reads, polls: int = 20) -> set[str]:
    for _ in range(polls):
        heard, _ = device.poll(reads)
    return heard


def test_a_refused_block_is_bisected_and_only_the_hole_is_left_out(make_profile: MakeProfile) -> None:
    reads, device = reads_of(make_profile(words(*range(10)))), Device(3)
    assert spans(reads.due(0)) == [(0, 10)]
    assert settle(device, reads) == {f"p{at}" for at in range(10) if at != 3}
    assert reads.learned == Learned(holes=frozenset({("holding", 3, 3)}))
    assert reads.left_out == "holding 3-3"
    assert spans(list(reads.reads)) == [(0, 3), (4, 6)]  # the cuts that led there are gone again


def test_a_device_that_takes_no_long_read_is_cut_and_loses_nothing(make_profile: MakeProfile) -> None:
    reads, device = reads_of(make_profile(words(*range(10)))), Device(longest=4)
    assert settle(device, reads) == {f"p{at}" for at in range(10)}
    assert reads.left_out == ""
    assert all(count <= 4 for _, count in spans(list(reads.reads)))


def test_an_unused_gap_that_may_not_be_bridged_is_cut(make_profile: MakeProfile) -> None:
    reads, device = reads_of(make_profile(words(0, 1, 4, 5), "{gap_max: 4}")), Device(2, 3)
    assert settle(device, reads) == {"p0", "p1", "p4", "p5"}
    assert (reads.left_out, spans(list(reads.reads))) == ("", [(0, 2), (4, 2)])


def test_a_value_of_two_words_is_a_hole_as_a_whole(make_profile: MakeProfile) -> None:
    points = words(0) + "  wide: {table: holding, address: 1, type: uint32}\n" + words(3)
    reads = reads_of(make_profile(points))
    assert settle(Device(2), reads) == {"p0", "p3"}
    assert reads.left_out == "holding 1-2"


@pytest.mark.parametrize("code", [1, 4, 6, 11])
def test_other_refusals_teach_nothing(code: int, make_profile: MakeProfile) -> None:
    reads = reads_of(make_profile(words(*range(4))))
    assert settle(Device(2, code=code), reads) == set()
    assert reads.learned == NOTHING


def test_one_refusal_is_no_hole_yet(make_profile: MakeProfile) -> None:
    """It may be the late answer to another question."""
    reads = reads_of(make_profile(words(0, 5)))
    assert Device(5).poll(reads) == ({"p0"}, False)
    assert Device().poll(reads) == ({"p0", "p5"}, False)
    assert Device(5).poll(reads) == ({"p0"}, False)
    assert Device(5).poll(reads) == ({"p0"}, True)


def test_a_device_that_refuses_everything_is_asked_whole_again(make_profile: MakeProfile) -> None:
    reads, device = reads_of(make_profile(words(*range(8)))), Device(*range(8))
    most = max(len(results) for results in (_poll_spans(reads, device) for _ in range(30)))
    assert most == 8
    assert [len(_poll_spans(reads, device)) for _ in range(5)] == [1] * 5  # and stays cheap for a while
    assert reads.learned == NOTHING
    assert settle(Device(), reads) == {f"p{at}" for at in range(8)}


def _poll_spans(reads: Reads, device: Device, now_ms: int = 0) -> list[tuple[int, int]]:
    due = reads.due(now_ms)
    reads.take([(read, device.answer(read)) for read in due], now_ms)
    return spans(due)


def test_a_stopped_controller_that_runs_again_with_a_hole_is_learnt_later(make_profile: MakeProfile) -> None:
    reads = reads_of(make_profile(words(*range(8))))
    settle(Device(*range(8)), reads)
    device = Device(5)
    for turn in range(20):
        heard, _ = device.poll(reads, HOPELESS_MS + turn)
    assert heard == {f"p{at}" for at in range(8) if at != 5}


def test_a_hole_is_asked_again_each_hour_and_filled(make_profile: MakeProfile) -> None:
    learned = Learned(holes=frozenset({("holding", 3, 3), ("holding", 4, 4)}))
    reads = reads_of(make_profile(words(*range(8))), learned)
    assert settle(Device(3, 4), reads) == {"p0", "p1", "p2", "p5", "p6", "p7"}
    assert _poll_spans(reads, Device(4), HOLE_RETRY_MS) == [(0, 3), (5, 3), (3, 1), (4, 1)]
    assert reads.left_out == "holding 4-4"
    assert _poll_spans(reads, Device(4), HOLE_RETRY_MS + 1) == [(0, 4), (5, 3)]


def test_points_have_scan_rates_of_their_own(make_profile: MakeProfile) -> None:
    profile = make_profile(words(0) + words(1, every=3) + words(2, every=6))
    reads, device = reads_of(profile), Device()
    polls = [_poll_spans(reads, device) for _ in range(8)]
    fast, middle, slow = (0, 1), (1, 1), (2, 1)
    assert polls == [[fast, middle, slow], [fast], [fast], [fast, middle], [fast], [fast], [fast, middle, slow], [fast]]  # fmt: skip


def test_a_slow_read_that_was_not_made_is_made_with_the_next_poll(make_profile: MakeProfile) -> None:
    reads = reads_of(make_profile(words(0) + words(1, every=3)))
    reads.take([], 0)
    assert spans(reads.due(0)) == [(0, 1), (1, 1)]  # the line was lost before an answer
    assert spans(reads.due(0)) == [(0, 1), (1, 1)]


@pytest.mark.parametrize(
    "further", ["states: [{state: running, point: p1, equals: [1]}]\n", "boot_clock: p1\n"]
)
def test_what_tells_the_state_is_read_with_each_poll(further: str, make_profile: MakeProfile) -> None:
    with pytest.raises(ConfigError, match="read with each poll"):
        make_profile(words(1, every=2), further=further)


@settings(max_examples=150)
@given(st.sets(st.integers(0, 29), max_size=6), st.integers(1, 30), st.integers(0, 3), st.data())
def test_whatever_a_device_refuses_all_else_is_heard_in_the_end(
    holes: set[int], longest: int, gap: int, data: st.DataObject
) -> None:
    places = data.draw(st.sets(st.integers(0, 29), min_size=1, max_size=20))
    points = {f"p{at}": Point(table="holding", address=at, type="uint16") for at in places}
    profile = load_profile("schneider_pm5110").profile.model_copy(
        update={"points": points, "modbus": Modbus(gap_max=gap)}
    )
    reads, device = reads_of(profile), Device(*holes, longest=longest)
    heard = settle(device, reads, 150)
    assert heard == {f"p{at}" for at in places - holes}


def test_a_book_tells_each_lesson_once_and_keeps_it_by_profile() -> None:
    told: list[int] = []
    book = HoleBook(lambda learnt: told.append(len(learnt.encode())))
    lesson = Learned(frozenset({("holding", 5)}), frozenset({("input", 7, 8)}))
    book.note("d1", "p@1", lesson)
    book.note("d1", "p@1", lesson)
    assert len(told) == 1
    assert book.of("d1", "p@1") == lesson
    assert book.of("d1", "p@2") == book.of("d2", "p@1") == NOTHING
    assert list(book.lines("d1", "p@1")) == [
        "refuses input 7-8 (learnt; asked again each hour)",
        "takes no read across holding 5 (learnt)",
    ]
    again = HoleBook()
    again.decode(book.encode())
    assert again.encode() == book.encode()
    assert again.count() == {"d1": 1}
    book.note("d1", "p@1", NOTHING)
    assert book.count() == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"devices": {}, "version": 2}', '{"devices": {"d": {"profile": "p", "holes": [["holding", 5, 4]]}}}',
        '{"devices": {"d": {"profile": "p", "holes": [["holdings", 1, 1]]}}}',
        '{"devices": {"d": {"profile": "p", "holes": [["holding", 0, 65536]]}}}',
    ],
)  # fmt: skip
def test_a_spoilt_book_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        HoleBook().decode(text.encode())
