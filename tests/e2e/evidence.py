"""How does what a device said become evidence under test? The gateway's own folding, a store in a folder, the census's SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from census.engine import Scope, gather_evidence
from census.enrolments import OPEN_MS
from gateway.heartbeat import Buffer, Totals, heartbeat_row
from gateway.normalize import identity_row, normalize
from gateway.window import WindowFold
from store.embedded import EmbeddedStore
from telemetry.clock import Clock, ClockState
from telemetry.profile import parse_profile, profile_digest
from telemetry.reading import Quality, Reading, ReadingKind
from telemetry.seal import GENESIS, ChainPlace, SealTime, next_place, seal_batch, write_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from census.evidence import DeviceDay, Evidence
    from telemetry.line import Row
    from telemetry.reading import RawValue
    from telemetry.seal import Batch

START_MS = 1_522_512_000_000
"""2018-04-01T00:00:00+08:00."""
DAY_MS, MINUTE = 86_400_000, 60_000
POLL_MS = 10_000
PROFILE_TEXT = """\
profile: test_arm
kind: robot
manufacturer: Test
models: [Arm]
name: {zh: 测试臂, en: test arm}
axes: 6
category: articulated
firmware: any
sources: [{title: made for tests, grade: U}]
modbus: {port: 502, unit: 1}
points:
  state: {table: holding, address: 0, type: uint16}
  cycles: {table: holding, address: 1, type: uint32, metric: cycles, rate_max: 60}
  energy: {table: holding, address: 3, type: uint32, metric: energy_wh, rate_max: 200}
states:
  - {state: running, point: state, equals: [1]}
  - {state: ready, point: state, equals: [0]}
"""
PROFILE = parse_profile(PROFILE_TEXT, "test_arm.yaml")
PROFILE_ID = profile_digest("test_arm", PROFILE_TEXT)


def said(at_ms: int, cycles: int | None, energy: int | None = None, *, device: str = "r1") -> Reading:
    """A poll's answer; None for both is no answer."""
    values: dict[str, RawValue] = {"state": 1}
    if cycles is not None:
        values["cycles"] = cycles
    if energy is not None:
        values["energy"] = energy
    quality = Quality.BAD if cycles is None and energy is None else Quality.GOOD
    return Reading(device, ReadingKind.POLL, at_ms, at_ms - START_MS, quality, values, PROFILE_ID)


def identified(at_ms: int, serial: str, *, device: str = "r1") -> Reading:
    """What the device says that it is."""
    values: Mapping[str, RawValue] = {
        "manufacturer": "Test", "model": "Arm", "serial": serial, "kind": "robot", "source": "register",
    }  # fmt: skip
    return Reading(device, ReadingKind.IDENTITY, at_ms, at_ms - START_MS, Quality.GOOD, values, PROFILE_ID)


class Line:
    """One gateway's chain into one store: readings are folded by the gateway's code, sealed, and stored when told."""

    def __init__(self, store: EmbeddedStore, gateway: str = "g1") -> None:
        self.store, self.gateway = store, gateway
        self.key = Ed25519PrivateKey.from_private_bytes(gateway.encode().ljust(32, b"."))
        public = write_public_key(self.key.public_key())
        store.enrol(gateway, public, kind="edge", from_ms=0, at_ms=START_MS)
        self._place = ChainPlace(gateway, gateway.encode().hex().ljust(32, "0"), 1, GENESIS)

    def fold(self, readings: Iterable[Reading], window_ms: int = MINUTE) -> list[Row]:
        """Fold readings as one run of the gateway."""
        rows: list[Row] = []
        folds: dict[str, WindowFold] = {}
        last_ms = START_MS
        for reading in readings:
            last_ms = max(last_ms, reading.received_ms)
            if reading.kind is ReadingKind.IDENTITY:
                rows.append(identity_row(self.gateway, reading))
                continue
            fold = folds.get(reading.device)
            if fold is None:
                fold = folds[reading.device] = WindowFold(
                    gateway=self.gateway, device=reading.device, profile=PROFILE, profile_id=PROFILE_ID,
                    poll_interval_ms=POLL_MS, window_ms=window_ms, run_start_ms=reading.received_ms,
                )  # fmt: skip
            rows += fold.add(normalize(reading, PROFILE))
        return rows + [row for fold in folds.values() for row in fold.finish(last_ms + 1)]

    def seal(self, rows: list[Row], at_ms: int, *, state: ClockState = ClockState.SYNCED) -> Batch:
        """Seal rows as the chain's next batch, with a heartbeat."""
        clock = Clock(lambda: at_ms, lambda: at_ms - START_MS, "boot-1", lambda: state)
        beat = heartbeat_row(
            self.gateway, clock, time_ms=at_ms - at_ms % MINUTE, started_mono_ms=0, config="0" * 12,
            buffer=Buffer(0, 0), totals=Totals(0, 0, 0), devices=(1, 1),
        )  # fmt: skip
        time = SealTime(at_ms, at_ms - START_MS, "boot-1", state)
        batch = seal_batch([*rows, beat], self._place, time, self.key)
        self._place = next_place(batch)
        return batch

    def tell(self, readings: Iterable[Reading], *, received_ms: int | None = None) -> None:
        """Fold, seal and store; received when the last reading was, unless said otherwise."""
        heard = list(readings)
        end_ms = max(reading.received_ms for reading in heard) + 1
        batch = self.seal(self.fold(heard), end_ms)
        (answer,) = self.store.write_many([(batch, end_ms if received_ms is None else received_ms)])
        assert answer.kind == "stored", answer


def open_store(folder: Path, at_ms: int = START_MS + 30 * DAY_MS) -> EmbeddedStore:
    return EmbeddedStore.open(folder / "store", Clock(lambda: at_ms, lambda: 0, "store"))


def gather(store: EmbeddedStore, *gateways: str) -> Evidence:
    """Bring rows up to the log's end and take the evidence."""
    store.apply()
    enrolled = {gateway: [(0, OPEN_MS)] for gateway in gateways or ("g1",)}
    return gather_evidence(store, Scope(store.log_size(), START_MS + 30 * DAY_MS, enrolled))


def days_of(evidence: Evidence, device: str = "r1", gateway: str = "g1") -> tuple[DeviceDay, ...]:
    return tuple(evidence.device_days.get((gateway, device), ()))
