"""How does an operator enrol while the server has the store open? Through request files that the server takes in.

`mfl store enrol` writes `inbox/<random>.json` (an event without its token: only the hash travels) and waits for the
server to append it. Whoever may write into the store's directory may do this; nobody else.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.enrolment import EnrolmentError, Event, EventKind, read_event
from store.log import write_all

if TYPE_CHECKING:
    from pathlib import Path

    from store.embedded import EmbeddedStore

REQUESTS_MAX = 100
"""Requests taken in one pass."""
REQUEST_BYTES_MAX = 10_000
_ALLOWED = (EventKind.ENROL, EventKind.REVOKE, EventKind.WRITER, EventKind.EXPLAIN)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request left in the inbox."""

    path: Path

    @property
    def is_open(self) -> bool:
        """Tell whether the server has not taken it yet."""
        return self.path.exists()

    def refused(self) -> str:
        """Give the reason it was refused, empty when it was not; the note goes with it."""
        note = self.path.with_suffix(".refused")
        try:
            reason = note.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        note.unlink()
        return reason

    def withdraw(self) -> None:
        """Take it back."""
        self.path.unlink(missing_ok=True)


def leave_request(directory: Path, event: Event, name: str) -> Request:
    """Put an event into a store's inbox, whole or not at all, readable by its owner only."""
    import os

    inbox = directory / "inbox"
    inbox.mkdir(mode=0o700, exist_ok=True)
    partial = inbox / f"{name}.tmp"
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_all(handle, event.body())
    finally:
        os.close(handle)
    return Request(partial.rename(inbox / f"{name}.json"))


def take_inbox(store: EmbeddedStore) -> int:
    """Append what lies in the inbox; a request that cannot be gets a note with the reason. Gives how many were taken."""
    inbox = store.directory / "inbox"
    if not inbox.is_dir():
        return 0
    taken = 0
    for path in sorted(inbox.glob("*.json"))[:REQUESTS_MAX]:
        now = store.clock.wall_ms()
        try:
            event = _read(path, now)
            # The same request again (we died before removing it) changes nothing: it is in the log word for word.
            if not any(event.body() == known.body() for known in store.events()):
                store.append_event(event, now)
            taken += 1
        except EnrolmentError as error:
            _logger.warning("inbox_refused file=%s reason=%s", path.name, error)
            with contextlib.suppress(OSError):
                path.with_suffix(".refused").write_text(str(error), encoding="utf-8")
        path.unlink(missing_ok=True)
    return taken


def _read(path: Path, now: int) -> Event:
    try:
        if path.is_symlink() or path.stat().st_size > REQUEST_BYTES_MAX:
            raise EnrolmentError("not a request")
        event = read_event(path.read_bytes(), received_ms=now, leaf=-1)
    except (ValueError, OSError) as error:
        raise EnrolmentError(f"not a request: {type(error).__name__}") from None
    if event.kind not in _ALLOWED:
        raise EnrolmentError(f"{event.kind} events are made by the store itself")
    return event
