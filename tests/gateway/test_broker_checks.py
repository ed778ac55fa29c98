"""A site file's brokers: what is wrong is told at its line, and what is right becomes an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config import load_site
from gateway.plan import plan_lines
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SITE = """
gateway: g1
enterprise: {uscc: 91330300MA2ABCDE1X, name: Testers}
state_dir: state
key_file: key
store: {url: "http://127.0.0.1:1", token_env: TOKEN}
endpoints:
"""
ENVIRONMENT = {"TOKEN": "t" * 20}
DEVICE = "devices: [{device: r1, profile: opc40010_sparkplug, topic_name: e1/d1}]"
JSON = "devices: [{device: k1, profile: kuka_krc4_neuron}]"


def write(folder: Path, *endpoints: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(SITE + "".join(f"  - {{{endpoint}}}\n" for endpoint in endpoints))
    return path


def test_a_sparkplug_and_a_json_endpoint_at_one_broker(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    site = load_site(
        write(
            tmp_path,
            f'url: "spb://h?group=A&host_id=H&primary=1", {DEVICE}',
            f'url: "spb://h?group=B", {DEVICE.replace("r1", "r2")}',
            f'url: "mqtts://h?version=5", ca_file: ca.pem, {JSON}',
        ),
        ENVIRONMENT,
    )
    assert len({endpoint.client_id for endpoint in site.endpoints}) == 3
    assert site.endpoints[2].ca_file == str(tmp_path / "ca.pem")
    assert any("Sparkplug device e1/d1" in line for line in plan_lines(site))


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        (f'url: "spb://h", {DEVICE}', "names no Sparkplug group"),
        (f'url: "spb://h?group=G&primary=1", {DEVICE}', "needs host_id"),
        (f'url: "spb://h/x?group=G", {DEVICE}', "more than host and port"),
        (f'url: "spb://u:p@h?group=G", {DEVICE}', "use username and password_env"),
        (f'url: "spb://h:99999?group=G", {DEVICE}', "impossible port"),
        (f'url: "spb://:1?group=G", {DEVICE}', "names no host"),
        (f'url: "spb://h?group=G", {JSON}', "is heard over mqtt, this endpoint is spb://"),
        (f'url: "mqtt://h", {DEVICE.replace(", topic_name: e1/d1", "")}', "is heard over sparkplug"),
        (f'url: "mqtt://h", {DEVICE}', "one level of a topic has none"),
        (f'url: "mqtt://h?status_topic=%23", {JSON}', "no topic"),
        (f'url: "spb://h?group=G", {DEVICE.replace("e1/d1", "e1")}', "topic_name is written NODE/DEVICE"),
        (f'url: "mqtt://h", ca_file: ca.pem, {JSON}', "belongs to a line under TLS"),
        (f'url: "mqtts://h", ca_file: ca.pem, {JSON}', "is not there"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, endpoint: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_site(write(tmp_path, endpoint), ENVIRONMENT)


def test_one_group_twice_is_told(tmp_path: Path) -> None:
    endpoint = f'url: "spb://h?group=A", {DEVICE}'
    with pytest.raises(ConfigError, match="is given twice"):
        load_site(write(tmp_path, endpoint, endpoint.replace("r1", "r2")), ENVIRONMENT)


def test_without_protobuf_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.broker_checks.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"machine-for-labor\[sparkplug\]"):
        load_site(write(tmp_path, f'url: "spb://h?group=A", {DEVICE}'), ENVIRONMENT)
