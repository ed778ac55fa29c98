"""Readings of the past: dated by their source, late rows of their windows, and no step of any counter."""

from __future__ import annotations

from dataclasses import replace

from drivers.profiles import load_profile
from gateway.folds import Folds
from gateway.journal_records import FrameRecord, _unwire, encode_frame_record
from gateway.normalize import normalize
from telemetry.reading import Quality, Reading, ReadingKind

START_MS = 1_760_000_040_000  # on the minute
LOADED = load_profile("opc40010_sparkplug")
NOW = Reading(
    device="r1",
    kind=ReadingKind.PUSH,
    received_ms=START_MS + 60_000,
    mono_ms=0,
    quality=Quality.GOOD,
    values={"cycles": 100, "item_state": 3, "emergency_stop": False, "protective_stop": False},
    profile=LOADED.profile_id,
)


def past(cycles: int, ago_ms: int) -> Reading:
    values = {"cycles": cycles}
    return replace(
        NOW, kind=ReadingKind.HISTORY, values=values, source_ms=NOW.received_ms - ago_ms, quality=Quality.GOOD
    )


def test_a_sample_of_the_past_is_dated_by_its_source() -> None:
    sample = normalize(past(50, 5000), LOADED.profile)
    assert (sample.at_ms, sample.is_historical) == (NOW.received_ms - 5000, True)
    assert normalize(replace(past(50, 5000), quality=Quality.BAD, values={}), LOADED.profile).is_historical
    assert not normalize(replace(NOW, source_ms=1), LOADED.profile).is_historical


def test_the_past_makes_late_rows_and_moves_no_counter() -> None:
    folds = Folds("g1", 60_000, START_MS)
    folds.expect("r1", LOADED.profile, LOADED.profile_id, 1000)
    rows = folds.add(NOW)
    for cycles, ago_ms in ((40, 45_000), (50, 30_000), (90, 0)):  # the last in the open window itself
        rows += folds.add(past(cycles, ago_ms))
    rows += folds.add(replace(NOW, received_ms=NOW.received_ms + 1000, values={**NOW.values, "cycles": 101}))
    rows += folds.finish(NOW.received_ms + 2000)
    on_time = [row.fields for row in rows if row.fields["late"] is False]
    late = [row.fields for row in rows if row.fields["late"] is True]
    assert sum(int(fields.get("cycles_inc", 0)) for fields in on_time) == 1
    assert all("cycles_unexplained" not in fields and "cycles_odd" not in fields for fields in on_time)
    assert [(fields["cycles_from"], fields["cycles_raw"], fields["readings"]) for fields in late] == [
        (40, 50, 2),
        (90, 90, 1),
    ]
    assert all("cycles_inc" not in fields for fields in late)
    assert sum(int(fields["readings"]) for fields in on_time + late) == 5


def test_the_journal_keeps_the_kind() -> None:
    import msgspec

    data = encode_frame_record(FrameRecord.of(0, [past(1, 5)]))
    record = msgspec.msgpack.decode(data, type=FrameRecord)
    assert _unwire(record.readings[0]) == past(1, 5)
    assert record.count == 1
