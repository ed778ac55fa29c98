"""How fast is the hot path? One real row decoded and encoded, beside a parser that only splits and checks nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.line import Row, decode_line, encode_line
from telemetry.schema import STATE_FIELDS
from telemetry.seal import ChainPlace, SealTime, read_lines, read_seal, seal_batch

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, REPEATS = 2_000, 7
START_MS = 1_535_731_200_000


def row(device: int) -> Row:
    """Make a machine row as a cell's gateway seals them: states, two counters, three gauges."""
    fields: dict[str, int | str | bool] = dict.fromkeys(STATE_FIELDS, 10_000)
    fields |= {"window_ms": 60_000, "state": "running", "quality": "good", "readings": 60, "bad": 0}
    fields |= {"polls_due": 60, "polls_ok": 60, "starts": 1, "changes": 2, "boots": 0}
    fields |= {"profile": "jaka_zu@0123456789ab"}
    for counter in ("cycles", "power_on_s"):
        fields |= {f"{counter}_{name}": 123_456 for name in ("from", "raw", "inc", "step_max", "step_ms")}
    for gauge in ("power_w", "joint_current_ma", "temperature_mc"):
        fields |= {f"{gauge}_{name}": 41_337 for name in ("n", "sum", "min", "max")}
    return Row("machine", {"device": f"robot-{device:03}", "gateway": "gw-0001"}, fields, START_MS)


def split_line(text: str) -> tuple[str, dict[str, str], dict[str, str], int]:
    """Parse by splitting alone: what a decoder costs that checks nothing and knows no escapes."""
    head, body, when = text.split(" ")
    name, *tags = head.split(",")
    pairs = [part.split("=") for part in tags], [part.split("=") for part in body.split(",")]
    return name, dict(pairs[0]), dict(pairs[1]), int(when)


def best_us(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Give the best of some repeats, in microseconds a call."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(rounds):
            work()
        times.append((time.perf_counter() - start) / rounds * 1e6)
    return min(times)


def main() -> None:
    one = row(1)
    text = encode_line(one.measurement, one.tags, one.fields, one.time_ms * 1_000_000)
    place, when = ChainPlace("gw-0001", "0" * 32, 1, "0" * 64), SealTime(START_MS, 0, "boot")
    key = Ed25519PrivateKey.generate()
    rows = [row(device) for device in range(1_000)]
    batch = seal_batch(rows, place, when, key)
    print(
        f"a row of {len(text)} bytes; a batch of {len(rows)} rows, {len(batch.data)} bytes; best of {REPEATS}"
    )
    print(f"split only        {best_us(lambda: split_line(text)):9.1f} us a row")
    print(f"decode, checked   {best_us(lambda: decode_line(text)):9.1f} us a row")
    print(
        f"encode            {best_us(lambda: encode_line('machine', one.tags, one.fields, 0)):9.1f} us a row"
    )
    print(f"seal a batch      {best_us(lambda: seal_batch(rows, place, when, key), 3) / 1000:9.1f} ms")
    print(f"read seal, lines  {best_us(lambda: read_lines(read_seal(batch.data)), 3) / 1000:9.1f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["census"]:
        from bench import census

        census.main(sys.argv[2:])
    else:
        main()
