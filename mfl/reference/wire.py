"""What travels from gateway to store? The page made from the frozen schema and the seal's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mfl.reference.tables import code, table
from telemetry.clock import ClockState
from telemetry.line import TEXT_MAX, FieldValue, Row
from telemetry.metrics import METRICS
from telemetry.profile import Kind
from telemetry.reading import MachineState, Quality
from telemetry.schema import COUNTER_SUFFIXES, GAUGE_SUFFIXES, MEASUREMENTS, SEAL_FIELDS
from telemetry.seal import (
    BATCH_BYTES_MAX,
    GENESIS,
    VERSION,
    ChainPlace,
    SealTime,
    seal_batch,
    write_public_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.schema import Measurement

SOURCE = "telemetry/schema.py"
_WORDS = {int: "integer", str: "string", bool: "boolean"}
_SUFFIXES = {
    "from": "last accepted raw value before the window",
    "raw": "last accepted raw value",
    "inc": "increase in the window",
    "step_max": "largest single step",
    "step_ms": "time of that step's two readings",
    "resets": "declared resets, when any",
    "rollovers": "passes of the known modulus, when any",
    "unexplained": "falls that neither explains, when any; no increase is guessed",
    "odd": "readings set aside, when any",
    "n": "readings",
    "sum": "sum of the readings",
    "min": "smallest",
    "max": "largest",
}


_SEAL = {
    "v": f"{VERSION}, the version of this format",
    "seq": "from 1, one more for each batch of the epoch, never used again",
    "count": "data lines in the batch",
    "sealed_ms": "when it was sealed, UTC ms",
    "mono_ms": "the same moment by the gateway's monotonic clock",
    "epoch": "32 lowercase hex digits, drawn when the chain began",
    "sha256": "hex SHA-256 of the data lines, newlines included",
    "prev": "hex SHA-256 of the whole previous batch of the epoch, seal line and last newline included; 64 zeros in the first",
    "clock_state": "whether the wall clock was synchronised",
    "boot": "names the gateway's boot",
    "sig": "base64 Ed25519 signature",
}
_WORDS_OF = [
    ("`machine` `state`", ", ".join(MachineState)),
    ("`machine` `quality`", ", ".join(Quality)),
    ("`machine` `profile`", "the profile's name, `@`, the first 12 hex digits of its file's SHA-256"),
    ("`clock_state`", ", ".join(ClockState)),
    (
        "`identity` `kind`",
        f"{', '.join(Kind)} by the bundled profiles; a device's other word is kept as it is said",
    ),
    (
        "`identity` `source`",
        "register, fc43, birth: read from the device; declared: written down at enrolment",
    ),
    ("`epoch` `reason`", "first, outbox_lost, replaced, conflict, key_changed"),
    ("`cloud_usage` `status`", "active, suspended, cancelled"),
    ("`cloud_usage` `service`", "infrastructure, management, business"),
    ("`cloud_usage` `since`", "a date, `2018-01-05`: since when the contract runs"),
]


def page() -> str:
    """Write the page."""
    suffixes = [
        (kind, code(f"_{suffix}"), _SUFFIXES[suffix])
        for kind, names in (("counter", COUNTER_SUFFIXES), ("gauge", GAUGE_SUFFIXES))
        for suffix in names
    ]
    sections = "\n\n".join(_section(measurement) for measurement in MEASUREMENTS.values())
    return f"""# Wire format · 传输格式

InfluxDB line protocol in one canonical spelling (decision [0001](../decisions/0001-canonical-line-protocol.md)), sealed:
data lines sorted by bytes, then one seal line; every line ends with a newline, also the last. At most {BATCH_BYTES_MAX:,}
bytes. A batch in any other spelling, or with a row of another gateway, is refused.

## A line

`measurement,tag=value,tag=value field=value,field=value time`

- Tags and fields stand in the order of their names' bytes, each once; no tag is empty; at least one field.
- Integers end in `i` and fit 64 bits; booleans are `true` and `false`; there are no floats: gauges are scaled integers.
- Strings stand in double quotes, `"` and `\\` in them after a `\\`. In a tag's value `,` `=` space and `\\` stand after a `\\`.
- No control characters, at most {TEXT_MAX} characters a value.
- The time is in ns: the row's time in ms × 10⁶, plus `seq` mod 10⁶, so that a row names its batch. It is the window's start for
  `machine` and `heartbeat`, the day's start for `cloud_usage`, the moment for the others.
- In one batch no two rows share measurement, tags and time.

## The seal line `batch`

Tag `gateway`; its time is `sealed_ms` × 10⁶ + `seq` mod 10⁶.

{_meant(SEAL_FIELDS, _SEAL)}

`sig` is over these bytes, UTF-8: `mfl-batch-v1`, a newline, then for each of gateway, epoch, seq, count, sha256, prev,
sealed_ms, clock_state, boot, mono_ms, in that order, `name=value` and a newline.

A whole batch, sealed by the key whose 32 secret bytes are all 7 (`{_example_key()}`):

```
{_example()}```

## Words

{table(("where", "words"), _WORDS_OF)}

Fields that a row lacks are taken for not told. A `machine` row is of use with `window_ms`, the six times (their sum is
`window_ms`), `readings`, `bad`, `polls_due`, `polls_ok`, `state`, `quality`, `profile` and `late`; a counter with `_from`,
`_raw` and `_inc`, a gauge with all four.

## Fields of a counter and of a gauge

In `machine`, each metric of the vocabulary ([metrics](metrics.md)) has these, after its name.

{table(("kind", "suffix", "meaning"), suffixes)}

{sections}
"""


def _example_key() -> str:
    return write_public_key(Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32).public_key())


def _example() -> str:
    """Seal a chain's first batch: one identity, one epoch."""
    sealed_ms = 1_514_736_060_000
    said: dict[str, FieldValue] = {
        "manufacturer": "Example", "serial": 'A "1"', "kind": "robot", "axes": 6, "source": "register",
    }  # fmt: skip
    rows = [
        Row("identity", {"device": "arm 1", "gateway": "gw-1"}, said, sealed_ms - 60_000),
        Row("epoch", {"gateway": "gw-1"}, {"reason": "first"}, sealed_ms - 60_000),
    ]
    place = ChainPlace("gw-1", "0123456789abcdef" * 2, 1, GENESIS)
    key = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
    return seal_batch(rows, place, SealTime(sealed_ms, 61_000, "boot-1"), key).data.decode()


def _section(measurement: Measurement) -> str:
    fields = {name: kind for name, kind in measurement.fields.items() if not _is_of_a_metric(name)}
    tags = ", ".join(code(tag) for tag in measurement.tags)
    return f"## Measurement `{measurement.name}`\n\nTags, all required: {tags}.\n\n{_fields(fields)}"


def _is_of_a_metric(name: str) -> bool:
    suffixes = (*COUNTER_SUFFIXES, *GAUGE_SUFFIXES, "sq")
    return any(name == f"{metric}_{suffix}" for metric in METRICS for suffix in suffixes)


def _meant(fields: Mapping[str, type], meanings: Mapping[str, str]) -> str:
    rows = [(code(name), _WORDS[kind], meanings[name]) for name, kind in fields.items()]
    return table(("field", "type", "meaning"), rows)


def _fields(fields: Mapping[str, type]) -> str:
    return table(("field", "type"), [(code(name), _WORDS[kind]) for name, kind in fields.items()])
