"""Which mistakes must the storm find? Each as one production function replaced by what a careless hand would write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway import chain, deliveries, folds, outbox, outbox_segments, replay, sealer, uplink
from gateway import frames as gateway_frames
from gateway import journal as journal_module
from store import committer, decoding, log
from telemetry import counter
from telemetry.counter import StepKind
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

DAY_MS = 86_400_000
OFFSET_MS = 8 * 3_600_000


def ack_before_sync(patch: pytest.MonkeyPatch) -> None:
    real = journal_module.Journal.append

    def append(self: Any, window_ms: int, readings: Any, ack: Any = None, message: bytes = b"") -> None:
        real(self, window_ms, readings, None, message)
        if ack is not None:
            ack()

    patch.setattr(journal_module.Journal, "append", append)


def no_dedup(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(committer.Committer, "_known", lambda _self, _item: None)


def seq_reused(patch: pytest.MonkeyPatch) -> None:
    """After a crash the chain goes on where the cursor stood, not behind the records it does not know."""
    patch.setattr(chain, "_move_on", lambda _cursor, _record: None)


def cursor_before_ack(patch: pytest.MonkeyPatch) -> None:
    real = uplink.Uplink._choose

    def choose(self: Any) -> int | None:
        index = real(self)
        if index is not None:
            self._outbox.ack(index)
        return index

    patch.setattr(uplink.Uplink, "_choose", choose)


def unlink_before_cursor(patch: pytest.MonkeyPatch) -> None:
    """The bug of vectordotdev/vector#25570; files small, so that there are some to unlink."""
    real = outbox.Outbox._write_cursor

    def write_cursor(self: Any) -> None:
        self._segments.forget_until(self._cursor.done)
        real(self)

    patch.setattr(outbox_segments, "SEGMENT_BYTES", 1)
    patch.setattr(outbox.Outbox, "_write_cursor", write_cursor)


def last_row_before_midnight_skipped(patch: pytest.MonkeyPatch) -> None:
    def is_kept(row: Any) -> bool:
        return bool((row.time_ms + int(row.fields["window_ms"]) + OFFSET_MS) % DAY_MS)

    def wrap(name: str) -> None:
        real = getattr(folds.Folds, name)

        def kept(self: Any, *given: Any, **named: Any) -> list[Any]:
            return [row for row in real(self, *given, **named) if is_kept(row)]

        patch.setattr(folds.Folds, name, kept)

    wrap("add")
    wrap("close_until")


def last_row_file_before_midnight_skipped(patch: pytest.MonkeyPatch) -> None:
    """The store forgets the first of two days that one round brings."""
    real = decoding.RowBuffer.tables

    def tables(self: Any) -> dict[tuple[str, int], Any]:
        found = real(self)
        newest = max((day for name, day in found if name == "machine"), default=0)
        return {key: table for key, table in found.items() if key[0] != "machine" or key[1] == newest}

    patch.setattr(decoding.RowBuffer, "tables", tables)


def low_reading_becomes_baseline(patch: pytest.MonkeyPatch) -> None:
    """As in evcc-io/evcc#30267: one glitch to 0 books a lifetime total."""

    def set_aside(track: Any, value: int, at_ms: int) -> Any:
        grown = max(0, value - track.last)
        return counter._accept(track, value, at_ms, StepKind.NORMAL, grown)

    patch.setattr(counter, "_set_aside", set_aside)


def segments_gone_before_record(patch: pytest.MonkeyPatch) -> None:
    real = sealer.Sealer._append

    async def append(self: Any, pending: Any, time: Any) -> bool:
        for name in pending.names:
            (self._journal._directory / name).unlink(missing_ok=True)
        return bool(await real(self, pending, time))

    patch.setattr(sealer.Sealer, "_append", append)


def record_not_synced(patch: pytest.MonkeyPatch) -> None:
    """The outbox trusts the page cache."""
    real = outbox_segments.Segments.append

    def append(self: Any, record: Any) -> None:
        with pytest_patch(gateway_frames.FrameFile, "sync", lambda _self: None):
            real(self, record)

    patch.setattr(outbox_segments.Segments, "append", append)


def consumed_forgotten(patch: pytest.MonkeyPatch) -> None:
    """After a kill between record and removal, the segments are folded again."""
    real = outbox.Outbox.open.__func__  # type: ignore[attr-defined]

    def opened(cls: Any, *args: Any, **options: Any) -> Any:
        found = real(cls, *args, **options)
        found.consumed = frozenset()
        return found

    patch.setattr(outbox.Outbox, "open", classmethod(opened))


def store_answers_before_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(log, "sync_data", lambda _handle: None)


def failed_sync_tried_again(patch: pytest.MonkeyPatch) -> None:
    """The fsyncgate mistake: the second sync of the same file succeeds, and the pages are gone."""
    real = gateway_frames.FrameFile.sync

    def sync(self: Any) -> None:
        try:
            real(self)
        except OSError:
            real(self)

    patch.setattr(gateway_frames.FrameFile, "sync", sync)


def log_name_not_synced(patch: pytest.MonkeyPatch) -> None:
    """The log's file is synced, its name in the directory is not."""
    patch.setattr(log, "sync_directory", lambda _directory: None)


def leftovers_dropped(patch: pytest.MonkeyPatch) -> None:
    """A start with an empty journal, as a gateway does that deletes its buffer (thingsboard-gateway#2124)."""
    real = replay.find_leftovers

    def none(directory: Any, names: Any = None) -> list[Any]:
        for path in directory.glob("*.seg") if names is None else ():
            path.unlink()
        return real(directory, names)

    patch.setattr("gateway.app.find_leftovers", none)


def unavailable_is_stored(patch: pytest.MonkeyPatch) -> None:
    """A gateway that takes no answer for a good one."""
    real = uplink.Uplink._settle

    def settle(self: Any, index: int, answer: Answer) -> float:
        is_silent = answer.kind is AnswerKind.UNAVAILABLE and answer.retry_after_s is None
        return real(self, index, Answer(AnswerKind.STORED) if is_silent else answer)

    patch.setattr(uplink.Uplink, "_settle", settle)


def redelivery_accepted(patch: pytest.MonkeyPatch) -> None:
    """What was delivered is known by one life of the process only, so that a broker is counted twice after a kill."""
    real = journal_module.Journal.adopt

    def adopt(self: Any, name: str, readings: int, size: int, _deliveries: Any) -> None:
        real(self, name, readings, size, deliveries.Deliveries())

    patch.setattr(journal_module.Journal, "adopt", adopt)
    patch.setattr(journal_module.Journal, "recall", lambda _self, _consumed: None)


def seal_forgets_deliveries(patch: pytest.MonkeyPatch) -> None:
    """A sealed segment goes, and the names of what it brought go with it."""
    patch.setattr(deliveries.Deliveries, "save", lambda _self, _directory: None)


def pytest_patch(target: Any, name: str, value: Any) -> Any:
    from unittest import mock

    return mock.patch.object(target, name, value)


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug and the seed known to find it."""

    apply: Callable[[pytest.MonkeyPatch], None]
    seed: int

    @property
    def name(self) -> str:
        return self.apply.__name__


PLANTS = (
    Plant(ack_before_sync, 0),
    Plant(no_dedup, 0),
    Plant(seq_reused, 1),
    Plant(cursor_before_ack, 0),
    Plant(unlink_before_cursor, 11),
    Plant(last_row_before_midnight_skipped, 0),
    Plant(last_row_file_before_midnight_skipped, 0),
    Plant(low_reading_becomes_baseline, 0),
    Plant(segments_gone_before_record, 1),
    Plant(record_not_synced, 0),
    Plant(consumed_forgotten, 0),
    Plant(store_answers_before_sync, 6),
    Plant(failed_sync_tried_again, 0),
    Plant(log_name_not_synced, 0),
    Plant(leftovers_dropped, 0),
    Plant(unavailable_is_stored, 1),
    Plant(redelivery_accepted, 0),
    Plant(seal_forgets_deliveries, 0),
)
