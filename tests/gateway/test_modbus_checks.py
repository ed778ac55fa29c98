"""Modbus endpoints of a site file: one framing a place, and each mistake named where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.modbus_holes import Learned
from gateway.config import load_site
from gateway.hole_file import NAME, load_holes
from gateway.plan import plan_lines
from telemetry.errors import ConfigError
from tests.gateway.conftest import PROFILE_TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Site

HEAD = """\
gateway: g1
enterprise: {uscc: 91330300MA0000000A, name: 测试厂}
state_dir: state
key_file: g1.key
store: {url: "http://127.0.0.1:8086", token_env: MFL_TOKEN}
endpoints:
"""


def load(home: Path, *urls: str, further: str = "") -> Site:
    (home / "test_arm.yaml").write_text(PROFILE_TEXT, encoding="utf-8")
    path = home / "site.yaml"
    endpoints = "".join(
        f'  - url: "{url}"\n{further}    devices: [{{device: r{at}, profile: ./test_arm.yaml}}]\n'
        for at, url in enumerate(urls)
    )
    path.write_text(HEAD + endpoints, encoding="utf-8")
    return load_site(path, {"MFL_TOKEN": "t"})


def test_every_framing_is_taken(tmp_path: Path) -> None:
    site = load(
        tmp_path,
        "tcp://192.0.2.1:502",
        "tls://192.0.2.1:802",
        "rtu+tcp://192.0.2.2:8899",
        "rtu:///dev/ttyS0?baudrate=9600&parity=E&stopbits=1",
        "dtu://0.0.0.0:9000?registration=0a01&heartbeat=fefe",
        "dtu://0.0.0.0:9000?registration=0a02",
    )
    assert len(site.endpoints) == 6


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        (("tcp://h:502", "rtu+tcp://h:502"), "speaks rtu+tcp where line 7 speaks tcp"),
        (("tcp://h:802", "tls://H:802"), "speaks tls where line 7 speaks tcp"),
        (("tcp://h", "rtu+tcp://h:502"), "one place has one framing"),
        (("tcp://h", "tcp://h:502"), "given twice"),
        (
            ("rtu:///dev/ttyS0?baudrate=9600", "rtu:///dev/ttyS0?baudrate=19200"),
            "given twice (first on line 7)",
        ),
        (("dtu://0.0.0.0:9000", "dtu://0.0.0.0:9000?registration=0a02"), "given twice"),
        (
            ("dtu://0.0.0.0:9000?registration=0a02", "dtu://127.0.0.1:9000?registration=0a0203"),
            "begins with",
        ),
        (("rtu:///dev/ttyS0?baud=9600",), "did you mean 'baudrate'?"),
        (("rtu+tcp://h",), "needs its port"),
    ],
)
def test_two_framings_on_one_place_and_other_mistakes(
    urls: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, *urls)
    assert words in str(caught.value)
    assert caught.value.problems[0].line == 7 + 2 * (len(urls) - 1)


def test_two_names_of_one_serial_port_are_one(tmp_path: Path) -> None:
    port = tmp_path / "ttyUSB0"
    port.touch()
    (tmp_path / "by-id").symlink_to(port)
    with pytest.raises(ConfigError, match="given twice"):
        load(tmp_path, f"rtu://{port}", f"rtu://{tmp_path / 'by-id'}")


def test_the_files_of_tls_start_at_the_site_file_and_belong_to_tls(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    site = load(tmp_path, "tls://h", further="    ca_file: ca.pem\n")
    assert site.endpoints[0].ca_file == str(tmp_path / "ca.pem")
    for url, further, words in (
        ("tcp://h", "    ca_file: ca.pem\n", "belongs to a line under TLS"),
        ("tls://h", "    ca_file: none.pem\n", "is not there"),
        ("tls://h", "    key_file: ca.pem\n", "the key of no cert_file"),
    ):
        with pytest.raises(ConfigError, match=words):
            load(tmp_path, url, further=further)


def test_what_devices_refused_is_kept_shown_and_safe_to_lose(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = load(tmp_path, "tcp://h")
    (endpoint,) = site.endpoints
    (spec,) = endpoint.devices
    assert not (tmp_path / "state").exists()  # nothing is written before there is a lesson
    assert endpoint.holes is not None
    endpoint.holes.note("r0", spec.profile_id, Learned(holes=frozenset({("holding", 3, 4)})))
    again = load(tmp_path, "tcp://h")
    assert any("refuses holding 3-4" in line for line in plan_lines(again))
    (tmp_path / "state" / NAME).write_bytes(b"{spoilt")
    assert load_holes(tmp_path / "state").count() == {}
    assert "holes_unreadable" in caplog.text


def test_a_disk_that_refuses_costs_no_poll(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").touch()  # a file where the directory should be
    book = load_holes(tmp_path / "state")
    book.note("r0", "p@1", Learned(holes=frozenset({("holding", 3, 4)})))
    assert book.count() == {"r0": 1}
    assert "holes_not_kept" in caplog.text
