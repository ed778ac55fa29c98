from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from census.uscc import ALPHABET, check_character, fault, is_sole_trader, is_valid, organisation_check


@pytest.mark.parametrize("code", ["91110000600037341L", "92340621MA2UJT9WXP", "91360700327710653G"])
def test_published_codes_hold_both_checks(code: str) -> None:
    assert fault(code) == ""
    assert is_valid(code)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("", "length"),
        ("91110000600037341", "length"),
        ("91110000600037341LL", "length"),
        ("91110000600037341I", "alphabet"),
        ("9111000060003734SL", "alphabet"),
        ("91110000600037342L", "organisation"),
        ("91110000600037341M", "check"),
        ("91110000600037314L", "organisation"),
        ("91340621MA2UJT9WXP", "check"),
    ],
)
def test_a_wrong_code_says_what_is_wrong(code: str, wrong: str) -> None:
    assert fault(code) == wrong


def test_a_sole_trader_is_told_by_its_first_two_characters() -> None:
    assert is_sole_trader("92340621MA2UJT9WXP")
    assert not is_sole_trader("91110000600037341L")


_CHARACTERS = st.sampled_from(ALPHABET)


@st.composite
def codes(draw: st.DrawFn) -> str:
    head = "".join(draw(st.lists(_CHARACTERS, min_size=16, max_size=16)))
    head += organisation_check(head[8:])
    return head + check_character(head)


@given(codes(), st.integers(0, 17), _CHARACTERS)
def test_any_single_wrong_character_is_found(code: str, place: int, other: str) -> None:
    changed = code[:place] + other + code[place + 1 :]
    assert is_valid(code)
    assert is_valid(changed) == (changed == code)
