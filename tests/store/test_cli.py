"""Do the store's commands do what they say, with the exit codes they promise?"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import store.cli as cli_module
from store.cli import store as command
from store.inbox import leave_request, take_inbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer, StillClock

NOW = 1_514_822_400_000


WORD = ("--on", "2018-05-03", "--who", "duty", "--why", "stolen")


def run(*words: str, directory: Path) -> Result:
    return CliRunner(catch_exceptions=False).invoke(command, [*words, "--store", str(directory)])


@pytest.fixture
def home(store: EmbeddedStore, sealer: Sealer) -> Path:
    """A closed store with three batches."""
    store.write_many([(batch, NOW) for batch in sealer.batches(3)])
    store.apply()
    store.close()
    return store.directory


def test_enrol_prints_the_token_once_and_it_opens(
    tmp_path: Path, sealer: Sealer, open_store: Callable[..., EmbeddedStore]
) -> None:
    key = tmp_path / "gw2.pub"
    key.write_text(sealer.public_key + "\n")
    words = (
        "enrol",
        "gw2",
        "--key",
        str(key),
        "--from",
        "2018-01-01",
        "--until",
        "2018-02-01T00:00:00+08:00",
    )
    result = run(*words, "--kind", "provider", directory=tmp_path / "store")
    assert result.exit_code == 0, result.output
    token = result.stdout.strip()
    assert token.startswith("mfl_")
    opened = open_store()
    (event,) = opened.events()
    assert (event.from_ms, event.until_ms) == (1_514_736_000_000, 1_517_414_400_000)
    assert (event.gateway, event.public_key, event.gateway_kind) == ("gw2", sealer.public_key, "provider")
    grant = opened.grant(token)
    assert grant is not None
    assert grant.name == "gw2"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("enrol", "gw2", "--key", "nowhere.pub", "--from", "2018-01-01"), "neither"),
        (("enrol", "gw2", "--key", "ed25519 AAAA", "--from", "2018-01-01"), "not a public key"),
        (("enrol", "gw2", "--key", "ed25519 AAAA", "--from", "2018-13-01"), "write 2018-01-01"),
        (("enrol", "gw2", "--key", "ed25519 AAAA", "--from", "2018-01-01T08:00:00"), "needs its offset"),
        (("revoke", "nobody"), "never enrolled"),
        (("token", "gw1"), "already names"),
        (("explain-epoch", "gw1", "f00", *WORD), "no batch of gw1 has the epoch 'f00'"),
        (("explain-epoch", "gw7", "f00", *WORD), "'gw7' was never enrolled"),
        (("explain-epoch", "gw1", "f00", "--on", "2018-05-03"), "--who"),
        (("verify", "--size", "3"), "give both"),
        (("export",), "--day"),
        (("export", "--day", "2018-01-01", "--start", "2018-01-01"), "--day"),
    ],
)
def test_mistakes_are_told_with_exit_code_2(home: Path, words: tuple[str, ...], reason: str) -> None:
    result = run(*words, directory=home)
    assert result.exit_code == 2, result.output
    assert reason in result.output
    assert "Traceback" not in result.output


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    assert run("verify", directory=tmp_path / "nowhere").exit_code == 2
    assert run("export", "--day", "2018-01-01", directory=tmp_path / "nowhere").exit_code == 2


def test_verify_is_0_for_a_whole_store_and_1_for_a_changed_one(home: Path, sealer: Sealer) -> None:
    result = run("verify", directory=home)
    assert result.exit_code == 0, result.output
    assert f"gw1 {sealer.epoch}: seq 1-3, missing: none" in result.output
    assert "4 leaves: 3 batches with 6 rows, 1 events" in result.output
    root = result.output.split("root ")[1].split(";")[0]
    assert run("verify", "--size", "4", "--root", root, directory=home).exit_code == 0
    assert run("verify", "--size", "4", "--root", "00" * 32, directory=home).exit_code == 1
    path = home / "log" / "000000000000.log"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = run("verify", directory=home)
    assert result.exit_code == 1
    assert "000000000000.log at" in result.output


def test_rebuild_makes_the_same_rows(home: Path, open_store: Callable[..., EmbeddedStore]) -> None:
    before = open_store(read_only=True).scan(date(2018, 1, 1), "machine")
    for path in (home / "rows").rglob("*.parquet"):
        path.unlink()
    result = run("rebuild", directory=home)
    assert (result.exit_code, result.output) == (0, "rows of 4 leaves written\n")
    assert open_store(read_only=True).scan(date(2018, 1, 1), "machine").equals(before)


def test_export_prints_the_sealed_lines(home: Path, make_sealer: type[Sealer]) -> None:
    result = run("export", "--day", "2018-01-01", "--measurement", "machine", directory=home)
    lines = [line for batch in make_sealer().batches(3) for line in batch.data.decode().splitlines()[:-1]]
    assert result.exit_code == 0
    assert sorted(result.output.splitlines()) == sorted(lines)
    words = (
        "export",
        "--start",
        "2018-01-01T00:02:00+08:00",
        "--stop",
        "2018-01-02",
        "--measurement",
        "machine",
    )
    assert len(run(*words, directory=home).output.splitlines()) == 4


def test_a_store_in_use_can_be_read_but_not_rebuilt(store: EmbeddedStore, sealer: Sealer) -> None:
    store.write_many([(batch, NOW) for batch in sealer.batches(1)])
    store.apply()
    assert run("verify", directory=store.directory).exit_code == 0
    assert run("export", "--day", "2018-01-01", directory=store.directory).exit_code == 0
    result = run("rebuild", directory=store.directory)
    assert result.exit_code == 75
    assert "open for writing" in result.output


def test_an_epoch_is_explained_for_good(
    home: Path, sealer: Sealer, open_store: Callable[..., EmbeddedStore]
) -> None:
    result = run("explain-epoch", "gw1", sealer.epoch, *WORD, directory=home)
    assert (result.exit_code, result.output) == (0, "")
    assert run("verify", directory=home).exit_code == 0
    word = open_store(read_only=True).events()[-1]
    assert (word.kind, word.epoch, word.who, word.why) == ("explain", sealer.epoch, "duty", "stolen")
    assert word.from_ms == 1_525_276_800_000


def test_a_store_in_use_takes_enrolments_through_its_inbox(
    store: EmbeddedStore, still: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    still.wall_ms = 4_000_000_000_000  # the command's clock is the machine's
    real = leave_request

    def leave(*words: object) -> object:
        request = real(*words)  # type: ignore[arg-type]
        take_inbox(store)
        return request

    monkeypatch.setattr(cli_module, "leave_request", leave)
    result = run("token", "grafana", directory=store.directory)
    assert result.exit_code == 0, result.output
    grant = store.grant(result.stdout.strip())
    assert grant is not None
    assert grant.role == "writer"
    assert run("token", "gw1", directory=store.directory).exit_code == 1
    mistaken = run("explain-epoch", "gw1", "f00", *WORD, directory=store.directory)
    assert (mistaken.exit_code, "no batch of gw1" in mistaken.output) == (1, True)
    assert run("revoke", "grafana", "--from", "2018-01-01", directory=store.directory).exit_code == 0
    assert store.grant(result.stdout.strip()) is None


def test_an_inbox_that_nobody_looks_at_is_given_up(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_module, "INBOX_WAIT_S", 0)
    result = run("token", "grafana", directory=store.directory)
    assert result.exit_code == 1
    assert "did not take the request" in result.output
    assert not list((store.directory / "inbox").iterdir())
