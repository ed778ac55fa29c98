from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from simulators.virtual_disk import (
    SECTOR,
    Cut,
    DiskModel,
    Folder,
    Gone,
    Image,
    Name,
    Sync,
    SyncNames,
    Write,
)

if TYPE_CHECKING:
    from simulators.virtual_disk import Operation

SEEDS = range(300)


def states(*operations: Operation, image: Image | None = None) -> list[Image]:
    model = DiskModel(image)
    for operation in operations:
        model.apply(operation)
    return [model.power_cut(random.Random(seed)) for seed in SEEDS]


def contents(found: list[Image], path: str) -> set[bytes | None]:
    return {image.files[path][1] if path in image.files else None for image in found}


def test_what_is_synced_survives_every_cut() -> None:
    found = states(Name("a", 1), Write(1, 0, b"abc"), Sync(1), SyncNames(""))
    assert contents(found, "a") == {b"abc"}


def test_a_synced_file_without_a_synced_name_may_be_gone() -> None:
    assert contents(states(Name("a", 1), Write(1, 0, b"abc"), Sync(1)), "a") == {b"abc", None}


def test_an_unsynced_write_is_there_or_not_or_torn_at_a_sector() -> None:
    data = b"x" * SECTOR + b"y" * SECTOR
    found = contents(states(Name("a", 1), SyncNames(""), Write(1, 0, data)), "a")
    assert {b"", data, b"x" * SECTOR, bytes(SECTOR) + b"y" * SECTOR} == found


def test_unsynced_writes_come_out_of_order() -> None:
    found = contents(states(Name("a", 1), SyncNames(""), Write(1, 0, b"1"), Write(1, 1, b"2")), "a")
    assert {b"", b"1", b"12", b"\0" + b"2"} == found


def test_a_failed_sync_drops_what_it_should_have_kept_and_a_second_one_does_not_bring_it_back() -> None:
    begun = (Name("a", 1), SyncNames(""), Write(1, 0, b"old"), Sync(1), Write(1, 3, b"new"))
    assert contents(states(*begun, Sync(1, failed=True), Sync(1)), "a") == {b"old"}


def test_a_replaced_file_is_the_old_or_the_new_one() -> None:
    image = Image(set(), {"a": (1, b"old")})
    found = states(Name("a.tmp", 2), Write(2, 0, b"new"), Sync(2), Name("a", 2, "a.tmp"), image=image)
    assert contents(found, "a") == {b"old", b"new"}


def test_a_replacement_that_was_not_synced_may_be_empty() -> None:
    image = Image(set(), {"a": (1, b"old")})
    found = states(Name("a.tmp", 2), Write(2, 0, b"new"), Name("a", 2, "a.tmp"), image=image)
    assert contents(found, "a") == {b"old", b"new", b""}


def test_a_removal_is_sure_only_after_the_directory_was_synced() -> None:
    image = Image({"d"}, {"d/a": (1, b"x")})
    assert contents(states(Gone("d/a"), image=image), "d/a") == {b"x", None}
    assert contents(states(Gone("d/a"), SyncNames("d"), image=image), "d/a") == {None}


def test_a_directory_that_is_gone_takes_its_files_along() -> None:
    found = states(Folder("d"), Name("d/a", 1), Write(1, 0, b"x"), Sync(1), SyncNames("d"))
    assert contents(found, "d/a") == {b"x", None}
    assert all(("d" in image.folders) == ("d/a" in image.files) for image in found)


def test_a_cut_file_grows_by_zeros() -> None:
    found = states(Name("a", 1), SyncNames(""), Write(1, 0, b"abc"), Cut(1, 1), Cut(1, 3), Sync(1))
    assert contents(found, "a") == {b"a\0\0"}


@given(st.integers(0, 10**6), st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=900)), max_size=6))
def test_a_cut_never_invents_bytes(seed: int, writes: list[tuple[int, bytes]]) -> None:
    model = DiskModel(Image(set(), {"a": (1, b"")}))
    for offset, data in writes:
        model.apply(Write(1, offset, data))
    left = model.power_cut(random.Random(seed)).files["a"][1]
    assert len(left) <= max((offset + len(data) for offset, data in writes), default=0)
    for at, byte in enumerate(left):
        written = {data[at - offset] for offset, data in writes if offset <= at < offset + len(data)}
        assert byte in written | {0}
