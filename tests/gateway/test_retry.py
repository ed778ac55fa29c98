"""Dead letters go back into the outbox: each once whatever dies on the way, and the account holds on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from gateway import cli as cli_module
from gateway.dead_letters import DeadLetters
from gateway.inspection import buffer_problems, buffer_stat
from gateway.keys import load_private_key
from gateway.losses import owed_row
from gateway.outbox import Outbox
from gateway.retry import retry_dead_letters
from store.balance import Balance
from telemetry.line import Row
from telemetry.seal import read_lines, read_seal
from tests.gateway.conftest import NOW_MS, assert_books, machine, seal_time

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Site
    from telemetry.seal import Batch


def _open(site: Site) -> Outbox:
    return Outbox.open(site.state_dir / "outbox", "g1", load_private_key(site.key_file))


def _seal(outbox: Outbox) -> None:
    """Seal a window's row, the losses owed, and what the gateway says it accepted, as the sealer does."""
    now_ms = NOW_MS + outbox.newest * 60_000
    owed = outbox.owed()
    beat = Row("heartbeat", {"gateway": "g1"}, {"accepted_total": outbox.accepted + 10}, now_ms)
    rows = [beat, machine(now_ms, 10), *(owed_row("g1", item, now_ms) for item in owed)]
    outbox.append(rows, seal_time(now_ms), settles=[item.key for item in owed])


@pytest.fixture
def refused(site: Site) -> Site:
    """Six batches: 2 and 4 refused, the others stored; the losses not yet told."""
    outbox = _open(site)
    for _ in range(6):
        _seal(outbox)
    for index in range(1, 7):
        if index in {2, 4}:
            assert outbox.dead_letter(index, "HTTP 400")
        else:
            outbox.ack(index)
    outbox.close()
    return site


def _waiting(outbox: Outbox) -> list[Batch]:
    found = [outbox.batch(index) for index in range(1, outbox.newest + 1) if not outbox.is_done(index)]
    assert None not in found
    return [batch for batch in found if batch is not None]


def _letters(site: Site) -> list[Path]:
    return DeadLetters(site.state_dir / "outbox" / "dead").paths()


def test_they_are_offered_again_unchanged_behind_what_waits(refused: Site) -> None:
    letters = {path.read_bytes() for path in _letters(refused)}
    outbox = _open(refused)
    _seal(outbox)
    place = outbox.place
    outbox.close()
    assert buffer_stat(refused.state_dir)["dead_letters"] == 2
    assert retry_dead_letters(refused) == (2, [])
    assert _letters(refused) == []
    assert buffer_problems(refused.state_dir, refused.key_file)[1] == []
    outbox = _open(refused)
    waiting = _waiting(outbox)
    assert [batch.seal.seq for batch in waiting] == [7, 2, 4]
    assert {batch.data for batch in waiting[1:]} == letters
    assert outbox.place == place
    assert_books(outbox)
    _seal(outbox)
    assert _waiting(outbox)[-1].seal.prev == waiting[0].hash
    outbox.close()
    assert retry_dead_letters(refused) == (0, [])


class _Crash(Exception):
    pass


def _crash_before_removal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Die when the record is durable and the letter not yet gone."""
    real = DeadLetters.remove

    def remove(letters: DeadLetters, names: list[str]) -> None:
        if names:
            raise _Crash
        real(letters, names)

    with monkeypatch.context() as patch:
        patch.setattr(DeadLetters, "remove", remove)
        with pytest.raises(_Crash):
            retry_dead_letters(site)


@pytest.mark.parametrize("cursor", ["saved", "stale", "gone"])
def test_a_crash_on_the_way_puts_none_in_twice_and_moves_no_chain(
    refused: Site, monkeypatch: pytest.MonkeyPatch, cursor: str
) -> None:
    path = refused.state_dir / "outbox" / "cursor.json"
    before = path.read_bytes()
    outbox = _open(refused)
    place = outbox.place
    outbox.close()
    _crash_before_removal(refused, monkeypatch)
    assert len(_letters(refused)) == 2
    if cursor == "stale":
        path.write_bytes(before)
    elif cursor == "gone":
        path.unlink()
    assert retry_dead_letters(refused) == (1, [])
    assert _letters(refused) == []
    outbox = _open(refused)
    assert outbox.place == place
    waiting = [batch.seal.seq for batch in _waiting(outbox)]
    assert waiting == ([1, 2, 3, 4, 5, 6, 2, 4] if cursor == "gone" else [2, 4])
    assert_books(outbox)
    outbox.close()


def test_an_epoch_that_has_no_batch_yet_keeps_its_reason(refused: Site) -> None:
    outbox = _open(refused)
    outbox.conflict([], seal_time())
    outbox.close()
    assert retry_dead_letters(refused)[0] == 2
    outbox = _open(refused)
    assert outbox.place.seq == 1
    [batch] = outbox.append([machine(NOW_MS, 1)], seal_time())
    outbox.close()
    assert [line.fields["reason"] for line in read_lines(batch) if line.measurement == "epoch"] == [
        "conflict"
    ]


@pytest.mark.parametrize("tells_first", [True, False])
@pytest.mark.parametrize("rounds", [1, 2])
def test_seen_from_the_store_the_account_holds(refused: Site, *, tells_first: bool, rounds: int) -> None:
    """A loss once declared stays declared: what comes after all was accepted once more."""
    stored: dict[str, Batch] = {}
    outbox = _open(refused)
    for index in (1, 3, 5, 6):
        batch = outbox.batch(index)
        assert batch is not None
        stored[batch.hash] = batch
    for number in range(rounds):
        if tells_first:
            _seal(outbox)
        outbox.close()
        assert retry_dead_letters(refused)[0] == 2
        outbox = _open(refused)
        for index in range(1, outbox.newest + 1):
            batch = None if outbox.is_done(index) else outbox.batch(index)
            if batch is not None and batch.seal.seq in {2, 4} and number + 1 < rounds:
                assert outbox.dead_letter(index, "HTTP 400 again")
            elif batch is not None:
                stored[batch.hash] = batch
                outbox.ack(index)
    _seal(outbox)
    stored |= {batch.hash: batch for batch in _waiting(outbox)}
    for index in range(1, outbox.newest + 1):
        outbox.ack(index)
    assert_books(outbox)
    balance = Balance()
    for batch in stored.values():
        balance.add(batch, read_lines(batch))
    [settled] = balance.settle()
    assert settled.is_sound
    assert settled.on_the_way == 0, str(settled)
    assert settled.lost == 20 * rounds
    outbox.close()


def test_what_is_no_batch_of_this_gateway_stays(refused: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = _letters(refused)
    bad.write_bytes(bad.read_bytes().replace(b"readings=10i", b"readings=99i"))
    monkeypatch.setattr(cli_module, "_site", lambda _: refused)
    result = CliRunner().invoke(cli_module.gateway, ["buffer", "retry", "site.yaml"])
    assert result.exit_code == 1
    assert "1 dead letter(s) put back" in result.output
    assert f"{bad.name}: left where it is" in result.output
    assert not good.exists()
    assert bad.exists()


def test_the_command_says_what_it_did_and_keeps_off_a_running_gateway(
    refused: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_module, "_site", lambda _: refused)
    words = ["buffer", "retry", "site.yaml"]
    outbox = _open(refused)
    assert CliRunner().invoke(cli_module.gateway, words).exit_code == 75
    outbox.close()
    result = CliRunner().invoke(cli_module.gateway, words)
    assert (result.exit_code, "2 dead letter(s) put back" in result.output) == (0, True)
    assert CliRunner().invoke(cli_module.gateway, words).output.startswith("0 dead letter(s)")


def test_a_letter_is_whole_or_not_there(refused: Site) -> None:
    for path in _letters(refused):
        assert read_seal(path.read_bytes()).data == path.read_bytes()
