"""Are restatements listed, and only they?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from census.cli import census as command
from census.diff import is_empty, restatements, restatements_text

if TYPE_CHECKING:
    from pathlib import Path


def verdict(outcome: str, **answers: str) -> dict[str, Any]:
    findings = [
        {"rule": rule, "answer": answer, "zh": f"{rule}中", "en": f"{rule} told"}
        for rule, answer in answers.items()
    ]
    return {"verdict": outcome, "grade": "B", "findings": findings}


def document(confirmed: int, log_size: int, **robots: dict[str, Any]) -> dict[str, Any]:
    figure = {"claimed": 3, "confirmed": confirmed, "refuted": 1, "unproven": 2 - confirmed}
    return {
        "policy": "p", "ledger_digest": "d", "log_size": log_size, "figures": {"robots_new": figure},
        "verdicts": {"robots": robots, "enterprises": {}},
    }  # fmt: skip


BEFORE = document(
    1,
    5,
    R1=verdict("confirmed", works="supports"),
    R2=verdict("unproven", works="silent"),
    R3=verdict("refuted"),
)
AFTER = document(
    2,
    9,
    R1=verdict("confirmed", works="supports"),
    R2=verdict("confirmed", works="supports"),
    R4=verdict("refuted"),
)


def test_what_differs_is_listed_with_its_reason() -> None:
    found = restatements(BEFORE, AFTER)
    assert found["inputs"] == {"log_size": [5, 9]}
    assert found["figures"] == {"robots_new": {"confirmed": [1, 2], "unproven": [1, 0]}}
    assert [(one["subject"], one["old"], one["new"]) for one in found["verdicts"]["robots"]] == [
        ("R2", "unproven", "confirmed"),
        ("R3", "refuted", None),
        ("R4", None, "refuted"),
    ]
    assert found["verdicts"]["robots"][0]["because"] == [
        {"rule": "works", "zh": "works中", "en": "works told"}
    ]
    text = restatements_text(found, "en")
    assert "R2: unproven → confirmed  works: works told" in text
    assert "works中" in restatements_text(found, "zh")


def test_the_same_run_restates_nothing() -> None:
    found = restatements(BEFORE, BEFORE)
    assert is_empty(found)
    assert "none" in restatements_text(found, "en")
    assert not is_empty(restatements(BEFORE, AFTER))


def test_the_command_exits_with_one_when_anything_was_restated(tmp_path: Path) -> None:
    for name, content in (("a", BEFORE), ("b", AFTER)):
        (tmp_path / name).write_text(json.dumps(content))
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    runner = CliRunner()
    assert runner.invoke(command, ["diff", a, a]).exit_code == 0
    told = runner.invoke(command, ["diff", a, b, "--json"])
    assert (told.exit_code, json.loads(told.stdout)) == (1, restatements(BEFORE, AFTER))
    (tmp_path / "c").write_text("[]")
    assert runner.invoke(command, ["diff", a, str(tmp_path / "c")]).exit_code == 2


def test_a_move_between_counties_and_a_shorter_list_are_restatements() -> None:
    def told(county: str, listed: int | None) -> dict[str, Any]:
        rows = [
            {
                "code": code,
                "zh": "",
                "en": "",
                "claimed": claimed,
                "confirmed": None,
                "refuted": 0,
                "unproven": 0,
            }
            for code in ("330302", "330382")
            for claimed in [9 if code == county else None]
        ]
        base = document(1, 5)
        base["figures"]["robots_new"] |= {"by_division": rows}
        return base | {"named_lists": [{"list": "pilots", "listed": listed}]}

    found = restatements(told("330302", 10), told("330382", None))
    assert not is_empty(found)
    assert (found["figures"], sorted(found["tables"])) == (
        {},
        ["robots_new/division/330302", "robots_new/division/330382"],
    )
    assert found["lists"] == {"pilots": [10, None]}
    text = restatements_text(found, "en")
    assert "robots_new/division/330302: claimed 9 → ·" in text
    assert "pilots: 10 → ·" in text
