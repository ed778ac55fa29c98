"""Can an operator enrol while the server has the store open?"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import pytest

from store.enrolment import Event, EventKind, enrol_event, with_token
from store.inbox import leave_request, take_inbox
from store.server import applied, keep_applied, keep_once

if TYPE_CHECKING:
    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer

NOW = 1_514_822_400_000


def test_a_request_is_taken_and_its_token_opens(store: EmbeddedStore, sealer: Sealer) -> None:
    event, token = with_token(enrol_event("gw2", sealer.public_key, "edge", (0, None)), os.urandom)
    request = leave_request(store.directory, event, "one")
    assert request.path.stat().st_mode & 0o777 == 0o600
    assert token.encode() not in request.path.read_bytes()
    assert store.grant(token) is None
    assert take_inbox(store) == 1
    assert not request.is_open
    assert request.refused() == ""
    assert store.grant(token) is not None
    size = store.log_size()
    leave_request(store.directory, event, "again")
    take_inbox(store)
    assert store.log_size() == size, "the same request twice changes nothing"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "not a request"),
        (b"[]", "not a request"),
        (b"{}", "not a request"),
        (b'{"kind":"enrol","gateway":"x","surprise":1}', "not a request"),
        (b'{"kind":"conflict","gateway":"x"}', "by the store itself"),
        (b'{"kind":"revoke","gateway":"nobody"}', "never enrolled"),
        (b'{"kind":"enrol","gateway":"x y","public_key":"ed25519 AAAA"}', "not a gateway id"),
        (b'{"kind":"enrol","gateway":"gw5","gateway_kind":"edge","public_key":"x"}', "not a public key"),
        (b'{"kind":"revoke","gateway":7}', "not a request"),
        (b'{"kind":"revoke","gateway":"gw1","from_ms":"soon"}', "not a request"),
        (b" " * 10_001, "not a request"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(store: EmbeddedStore, body: bytes, reason: str) -> None:
    request = leave_request(store.directory, Event(EventKind.REVOKE, "gw1"), "bad")
    request.path.write_bytes(body)
    size = store.log_size()
    assert take_inbox(store) == 0
    assert not request.is_open
    assert reason in request.refused()
    assert store.log_size() == size


def test_a_pass_applies_and_takes_the_inbox(store: EmbeddedStore, sealer: Sealer) -> None:
    store.write_many([(batch, NOW) for batch in sealer.batches(2)])
    request = leave_request(store.directory, Event(EventKind.REVOKE, "gw1", from_ms=NOW), "off")
    keep_once(store, compacts=True)
    assert not request.is_open
    assert not store.is_behind


def test_the_background_work_follows_and_ends(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()

    async def main() -> None:
        _tell(store, monkeypatch, done)
        async with asyncio.timeout(20), applied(store):
            await done.wait()

    store.write_many([(batch, NOW) for batch in sealer.batches(3)])
    asyncio.run(main())
    assert not store.is_behind


def _tell(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, done: asyncio.Event) -> None:
    """Set an event of the running loop whenever `apply` came to its end."""
    real, loop = store.apply, asyncio.get_running_loop()

    def apply() -> None:
        real()
        loop.call_soon_threadsafe(done.set)

    monkeypatch.setattr(store, "apply", apply)


def test_a_full_disk_is_waited_out(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_many([(batch, NOW) for batch in sealer.batches(1)])
    failures = [1, 1]
    real = store.apply

    def apply() -> None:
        if failures:
            failures.pop()
            raise OSError(errno.ENOSPC, "No space left on device")
        real()

    monkeypatch.setattr(store, "apply", apply)
    monkeypatch.setattr("store.server.FAILED_WAIT_S", 0.001)

    done = asyncio.Event()

    async def main() -> None:
        _tell(store, monkeypatch, done)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            task = group.create_task(keep_applied(store, interval_s=0.001))
            await done.wait()
            task.cancel()

    asyncio.run(main())
    assert failures == []
