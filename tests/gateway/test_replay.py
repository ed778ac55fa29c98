from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.frames import encode_frame
from gateway.journal_records import FrameRecord, Header, encode_frame_record, encode_header
from gateway.replay import Replayer, find_leftovers
from telemetry.clock import ClockState
from tests.gateway.conftest import NOW_MS, poll, spec

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.reading import Reading

WINDOW = NOW_MS - NOW_MS % 60_000


def _segment(directory: Path, window_ms: int, part: int, *readings: Reading) -> None:
    frames = [encode_header(Header("boot-1", ClockState.SYNCED))]
    frames += [
        encode_frame_record(FrameRecord.of(number, [reading])) for number, reading in enumerate(readings)
    ]
    path = directory / f"{window_ms:015d}-run1-{part:06d}.seg"
    path.write_bytes(b"".join(map(encode_frame, frames)))


def test_readings_are_folded_in_the_order_they_were_heard(tmp_path: Path) -> None:
    """Found by the storm (seed 4105): a clock 45 s ahead steps back, and the older window's segment goes on.

    By window, the counter would seem to fall from 120 to 100, and then to rise again.
    """
    heard = [
        (WINDOW + 1_000, 1_000, 90),
        (WINDOW + 61_000, 2_000, 100),
        (WINDOW + 30_000, 3_000, 110),
        (WINDOW + 40_000, 4_000, 120),
        (WINDOW + 62_000, 5_000, 130),
    ]
    old, new, late, later, last = (poll(at, count, mono_ms=mono) for at, mono, count in heard)
    _segment(tmp_path, WINDOW, 1, old, late, later)
    _segment(tmp_path, WINDOW + 60_000, 2, new, last)
    device = spec()
    replayer = Replayer("g1", 60_000, {device.device: device}, lambda _: device.profile, NOW_MS)
    [run] = find_leftovers(tmp_path)
    rows = [row.fields for row in replayer.replay(run).rows]
    told = sorted((row["late"], row["readings"], row["cycles_from"], row["cycles_raw"]) for row in rows)
    assert told == [(False, 1, 90, 90), (False, 2, 90, 130), (True, 2, 110, 120)]
    assert not [name for row in rows for name in row if name.endswith(("_resets", "_unexplained", "_odd"))]
