"""Which sentences of the Sparkplug standard does a host keep, and which test says so? The page made from tests and ids."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.sparkplug_payload import METRICS_MAX, PAYLOAD_BYTES_MAX, DataType
from drivers.sparkplug_session import REBIRTH_AGAIN_MAX_MS, REBIRTH_AGAIN_MS, REBIRTH_SPACING_MS
from mfl.reference.tables import code, table

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "mfl/reference/sparkplug.py and the tests in tests/drivers"
TESTS = Path(__file__).parents[2] / "tests" / "drivers"
_DEATH = "operational-behavior-edge-node-termination-host-action"
ASSERTIONS = {
    "operational-behavior-host-reordering-param": "the reorder timeout can be set (`reorder_ms`)",
    "operational-behavior-host-reordering-start": "the first message out of order starts the timer",
    "operational-behavior-host-reordering-rebirth": "when it runs out, the edge node is asked for a rebirth",
    "operational-behavior-host-reordering-success": "when the missing message comes in time, nothing happened",
    f"{_DEATH}-ndeath-node-offline": "after an NDEATH the node is offline",
    f"{_DEATH}-ndeath-node-tags-stale": "and its values no longer hold, by the host's time",
    f"{_DEATH}-ndeath-devices-offline": "and all its devices are offline",
    f"{_DEATH}-ndeath-devices-tags-stale": "and their values no longer hold, by the host's time",
    f"{_DEATH}-ddeath-devices-offline": "after a DDEATH the device is offline",
    f"{_DEATH}-ddeath-devices-tags-stale": "and its values no longer hold, by the payload's time",
    "host-topic-phid-birth-message": "the STATE birth is the first message published",
    "host-topic-phid-birth-qos": "at QoS 1",
    "host-topic-phid-birth-retain": "retained",
    "host-topic-phid-birth-topic": "on `spBv1.0/STATE/HOST`",
    "host-topic-phid-birth-sub-required": "the host subscribes to its own STATE",
    "host-topic-phid-birth-required": "and then publishes its birth at once",
    "host-topic-phid-birth-payload": "JSON: `online` true, `timestamp` in UTC milliseconds",
    "host-topic-phid-birth-payload-timestamp": "the time is that of the will in the same session's CONNECT",
    "host-topic-phid-death-qos": "the will is at QoS 1",
    "host-topic-phid-death-retain": "retained",
    "host-topic-phid-death-topic": "on `spBv1.0/STATE/HOST`",
    "host-topic-phid-death-required": "every CONNECT has it",
    "host-topic-phid-death-payload": "JSON: `online` false, `timestamp` in UTC milliseconds",
    "host-topic-phid-death-payload-timestamp-connect": "the will's time is that of the CONNECT",
    "host-topic-phid-death-payload-timestamp-disconnect-clean": "who leaves says so first, with the time of leaving",
    "host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet": "a line that breaks leaves the will to speak",
    "message-flow-phid-sparkplug-clean-session-311": "MQTT 3.1.1: clean session",
    "message-flow-phid-sparkplug-clean-session-50": "MQTT 5: clean start, session expiry 0",
    "message-flow-phid-sparkplug-subscription": "subscribed before the birth is published",
    "message-flow-phid-sparkplug-state-publish": "a birth with every session",
    "message-flow-hid-sparkplug-state-message-delivered": "told that it is offline, the host says again that it is not",
}
"""Assertion of Eclipse Sparkplug 3.0 (without its `tck-id-`) → what it asks, in our words."""
OWN = {
    "an-ndeath-of-an-older-session-is-ignored": "its bdSeq is not that of the current NBIRTH",
    "data-before-a-birth-asks-for-one": "and is no value",
    "an-unknown-alias-is-no-value-and-asks-for-a-birth": "never a value under a made-up name",
    "after-a-lost-message-only-what-bears-its-name-is-a-value-until-a-birth": "aliases may have been given anew",
    "requests-are-rare-and-rarer-when-nobody-answers": "and one is outstanding at a time",
    "a-thousand-nodes-are-asked-one-by-one-over-a-minute": "no storm after a restart",
    "an-ordinary-host-has-no-state-and-the-only-command-is-the-rebirth": "seen on the wire",
    "a-foreign-edge-node-is-heard-from-birth-to-death": "npm's sparkplug-client through Mosquitto",
}
"""What the house adds, by its tests."""


def name_of_test(assertion: str) -> str:
    """Give the name of the test that an assertion has."""
    return "test_" + assertion.replace("-", "_")


def found_tests(folder: Path = TESTS) -> dict[str, str]:
    """Give test function → file, of those that run with every `./run test`."""
    return {name: path.name for path in sorted(folder.glob("test_sparkplug_*.py")) for name in _tests(path)}


def _tests(path: Path) -> Iterator[str]:
    """Give a file's tests that are neither long nor skipped, one by one or as a whole."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    whole = [ast.unparse(node) for node in body if isinstance(node, ast.Assign)]
    if any(line.startswith("pytestmark") and ("long" in line or "skip" in line) for line in whole):
        return
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = {ast.unparse(mark) for mark in node.decorator_list}
            if not any("long" in mark or "skip" in mark or "xfail" in mark for mark in marks):
                yield node.name


def page() -> str:
    """Write the page."""
    return f"""# Sparkplug B

Edge nodes of one group are heard as a host application hears them: `spb://HOST:PORT?group=G`, or `spbs://` under TLS, with
the extra `sparkplug` installed. With `host_id=H` the host's STATE is published; with `primary=1` that is required, and the
edge nodes are told to wait for it. Without a `host_id` we listen only. The one command ever sent is the Rebirth request:
to one node at a time, {REBIRTH_SPACING_MS} ms between any two, to the same node after {REBIRTH_AGAIN_MS // 1000} s and
then ever more rarely, down to once in {REBIRTH_AGAIN_MAX_MS // 60_000} minutes.

Datatypes: {", ".join(kind.name for kind in DataType)}. Refused, with the reason in the reading: data sets, templates, bytes,
files, arrays and property sets (nothing in them is a machine's state or counter), compressed payloads, payloads over
{PAYLOAD_BYTES_MAX:,} bytes or {METRICS_MAX:,} metrics.

## Assertions

PASS means: a test of this name exists and runs with every `./run test`, which is green. Tests with a foreign peer
(Mosquitto, npm's sparkplug-client) run where that can be installed, as it can in CI.

{_table(ASSERTIONS)}

## What the house adds

{_table(OWN)}
"""


def _table(assertions: dict[str, str]) -> str:
    tests = found_tests()
    rows = []
    for assertion, meaning in assertions.items():
        file = tests.get(name_of_test(assertion))
        rows.append((code(assertion), meaning, code(file or ""), "PASS" if file else "NOT EXECUTED"))
    return table(("assertion", "what it asks", "test in", "result"), rows)
