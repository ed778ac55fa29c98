"""5,000 turned bits in everything that is kept for good: each is seen, and no wrong value comes out."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway import frames
from gateway.outbox_records import Cursor, EpochNote, read_json
from simulators.storm import fast_place
from simulators.storm_hosts import KEY
from simulators.storm_power import record_run
from simulators.virtual_disk import DiskModel
from store.frames import Found
from store.frames import scan_frames as scan_log
from telemetry.errors import SealError
from telemetry.seal import read_lines, read_seal, signature_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FLIPS = 1_000
"""Of each of the five kinds of file."""


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory, where there is some."""
    with tempfile.TemporaryDirectory(dir=fast_place()) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a gateway and a store have on disk in the middle of a run, by kind."""
    gateway, store, _ = record_run(5, tmp_path_factory.mktemp("flips"))
    found: dict[str, bytes] = {}
    for trace, share in ((gateway, 0.8), (store, 1.0)):
        model = DiskModel()
        for operation in trace.operations[: int(len(trace.operations) * share)]:
            model.apply(operation)
        for path, (_, data) in model.power_cut(random.Random(3)).files.items():
            kind = next((kind for kind in KINDS if kind in path), "")
            found[kind] = max(found.get(kind, b""), data, key=len)
    return found


def turned(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def framed(data: bytes, rotten: bytes, _: Path) -> bool:
    """Exactly the frame that was hit is missing, and its place is known: set aside, or cut as a tail."""
    good = {(frame.start, frame.payload) for frame in frames.scan_frames(data).frames}
    scan = frames.scan_frames(rotten)
    left = {(frame.start, frame.payload) for frame in scan.frames}
    return left < good and len(left) == len(good) - 1 and (bool(scan.rotten) or scan.end < len(rotten))


def logged(data: bytes, rotten: bytes, _: Path) -> bool:
    good = [item.frame for item in scan_log(data) if isinstance(item, Found)]
    items = list(scan_log(rotten))
    left = [item.frame for item in items if isinstance(item, Found)]
    return len(left) == len(good) - 1 < len(items) and all(frame in good for frame in left)


def refused(kind: type[Cursor | EpochNote]) -> Callable[[bytes, bytes, Path], bool]:
    def check(_: bytes, rotten: bytes, folder: Path) -> bool:
        (folder / "state.json").write_bytes(rotten)
        return read_json(folder / "state.json", kind) is None

    return check


KINDS: dict[str, Callable[[bytes, bytes, Path], bool]] = {
    "journal/": framed,
    "outbox/0": framed,
    "cursor.json": refused(Cursor),
    "epoch.json": refused(EpochNote),
    ".log": logged,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_turned_bit_is_seen(kind: str, kept: dict[str, bytes], quick: Path) -> None:
    data, chance = kept[kind], random.Random(kind)
    assert len(data) > 80
    missed = [number for number in range(FLIPS) if not KINDS[kind](data, turned(data, chance), quick)]
    assert not missed


def test_every_turned_bit_of_a_sealed_batch_is_seen(kept: dict[str, bytes]) -> None:
    log = [item.frame for item in scan_log(kept[".log"]) if isinstance(item, Found)]
    data, chance = max((frame.body for frame in log), key=len), random.Random(8)
    batch = read_seal(data)
    assert signature_holds(batch.seal, KEY.public_key())
    for _ in range(FLIPS):
        try:
            rotten = read_seal(turned(data, chance))
            read_lines(rotten)
        except SealError:
            continue
        assert not signature_holds(rotten.seal, KEY.public_key())
