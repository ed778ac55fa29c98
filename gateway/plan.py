"""What will a site's gateway do? The plan in plain lines, before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.driver import DeviceSpec
    from gateway.config import Site


def plan_lines(site: Site) -> Iterator[str]:
    """Describe gateway, store, endpoints, devices and reads; no secret is among it."""
    devices = site.devices()
    yield f"gateway {site.gateway} of {site.enterprise} ({site.uscc}), config {site.digest}"
    yield f"state {site.state_dir}, windows of {site.window_ms // 1000} s"
    yield f"store {site.store.url} org={site.store.org} bucket={site.store.bucket}"
    yield f"{len(site.endpoints)} endpoint(s), {len(devices)} device(s)"
    for endpoint in site.endpoints:
        yield f"{endpoint.url} (answers within {endpoint.timeout_ms} ms)"
        for spec in endpoint.devices:
            yield from _device_lines(spec)
            if endpoint.holes is not None:
                yield from (f"    {line}" for line in endpoint.holes.lines(spec.device, spec.profile_id))


def _device_lines(spec: DeviceSpec) -> Iterator[str]:
    profile = spec.profile
    yield f"  {spec.device}: {profile.kind} {profile.manufacturer}, profile {spec.profile_id}"
    if profile.modbus is not None:
        unit = profile.modbus.unit if spec.unit is None else spec.unit
        yield f"    unit {unit}, every {spec.poll_interval_ms} ms, function codes 1-4 only; {len(profile.points)} points"
        yield from _reads(spec)
    elif profile.mqtt is not None:
        name = spec.topic_name or spec.device
        yield f"    topic {profile.mqtt.topic.replace('+', name)}, {len(profile.points)} points"
    elif profile.sparkplug is not None:
        yield f"    Sparkplug {profile.sparkplug.level} {spec.topic_name or spec.device}, {len(profile.points)} points"


def _reads(spec: DeviceSpec) -> Iterator[str]:
    tables: dict[str, list[tuple[int, int]]] = {}
    for point in spec.profile.points.values():
        if point.table is not None and point.address is not None:
            tables.setdefault(point.table, []).append((point.address, point.address + point.words - 1))
    for table, ranges in sorted(tables.items()):
        first, last = min(start for start, _ in ranges), max(end for _, end in ranges)
        yield f"    reads {table} {first}-{last}, {len(ranges)} points"
