"""What counts, from when, and how much is enough? The policy: every threshold with its unit and its reason."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from census.calendar import DAY_MS, day_start_ms, parse_day
from telemetry.errors import ConfigError, Problem
from telemetry.seal import parse_public_key
from telemetry.strict import Model, decode_yaml

Grade = Literal["A", "B", "C"]
RobotRuleName = Literal[
    "claimed_once",
    "is_robot",
    "own_identity",
    "not_relocated",
    "not_a_replacement",
    "new_by_evidence",
    "first_worked_in_period",
    "works",
    "physically_possible",
    "motion_agrees",
    "not_scripted",
    "not_a_copy",
    "gateway_enrolled",
    "unbroken_chain",
]
EnterpriseRuleName = Literal["registered_entity", "new_in_period", "live_use", "usage_plausible", "level"]


class Span(Model):
    """Half-open whole days [from, until) of Asia/Shanghai."""

    from_: str = Field(alias="from")
    until: str

    @field_validator("from_", "until")
    @classmethod
    def _is_day(cls, text: str) -> str:
        parse_day(text)
        return text

    @model_validator(mode="after")
    def _is_forward(self) -> Span:
        if self.from_ >= self.until:
            raise ValueError("ends before it begins")
        return self

    @cached_property
    def first_day(self) -> int:
        """The first day that counts, as an ordinal."""
        return parse_day(self.from_)

    @cached_property
    def end_day(self) -> int:
        """The first day that no longer counts, as an ordinal."""
        return parse_day(self.until)

    def holds(self, day: int) -> bool:
        """Tell whether a day (ordinal) is inside."""
        return self.first_day <= day < self.end_day


class Holiday(Span):
    """Days on which a workshop at rest is no idle one."""

    zh: str
    en: str


class Period(Span):
    """The period that figures are of."""

    zone: Literal["Asia/Shanghai"]

    @cached_property
    def start_ms(self) -> int:
        """The moment the period begins."""
        return day_start_ms(self.first_day)

    def elapsed_days(self, as_of_ms: int) -> int:
        """Count the whole days of the period that are over at a moment."""
        days = (as_of_ms - self.start_ms) // DAY_MS
        return max(0, min(days, self.end_day - self.first_day))


class Target(Model):
    """A figure the city set itself, in the words of the programme."""

    value: int = Field(gt=0)
    unit_zh: str
    unit_en: str
    zh: str
    en: str
    wording_zh: str
    wording_en: str


class Targets(Model):
    """The two targets that machines can bear witness to."""

    robots_new: Target
    enterprises_on_cloud: Target


class NamedList(Model):
    """A list issued by an authority, with its target and the public key its issuer signs with (empty: none is known)."""

    list: str
    target: int = Field(gt=0)
    unit_zh: str
    unit_en: str = ""
    zh: str
    en: str
    issuer_key: str = ""

    @field_validator("issuer_key")
    @classmethod
    def _is_key(cls, text: str) -> str:
        if text:
            parse_public_key(text)
        return text


class Definition(Model):
    """A published definition and its version."""

    version: int = Field(ge=1)
    zh: str
    en: str


class Threshold(Model):
    """A number somebody chose: its unit, and why this much."""

    value: int = Field(ge=0)
    unit: Literal["axis", "min", "h", "d", "percent", "1", "1/min", "kW", "W", "mA", "deg/s", "mm/s"]
    zh: str
    en: str


class Thresholds(Model):
    """Every number the rules compare with."""

    robot_axes_min: Threshold
    working_day_running_min: Threshold
    working_days: Threshold
    working_window: Threshold
    first_work_running_min: Threshold
    heard_polls: Threshold
    heard_cover: Threshold
    heard_days: Threshold
    gateway_before: Threshold
    factory_allowance: Threshold
    copy_days: Threshold
    copy_patterns: Threshold
    copy_strength: Threshold
    copy_sigmas: Threshold
    replay_sigmas: Threshold
    replay_strength: Threshold = Threshold(
        value=60,
        unit="percent",
        zh="真实工作的起伏不会重来；达六成者，或为自身往日的重放，或为按周固定的生产计划，提请复核",
        en="chance does not come again; where three fifths of it do, it is a replay or a rigid weekly plan, and a person looks",
    )
    replay_certain: Threshold = Threshold(
        value=75,
        unit="percent",
        zh="按周固定计划的机器数百台中无一达到此数；重放、加一成噪声的多在其上",
        en="of some hundred machines on a fixed weekly plan none reaches it; most replays with a tenth of noise do",
    )
    copy_lag: Threshold
    line_lag: Threshold
    order_margin: Threshold
    epoch_breaks_max: Threshold = Threshold(
        value=1,
        unit="1",
        zh="一季度换一次网关或坏一次盘尚属常情；再多须有人说明，否则每断一次就可隐去一段",
        en="one box or disk replaced in a calendar quarter is ordinary; more need a person's word, for each break can hide what was not yet sent",
    )
    evidence_days: Threshold
    impossible_days: Threshold
    cycles_rate_max: Threshold
    moves_rate_max: Threshold
    parts_rate_max: Threshold
    power_max: Threshold
    rate_burst: Threshold
    motion_days: Threshold
    still_current: Threshold
    still_joint_speed: Threshold
    still_tcp_speed: Threshold
    still_power: Threshold
    scripted_days: Threshold
    scripted_windows: Threshold
    scripted_growth: Threshold
    scripted_share: Threshold
    equal_hours: Threshold
    rhythm_strength: Threshold
    rhythm_rise: Threshold
    use_days: Threshold
    use_window: Threshold
    usage_told_days: Threshold
    usage_distinct_share: Threshold
    usage_round_share: Threshold
    usage_copies_min: Threshold
    usage_alike: Threshold = Threshold(
        value=82,
        unit="percent",
        zh="除去星期、趋势和节假日之后，两家企业每日用量的起伏本不相干；诚实企业足够确凿的至多八成，逾此提请复核",
        en="with weekday, trend and holidays taken out, two firms' daily use has nothing in common; honest ones reach four fifths at most where it is sure enough, above it a person looks",
    )
    usage_alike_certain: Threshold = Threshold(
        value=90,
        unit="percent",
        zh="加百分之八噪声的复制在此数上下",
        en="copies with 8 % of noise lie about here",
    )
    usage_alike_beyond: Threshold = Threshold(
        value=20,
        unit="1",
        zh="十分之一标准差为单位：比同一服务商全部两两比较、移动两周之中碰巧所能及的最大值再高二；诚实企业至多一又五分之四",
        en="tenths of a standard deviation beyond the best that chance gives among all pairs of a provider's customers at a fortnight of lags; honest ones reached 18",
    )
    requests_a_user_max: Threshold
    users_factor: Threshold
    small_cell: Threshold


class RobotPolicy(Model):
    """What is asked of a robot's claim."""

    required: tuple[RobotRuleName, ...]
    grades: tuple[Grade, ...]
    categories: tuple[str, ...]
    additions_new: tuple[str, ...]
    not_robot_kinds: tuple[str, ...]
    not_robot_words: tuple[str, ...]
    review_words: tuple[str, ...]


class EnterprisePolicy(Model):
    """What is asked of an enterprise's claim."""

    required: tuple[EnterpriseRuleName, ...]
    grades: tuple[Grade, ...]
    register_required: bool
    sole_traders_count: bool


class Editions(Model):
    """The editions of the code lists."""

    divisions: str
    industries: str


class Division(Model):
    """A county, district or zone, with the codes it had in other editions."""

    code: str = Field(pattern=r"^[0-9]{6}$")
    zh: str
    en: str
    former: tuple[str, ...]


class Named(Model):
    """A cluster or an industry."""

    code: str
    zh: str
    en: str


class Size(Model):
    """A size class of enterprises; `staff_max` is the most staff it has, None for the largest."""

    code: str
    zh: str
    en: str
    staff_max: int | None = Field(default=None, gt=0)


class Level(Model):
    """A step of the ladder: how many kinds of services it asks for, and other spellings of its code."""

    code: str
    zh: str
    en: str
    services: int = Field(ge=1, le=3)
    former: tuple[str, ...] = ()


class Policy(Model):
    """The whole policy file."""

    policy: str
    version: int
    zh: str
    en: str
    source: str
    period: Period
    holidays: tuple[Holiday, ...] = ()
    targets: Targets
    named_lists: tuple[NamedList, ...]
    definitions: dict[str, Definition]
    thresholds: Thresholds
    robots: RobotPolicy
    enterprises: EnterprisePolicy
    editions: Editions
    divisions: tuple[Division, ...]
    clusters: tuple[Named, ...]
    industries: tuple[Named, ...]
    sizes: tuple[Size, ...]
    levels: tuple[Level, ...]

    @model_validator(mode="after")
    def _codes_are_single(self) -> Policy:
        codes = [code for division in self.divisions for code in (division.code, *division.former)]
        if twice := next((code for code in codes if codes.count(code) > 1), ""):
            raise ValueError(f"division code {twice} is given twice")
        return self

    @cached_property
    def division_codes(self) -> dict[str, str]:
        """A division's code of any edition → this policy's code."""
        return {code: one.code for one in self.divisions for code in (one.code, *one.former)}

    @cached_property
    def staff_max(self) -> dict[str, int]:
        """Size class → the most staff it has, of those that are bounded."""
        return {size.code: size.staff_max for size in self.sizes if size.staff_max is not None}

    def is_holiday(self, day: int) -> bool:
        """Tell whether a day (ordinal) is a public holiday of this policy."""
        return any(holiday.holds(day) for holiday in self.holidays)

    def division_code(self, code: str) -> str:
        """Give this policy's code of a division, whatever edition it was written in; empty when it is none of ours."""
        return self.division_codes.get(code, "")


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy and the SHA-256 (hex) of its file's bytes."""

    policy: Policy
    digest: str


def parse_policy(text: str, file: str) -> LoadedPolicy:
    """Read a policy's text; ConfigError carries every problem with line and column."""
    return LoadedPolicy(decode_yaml(Policy, text, file), hashlib.sha256(text.encode()).hexdigest())


def load_policy(name_or_path: str | Path) -> LoadedPolicy:
    """Load a policy by its packaged name (`wenzhou-2018`) or its file; ConfigError when there is none or it is wrong."""
    name = str(name_or_path)
    packaged = resources.files("config") / "policies" / f"{name}.yaml"
    if "/" not in name and not name.endswith((".yaml", ".yml")) and packaged.is_file():
        return parse_policy(packaged.read_text(encoding="utf-8"), f"{name}.yaml")
    path = Path(name_or_path)
    try:
        return parse_policy(path.read_text(encoding="utf-8"), name)
    except OSError as error:
        close = difflib.get_close_matches(name, list_policies(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"packaged: {', '.join(list_policies())}"
        raise ConfigError(
            [Problem(name, 0, 0, "", f"no such policy: {error.strerror or error}", hint)]
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(name, 0, 0, "", f"is not UTF-8: {error.reason}")]) from None


def list_policies() -> tuple[str, ...]:
    """Name the packaged policies."""
    folder = resources.files("config") / "policies"
    return tuple(
        sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    )
