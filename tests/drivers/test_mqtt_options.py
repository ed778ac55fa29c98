from __future__ import annotations

import pytest

from drivers.mqtt_options import (
    MqttOptions,
    SparkplugOptions,
    default_client_id,
    default_port,
    is_tls,
    mqtt_options,
    sparkplug_options,
)


def test_an_address_without_options_has_the_defaults() -> None:
    assert mqtt_options("mqtt://h:1883") == MqttOptions(False, 604_800, "")
    assert sparkplug_options("spb://h?group=G") == SparkplugOptions("G", "", False, 2000, False)


def test_options_are_read() -> None:
    found = mqtt_options("mqtts://h?version=5&session_expiry_s=60&status_topic=mfl/g1/status")
    assert found == MqttOptions(True, 60, "mfl/g1/status")
    found_too = sparkplug_options("spb://h?group=G%201&host_id=H&primary=1&reorder_ms=0&version=3.1.1")
    assert found_too == SparkplugOptions("G 1", "H", True, 0, False)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mqtt://h?versoin=5", "has no option 'versoin'"),
        ("mqtt://h?group=G", "has no option 'group'"),
        ("mqtt://h?version=4", "version is 3.1.1 or 5"),
        ("mqtt://h?version=5&version=5", "gives version twice"),
        ("mqtt://h?version", "cannot be read"),
        ("mqtt://h?session_expiry_s=-1", "whole number"),
        ("mqtt://h?session_expiry_s=1e9", "whole number"),
        ("mqtt://h?session_expiry_s=99999999", "whole number"),
        ("mqtt://h?status_topic=a/%23", "no topic"),
        ("mqtt://h?status_topic=" + "a" * 300, "no topic"),
        ("mqtt://h?status_topic=" + "a" * 900, "more than 400 characters"),
        ("spb://h", "names no Sparkplug group"),
        ("spb://h?group=a/b", "names no Sparkplug group"),
        ("spb://h?group=%2B", "names no Sparkplug group"),
        ("spb://h?group=G&host_id=a/b", "no Sparkplug host id"),
        ("spb://h?group=G&primary=1", "needs host_id"),
        ("spb://h?group=G&primary=yes", "primary is 0 or 1"),
        ("spb://h?group=G&reorder_ms=60001", "whole number"),
        ("spb://h?group=G&reorder_ms=٣", "whole number"),
    ],
)
def test_a_wrong_option_is_explained(url: str, reason: str) -> None:
    read = sparkplug_options if url.startswith("spb") else mqtt_options
    with pytest.raises(ValueError, match=reason):
        read(url)


def test_two_endpoints_at_one_broker_never_have_one_name() -> None:
    urls = ["mqtt://h", "mqtts://h", "spb://h?group=A", "spb://h?group=B", "spbs://h?group=A"]
    names = [default_client_id("g1", url) for url in urls]
    assert len(set(names)) == len(names)
    assert names[0] == "mfl-g1"  # sessions of before are found again
    assert names == [default_client_id("g1", url) for url in urls]


def test_ports_and_encryption_follow_the_scheme() -> None:
    assert [default_port(f"{scheme}://h") for scheme in ("mqtt", "mqtts", "spb", "spbs")] == [
        1883,
        8883,
        1883,
        8883,
    ]
    assert [is_tls(f"{scheme}://h") for scheme in ("mqtt", "mqtts", "spb", "spbs")] == [False, True] * 2
