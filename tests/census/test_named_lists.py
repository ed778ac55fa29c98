"""Is a list counted only when its issuer signed these very bytes?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from census.cli import census as command
from census.ledger import Ledger, load_ledger
from census.named_lists import NO_FILE, NO_KEY, NOT_SIGNED, count_lists, sign_lists, valid_signers
from census.policy import parse_policy
from telemetry.errors import ConfigError
from telemetry.seal import write_public_key
from tests.census.test_policy import TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from census.policy import Policy

ISSUER, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
ROWS = """list,uscc,name,issued_on
cloud_benchmark,91110000600037341L,甲,2018-06-01
cloud_benchmark,91360700327710653G,乙,2018-06-01
cloud_benchmark,92340621MA2UJT9WXP,丙,2017-06-01
cloud_benchmark,91110000600037341M,丁,2018-06-01
integration_pilot,91110000600037341L,甲,
no_such_list,91110000600037341L,甲,
"""


def policy_of(*keyed: str) -> Policy:
    key = write_public_key(ISSUER.public_key())
    text = TEXT
    for name in keyed:
        text = text.replace(f"list: {name},", f'list: {name}, issuer_key: "{key}",')
    return parse_policy(text, "p.yaml").policy


def ledger_of(folder: Path, signatures: str | None) -> Ledger:
    (folder / "robots.csv").write_text("robot,uscc,addition\n")
    (folder / "named_lists.csv").write_text(ROWS, encoding="utf-8")
    if signatures is not None:
        (folder / "named_lists.sig").write_text(signatures)
    return load_ledger(folder)


def test_a_signed_list_counts_each_enterprise_of_the_period_once(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, sign_lists(ROWS.encode(), ISSUER))
    figures, problems = count_lists(ledger, policy_of("cloud_benchmark", "cloud_platform"))
    assert {one.named.list: (one.listed, one.reason) for one in figures} == {
        "cloud_benchmark": (2, ("", "")),
        "integration_pilot": (None, NO_KEY),
        "cloud_platform": (None, NO_FILE),
        "smart_manufacturing": (None, NO_KEY),
    }
    assert [problem.split(": ")[0] for problem in problems] == [
        "named_lists.csv:4",
        "named_lists.csv:5",
        "named_lists.csv",
    ]


@pytest.mark.parametrize(
    "signatures", [None, "", sign_lists(ROWS.encode(), OTHER), sign_lists(ROWS.encode() + b" ", ISSUER)]
)
def test_a_list_its_issuer_did_not_sign_is_not_counted(tmp_path: Path, signatures: str | None) -> None:
    figures, _ = count_lists(ledger_of(tmp_path, signatures), policy_of("cloud_benchmark"))
    assert (figures[0].listed, figures[0].reason) == (None, NOT_SIGNED)


def test_every_bad_signature_line_is_a_problem_and_the_good_one_holds() -> None:
    good = sign_lists(b"data", ISSUER)
    lines = [
        "ed25519 AAAA BBBB",
        "rsa AAAA BBBB",
        "ed25519",
        good.strip(),
        sign_lists(b"else", OTHER).strip(),
    ]
    signers, problems = valid_signers(b"data", "\n".join(lines).encode() + b"\n\xff\xfe\n")
    assert signers == {write_public_key(ISSUER.public_key())}
    assert [problem.line for problem in problems] == [1, 2, 3, 5, 6]
    assert problems[3].message == "the signature does not hold"


def test_signatures_are_bounded() -> None:
    _, problems = valid_signers(b"data", b"x\n" * 100)
    assert problems[-1].message == "further lines are not read"


def test_the_signature_is_in_the_ledgers_digest(tmp_path: Path) -> None:
    unsigned = ledger_of(tmp_path, None).digest
    assert ledger_of(tmp_path, sign_lists(ROWS.encode(), ISSUER)).digest != unsigned


def test_a_key_that_is_none_is_named_in_the_policy() -> None:
    with pytest.raises(ConfigError, match="public key is written"):
        parse_policy(
            TEXT.replace("list: cloud_benchmark,", "list: cloud_benchmark, issuer_key: rsa,"), "p.yaml"
        )


def test_the_command_signs_so_that_the_list_counts(tmp_path: Path) -> None:
    ledger_of(tmp_path, None)
    key = tmp_path / "issuer.pem"
    key.write_bytes(ISSUER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = CliRunner().invoke(command, ["sign-lists", "--ledger", str(tmp_path), "--key", str(key)])
    assert done.exit_code == 0
    figures, _ = count_lists(load_ledger(tmp_path), policy_of("cloud_benchmark"))
    assert figures[0].listed == 2
    key.write_text("no key")
    assert (
        CliRunner().invoke(command, ["sign-lists", "--ledger", str(tmp_path), "--key", str(key)]).exit_code
        == 2
    )
