"""Does a foreign InfluxDB still hold what was sealed? Rows read back raw, written again canonically, seals checked.

Reads by InfluxQL over HTTP (`/query`), which InfluxDB 1, 2 and 3 answer. A row's nanoseconds name its batch (DESIGN
section 5), so rows find their seal line again: same gateway, same seq modulo 10^6. What InfluxDB cannot do is hold two
batches of one seq apart, or tell that a row was removed together with its batch's seal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from telemetry.errors import FactoryError, SealError
from telemetry.line import encode_line
from telemetry.schema import MEASUREMENTS, SEAL_FIELDS
from telemetry.seal import GENESIS, NS_PER_MS, parse_public_key, read_lines, read_seal, signature_holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from telemetry.line import FieldValue
    from telemetry.seal import Batch

ROWS_MAX = 2_000_000
"""Rows held at once, some 1 GB; more is asked for in shorter spans."""
PROBLEMS_MAX = 1_000
CHUNK_ROWS = 10_000
REPLY_LINE_MAX = 64_000_000
TIMEOUT_S = 60.0


class InfluxAway(FactoryError):
    """The server did not answer the query, or not with rows."""


@dataclass(slots=True)
class InfluxReport:
    """What was found: batches whose seal holds, rows in them, and what is wrong (bounded, counted)."""

    batches: int = 0
    rows: int = 0
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    def add(self, problem: str) -> None:
        """Note a problem."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


@dataclass(frozen=True, slots=True)
class InfluxSource:
    """Where rows are read: the server's URL, the database (bucket), a token or none."""

    url: str
    database: str
    token: str = field(default="", repr=False)

    async def rows(
        self, session: aiohttp.ClientSession, measurement: str, span_ns: tuple[int, int]
    ) -> list[dict[str, Any]]:
        """Give a measurement's rows with times in [start, stop), each a column → value, absent fields left out."""
        start, stop = span_ns
        query = f'SELECT * FROM "{measurement}" WHERE time >= {start} AND time < {stop}'  # noqa: S608 - our own words
        parameters = {
            "db": self.database, "q": query, "epoch": "ns", "chunked": "true", "chunk_size": str(CHUNK_ROWS),
        }  # fmt: skip
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        found: list[dict[str, Any]] = []
        try:
            async with session.get(
                f"{self.url.rstrip('/')}/query", params=parameters, headers=headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise InfluxAway(f"{self.url} answered HTTP {response.status}")
                async for line in response.content:
                    found += _rows_of(line)
                    if len(found) > ROWS_MAX:
                        raise InfluxAway(
                            f"more than {ROWS_MAX} rows of {measurement}; ask for a shorter span"
                        )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise InfluxAway(f"{self.url}: {type(error).__name__}: {error}"[:300]) from None
        return found


def _rows_of(line: bytes) -> Iterator[dict[str, Any]]:
    """Read one chunk of an answer."""
    if not line.strip():
        return
    try:
        for result in json.loads(line)["results"]:
            if "error" in result:
                raise InfluxAway(f"the query failed: {str(result['error'])[:300]}")
            for series in result.get("series", ()):
                for values in series["values"]:
                    pairs = zip(series["columns"], values, strict=True)
                    yield {name: value for name, value in pairs if value is not None}
    except (ValueError, KeyError, TypeError) as error:
        raise InfluxAway(f"not an answer of InfluxDB: {error}") from None


async def check_influx(
    source: InfluxSource, span_ms: tuple[int, int], keys: Mapping[str, str] | None = None
) -> InfluxReport:
    """Check every batch sealed in [start, stop). `keys` are gateway → public key line; without one signatures are not checked.

    InfluxAway when the server cannot be read.
    """
    report = InfluxReport()
    span_ns = (span_ms[0] * NS_PER_MS, span_ms[1] * NS_PER_MS)
    # A row lies before its seal, after an outage by long; its own batch's name decides.
    everything = (0, span_ns[1])
    lines: dict[tuple[str, int], list[tuple[int, bytes]]] = {}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=TIMEOUT_S, sock_connect=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=REPLY_LINE_MAX) as session:
        seals = await source.rows(session, "batch", span_ns)
        wanted = {(row["gateway"], row["time"] % NS_PER_MS) for row in seals}
        for measurement, shape in MEASUREMENTS.items():
            for row in await source.rows(session, measurement, everything):
                key = (row.get("gateway", ""), row["time"] % NS_PER_MS)
                if key in wanted:
                    line = _line(measurement, shape.tags, shape.fields, row)
                    lines.setdefault(key, []).append((row["time"], line))
    batches = list(_assemble(seals, lines, report))
    _check(batches, report, keys or {})
    return report


def _line(measurement: str, tags: Sequence[str], fields: Mapping[str, type], row: Mapping[str, Any]) -> bytes:
    """Write a row again as it was sealed; a value of another type than it was sealed with breaks the hash."""
    values: dict[str, FieldValue] = {
        name: value
        for name, value in row.items()
        if name in fields and name not in tags and isinstance(value, int | str)
    }
    own = {name: str(row.get(name, "")) for name in tags}
    return encode_line(measurement, own, values, row["time"]).encode() + b"\n"


def _assemble(
    seals: Sequence[Mapping[str, Any]],
    lines: Mapping[tuple[str, int], list[tuple[int, bytes]]],
    report: InfluxReport,
) -> Iterator[Batch]:
    """Put rows under their seals; where epochs share a seq, a row belongs to the first seal not before it."""
    shared: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for seal in sorted(seals, key=lambda row: row["time"]):
        shared.setdefault((seal["gateway"], seal["time"] % NS_PER_MS), []).append(seal)
    for key, group in sorted(shared.items()):
        rest = sorted(lines.get(key, ()))
        for number, seal in enumerate(group, start=1):
            is_last = number == len(group)
            own = [line for time_ns, line in rest if is_last or time_ns <= seal["time"]]
            rest = [item for item in rest if not (is_last or item[0] <= seal["time"])]
            name = f"{key[0]} epoch {seal.get('epoch')} seq {seal.get('seq')}"
            try:
                data = b"".join(sorted(own)) + _line("batch", ("gateway",), SEAL_FIELDS, seal)
                batch = read_seal(data)
                read_lines(batch)
            except (SealError, ValueError) as error:
                report.add(f"{name}: {error}")
                continue
            yield batch


def _check(batches: Sequence[Batch], report: InfluxReport, keys: Mapping[str, str]) -> None:
    hashes = {(batch.seal.gateway, batch.seal.epoch, batch.seal.seq): batch.hash for batch in batches}
    public = {gateway: parse_public_key(text) for gateway, text in keys.items()}
    for batch in batches:
        seal = batch.seal
        name = f"{seal.gateway} epoch {seal.epoch} seq {seal.seq}"
        report.batches += 1
        report.rows += seal.count
        before = GENESIS if seal.seq == 1 else hashes.get((seal.gateway, seal.epoch, seal.seq - 1), seal.prev)
        if before != seal.prev:
            report.add(f"{name}: its prev is not the hash of seq {seal.seq - 1}")
        key = public.get(seal.gateway)
        if key is not None and not signature_holds(seal, key):
            report.add(f"{name}: the signature does not hold")
