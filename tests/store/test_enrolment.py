"""Do events say who may write, and are impossible ones refused?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.enrolment import (
    Authority,
    EnrolmentError,
    Event,
    EventKind,
    enrol_event,
    explain_event,
    read_event,
    with_token,
)
from store.frames import Frame, FrameKind, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer


def test_an_event_reads_back() -> None:
    event = Event(
        EventKind.ENROL, "gw1", 5, 9, "ed25519 AAAA", "edge", token_sha256="ab" * 32, received_ms=7, leaf=3
    )
    assert read_event(event.body(), received_ms=7, leaf=3) == event
    assert b"received_ms" not in event.body()


@pytest.mark.parametrize(
    ("gateway", "key", "kind", "period", "reason"),
    [
        ("a b", None, "edge", (0, None), "not a gateway id"),
        ("", None, "edge", (0, None), "not a gateway id"),
        ("gw1", "ssh-ed25519 AAAA", "edge", (0, None), "mfl keys new"),
        ("gw1", "ed25519 AAAA", "edge", (0, None), "mfl keys new"),
        ("gw1", None, "cloud", (0, None), "one of edge, provider"),
        ("gw1", None, "edge", (5, 5), "ends before"),
    ],
)
def test_what_cannot_be_enrolled_is_refused(
    sealer: Sealer, *, gateway: str, key: str | None, kind: str, period: tuple[int, int | None], reason: str
) -> None:
    with pytest.raises(EnrolmentError, match=reason):
        enrol_event(gateway, key or sealer.public_key, kind, period)


def test_a_name_is_either_a_gateway_or_a_writer(store: EmbeddedStore, sealer: Sealer) -> None:
    store.add_writer("telegraf", at_ms=0)
    with pytest.raises(EnrolmentError, match="already names"):
        store.add_writer("gw1", at_ms=0)
    with pytest.raises(EnrolmentError, match="already names"):
        store.enrol("telegraf", sealer.public_key, kind="edge", from_ms=0, at_ms=0)
    with pytest.raises(EnrolmentError, match="never enrolled"):
        store.revoke("nobody", from_ms=0, at_ms=0)
    assert len(store.events()) == 2


def test_old_and_new_key_hold_together_while_both_are_enrolled(
    sealer: Sealer, make_sealer: type[Sealer]
) -> None:
    authority = Authority()
    newer = make_sealer("gw1", seed=5)
    authority.apply(enrol_event("gw1", sealer.public_key, "edge", (0, 200)))
    authority.apply(enrol_event("gw1", newer.public_key, "edge", (100, None)))
    old_seal, new_seal = sealer.batches(1)[0].seal, newer.batches(1)[0].seal
    verdicts = {
        at: (authority.allows(old_seal, at), authority.allows(new_seal, at)) for at in (0, 99, 100, 199, 200)
    }
    assert verdicts == {
        0: ("yes", "forged"),
        99: ("yes", "forged"),
        100: ("yes", "yes"),
        199: ("yes", "yes"),
        200: ("forged", "yes"),
    }


def test_an_earlier_revocation_is_not_undone_by_a_later_one(sealer: Sealer) -> None:
    authority = Authority()
    event, token = with_token(enrol_event("gw1", sealer.public_key, "edge", (0, None)), lambda n: b"\x07" * n)
    authority.apply(event)
    authority.apply(Event(EventKind.REVOKE, "gw1", from_ms=50))
    authority.apply(Event(EventKind.REVOKE, "gw1", from_ms=90))
    assert authority.grant(token, 49) is not None
    assert authority.grant(token, 50) is None
    assert token == "mfl_" + "07" * 32


def test_a_word_on_an_epoch_reads_back_and_binds_no_key(store: EmbeddedStore, sealer: Sealer) -> None:
    store.write_many([(batch, 5) for batch in sealer.batches(1)])
    word = explain_event("gw1", sealer.epoch, on_ms=4, who=" 值班员 ", why="box stolen")
    store.append_event(word, 6)
    kept = store.events()[-1]
    assert (kept.kind, kept.gateway, kept.epoch) == ("explain", "gw1", sealer.epoch)
    assert (kept.who, kept.why, kept.from_ms, kept.received_ms) == ("值班员", "box stolen", 4, 6)
    assert b'"why":"box stolen"' in word.body()
    assert store.write_many([(batch, 7) for batch in sealer.batches(2)])[-1].kind == "stored"


@pytest.mark.parametrize(
    ("gateway", "epoch", "who", "why", "reason"),
    [
        ("gw9", None, "w", "y", "'gw9' was never enrolled"),
        ("gw1", "f" * 32, "w", "y", "no batch of gw1 has the epoch 'ffff.*the log holds [0-9a-f]{32}$"),
        ("gw1", None, " ", "y", "say who answers for it in one line of 1 to 100"),
        ("gw1", None, "w", "", "say what happened"),
        ("gw1", None, "w", "a\nb", "say what happened"),
        ("gw1", None, "w" * 101, "y", "say who"),
    ],
)
def test_a_word_that_says_nothing_or_names_what_is_not_here_is_refused(
    store: EmbeddedStore,
    sealer: Sealer,
    *,
    gateway: str,
    epoch: str | None,
    who: str,
    why: str,
    reason: str,
) -> None:
    store.write_many([(batch, 5) for batch in sealer.batches(1)])
    size = store.log_size()
    word = Event(EventKind.EXPLAIN, gateway, from_ms=4, epoch=epoch or sealer.epoch, who=who, why=why)
    with pytest.raises(EnrolmentError, match=reason):
        store.append_event(word, 6)
    assert store.log_size() == size


def test_an_event_that_cannot_be_read_does_not_stop_the_start(
    store: EmbeddedStore, open_store: Callable[..., EmbeddedStore]
) -> None:
    store.close()
    bodies = [b"{}", b'{"kind":"enrol","gateway":"x","public_key":"bad"}', b'{"kind":"sing","gateway":"x"}']
    with (store.directory / "log" / "000000000000.log").open("ab") as file:
        for number, body in enumerate(bodies):
            file.write(encode_frame(Frame(1 + number, FrameKind.EVENT, 0, body)))
    again = open_store()
    assert [event.gateway for event in again.events()] == ["gw1"]
    assert again.log_size() == 4
