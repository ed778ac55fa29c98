"""The host's side of a Sparkplug session: the standard's assertions by their ids, and a table of everything odd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sparkplug_payload import Metric, Payload
from drivers.sparkplug_session import (
    REBIRTH_AGAIN_MAX_MS,
    REBIRTH_AGAIN_MS,
    REBIRTH_SPACING_MS,
    AskRebirth,
    HostSession,
    SessionOptions,
    Stale,
    Told,
)
from drivers.sparkplug_topic import Kind

if TYPE_CHECKING:
    from drivers.sparkplug_session import Action

WALL_MS = 1_760_000_000_000
SENT_MS = 1_650_006_388_943
INT32 = 3
BD = Metric("bdSeq", datatype=8, arm="long_value", value=7)


def value(number: int, *, name: str = "", alias: int | None = 1, datatype: int = 0) -> Metric:
    return Metric(name, alias, datatype=datatype, arm="int_value", value=number)


def born(name: str = "cycles", alias: int | None = 1) -> Metric:
    return value(0, name=name, alias=alias, datatype=INT32)


class Host:
    """A session with time in its own hands: node `e`, devices `d` and `d2`, and the node's own metrics."""

    def __init__(self, reorder_ms: int = 2000, watched: tuple[tuple[str, str], ...] = ()) -> None:
        pairs = watched or (("e", ""), ("e", "d"), ("e", "d2"))
        self.now_ms = 1000
        self.session = HostSession(pairs, SessionOptions(reorder_ms=reorder_ms), self.now_ms)

    def hear(
        self, kind: Kind, seq: int | None, *metrics: Metric, device: str = "d", node: str = "e"
    ) -> list[Action]:
        name = device if kind.startswith("D") else ""
        payload = Payload(SENT_MS, seq, metrics)
        return self.session.on_message(kind, node, name, payload, now_ms=self.now_ms, wall_ms=WALL_MS)

    def birth(self, seq: int = 0, *, devices: tuple[str, ...] = ("d", "d2")) -> list[Action]:
        actions = self.hear(Kind.NBIRTH, seq, BD, born("uptime", 9))
        for number, device in enumerate(devices, start=1):
            actions += self.hear(Kind.DBIRTH, (seq + number) % 256, born(), device=device)
        return actions

    def wait(self, ms: int) -> list[Action]:
        self.now_ms += ms
        return self.session.on_time(self.now_ms, WALL_MS)


def told(actions: list[Action]) -> list[tuple[str, int]]:
    return [
        (action.device, int(metric.value or 0))
        for action in actions
        if isinstance(action, Told)
        for metric in action.metrics
    ]


def asked(actions: list[Action]) -> list[str]:
    return [action.node for action in actions if isinstance(action, AskRebirth)]


def stale(actions: list[Action]) -> list[tuple[str, int | None]]:
    return [(action.device, action.at_ms) for action in actions if isinstance(action, Stale)]


@pytest.fixture
def host() -> Host:
    host = Host()
    host.birth()
    return host


# The assertions of chapter 5.


def test_operational_behavior_host_reordering_param() -> None:
    for reorder_ms in (50, 700):
        host = Host(reorder_ms)
        host.birth()
        host.hear(Kind.DDATA, 4, value(1))
        assert host.session.next_due_ms() == host.now_ms + reorder_ms
    at_once = Host(0)
    at_once.birth()
    assert asked(at_once.hear(Kind.DDATA, 4, value(1))) == ["e"]


def test_operational_behavior_host_reordering_start(host: Host) -> None:
    assert host.session.next_due_ms() is None
    assert host.hear(Kind.DDATA, 4, value(2)) == []
    assert host.session.next_due_ms() == host.now_ms + 2000
    host.wait(500)
    host.hear(Kind.DDATA, 6, value(3))
    assert host.session.next_due_ms() == host.now_ms + 1500  # the first one started it


def test_operational_behavior_host_reordering_rebirth(host: Host) -> None:
    host.hear(Kind.DDATA, 4, value(2))
    assert host.wait(1999) == []
    actions = host.wait(1)
    assert asked(actions) == ["e"]
    assert stale(actions) == [("", WALL_MS), ("d", WALL_MS), ("d2", WALL_MS)]
    assert told(actions) == []  # an alias of a session that may be over is no value


def test_operational_behavior_host_reordering_success(host: Host) -> None:
    host.hear(Kind.DDATA, 5, value(50))
    host.hear(Kind.DDATA, 4, value(40))
    host.wait(1000)
    assert told(host.hear(Kind.DDATA, 3, value(30))) == [("d", 30), ("d", 40), ("d", 50)]
    assert host.session.next_due_ms() is None
    assert host.wait(5000) == []
    assert told(host.hear(Kind.DDATA, 6, value(60))) == [("d", 60)]


def test_operational_behavior_edge_node_termination_host_action_ndeath_node_offline(host: Host) -> None:
    assert host.session.is_online("e")
    host.hear(Kind.NDEATH, None, BD)
    assert not host.session.is_online("e")


def test_operational_behavior_edge_node_termination_host_action_ndeath_node_tags_stale(host: Host) -> None:
    assert ("", WALL_MS) in stale(host.hear(Kind.NDEATH, None, BD))  # with the host's time


def test_operational_behavior_edge_node_termination_host_action_ndeath_devices_offline(host: Host) -> None:
    assert all(host.session.is_online("e", device) for device in ("d", "d2"))
    host.hear(Kind.NDEATH, None, BD)
    assert not any(host.session.is_online("e", device) for device in ("d", "d2"))


def test_operational_behavior_edge_node_termination_host_action_ndeath_devices_tags_stale(host: Host) -> None:
    actions = host.hear(Kind.NDEATH, None, BD)
    assert stale(actions) == [("", WALL_MS), ("d", WALL_MS), ("d2", WALL_MS)]
    assert stale(host.hear(Kind.NDEATH, None, BD)) == []  # dead once


def test_operational_behavior_edge_node_termination_host_action_ddeath_devices_offline(host: Host) -> None:
    host.hear(Kind.DDEATH, 3)
    assert not host.session.is_online("e", "d")
    assert host.session.is_online("e", "d2")
    assert host.session.is_online("e")


def test_operational_behavior_edge_node_termination_host_action_ddeath_devices_tags_stale(host: Host) -> None:
    assert stale(host.hear(Kind.DDEATH, 3)) == [("d", SENT_MS)]  # with the payload's time


# What the house adds.


def test_an_ndeath_of_an_older_session_is_ignored(host: Host) -> None:
    old = Metric("bdSeq", datatype=8, arm="long_value", value=6)
    assert host.hear(Kind.NDEATH, None, old) == []
    assert host.hear(Kind.NDEATH, None) == []
    assert host.session.is_online("e", "d")
    assert host.session.counts["old_deaths"] == 2


def test_data_before_a_birth_asks_for_one() -> None:
    host = Host()
    actions = host.hear(Kind.DDATA, 77, value(1))
    assert (told(actions), asked(actions)) == ([], ["e"])
    assert host.session.counts["unborn"] == 1


def test_data_of_a_device_before_its_birth_asks_for_one() -> None:
    host = Host()
    host.birth(devices=("d2",))
    actions = host.hear(Kind.DDATA, 2, value(1))
    assert (told(actions), asked(actions)) == ([], ["e"])


def test_an_unknown_alias_is_no_value_and_asks_for_a_birth(host: Host) -> None:
    actions = host.hear(Kind.DDATA, 3, value(5), value(6, alias=0), value(7, alias=None), value(8, alias=99))
    assert told(actions) == [("d", 5)]
    assert asked(actions) == ["e"]
    assert host.session.counts["unknown_metrics"] == 3


def test_an_alias_belongs_to_its_device() -> None:
    host = Host()
    host.hear(Kind.NBIRTH, 0, BD)
    host.hear(Kind.DBIRTH, 1, born("cycles", 1), device="d")
    host.hear(Kind.DBIRTH, 2, born("parts", 2), device="d2")
    assert told(host.hear(Kind.DDATA, 3, value(5, alias=1), device="d2")) == []
    (action,) = host.hear(Kind.DDATA, 4, value(5, alias=2), device="d2")
    assert isinstance(action, Told)
    assert action.metrics[0].name == "parts"


def test_a_metric_that_changed_its_datatype_is_no_value(host: Host) -> None:
    actions = host.hear(Kind.DDATA, 3, value(5, datatype=9))
    assert (told(actions), asked(actions)) == ([], ["e"])
    assert told(host.hear(Kind.DDATA, 4, value(5, datatype=INT32))) == [("d", 5)]


def test_after_a_lost_message_only_what_bears_its_name_is_a_value_until_a_birth(host: Host) -> None:
    host.hear(Kind.DDATA, 4, value(2))
    host.wait(2000)
    assert told(host.hear(Kind.DDATA, 5, value(3))) == []
    (action,) = host.hear(Kind.DDATA, 6, value(4, name="cycles"))
    assert isinstance(action, Told)
    assert action.is_doubtful
    host.birth(seq=200)
    (action,) = host.hear(Kind.DDATA, 203, value(5))
    assert isinstance(action, Told)
    assert not action.is_doubtful


@pytest.mark.parametrize("first", [0, 1, 200, 254, 255])
def test_any_number_may_begin_a_session_and_255_is_followed_by_0(first: int) -> None:
    host = Host()
    host.birth(first)
    for number in range(3, 600):
        assert told(host.hear(Kind.DDATA, (first + number) % 256, value(number))) == [("d", number)]
    assert host.session.next_due_ms() is None


def test_the_same_message_again_is_dropped_without_a_timer(host: Host) -> None:
    assert told(host.hear(Kind.DDATA, 3, value(5))) == [("d", 5)]
    assert host.hear(Kind.DDATA, 3, value(5)) == []
    assert host.session.next_due_ms() is None
    assert host.session.counts["duplicates"] == 1


@pytest.mark.parametrize("seq", [None, 256, 2**64 - 1])
def test_a_message_without_a_possible_number_is_not_taken(host: Host, seq: int | None) -> None:
    assert told(host.hear(Kind.DDATA, seq, value(5))) == []
    assert host.session.counts["no_seq"] == 1
    assert told(host.hear(Kind.DDATA, 3, value(6))) == [("d", 6)]


@pytest.mark.parametrize(
    "metrics",
    [
        (born("a", 1), born("b", 1)),
        (born("a", 1), born("a", 2)),
        (born("a", 1), born("", 2)),
    ],
    ids=["alias_twice", "name_twice", "no_name"],
)
def test_a_birth_that_cannot_be_is_refused(metrics: tuple[Metric, ...]) -> None:
    host = Host()
    host.hear(Kind.NBIRTH, 0, BD)
    actions = host.hear(Kind.DBIRTH, 1, *metrics)
    assert (told(actions), stale(actions), asked(actions)) == ([], [("d", SENT_MS)], ["e"])
    assert told(host.hear(Kind.DDATA, 2, value(5))) == []


def test_a_rebirth_begins_anew_and_a_device_that_is_not_born_again_is_unborn(host: Host) -> None:
    host.birth(seq=0, devices=("d",))
    assert host.session.is_online("e", "d")
    assert not host.session.is_online("e", "d2")
    assert told(host.hear(Kind.DDATA, 2, value(5), device="d2")) == []


def test_devices_and_nodes_that_nobody_watches_keep_the_order_and_give_nothing(host: Host) -> None:
    assert host.hear(Kind.DBIRTH, 3, born(), device="other") == []
    assert host.hear(Kind.DDATA, 4, value(1), device="other") == []
    assert told(host.hear(Kind.DDATA, 5, value(2))) == [("d", 2)]
    assert host.hear(Kind.NBIRTH, 0, BD, node="stranger") == []
    assert host.session.counts["foreign"] == 1


def test_requests_are_rare_and_rarer_when_nobody_answers() -> None:
    host = Host(watched=(("e", "d"),))
    assert host.wait(4999) == []
    assert asked(host.wait(1)) == ["e"]
    at, waits = host.now_ms, []
    for _ in range(8):
        assert host.hear(Kind.DDATA, 9, value(1)) == []  # whatever is heard meanwhile
        due = host.session.next_due_ms()
        assert due is not None
        assert asked(host.wait(due - host.now_ms)) == ["e"]
        waits.append(host.now_ms - at)
        at = host.now_ms
    assert waits[:4] == [REBIRTH_AGAIN_MS, 2 * REBIRTH_AGAIN_MS, 4 * REBIRTH_AGAIN_MS, 8 * REBIRTH_AGAIN_MS]
    assert max(waits) == REBIRTH_AGAIN_MAX_MS


def test_a_thousand_nodes_are_asked_one_by_one_over_a_minute() -> None:
    nodes = tuple((f"e{number}", "d") for number in range(1000))
    host = Host(watched=nodes)
    first = 0
    found: list[str] = []
    host.wait(5000)
    while (due := host.session.next_due_ms()) is not None and len(found) < 999:
        actions = host.wait(max(0, due - host.now_ms))
        assert len(asked(actions)) <= 1
        found += asked(actions)
        first = first or host.now_ms
    assert len(set(found)) == 999
    assert host.now_ms - first >= 998 * REBIRTH_SPACING_MS >= 60_000


def test_what_waits_is_bounded(host: Host) -> None:
    many = tuple(value(1) for _ in range(10_000))
    host.hear(Kind.DDATA, 5, *many)
    host.hear(Kind.DDATA, 6, *many)
    assert asked(host.hear(Kind.DDATA, 7, *many)) == ["e"]  # before the timeout
    for seq in range(9, 300):
        host.hear(Kind.DDATA, seq % 256, value(1))
    assert len(host.session._nodes["e"].pending) < 256


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_comes_no_value_comes_twice_or_out_of_order(data: st.DataObject) -> None:
    """Messages dropped, doubled and shuffled a little: what is told is a growing part of what was sent."""
    sent = list(range(1, data.draw(st.integers(1, 30))))
    order = data.draw(st.lists(st.sampled_from(sent), max_size=40)) if sent else []
    host = Host(watched=(("e", "d"),))
    host.birth(devices=("d",))
    heard: list[int] = []
    for number in order:
        heard += [found for _, found in told(host.hear(Kind.DDATA, (number + 1) % 256, value(number)))]
        if data.draw(st.booleans()):
            heard += [found for _, found in told(host.wait(data.draw(st.integers(0, 3000))))]
    assert heard == sorted(set(heard))
    assert heard == list(range(1, len(heard) + 1))
