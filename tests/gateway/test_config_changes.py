"""A buffer survives every change of the site file: what was accepted under the old one arrives under the new one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway import app as app_module
from gateway.keys import new_key
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import PROFILE_TEXT, HandClock, ListSink, spec
from tests.gateway.running import assert_account, rows_of, run_bounded, running_gateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import Site

AWAY = Answer(AnswerKind.UNAVAILABLE, "HTTP 503", 0.0)


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "TICK_S", 0.02)


def _devices(site: Site, *names: str, profile_id: str | None = None) -> Site:
    specs = tuple(
        spec(name) if profile_id is None else replace(spec(name), profile_id=profile_id) for name in names
    )
    return replace(site, endpoints=(replace(site.endpoints[0], devices=specs),))


def _added(site: Site) -> Site:
    return _devices(site, "r1", "r2")


def _removed(site: Site) -> Site:
    return _devices(site, "r2")


def _profile(site: Site) -> Site:
    changed = _devices(site, "r1", profile_id="test_arm@ffffffffffff")
    return replace(changed, profile_texts={"test_arm@ffffffffffff": PROFILE_TEXT})


def _shorter(site: Site) -> Site:
    return replace(site, window_ms=10_000)


def _longer(site: Site) -> Site:
    return replace(site, window_ms=300_000)


def _store(site: Site) -> Site:
    return replace(site, store=replace(site.store, url="http://127.0.0.1:2", bucket="other"))


def _address(site: Site) -> Site:
    return replace(site, endpoints=(replace(site.endpoints[0], url="tcp://127.0.0.1:1999"),))


def _smaller(site: Site) -> Site:
    return replace(site, limits=replace(site.limits, outbox_bytes=1, journal_bytes=1))


def _key(site: Site) -> Site:
    other = site.key_file.with_name("other.key")
    new_key(other)
    return replace(site, key_file=other)


CHANGES = [_added, _removed, _profile, _shorter, _longer, _store, _address, _smaller, _key]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_a_backlog_survives(site: Site, hand: HandClock, change: Callable[[Site], Site]) -> None:
    sink = ListSink(answer=lambda _: AWAY)

    async def work() -> None:
        async with running_gateway(site, hand, sink, crash=True) as running:
            await running.minutes(3)
            await running.until(lambda: len(running.acked) == 18)
            assert running.gateway is not None
            gateway = running.gateway
            await running.until(lambda: gateway.outbox.newest >= 1)
        sink.answer = lambda _: Answer(AnswerKind.STORED)
        async with running_gateway(change(site), hand, sink, boot="boot-2") as running:
            assert running.gateway is not None
            outbox = running.gateway.outbox
            await running.until(lambda: sink.readings() >= 18)
            await running.until(lambda: not outbox.stat().batches)
        assert_account(running.gateway)
        account = running.gateway.account()
        assert (account.lost, account.dead_lettered, account.quarantined) == (0, 0, 0)

    run_bounded(work())
    assert sink.readings() == 18
    assert rows_of(sink, "loss") == []
    reasons = [row["reason"] for row in rows_of(sink, "epoch")]
    assert sorted(map(str, reasons)) == (["first", "key_changed"] if change is _key else ["first"])
    for epoch in {batch.seal.epoch for batch in sink.batches}:
        seqs = sorted(batch.seal.seq for batch in sink.batches if batch.seal.epoch == epoch)
        assert seqs == list(range(1, len(seqs) + 1))


def test_another_gateways_name_is_refused_and_touches_nothing(site: Site, hand: HandClock) -> None:
    sink = ListSink(answer=lambda _: AWAY)
    from telemetry.errors import ConfigError

    async def work() -> None:
        async with running_gateway(site, hand, sink, crash=True) as running:
            await running.minutes(2)
            await running.until(lambda: len(running.acked) == 12)
        before = {path: path.read_bytes() for path in site.state_dir.rglob("*.seg")}
        with pytest.raises(ConfigError, match="belongs to gateway 'g1'"):
            await app_module.run_gateway(
                replace(site, gateway="g2"), hand.clock(), running.stop, sink=sink, drivers={}
            )
        assert {path: path.read_bytes() for path in site.state_dir.rglob("*.seg")} == before

    run_bounded(work())
