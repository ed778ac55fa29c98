"""How do the row files follow the log? Round by round, each stamped when all of its files are named."""

from __future__ import annotations

import json
import logging
import zlib
from typing import TYPE_CHECKING

from store.compaction import merged_parts, sorted_parts
from store.decoding import RowBuffer
from store.frames import FrameKind
from store.log import LogDamage, replace_file
from store.points import read_write
from store.segments import Segment, day_date
from store.shapes import ShapeCache, decode_batch
from telemetry.errors import ConfigError, FactoryError, Problem
from telemetry.seal import read_seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from pathlib import Path

    import pyarrow as pa

    from store.frames import Frame
    from store.log import EvidenceLog, Place
    from store.segments import RowFiles

ROUND_BYTES = 64_000_000
"""Bytes of the log decoded in one round: some 100,000 rows, 100 MB as columns."""
ROUND_LEAVES = 20_000
MERGE_AT = 8
"""Row files of similar size a day may have before they become one: a row is rewritten some 4 times a day at most."""
GRACE_MS = 600_000
"""A replaced row file stays this long, so that whoever listed it can still read it."""
_logger = logging.getLogger(__name__)


class Applier:
    """Brings row files up to the log's end; used by one thread at a time (the store sees to the turns)."""

    def __init__(
        self,
        directory: Path,
        log: EvidenceLog,
        files: RowFiles,
        places: Callable[[int, int], list[tuple[int, Place]]],
        *,
        offset_ms: int,
        mono_ms: Callable[[], int],
    ) -> None:
        self._state_file = directory / "applied.json"
        self._directory = directory
        self._log = log
        self._files = files
        self._places = places
        self._offset_ms = offset_ms
        self._mono_ms = mono_ms
        self._cache = ShapeCache()
        self._replaced: dict[Path, tuple[int, str, date]] = {}
        self._is_dirty = False
        self.applied = 0

    def start(self, size: int) -> None:
        """Read how far the files are; what is beyond that, or beyond the log, goes and is made again."""
        self._directory.mkdir(exist_ok=True)
        applied = read_applied(self._directory)
        self.applied = applied or 0
        if applied is None or applied > size or self._is_spanned(applied):
            _logger.warning("rows_made_anew applied=%s size=%d", applied, size)
            self.reset()
        self._clean()
        now = self._mono_ms()
        for measurement, day in self._partitions():
            for path in self._files.superseded(measurement, day):
                self._replaced[path] = (now, measurement, day)

    def _is_spanned(self, applied: int) -> bool:
        """Tell whether a file holds leaves on both sides: then the stamp is not the one it was written under."""
        return any(
            segment.first < applied <= segment.last
            for measurement, day in self._partitions()
            for segment in self._files.all_segments(measurement, day)
        )

    def _clean(self) -> None:
        """Remove what a round that never came to its end left behind: its rows are made again, perhaps otherwise cut."""
        for measurement, day in self._partitions():
            for segment in self._files.all_segments(measurement, day):
                if segment.last >= self.applied:
                    segment.path.unlink()
            for partial in self._files.home(measurement, day).glob("*.tmp"):
                partial.unlink()
        self._is_dirty = False

    def reset(self) -> None:
        """Forget all row files, so that the next `apply` makes them anew from the log."""
        self._stamp(0)
        self._replaced.clear()
        for measurement, day in self._partitions():
            for segment in self._files.all_segments(measurement, day):
                segment.path.unlink()
            home = self._files.home(measurement, day)
            if not any(home.iterdir()):
                home.rmdir()

    def _partitions(self) -> list[tuple[str, date]]:
        return [(name, day) for name in self._files.measurements() for day in self._files.days(name)]

    def round(self, buffer: RowBuffer) -> None:
        """Write one round's rows. `buffer` begins where the files end."""
        if buffer.start != self.applied:
            raise ValueError(f"a round from leaf {buffer.start}; the files end at {self.applied}")
        if buffer.stop == buffer.start:
            return
        if self._is_dirty:
            self._clean()
        self._is_dirty = True
        leaves = (buffer.start, buffer.stop - 1)
        for (measurement, day), table in sorted(buffer.tables().items(), key=lambda item: item[0]):
            when = day_date(day)
            self._files.write(measurement, when, leaves, [table])
            self._merge(measurement, when)
        self._stamp(buffer.stop)
        self._is_dirty = False
        self._sweep()

    def mend(self, measurement: str, day: date) -> None:
        """Make a day's damaged row files anew from the log; the damaged one goes when the new one is there."""
        for segment in self._files.segments(measurement, day):
            if segment.is_whole:
                continue
            _logger.error("row_file_damaged path=%s", segment.path)
            leaves = (segment.first, segment.last)
            made = self._files.write(measurement, day, leaves, self._made_again(measurement, day, leaves))
            if made != segment.path:
                segment.path.unlink()

    def _made_again(self, measurement: str, day: date, leaves: tuple[int, int]) -> Iterator[pa.Table]:
        start, stop = leaves[0], leaves[1] + 1
        while start < stop:
            buffer = self.decode(start, stop)
            for (name, number), table in buffer.tables().items():
                if name == measurement and day_date(number) == day:
                    yield table
            start = buffer.stop

    def decode(self, start: int, stop: int) -> RowBuffer:
        """Decode leaves of the log, up to ROUND_LEAVES and ROUND_BYTES of them."""
        buffer = RowBuffer(start, self._offset_ms)
        stop = min(stop, start + ROUND_LEAVES)
        for leaf, place in self._places(start, stop):
            try:
                self._decode_one(buffer, self._log.read(place))
            except (LogDamage, FactoryError, ValueError) as error:
                # Logged once as it was written, so it must be damage since; the record keeps it, the rows cannot.
                _logger.error("leaf_without_rows leaf=%d error=%s", leaf, error)  # noqa: TRY400 - known cause
            buffer.skip(leaf)
            if buffer.bytes >= ROUND_BYTES:
                return buffer
        if stop > buffer.stop:
            buffer.skip(stop - 1)
        return buffer

    def _decode_one(self, buffer: RowBuffer, frame: Frame) -> None:
        if frame.kind is FrameKind.BATCH:
            batch = read_seal(frame.body)
            buffer.add_batch(batch, decode_batch(batch, self._cache), frame.leaf, frame.received_ms)
        elif frame.kind is FrameKind.UNSIGNED:
            write = read_write(frame.body, frame.received_ms)
            buffer.add_unsigned(write, frame.leaf, frame.received_ms, len(frame.body))

    def _stamp(self, applied: int) -> None:
        replace_file(self._state_file, json.dumps({"applied": applied, "check": _check_of(applied)}).encode())
        self.applied = applied

    def _merge(self, measurement: str, day: date) -> None:
        """Make the newest MERGE_AT files of similar size one, so that a day never has more than some dozens."""
        chosen = _similar_tail(self._files.segments(measurement, day))
        if len(chosen) >= MERGE_AT:
            if not all(segment.is_whole for segment in chosen):
                self.mend(measurement, day)
                return  # merged the next time
            leaves = (chosen[0].first, chosen[-1].last)
            self._files.write(measurement, day, leaves, merged_parts(chosen))
            self._retire(measurement, day)

    def compact(self, day: date, measurement: str) -> None:
        """Make a day one file sorted by (device or enterprise, time, leaf); its former files go after GRACE_MS."""
        segments = self._files.segments(measurement, day)
        if not segments or (len(segments) == 1 and segments[0].is_compacted):
            return
        if not all(segment.is_whole for segment in segments):
            self.mend(measurement, day)
            segments = self._files.segments(measurement, day)
        leaves = (segments[0].first, max(segment.last for segment in segments))
        self._files.write(measurement, day, leaves, sorted_parts(segments), is_compacted=True)
        self._retire(measurement, day)
        self._sweep()

    def _retire(self, measurement: str, day: date) -> None:
        now = self._mono_ms()
        for path in self._files.superseded(measurement, day):
            self._replaced.setdefault(path, (now, measurement, day))

    def _sweep(self) -> None:
        """Remove what was replaced long enough ago, and still is."""
        latest = self._mono_ms() - GRACE_MS
        for path, (since, measurement, day) in list(self._replaced.items()):
            if since <= latest:
                del self._replaced[path]
                if path in self._files.superseded(measurement, day):
                    path.unlink()


def read_applied(directory: Path) -> int | None:
    """Read up to which leaf row files are there: 0 when nothing says so, None when what says so is damaged."""
    try:
        said = json.loads((directory / "applied.json").read_bytes())
        applied = said["applied"]
        is_sound = isinstance(applied, int) and said.get("check", _check_of(applied)) == _check_of(applied)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return applied if is_sound and applied >= 0 else None


def sure_applied(directory: Path) -> int:
    """Read the same for a reader; ConfigError when it is damaged."""
    applied = read_applied(directory)
    if applied is None:
        path = str(directory / "applied.json")
        raise ConfigError([Problem(path, 0, 0, "", "is damaged", "run 'mfl store rebuild'")])
    return applied


def _check_of(applied: int) -> int:
    return zlib.crc32(b"applied %d" % applied)


def _similar_tail(segments: list[Segment]) -> list[Segment]:
    """Give the newest files none of which is much larger than all behind it together."""
    chosen: list[Segment] = []
    total = 0
    for segment in reversed(segments):
        size = segment.path.stat().st_size
        if segment.is_compacted or (len(chosen) >= MERGE_AT - 1 and size > 2 * total):
            break
        chosen.append(segment)
        total += size
    return chosen[::-1]
