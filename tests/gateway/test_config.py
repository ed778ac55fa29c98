from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config import load_site
from telemetry.errors import ConfigError
from tests.gateway.conftest import PROFILE_TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.errors import Problem

GOOD = """\
gateway: g1
enterprise: {uscc: 91330300MA0000000A, name: 测试厂}
state_dir: state
key_file: g1.key
store: {url: "http://127.0.0.1:8086", token_env: MFL_TOKEN}
endpoints:
  - url: tcp://192.0.2.10:502
    devices:
      - device: r1
        profile: ./test_arm.yaml
        cell: A
        declared: {serial: S1}
      - device: r2
        profile: ./test_arm.yaml
        unit: 2
  - url: mqtt://192.0.2.20:1883
    username: reader
    password_env: MQTT_PASSWORD
    devices:
      - device: r3
        profile: ./test_bus.yaml
"""
BUS = """\
profile: test_bus
kind: meter
manufacturer: Test
models: [Bus]
name: {zh: 测试表, en: test meter}
axes: 0
firmware: any
sources: [{title: made for tests, grade: U}]
mqtt: {topic: f/+/data}
points:
  power: {path: power, type: float64, metric: power_w}
"""
ENVIRON = {"MFL_TOKEN": "t0ken", "MQTT_PASSWORD": "pa55word"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "test_arm.yaml").write_text(PROFILE_TEXT, encoding="utf-8")
    (tmp_path / "test_bus.yaml").write_text(BUS, encoding="utf-8")
    return tmp_path


def _problems(home: Path, text: str, environ: dict[str, str] | None = None) -> list[Problem]:
    path = home / "site.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_site(path, ENVIRON if environ is None else environ)
    return caught.value.problems


def test_a_good_site_is_resolved(home: Path) -> None:
    path = home / "site.yaml"
    path.write_text(GOOD, encoding="utf-8")
    site = load_site(path, ENVIRON)
    assert (site.gateway, site.window_ms, site.metrics_port) == ("g1", 60_000, 0)
    assert (site.state_dir, site.key_file) == (home / "state", home / "g1.key")
    assert site.store.token == "t0ken"  # noqa: S105 - a made one
    assert [spec.device for spec in site.devices()] == ["r1", "r2", "r3"]
    assert site.endpoints[1].password == "pa55word"  # noqa: S105 - a made one
    assert site.devices()[0].profile_id in site.profile_texts
    assert "t0ken" not in repr(site)
    assert "pa55word" not in repr(site)


MISTAKES = [
    ("gateway: g1", "gatway: g1", 1, 1, "did you mean 'gateway'"),
    ("gateway: g1", "gateway: 'g 1'", 1, 10, "match"),
    ("uscc: 91330300MA0000000A", "uscc: 123", 2, 20, "uscc"),
    ("name: 测试厂}", "name: 测试厂}\nwindow_s: 7", 3, 11, "must divide a day"),
    ("token_env: MFL_TOKEN", "token: hunter2", 5, 39, "may not stand in this file"),
    ("token_env: MFL_TOKEN", "token_env: NOT_SET", 5, 50, "NOT_SET is not set"),
    ("token_env: MFL_TOKEN", "org: x", 5, 8, "either token_file or token_env"),
    ("token_env: MFL_TOKEN", "token_file: nowhere", 5, 51, "cannot be read"),
    ("tcp://192.0.2.10:502", "tpc://192.0.2.10:502", 7, 10, "did you mean 'tcp'"),
    ("tcp://192.0.2.10:502", "tcp://192.0.2.10:99999", 7, 10, "impossible port"),
    ("tcp://192.0.2.10:502", "tcp://:502", 7, 10, "names no host"),
    ("tcp://192.0.2.10:502", "tcp://me:secret@h:502", 7, 10, "use username and password_env"),
    ("mqtt://192.0.2.20:1883", "tcp://192.0.2.10:502", 16, 10, "is given twice (first on line 7)"),
    ("device: r2", "device: r1", 13, 17, "given twice (first on line 9)"),
    ("device: r2", "device: g1", 13, 17, "as the gateway is"),
    ("unit: 2", "unit: 1", 15, 15, "unit 1 is taken"),
    ("unit: 2", "unit: 0", 15, 15, "greater than or equal to 1"),
    ("unit: 2", "profile: ./test_arm.yaml", 15, 9, "is given twice"),
    ("unit: 2", "poll_interval_ms: '5'", 15, 27, "integer"),
    ("unit: 2", "poll_interval_ms: 60001", 15, 27, "longer than the window of 60 s"),
    ("cell: A", "cel: A", 11, 9, "did you mean 'cell'"),
    ("declared: {serial: S1}", "declared: {serail: S1}", 12, 28, "did you mean 'serial'"),
    ("declared: {serial: S1}", "declared: {axes: six}", 12, 26, "must be a number"),
    ("profile: ./test_bus.yaml", "profile: jaka_zuu", 21, 18, "did you mean 'jaka_zu'"),
    ("profile: ./test_bus.yaml", "profile: ../test_bus.yaml", 21, 18, "leads out"),
    ("profile: ./test_bus.yaml", "profile: /etc/passwd", 21, 18, "leads out"),
    ("profile: ./test_bus.yaml", "profile: ./test_arm.yaml", 21, 18, "is heard over modbus"),
    ("password_env: MQTT_PASSWORD", "password: hunter2", 18, 5, "use password_env"),
    ("password_env: MQTT_PASSWORD", "pasword: hunter2", 18, 5, "use password_env"),
    ("tcp://192.0.2.10:502", "tcp://me:hunter2@h:502", 7, 10, "holds a user or password"),
    ("token_env: MFL_TOKEN}", "token: hunter2, orgg: x}", 5, 55, "did you mean 'org'"),
    ("state_dir: state", "state_dir: &a state", 3, 12, "anchors"),
    ("key_file: g1.key\n", "", 1, 1, "is missing"),
]


@pytest.mark.parametrize(("old", "new", "line", "column", "words"), MISTAKES)
def test_a_mistake_is_named_where_it_stands(  # noqa: PLR0917 - one row of the table
    home: Path, old: str, new: str, line: int, column: int, words: str
) -> None:
    assert GOOD.count(old) >= 1
    problems = _problems(home, GOOD.replace(old, new, 1))
    found = [problem for problem in problems if words in str(problem)]
    assert found, "\n".join(map(str, problems))
    assert (found[0].line, found[0].column) == (line, column), str(found[0])
    assert "hunter2" not in "\n".join(map(str, problems))


def test_all_mistakes_come_at_once(home: Path) -> None:
    text = (
        GOOD.replace("device: r2", "device: r1")
        .replace("unit: 2", "unit: 1")
        .replace("./test_bus.yaml", "nope")
    )
    problems = _problems(home, text, {})
    assert len(problems) == 5
    assert [problem.line for problem in problems] == sorted(problem.line for problem in problems)


def test_a_symlink_out_of_the_house_is_refused(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "test_arm.yaml"
    outside.write_text(PROFILE_TEXT, encoding="utf-8")
    (home / "link.yaml").symlink_to(outside)
    [problem] = _problems(home, GOOD.replace("./test_bus.yaml", "./link.yaml"))
    assert "leads out" in problem.message


def test_mistakes_inside_a_profile_are_told_at_the_device(home: Path) -> None:
    (home / "test_bus.yaml").write_text(BUS.replace("metric: power_w", "metric: powr"), encoding="utf-8")
    [problem] = _problems(home, GOOD)
    assert (problem.line, "unknown metric 'powr'" in problem.message) == (21, True)


@pytest.mark.parametrize(
    ("token", "mode", "words"),
    [
        ("ok-token\n", 0o644, "read by others"),
        ("two words", 0o600, "no token"),
        ("", 0o600, "no token"),
        ("有", 0o600, "no token"),
    ],
)
def test_a_token_file_is_checked(home: Path, token: str, mode: int, words: str) -> None:
    (home / "token").write_text(token, encoding="utf-8")
    (home / "token").chmod(mode)
    [problem] = _problems(home, GOOD.replace("token_env: MFL_TOKEN", "token_file: token"))
    assert words in problem.message


def test_a_token_file_is_read(home: Path) -> None:
    (home / "token").write_text("ok-token\n", encoding="utf-8")
    (home / "token").chmod(0o600)
    path = home / "site.yaml"
    path.write_text(GOOD.replace("token_env: MFL_TOKEN", "token_file: token"), encoding="utf-8")
    assert load_site(path, ENVIRON).store.token == "ok-token"  # noqa: S105 - a made one


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"- 1\n", b"a: [", b"\x00", b"x" * 2_000_000])
def test_nonsense_is_one_clear_error(home: Path, data: bytes) -> None:
    path = home / "site.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_site(path, ENVIRON)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_a_clear_error(home: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_site(home / "none.yaml", ENVIRON)
