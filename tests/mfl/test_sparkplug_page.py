"""The table of Sparkplug assertions tells only of tests that exist and run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfl.reference.sparkplug import ASSERTIONS, OWN, found_tests, name_of_test, page

if TYPE_CHECKING:
    from pathlib import Path


def test_every_assertion_has_its_test() -> None:
    tests = found_tests()
    assert [name for name in (*ASSERTIONS, *OWN) if name_of_test(name) not in tests] == []
    assert page().count("| PASS |") == len(ASSERTIONS) + len(OWN)
    assert "NOT EXECUTED" not in page()


def test_a_test_that_does_not_run_is_not_found(tmp_path: Path) -> None:
    test = "def test_a() -> None: ...\n"
    (tmp_path / "test_sparkplug_one.py").write_text(f"{test}@pytest.mark.long\ndef test_b() -> None: ...\n")
    (tmp_path / "test_sparkplug_two.py").write_text(
        "pytestmark = pytest.mark.long\ndef test_c() -> None: ...\n"
    )
    (tmp_path / "test_sparkplug_three.py").write_text("@pytest.mark.skip\ndef test_d() -> None: ...\n")
    assert found_tests(tmp_path) == {"test_a": "test_sparkplug_one.py"}
