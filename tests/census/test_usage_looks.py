"""How do a reporter's numbers look? Copied, of one template, round, or too few to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.census.test_evidence import gather, usage_row

if TYPE_CHECKING:
    from tests.census.fake_store import FakeStore


def _busy(enterprise: str, day: int, **values: Any) -> dict[str, Any]:
    given = {"active_users": 7, "requests": 12_345 + day, "cpu_s": 4_000 + day * 3}
    return usage_row(f"2018-01-{day:02}", enterprise=enterprise, **given | values)


def test_usage_that_is_anothers_is_told_by_who_began_earlier(store: FakeStore) -> None:
    rows = [_busy("E1", day) for day in range(3, 20)] + [_busy("E2", day) for day in range(8, 20)]
    rows += [_busy("E3", day, requests=20_000 + day * 37) for day in range(3, 20)]
    store.enrol("rep")
    store.put("cloud_usage", rows)
    looks = {name: found[0].looks for name, found in gather(store).usage.items()}
    assert (looks["E1"].twin_days, looks["E1"].behind_days, looks["E1"].tied_days, looks["E1"].twins) == (
        12,
        0,
        0,
        2,
    )
    assert (looks["E2"].twin_days, looks["E2"].behind_days) == (12, 12)
    assert (looks["E3"].twin_days, looks["E3"].told_days, looks["E3"].distinct_days) == (0, 17, 17)


def test_usage_of_one_template_is_told_on_all_who_have_it(store: FakeStore) -> None:
    names = ("E1", "E2", "E3", "E4")
    store.enrol("rep")
    store.put("cloud_usage", [_busy(name, day) for day in range(3, 12) for name in names])
    looks = [gather(store).usage[name][0].looks for name in names]
    assert [(one.tied_days, one.behind_days, one.twins) for one in looks] == [(9, 0, 4)] * 4


def test_flat_subscriptions_say_nothing_and_round_numbers_are_counted(store: FakeStore) -> None:
    rows = [
        usage_row(f"2018-01-{day:02}", enterprise=name, active_users=5, requests=None, billed_fen=900)
        for day in range(3, 12)
        for name in ("E1", "E2")
    ]
    rows += [_busy("E3", day, requests=9_000, cpu_s=2_000) for day in range(3, 12)]
    store.enrol("rep")
    store.put("cloud_usage", rows)
    looks = {name: found[0].looks for name, found in gather(store).usage.items()}
    assert (looks["E1"].told_days, looks["E1"].twin_days) == (0, 0)
    assert (looks["E3"].round_days, looks["E3"].distinct_days, looks["E3"].requests_a_user_max) == (
        9,
        1,
        1_285,
    )


def _small(enterprise: str, day: int, seed: int = 0) -> dict[str, Any]:
    """A workshop of a few people: numbers that meet those of others on many a day."""
    given = {"active_users": 1 + (day * 7 + seed) % 4, "requests": 150 + (day * 37 + seed * 11) % 400}
    return usage_row(f"2018-01-{day:02}", enterprise=enterprise, **given)


def test_a_small_customers_copied_weeks_are_told_and_a_chance_day_is_not(store: FakeStore) -> None:
    rows = [_small("E1", day) for day in range(1, 29)] + [_small("E2", day) for day in range(10, 29)]
    rows += [_small("E3", day, 0 if day in {4, 9, 17, 25} else 5) for day in range(1, 29)]
    rows += [  # a sync program: the same few numbers for everybody
        usage_row(f"2018-01-{day:02}", enterprise=name, active_users=1, requests=288)
        for day in range(1, 29)
        for name in ("E4", "E5")
    ]
    store.enrol("rep")
    store.put("cloud_usage", rows)
    looks = {name: found[0].looks for name, found in gather(store).usage.items()}
    assert looks["E2"].behind_days >= 12
    assert looks["E1"].behind_days == 0
    assert [looks[name].twin_days for name in ("E3", "E4", "E5")] == [0, 0, 0]
