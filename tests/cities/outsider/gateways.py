"""What happens to a gateway? Runs, power cuts, links that fail, clocks that step, boxes replaced; then its batches."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.cities.outsider.sealing import Chain, Row, key_of, tags_text
from tests.cities.outsider.shifts import DAY
from tests.cities.outsider.windows import Windows, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cities.outsider.devices import Device
    from tests.cities.outsider.shifts import Mask

    Rng = np.random.Generator

MINUTE_MS = 60_000
ZONE = dt.timezone(dt.timedelta(hours=8))


def midnight_ms(day: dt.date) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp() * 1_000)


@dataclass(frozen=True)
class Run:
    """The gateway's process from minute `start` to `end`; `offset_min` is how far its clock is off."""

    start: int
    end: int
    boot: str
    boot_minute: int
    offset_min: int = 0
    synced: bool = True


@dataclass
class Gateway:
    """One gateway. Minutes count from midnight, +08:00, of `day_zero`."""

    gateway: str
    uscc: str
    workshop: str
    day_zero: dt.date
    first: int
    last: int
    secret: bytes
    batch_min: int
    window_min: int
    devices: list[Device] = field(default_factory=list)
    cuts: list[tuple[int, int]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    link_down: list[tuple[int, int]] = field(default_factory=list)
    bus_down: list[tuple[int, int]] = field(default_factory=list)
    replaced_at: list[int] = field(default_factory=list)
    replaced_keys: bool = False
    enrolled: bool = True
    revoked_minute: int | None = None
    forges_every: int = 0
    epochs: list[tuple[str, int]] = field(default_factory=list)
    keys: list[tuple[str, int]] = field(default_factory=list)
    received: list[tuple[str, str, int, int]] = field(default_factory=list)

    @cached_property
    def zero_ms(self) -> int:
        return midnight_ms(self.day_zero)

    def time_ms(self, minute: int) -> int:
        return self.zero_ms + minute * MINUTE_MS

    def silent(self, minutes: int) -> Mask:
        """Tell in which minutes nothing is heard of any device: the box is off, or its bus is."""
        mask = np.ones(minutes, dtype=bool)
        for run in self.runs:
            mask[run.start : run.end] = False
        for start, end in self.bus_down:
            mask[start:end] = True
        return mask


def chances(rng: Rng, first: int, last: int, a_week: float, *, low: int, high: int) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    count = rng.poisson(a_week * (last - first) / (7 * DAY))
    for start in np.sort(rng.integers(first, last, count)).tolist():
        length = int(np.exp(rng.uniform(np.log(low), np.log(high))))
        if not made or start > made[-1][1] + 30:
            made.append((start, min(start + length, last)))
    return made


def troubles(gateway: Gateway, rng: Rng, *, steady: bool = False) -> None:
    """Draw what befalls the gateway. `steady`: no link fails, so that the order of receipt is plain."""
    first, last = gateway.first, gateway.last
    gateway.cuts = chances(rng, first + DAY, last, 0.15, low=10, high=400)
    if not steady:
        gateway.link_down = chances(rng, first + DAY, last, 0.25, low=20, high=3 * DAY)
    gateway.bus_down = chances(rng, first + DAY, last, 0.2, low=10, high=900)
    restarts = chances(rng, first + DAY, last, 0.2, low=2, high=8)
    breaks = [(start, end, True) for start, end in gateway.cuts]
    breaks += [(start, end, False) for start, end in restarts]
    breaks += [(minute, minute + 45, False) for minute in gateway.replaced_at]
    at, boot_minute, boots, synced_at = first, first, 1, first
    for start, end, power in sorted(breaks):
        if start < synced_at + 90 or end >= last:
            continue
        gateway.runs.append(Run(at, start, f"b{boots}-{gateway.gateway[-6:]}", boot_minute))
        boots, at, boot_minute, synced_at = boots + 1, end, end, end
        if power and rng.random() < 0.4 and end + 240 < last:
            synced_at = end + int(rng.integers(20, 150))
            behind = -min(end - start, int(rng.integers(1, 90)))
            boot = f"b{boots}-{gateway.gateway[-6:]}"
            gateway.runs.append(Run(end, synced_at, boot, end, behind, synced=False))
            at = synced_at
    gateway.runs.append(Run(at, last, f"b{boots}-{gateway.gateway[-6:]}", boot_minute))


def windows_of(gateway: Gateway) -> Windows:
    """Cut each run on the grid of its own clock; its first and last windows may be short."""
    columns: list[tuple[int, int, int, int, int]] = []
    for number, run in enumerate(gateway.runs):
        step, off = gateway.window_min, run.offset_min
        edges = [run.start]
        following = (run.start + off) // step * step + step - off
        edges += [*range(following, run.end, step), run.end]
        columns += [
            (start, end, gateway.time_ms(start + off), number, run.start)
            for start, end in pairwise(edges)
            if end > start
        ]
    return Windows(*(np.array(column, dtype=np.int64) for column in zip(*columns, strict=True)))


def heartbeat(gateway: Gateway, run: Run, start: int, end: int, *, up: int, accepted: int) -> dict[str, Any]:
    due = sum(1 for device in gateway.devices if device.first < end and device.last > start)
    uptime = end - run.boot_minute
    return {
        "version": "0.1.0",
        "config": gateway.gateway[-8:],
        "uptime_s": uptime * 60,
        "boot": run.boot,
        "mono_ms": uptime * MINUTE_MS,
        "clock_state": "synced" if run.synced else "unsynced",
        "clock_offset_ms": 0,
        "buffer_bytes": 4_096,
        "oldest_s": 0,
        "devices_up": min(up, due),
        "devices_due": due,
        "accepted_total": accepted,
        "lost_total": 0,
        "quarantined_total": 0,
    }


def gathered(gateway: Gateway, rng: Rng, windows: Windows) -> list[list[Row]]:
    """Give the rows of every window: devices, identities, heartbeat."""
    rows: list[list[Row]] = [[] for _ in windows.start]
    up, readings = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    times = windows.time_ms.tolist()
    for device in gateway.devices:
        tags = tags_text(device=device.device, gateway=gateway.gateway)
        said: tuple[int, object] | None = None
        for number, fields in rows_of(device, gateway.silent(len(device.trace.on)), windows, rng):
            rows[number].append(Row("machine", tags, fields, times[number]))
            readings[number] += fields["readings"]
            if not fields["polls_ok"]:
                continue
            up[number] += 1
            identity = identity_at(device, int(windows.start[number]))
            if said != (int(windows.run[number]), identity["serial"]):
                said = (int(windows.run[number]), identity["serial"])
                rows[number].append(Row("identity", tags, identity, times[number] + 4_000))
    tags = tags_text(gateway=gateway.gateway)
    accepted = np.cumsum(readings).tolist()
    for number, (start, end) in enumerate(zip(windows.start.tolist(), windows.end.tolist(), strict=True)):
        run = gateway.runs[int(windows.run[number])]
        told = heartbeat(gateway, run, start, end, up=int(up[number]), accepted=accepted[number])
        rows[number].append(Row("heartbeat", tags, told, times[number]))
    return rows


def identity_at(device: Device, minute: int) -> dict[str, Any]:
    if device.serial_from and minute >= device.serial_from[0]:
        return {**device.identity, "serial": device.serial_from[1]}
    return device.identity


def received_at(gateway: Gateway, sealed_minute: int, rng: Rng) -> int:
    """Say when a batch came in: seconds later, or after the link came back, newest first."""
    for start, end in gateway.link_down:
        if start <= sealed_minute < end:
            return gateway.time_ms(end) + 20_000 + (end - sealed_minute) * 40
    return gateway.time_ms(sealed_minute) + int(rng.integers(900, 30_000))


def new_chain(
    gateway: Gateway, folder: Path, rng: Rng, minute: int, before: Chain | None
) -> tuple[Chain, Row]:
    epoch = rng.bytes(16).hex()
    fresh = before is not None and gateway.replaced_keys
    secret = rng.bytes(32) if fresh else gateway.secret
    private, public = key_of(secret)
    if before is None or fresh:
        gateway.keys.append((public, minute))
    gateway.epochs.append((epoch, minute))
    told: dict[str, Any] = {"reason": "first"}
    if before is not None:
        told = {"reason": "replaced" if fresh else "outbox_lost", "previous": before.epoch}
        told |= {"previous_seq": before.seq, "previous_hash": before.prev}
    chain = Chain(gateway.gateway, epoch, private, folder / "batches" / gateway.gateway / epoch)
    return chain, Row("epoch", tags_text(gateway=gateway.gateway), told, gateway.time_ms(minute))


def write_batches(gateway: Gateway, folder: Path, rng: Rng) -> None:
    """Seal the gateway's whole life, batch by batch."""
    windows = windows_of(gateway)
    rows = gathered(gateway, rng, windows)
    chain, told = new_chain(gateway, folder, rng, gateway.first, None)
    waiting, replaced = [told], list(gateway.replaced_at)
    for number, made in enumerate(rows):
        start, end = int(windows.start[number]), int(windows.end[number])
        run = gateway.runs[int(windows.run[number])]
        if replaced and start >= replaced[0]:
            replaced.pop(0)
            gateway.received += chain.received
            chain, told = new_chain(gateway, folder, rng, start, chain)
            waiting.append(told)
        waiting += made
        if end != run.end and (end + run.offset_min) % gateway.batch_min:
            continue
        forge = gateway.forges_every and chain.seq % gateway.forges_every == 1
        chain.seal(
            waiting,
            sealed_ms=gateway.time_ms(end + run.offset_min) + 1_500,
            mono_ms=(end - run.boot_minute) * MINUTE_MS + 1_500,
            boot=run.boot,
            synced=run.synced,
            received_ms=received_at(gateway, end, rng),
            forged_prev=rng.bytes(32).hex() if forge else None,
        )
        waiting = []
    gateway.received += chain.received
