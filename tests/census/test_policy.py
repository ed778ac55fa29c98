from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest

from census.calendar import day_start_ms, parse_day
from census.policy import list_policies, load_policy, parse_policy
from census.rules import ENTERPRISE_RULES, ROBOT_RULES
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from census.policy import Policy

TEXT = (resources.files("config") / "policies" / "wenzhou-2018.yaml").read_text(encoding="utf-8")


def test_the_programmes_numbers_and_words_stand_in_the_policy(policy: Policy) -> None:
    targets = policy.targets
    assert (targets.robots_new.value, targets.robots_new.wording_zh) == (1_200, "新增机器人应用1200台以上")
    assert (targets.enterprises_on_cloud.value, targets.enterprises_on_cloud.wording_zh) == (
        15_000,
        "新增企业上云1.5万家",
    )
    assert [named.target for named in policy.named_lists] == [10, 30, 2, 30]


def test_the_period_is_half_open_in_shanghai(policy: Policy) -> None:
    period = policy.period
    assert period.start_ms == 1_514_736_000_000
    assert period.holds(parse_day("2018-01-01"))
    assert period.holds(parse_day("2018-12-31"))
    assert not period.holds(parse_day("2019-01-01"))
    assert period.elapsed_days(day_start_ms(parse_day("2017-12-01"))) == 0
    assert period.elapsed_days(day_start_ms(parse_day("2018-04-01"))) == 90
    assert period.elapsed_days(day_start_ms(parse_day("2020-01-01"))) == 365


def test_former_division_codes_map_to_the_policys_edition(policy: Policy) -> None:
    assert policy.division_code("330322") == "330305"
    assert policy.division_code("330383") == "330327"
    assert policy.division_code("330302") == "330302"
    assert policy.division_code("110000") == ""
    assert len(policy.divisions) == 12


def test_every_threshold_gives_unit_and_reason(policy: Policy) -> None:
    for name in type(policy.thresholds).model_fields:
        threshold = getattr(policy.thresholds, name)
        assert threshold.unit, name
        assert threshold.zh, name
        assert threshold.en, name


def test_the_required_rules_exist(policy: Policy) -> None:
    assert set(policy.robots.required) <= set(ROBOT_RULES)
    assert set(policy.enterprises.required) <= set(ENTERPRISE_RULES)


def test_a_policy_loads_by_name_or_file_with_the_same_digest(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert load_policy(path).digest == load_policy("wenzhou-2018").digest
    assert load_policy(str(path)).policy == load_policy("wenzhou-2018").policy
    assert list_policies() == ("wenzhou-2018",)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("working_days: {value: 5,", "working_days: {value: five,", "working_days.value"),
        ("working_days: {value: 5, unit: d", "working_days: {value: 5, unit: day", "working_days.unit"),
        ("  working_window:", "  workin_window:", "did you mean 'working_window'"),
        ('until: "2019-01-01"', 'until: "2017-01-01"', "ends before it begins"),
        ('from: "2018-01-01"', 'from: "2018-13-01"', "expected a date"),
        ("claimed_once, is_robot", "claimed_once, is_robbot", "is_robot"),
        ('former: ["330322"]', 'former: ["330302"]', "given twice"),
        ("    value: 1200\n", "", "is missing"),
        ("policy: wenzhou-2018\n", "policy: wenzhou-2018\npolicy: other\n", "is given twice"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        parse_policy(TEXT.replace(old, new, 1), "p.yaml")
    assert any(words in str(problem) for problem in caught.value.problems)
    assert all(problem.line > 0 and problem.column > 0 for problem in caught.value.problems)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'wenzhou-2018'"):
        load_policy("wenzhou-2019")


def test_a_policy_from_before_a_threshold_was_added_still_loads(policy: Policy) -> None:
    later = ("replay_strength:", "replay_certain:", "epoch_breaks_max:")
    before = "\n".join(line for line in TEXT.split("\n") if not line.strip().startswith(later))
    assert all(name not in before for name in later)
    assert parse_policy(before, "before.yaml").policy.thresholds == policy.thresholds
