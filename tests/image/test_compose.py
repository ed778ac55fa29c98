"""Does the compose file keep its services small and caged, and does its gateway's site file hold?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from drivers.profiles import list_profiles
from gateway.site_file import SiteFile
from telemetry.strict import decode_yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.mark.parametrize("name", list(SERVICES))
def test_every_service_is_caged(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"] > 0
    assert not service.get("privileged")
    assert ":latest" not in service["image"]
    assert ":" in service["image"]
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), "reached from this machine only"


def test_secrets_come_as_files_and_never_as_variables() -> None:
    for service in SERVICES.values():
        assert "environment" not in service
    assert set(SERVICES["gateway"]["secrets"]) == set(COMPOSE["secrets"])
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].startswith("./deploy/secrets/")
    assert "deploy/secrets/" in ignored


def test_every_mounted_file_is_there_and_every_volume_declared() -> None:
    for service in SERVICES.values():
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                assert mount.endswith(":ro"), mount
            else:
                assert source in COMPOSE["volumes"]


def test_the_gateways_site_file_holds_and_meets_the_other_services() -> None:
    path = ROOT / "deploy" / "site.yaml"
    site = decode_yaml(SiteFile, path.read_text(), str(path))
    assert site.store.url == "http://store:8086"
    assert site.endpoints[1].url == "mqtt://mosquitto:1883"
    assert {device.profile for end in site.endpoints for device in end.devices} <= set(list_profiles())
    for file in (site.key_file, site.store.token_file or ""):
        assert Path(file).name in COMPOSE["secrets"]
        assert Path(file).parent == Path("/run/secrets")
