"""Is what a device answered weighed rightly? Values against bounds, byte orders, and maps against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus_plan import BIT_TABLES
from drivers.probe_judge import (
    ORDERS,
    Looks,
    Score,
    better_models,
    judge,
    propose_orders,
    score,
)
from drivers.profiles import list_profiles, load_profile
from simulators.modbus_device import encode_registers

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.profile import Profile, Table

PROFILES = {name: load_profile(name).profile for name in list_profiles()}
MODBUS = [name for name, profile in PROFILES.items() if profile.modbus is not None]
WIDE = ["jaka_zu", "kinova_gen3", "eastron_sdm630", "chint_dtsu666", "acrel_adl400", "schneider_pm5110"]


def image_of(profile: Profile, order: str | None = None) -> dict[tuple[Table, int], int]:
    """Give the registers of a device in the state of its golden examples, by pymodbus's encoder, in any byte order."""
    image: dict[tuple[Table, int], int] = {}
    default = profile.modbus.order if profile.modbus else "ABCD"
    for point in profile.points.values():
        assert point.table is not None
        assert point.address is not None
        if point.bit is not None:
            before = image.get((point.table, point.address), 0)
            image[point.table, point.address] = before | bool(point.golden[0].value) << point.bit
            continue
        bits = point.table in BIT_TABLES
        words = encode_registers(
            point, point.golden[0].value, "ABCD" if bits else order or point.order or default
        )
        for offset, word in enumerate(words):
            image[point.table, point.address + offset] = word
    return image


@pytest.mark.parametrize("name", MODBUS)
def test_a_device_as_its_profile_says_raises_no_doubt(name: str) -> None:
    profile = PROFILES[name]
    doubts = {
        point: one.why
        for point, one in judge(profile, image_of(profile)).items()
        if one.looks is Looks.DOUBTFUL
    }
    assert not doubts
    assert propose_orders(profile, image_of(profile)) == ()


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("order", ORDERS)
def test_a_device_with_another_word_order_is_found_out(name: str, order: str) -> None:
    profile = PROFILES[name]
    assert profile.modbus is not None
    proposals = propose_orders(profile, image_of(profile, order))
    if order == profile.modbus.order:
        assert proposals == ()
    else:
        assert order in [proposal.order for proposal in proposals]
        assert proposals[0].mended >= 1


def test_the_usual_swap_is_proposed_before_those_that_turn_bytes() -> None:
    profile = PROFILES["jaka_zu"]
    assert propose_orders(profile, image_of(profile, "CDAB"))[0].order == "CDAB"


def test_small_counters_show_a_swap_by_their_empty_halves() -> None:
    profile = PROFILES["siemens_s7_1200_cell"]
    image = image_of(profile)
    image["holding", 2], image["holding", 3] = 1234, 0  # 1234 parts, low word first
    image["holding", 4], image["holding", 5] = 12, 0
    image["holding", 6], image["holding", 7] = 17714, 1
    assert judge(profile, image)["parts"].why == "only its high half is used"
    assert propose_orders(profile, image)[0].order == "CDAB"


@pytest.mark.parametrize(
    ("point", "words", "looks", "why"),
    [
        ("type: float32, minimum: 0, maximum: 500", [0x4366, 0], Looks.PLAUSIBLE, ""),
        ("type: float32, minimum: 0, maximum: 500", [0x4466, 0], Looks.DOUBTFUL, "above 500"),
        ("type: float32", [0x0000, 0x4366], Looks.DOUBTFUL, "absurdly small"),
        ("type: float32", [0x7F00, 0], Looks.DOUBTFUL, "absurdly large"),
        ("type: float32", [0x7FC0, 0], Looks.DOUBTFUL, "no finite number"),
        ("type: float32", [0, 0], Looks.EMPTY, ""),
        ("type: bool", [1], Looks.PLAUSIBLE, ""),
        ("type: bool", [0], Looks.EMPTY, ""),
        ("type: bool", [2], Looks.DOUBTFUL, "neither 0 nor 1"),
        ("type: uint16, sentinels: [65535]", [65535], Looks.EMPTY, "not available"),
        ("type: int32, metric: parts, rate_max: 1", [65535, 65535], Looks.DOUBTFUL, "below 0"),
        (
            "type: uint32, metric: parts, rate_max: 1, modulus: 1000",
            [0, 1000],
            Looks.DOUBTFUL,
            "at or above its modulus",
        ),
        ("type: uint32, metric: parts, rate_max: 1", [3, 0], Looks.DOUBTFUL, "only its high half"),
        ("type: uint32", [3, 0], Looks.PLAUSIBLE, ""),
        ("type: int16, metric: power_w, multiply: 1000, maximum: 5000", [6], Looks.DOUBTFUL, "above 5000"),
        ("type: string, length: 2", [0x4142, 0], Looks.PLAUSIBLE, ""),
        ("type: string, length: 2", [0, 0], Looks.EMPTY, ""),
        ("type: string, length: 2", [0xFFFF, 0xFFFF], Looks.DOUBTFUL, "no text"),
    ],
)
def test_one_point_is_judged(
    make_profile: Callable[..., Profile], point: str, words: list[int], looks: Looks, why: str
) -> None:
    profile = make_profile(f"  a: {{table: holding, address: 7, {point}}}")
    judged = judge(profile, {("holding", 7 + place): word for place, word in enumerate(words)})["a"]
    assert judged.looks is looks
    assert why in judged.why
    assert judged.words == tuple(words)


def test_a_value_that_no_state_knows_is_doubted_and_what_was_not_read_is_not_judged(
    make_profile: Callable[..., Profile],
) -> None:
    profile = make_profile(
        "  mode: {table: holding, address: 0, type: uint16}\n  error: {table: holding, address: 1, type: uint16}\n"
        "  far: {table: holding, address: 9, type: int32}",
        further="states:\n  - {state: running, point: mode, equals: [2]}\n  - {state: fault, point: error, differs: [0]}",
    )
    judged = judge(profile, {("holding", 0): 7, ("holding", 1): 7, ("holding", 9): 1})
    assert [one.looks for one in judged.values()] == [Looks.DOUBTFUL, Looks.PLAUSIBLE, Looks.UNREAD]


@pytest.mark.parametrize(
    ("own", "other", "is_better"),
    [
        (Score("a", 0, 0, 0, 8), Score("b", 6, 1, 0, 0), True),
        (Score("a", 0, 8, 0, 0), Score("b", 3, 1, 0, 0), True),
        (Score("a", 8, 0, 0, 0), Score("b", 8, 0, 0, 0), False),  # the same map under another name
        (Score("a", 6, 2, 0, 0), Score("b", 7, 1, 0, 0), False),  # an idle machine moves that much
        (Score("a", 0, 0, 0, 8), Score("b", 2, 0, 0, 0), False),  # two points fit by chance
        (Score("a", 0, 0, 0, 8), Score("b", 6, 0, 1, 0), False),
        (Score("a", 0, 0, 0, 8), Score("b", 6, 0, 0, 1), False),
    ],
)
def test_another_map_must_be_clearly_better(own: Score, other: Score, *, is_better: bool) -> None:
    assert bool(better_models(own, [other])) is is_better


def test_no_score_comes_of_nothing() -> None:
    nothing = score(PROFILES["jaka_zu"], {}, {})
    assert nothing.heard == 0
    assert nothing.merit == 0.0
    assert not nothing.is_settled


@pytest.mark.parametrize("name", MODBUS)
def test_no_map_is_taken_for_another_of_its_kind(name: str) -> None:
    """Each device in its golden state, all its kind's maps laid over it: none beats its own."""
    profile, image = PROFILES[name], image_of(PROFILES[name])
    others = [
        score(other, image, {})
        for other in PROFILES.values()
        if other.modbus and other.kind is profile.kind and other is not profile
    ]
    assert better_models(score(profile, image, {}), others) == ()


def test_the_look_alike_of_universal_robots_is_told_by_its_numbers() -> None:
    """Elite CS answers UR's addresses with user registers, not with errors: nothing there may look like a UR at work."""
    registers: dict[tuple[Table, int], int] = {("holding", address): 0 for address in range(256, 384)}
    image = registers | image_of(PROFILES["elite_cs"])
    own = score(PROFILES["universal_robots_e_series"], image, {})
    assert (own.plausible, own.doubtful, own.refused) == (0, 0, 0)
    assert not own.is_settled
    elite = score(PROFILES["elite_cs"], image, {})
    assert [one.profile for one in better_models(own, [elite])] == ["elite_cs"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MODBUS), st.lists(st.integers(0, 65535), min_size=1, max_size=64))
def test_whatever_the_registers_hold_something_is_said(name: str, words: list[int]) -> None:
    profile = PROFILES[name]
    places = sorted(image_of(profile))
    image = {place: words[number % len(words)] for number, place in enumerate(places)}
    image = {place: word & 1 if place[0] in BIT_TABLES else word for place, word in image.items()}
    assert set(judge(profile, image)) == set(profile.points)
    assert -1.0 <= score(profile, image, {}).merit <= 1.0
    assert all(proposal.mended >= 0 for proposal in propose_orders(profile, image))
