"""Which messages were accepted already? Names of the last ones, so that what a broker delivers again is known (decision 0015).

A delivery's name is its session and the message's digest (`Heard.message`). Each session has its own room, so that a busy
line cannot push a silent one's out before that comes back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from gateway.frames import encode_frame, frame_at, write_atomically
from telemetry.reading import SESSION_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REMEMBERED_MAX = 1_024
"""Messages remembered of a session: fifty times the 20 that a broker has in flight by custom, ten times the 100 that we
allow a version 5 broker (`RECEIVE_MAX`). What is not in flight is never delivered again."""
SESSIONS_MAX = 64
"""Sessions remembered, the last to accept something; an edge box has a few brokers. Together under a megabyte."""
FILE_NAME = "deliveries"

logger = logging.getLogger(__name__)


class Deliveries:
    """An ordered, bounded set of delivery names."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, dict[bytes, None]] = {}

    def __contains__(self, message: bytes) -> bool:
        return message in self._sessions.get(message[:SESSION_BYTES], ())

    def __iter__(self) -> Iterator[bytes]:
        """Give the names, each session's oldest first."""
        for session in self._sessions.values():
            yield from session

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def add(self, message: bytes) -> None:
        """Remember a delivery as the latest of its session; an empty name is none."""
        if not message:
            return
        key = message[:SESSION_BYTES]
        session = self._sessions.pop(key, {})
        self._sessions[key] = session
        session.pop(message, None)
        session[message] = None
        if len(session) > REMEMBERED_MAX:
            del session[next(iter(session))]
        if len(self._sessions) > SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]

    def update(self, later: Deliveries) -> None:
        """Remember all of these too, as the later ones."""
        for message in later:
            self.add(message)

    def save(self, directory: Path) -> None:
        """Write to a directory's file; durable when it returns, OSError leaves what was there."""
        write_atomically(directory / FILE_NAME, encode_frame(msgspec.msgpack.encode(list(self))))

    @classmethod
    def load(cls, directory: Path) -> Deliveries:
        """Read what was saved; nothing when there is no file, or when it is rotten, which is logged."""
        found = cls()
        path = directory / FILE_NAME
        if not path.is_file():
            return found
        frame = frame_at(path.read_bytes(), 0)
        try:
            names = msgspec.msgpack.decode(frame.payload if frame else b"", type=list[bytes])
        except msgspec.MsgspecError:
            logger.error("event=deliveries_rotten file=%s", path)  # noqa: TRY400 the reason is the bytes
            return found
        for name in names:
            found.add(name)
        return found
