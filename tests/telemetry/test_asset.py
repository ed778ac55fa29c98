"""Are ids and asset paths only what they may be?"""

from __future__ import annotations

import pytest

from telemetry.asset import AssetPath, is_id


@pytest.mark.parametrize("text", ["a", "A1", "robot-07", "v1.2_x", "0", "x" * 64])
def test_an_id_is_taken(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "-a", ".a", "_a", "a b", "a/b", "a,b", "a=b", "机器人", "x" * 65, "a\n", "a\u202e", "../a", "１"],
)
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_id(text)


def test_a_path_reads_back_as_it_was_written() -> None:
    path = AssetPath("acme", "plant-1", "line.2", "cell_3", "robot-4")
    assert str(path) == "acme/plant-1/line.2/cell_3/robot-4"
    assert AssetPath.parse(str(path)) == path


@pytest.mark.parametrize("text", ["", "a/b/c/d", "a/b/c/d/e/f", "a/b/c/d/e/"])
def test_a_path_has_five_levels(text: str) -> None:
    with pytest.raises(ValueError, match="an asset path has five levels"):
        AssetPath.parse(text)


@pytest.mark.parametrize("text", ["a/b//d/e", "a/b/../d/e", "a/b/c/d/e f"])
def test_every_level_is_an_id(text: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        AssetPath.parse(text)
