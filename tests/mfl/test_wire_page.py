"""Can somebody who has only the page seal a batch? Its example is one, put together here by the page's words alone."""

from __future__ import annotations

import base64
import hashlib
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mfl.reference.wire import page
from telemetry.seal import parse_public_key, read_lines, read_seal, signature_holds

ORDER = ["gateway", "epoch", "seq", "count", "sha256", "prev", "sealed_ms", "clock_state", "boot", "mono_ms"]


def _example() -> bytes:
    found = re.search(r"```\n(epoch.+?)```", page(), re.DOTALL)
    assert found is not None
    return found[1].encode()


def test_the_example_is_a_batch_signed_by_the_key_beside_it() -> None:
    batch = read_seal(_example())
    assert len(read_lines(batch)) == 2
    told = re.search(r"all 7 \(`(ed25519 [^`]+)`\)", page())
    assert told is not None
    assert signature_holds(batch.seal, parse_public_key(told[1]))


def test_the_words_of_the_page_give_the_examples_hash_and_signature() -> None:
    lines = _example().splitlines(keepends=True)
    fields = dict(re.findall(r'([a-z0-9_]+)="?([^",]*?)"?i?[, ]', lines[-1].decode().partition(" ")[2]))
    assert fields["sha256"] == hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    assert (fields["prev"], fields["v"]) == ("0" * 64, "1")
    values = {**fields, "gateway": "gw-1"}
    told = "mfl-batch-v1\n" + "".join(f"{name}={values[name]}\n" for name in ORDER)
    signature = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32).sign(told.encode())
    assert fields["sig"] == base64.b64encode(signature).decode()
