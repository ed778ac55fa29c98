"""How does a live gateway learn of its site? Writes its site file, key, token and the place where its chain goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.outbox import Outbox
from simulators.history import private_key

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.live_devices import LiveDevice
    from simulators.world import Gateway, WorldSpec
    from telemetry.seal import ChainPlace

POLL_INTERVAL_MS = 500
WINDOW_S = 5


def write_site(
    folder: Path,
    gateway: Gateway,
    devices: list[LiveDevice],
    *,
    spec: WorldSpec,
    place: ChainPlace,
    token: str,
    store_url: str,
    broker_url: str,
    metrics_port: int,
) -> Path:
    """Write one gateway's folder and give the path of its site file (JSON is YAML)."""
    folder.mkdir(parents=True)
    key = folder / "gateway.key"
    key.touch(mode=0o600)
    key.write_bytes(
        private_key(spec.seed, gateway.gateway).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(token)
    Outbox.adopt(folder / "state" / "outbox", place)
    site = {
        "gateway": gateway.gateway,
        "enterprise": {"uscc": gateway.uscc, "name": "live", "site": gateway.workshop},
        "window_s": WINDOW_S,
        "state_dir": str(folder / "state"),
        "key_file": str(key),
        "store": {"url": store_url, "token_file": str(folder / "token")},
        "endpoints": _endpoints(devices, broker_url, gateway.gateway),
        "metrics": {"port": metrics_port},
    }
    path = folder / "site.yaml"
    path.write_text(json.dumps(site, ensure_ascii=False, indent=1))
    return path


def _endpoints(devices: list[LiveDevice], broker_url: str, gateway: str) -> list[dict[str, Any]]:
    endpoints = [
        {"url": item.modbus.url, "devices": [_device(item)]} for item in devices if item.modbus is not None
    ]
    pushed = [_device(item) for item in devices if item.mqtt is not None]
    if pushed:
        endpoints.append({"url": broker_url, "client_id": gateway, "devices": pushed})
    return endpoints


def _device(item: LiveDevice) -> dict[str, Any]:
    """Describe one device; its identity is declared only where its history declared it."""
    device = item.device
    written: dict[str, Any] = {
        "device": device.device,
        "profile": device.profile,
        "poll_interval_ms": POLL_INTERVAL_MS if item.mqtt is None else 1_000,
    }
    if device.source == "declared":
        written["declared"] = {"serial": device.serial}
    return written
