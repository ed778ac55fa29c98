"""Is a message that a broker delivers again counted once? Through a whole gateway, its crashes and its seals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway import app as app_module
from telemetry.errors import Disconnected
from telemetry.reading import Heard, Quality, Reading, ReadingKind
from tests.gateway.conftest import NOW_MS, PROFILE_ID, ListSink, poll
from tests.gateway.running import run_bounded, running_gateway

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.config import Site
    from tests.gateway.conftest import HandClock


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "TICK_S", 0.01)


def _message(
    number: int, at_ms: int = NOW_MS, *, again: bool = False, acked: list[int] | None = None
) -> Heard:
    def ack() -> None:
        if acked is not None:
            acked.append(number)

    return Heard((poll(at_ms, number),), ack, b"s001" + number.to_bytes(8), again)


def _accept(gateway: Gateway, *heard: Heard) -> None:
    for item in heard:
        gateway.intake.accept(gateway.site.endpoints[0], item)


def test_only_what_the_broker_says_it_repeats_is_known_again(gateway: Gateway) -> None:
    """Two equal messages of an idle robot, under a packet id used again, are two readings."""
    acked: list[int] = []
    _accept(gateway, *(_message(1, again=again, acked=acked) for again in (False, False, True)))
    assert (gateway.journal.readings, gateway.intake.redelivered) == (2, 1)
    assert acked == []
    asyncio.run(gateway.journal.sync())
    assert acked == [1, 1, 1]


def test_a_repeated_message_that_was_never_accepted_is_taken(gateway: Gateway) -> None:
    _accept(gateway, _message(1), _message(2, again=True))
    assert (gateway.journal.readings, gateway.intake.redelivered) == (2, 0)


def test_a_refused_message_ends_the_line_and_is_taken_when_it_comes_again(gateway: Gateway) -> None:
    acked: list[int] = []
    gateway.intake.refuse_reason = "disk_full"
    with pytest.raises(Disconnected, match="disk_full"):
        _accept(gateway, _message(1, acked=acked))
    _accept(gateway, Heard((poll(NOW_MS),)))  # a poll is refused and its line stands
    assert gateway.intake.refused_total == 2
    gateway.intake.refuse_reason = ""
    _accept(gateway, _message(1, again=True, acked=acked))
    asyncio.run(gateway.journal.sync())
    assert (gateway.journal.readings, gateway.intake.redelivered, acked) == (1, 0, [1])


def test_what_a_device_says_of_itself_is_taken_from_a_known_message_too(gateway: Gateway) -> None:
    """After a start the first that a device says may be a repetition, and its identity is not told a second time."""
    values = {"serial": "S1"}
    said = Reading("r1", ReadingKind.IDENTITY, NOW_MS, 1, Quality.GOOD, values, PROFILE_ID)
    acked: list[int] = []
    first, again = _message(1), _message(1, again=True, acked=acked)
    _accept(gateway, first, Heard((said, *again.readings), again.ack, again.message, is_repeated=True))
    asyncio.run(gateway.journal.sync())
    assert (gateway.journal.readings, gateway.intake.redelivered, acked) == (1, 1, [1])
    assert [row.measurement for _, row in gateway.intake.ready] == ["identity"]


@pytest.mark.parametrize("is_sealed", [False, True], ids=["journalled", "sealed"])
def test_a_crash_before_the_broker_hears_the_ack_counts_nothing_twice(
    site: Site, hand: HandClock, *, is_sealed: bool
) -> None:
    sink = ListSink()

    async def work() -> None:
        async with running_gateway(site, hand, sink, crash=True) as running:
            for number in range(5):
                running.script.say(_message(number, hand.wall))
            await running.script.heard()
            if is_sealed:
                hand.move(120_000)
                await running.until(lambda: sink.readings() == 5)
                assert not list((site.state_dir / "journal").glob("*.seg"))
        async with running_gateway(site, hand, sink, boot="boot-2") as running:
            acked: list[int] = []
            for number in range(7):
                running.script.say(_message(number, hand.wall, again=number < 6, acked=acked))
            await running.script.heard()
            assert running.gateway is not None
            assert running.gateway.intake.redelivered == 5
            await running.until(lambda: len(acked) == 7)

    run_bounded(work())
    assert sink.readings() == 7
