"""A site file gives a device's parameters where it names its profile; each choice is a map and an id of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.profiles import load_profile
from gateway.config import load_site
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SITE = """\
gateway: g1
enterprise: {{uscc: 91330300MA0000000A, name: 测试厂}}
state_dir: state
key_file: g1.key
store: {{url: "http://127.0.0.1:8086", token_env: MFL_TOKEN}}
endpoints:
  - url: tcp://192.0.2.10:502
    devices:
      - {{device: cell-1, profile: inovance_h5u_cell, unit: 1}}
      - {{device: cell-2, profile: "{profile}", unit: 2}}
"""
ENVIRON = {"MFL_TOKEN": "t0ken"}


def _site(home: Path, profile: str) -> Path:
    path = home / "site.yaml"
    path.write_text(SITE.format(profile=profile), encoding="utf-8")
    return path


def test_two_devices_of_one_model_have_their_own_addresses(tmp_path: Path) -> None:
    site = load_site(_site(tmp_path, "inovance_h5u_cell?parts=2000"), ENVIRON)
    first, second = site.devices()
    assert [spec.profile.points["parts"].address for spec in (first, second)] == [102, 2000]
    assert first.profile_id != second.profile_id
    assert site.profile_texts[second.profile_id] == load_profile("inovance_h5u_cell?parts=2000").text


def test_an_own_profile_is_found_beside_the_site_file_and_takes_choices(tmp_path: Path) -> None:
    (tmp_path / "inovance_h5u_cell.yaml").write_text(load_profile("inovance_h5u_cell").text, encoding="utf-8")
    site = load_site(_site(tmp_path, "inovance_h5u_cell.yaml?parts=2000"), ENVIRON)
    assert site.devices()[1].profile.points["parts"].address == 2000


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("inovance_h5u_cell?part=1", "is not a parameter of this profile"),
        ("inovance_h5u_cell?parts=100", "overlap at holding 100"),
        ("../inovance_h5u_cell.yaml?parts=1", "leads out of the site file's directory"),
    ],
)
def test_a_choice_that_does_not_fit_is_told_at_the_device(tmp_path: Path, profile: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_site(_site(tmp_path, profile), ENVIRON)
    assert caught.value.problems[0].line == 10
