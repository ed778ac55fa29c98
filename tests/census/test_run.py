"""Does a whole census come out right, and the same again? Over fake day files and over the real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from census.calendar import day_start_ms, parse_day, write_day
from census.cli import census as command
from census.report import to_json, to_text, width
from census.run import CensusResult, code_version, run_census
from store.embedded import EmbeddedStore
from telemetry.clock import Clock
from telemetry.line import Row
from telemetry.schema import MEASUREMENTS
from telemetry.seal import ChainPlace, SealTime, next_place, seal_batch, write_public_key
from tests.census.fake_store import FakeStore, identity_row, machine_day
from tests.census.test_evidence import usage_row

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "config" / "ledgers" / "example"
AS_OF = day_start_ms(parse_day("2018-02-01"))
LUCHENG, YUEQING, TRADER = "91330302MA0001018L", "91330382MA0002029U", "92330381MA0004040Y"
GATEWAYS = ("gw-lucheng-1", "gw-yueqing-1", "gw-yongjia-1", "example-cloud-reporter")


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """January at the three workshops: R-0001 works, R-0002 idles, R-0003 is another robot; two enterprises use a cloud."""
    told = {"gw-lucheng-1": "XF600101", "gw-yueqing-1": "20180417", "gw-yongjia-1": "999"}
    for gateway, serial in told.items():
        values = {"gateway": gateway, "device": "arm-1", "seq": 9, "leaf": 9}
        source = "declared" if gateway == "gw-lucheng-1" else "register"
        yield "identity", identity_row("2018-01-10", serial=serial, source=source, **values)
        for number in range(1, 25):
            day = write_day(parse_day("2018-01-01") + number - 1)
            start = day_start_ms(parse_day(day))
            heartbeat = {
                "gateway": gateway,
                "time_ms": start,
                "received_ms": start,
                "grade": "signed",
                "quarantined": False,
            }
            yield "heartbeat", heartbeat | {"leaf": 5, "seq": number, "epoch": "e" * 32, "uptime_s": 1}
            if number >= 10:
                hours = 0 if gateway == "gw-yueqing-1" else 9
                for row in machine_day(day, hours, **values | {"seq": number}):
                    row["power_w_sum"] += GATEWAYS.index(gateway) * number
                    yield "machine", row
    for number in range(10, 20):
        for uscc in (LUCHENG, TRADER):
            reporter = {"gateway": GATEWAYS[3], "provider": "example-cloud", "enterprise": uscc}
            yield "cloud_usage", usage_row(f"2018-01-{number}", since="2018-01-10", seq=number, **reporter)


@pytest.fixture
def january(store: FakeStore) -> FakeStore:
    for gateway in GATEWAYS:
        store.enrol(gateway)
    tables: dict[str, list[dict[str, Any]]] = {}
    for measurement, row in rows():
        tables.setdefault(measurement, []).append(row)
    for measurement, found in tables.items():
        store.put(measurement, found)
    return store


def outcomes(result: CensusResult) -> dict[str, str]:
    judged = {**result.robots, **result.enterprises}
    return {subject: str(one.verdict.outcome) for subject, one in judged.items()}


EXPECTED = {
    "R-0001": "confirmed",
    "R-0002": "refuted",
    "R-0003": "refuted",
    LUCHENG: "confirmed",
    YUEQING: "confirmed",
    TRADER: "refuted",
}


def take(store: FakeStore, **values: Any) -> CensusResult:
    return run_census(store, EXAMPLE, "wenzhou-2018", **{"as_of_ms": AS_OF} | values)


def test_the_example_comes_out_as_it_was_made(january: FakeStore) -> None:
    result = take(january)
    assert outcomes(result) == EXPECTED
    assert {robot: one.verdict.reason for robot, one in result.robots.items()} == {
        "R-0001": "",
        "R-0002": "works",
        "R-0003": "own_identity",
    }
    assert result.enterprises[YUEQING].verdict.grade == "A"
    assert result.problems == ()


def test_the_document_has_the_published_shape(january: FakeStore) -> None:
    document = json.loads(json.dumps(to_json(take(january))))
    assert list(document) == [
        "policy", "policy_digest", "ledger_digest", "profile_digests", "as_of", "log_size", "root_hash", "code_version",
        "figures", "named_lists", "problems", "verdicts",
    ]  # fmt: skip
    assert document["as_of"] == "2018-02-01T00:00:00+08:00"
    assert document["profile_digests"] == ["acme_arm@0123456789ab"]
    figure = document["figures"]["robots_new"]
    assert (figure["claimed"], figure["confirmed"], figure["refuted"], figure["unproven"]) == (3, 1, 2, 0)
    assert (figure["target"], figure["completion_percent"], figure["time_progress_percent"]) == (
        1200,
        "0.1",
        "8.5",
    )
    assert figure["ahead_percent_points"] == "-8.4"
    assert figure["refuted_by_rule"] == {"own_identity": 1, "works": 1}
    first = figure["by_division"][0]
    assert (first["code"], first["zh"], first["en"]) == ("330302", "鹿城区", "Lucheng")
    # Three claims in all: every small cell is hidden, and what would give it away.
    assert (first["claimed"], first["confirmed"], first["rank"]) == (None, None, None)
    assert figure["small_cell"] == 3
    assert figure["growth"]["month"] == "2018-01"
    assert [one["listed"] for one in document["named_lists"]] == [None] * 4
    verdict = document["verdicts"]["robots"]["R-0001"]
    assert (verdict["verdict"], verdict["grade"]) == ("confirmed", "B")
    assert set(verdict["findings"][0]) == {"rule", "answer", "zh", "en"}


def test_the_same_log_size_gives_the_same_document(january: FakeStore) -> None:
    first = to_json(take(january, log_size=100))
    day = machine_day("2018-01-12", 20, gateway="gw-yueqing-1", device="arm-1", seq=99, leaf=100)
    january.put("machine", day)
    january.enrol("gw-new", leaf=150)
    assert to_json(take(january, log_size=100)) == first
    assert to_json(take(january))["log_size"] == january.leaves


def test_nothing_is_confirmed_before_anything_was_heard(january: FakeStore) -> None:
    result = take(january, as_of_ms=day_start_ms(parse_day("2018-01-02")))
    assert set(outcomes(result).values()) <= {"unproven", "refuted"}
    assert outcomes(result)["R-0001"] == "unproven"


def test_an_unenrolled_gateway_leaves_its_robots_unproven(january: FakeStore) -> None:
    january.log = [event for event in january.log if event.gateway != "gw-lucheng-1"]
    result = take(january)
    assert outcomes(result)["R-0001"] == "unproven"
    assert any("the log never enrolled it" in problem for problem in result.problems)


def test_usage_of_another_provider_than_the_reporters_is_not_counted(january: FakeStore) -> None:
    row = usage_row("2018-01-10", gateway=GATEWAYS[3], provider="other-cloud", enterprise=YUEQING)
    january.put("cloud_usage", [row])
    result = take(january)
    assert any("the ledger says example-cloud" in problem for problem in result.problems)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_text_is_aligned_in_both_languages(january: FakeStore, lang: Any) -> None:
    text = to_text(take(january), lang)
    assert ("完成率 0.1%" if lang == "zh" else "of target 0.1%") in text
    blocks = text.split("\n\n")
    table = [line for line in blocks[1].splitlines() if line.startswith("  ") and ":" not in line][1:]
    assert len({width(line) for line in table}) == 1
    assert len(table) == 14


def test_the_code_names_itself_by_its_own_bytes() -> None:
    assert code_version() == code_version()
    assert "+census." in code_version()


def seal_all(store: EmbeddedStore) -> None:
    """Put January into a real store: one batch a gateway and day."""
    batches: dict[tuple[str, int], list[Row]] = {}
    for name, row in rows():
        known = MEASUREMENTS[name]
        values = {field: row[field] for field in known.fields if row.get(field) is not None}
        day = (row["time_ms"] - day_start_ms(parse_day("2018-01-01"))) // 86_400_000
        line = Row(name, {each: row[each] for each in known.tags}, values, row["time_ms"])
        batches.setdefault((row["gateway"], day), []).append(line)
    places: dict[str, ChainPlace] = {}
    for number, gateway in enumerate(GATEWAYS, start=1):
        key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        store.enrol(
            gateway,
            write_public_key(key.public_key()),
            kind="provider" if number == 4 else "edge",
            from_ms=day_start_ms(parse_day("2018-01-01")),
            at_ms=day_start_ms(parse_day("2018-01-01")),
        )
        places[gateway] = ChainPlace(gateway, f"{number:032x}", 1, "0" * 64)
    for (gateway, day), lines in sorted(batches.items(), key=lambda item: (item[0][1], item[0][0])):
        key = Ed25519PrivateKey.from_private_bytes(bytes([GATEWAYS.index(gateway) + 1]) * 32)
        sealed_ms = day_start_ms(parse_day("2018-01-01") + day + 1)
        batch = seal_batch(lines, places[gateway], SealTime(sealed_ms, sealed_ms, "boot"), key)
        places[gateway] = next_place(batch)
        assert [answer.kind for answer in store.write_many([(batch, sealed_ms + 1000)])] == ["stored"]


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    directory = tmp_path / "sealed"
    store = EmbeddedStore.open(directory, Clock(lambda: AS_OF, lambda: 0, "test"))
    try:
        seal_all(store)
        store.apply()
    finally:
        store.close()
    return directory


def call(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, list(words))
    return result.exit_code, result.stdout, result.stderr


def test_the_command_takes_a_census_of_a_sealed_store(sealed: Path) -> None:
    options = ("--store", str(sealed), "--ledger", str(EXAMPLE), "--as-of", "2018-01-31")
    code, out, err = call("run", *options, "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    verdicts = {**document["verdicts"]["robots"], **document["verdicts"]["enterprises"]}
    assert {subject: one["verdict"] for subject, one in verdicts.items()} == EXPECTED
    assert len(document["root_hash"]) == 64
    assert call("run", *options, "--json")[1] == out
    code, text, _ = call("run", *options, "--lang", "en", "--strict")
    assert (code, "robots newly deployed  confirmed 1 robots / target 1200" in text) == (0, True)


def test_the_command_explains_down_to_the_leaves(sealed: Path) -> None:
    options = ("--store", str(sealed), "--ledger", str(EXAMPLE), "--as-of", "2018-01-31")
    code, text, _ = call("explain", "R-0002", *options, "--lang", "en")
    assert code == 0
    assert "refuted" in text
    assert "- works: heard well on 15 days, worked on 0" in text
    assert "Inside the period and since commissioning" in text
    assert "2018-01-24" in text
    code, text, _ = call("explain", LUCHENG.lower(), *options)
    assert (code, "认定" in text, "example-cloud" in text) == (0, True, True)
    code, _, err = call("explain", "R-9999", *options)
    assert (code, "claimed nowhere" in err) == (1, True)


def test_the_command_names_every_mistake_and_exits_with_two(sealed: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    code, _, err = call("run", "--store", str(sealed), "--ledger", str(empty))
    assert (code, "is not a ledger" in err) == (2, True)
    code, _, err = call("run", "--store", str(empty), "--ledger", str(EXAMPLE))
    assert code == 2
    assert err
    code, _, err = call("run", "--store", str(sealed), "--ledger", str(EXAMPLE), "--policy", "wenzou-2018")
    assert (code, "did you mean 'wenzhou-2018'" in err) == (2, True)
    code, _, err = call("run", "--store", str(sealed), "--ledger", str(EXAMPLE), "--as-of", "31.1.2018")
    assert (code, "expected a date" in err) == (2, True)
