"""When may a gateway bear witness? The log's enrolments, revocations and explained epochs, narrowed by the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from census.epochs import EpochKey
    from census.ledger import GatewayRow

OPEN_MS = 9_000_000_000_000_000
"""Later than any row: an enrolment without an end."""
Span = tuple[int, int]


class LogEvent(Protocol):
    """What the census reads of a store's event: `kind` enrol, revoke or explain; times are UTC ms."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def gateway(self) -> str: ...  # noqa: D102
    @property
    def from_ms(self) -> int: ...  # noqa: D102
    @property
    def until_ms(self) -> int | None: ...  # noqa: D102
    @property
    def public_key(self) -> str: ...  # noqa: D102
    @property
    def epoch(self) -> str: ...  # noqa: D102
    @property
    def leaf(self) -> int: ...  # noqa: D102


def enrolled_spans(
    events: Iterable[LogEvent], gateways: Sequence[GatewayRow], log_size: int
) -> tuple[dict[str, list[Span]], list[str]]:
    """Give each gateway's half-open spans of enrolment, and what the ledger and the log disagree about.

    The log is the truth: a gateway it does not know has no span. A ledger row narrows the span by its dates; a ledger
    key that is not the log's takes the gateway out, for one of the two papers is false.
    """
    spans: dict[str, list[Span]] = {}
    keys: dict[str, set[str]] = {}
    for event in sorted((event for event in events if event.leaf < log_size), key=lambda event: event.leaf):
        if event.kind == "enrol":
            until = OPEN_MS if event.until_ms is None else event.until_ms
            spans.setdefault(event.gateway, []).append((event.from_ms, until))
            keys.setdefault(event.gateway, set()).add(event.public_key.strip())
        elif event.kind == "revoke":
            cut = event.from_ms
            spans[event.gateway] = [(start, min(end, cut)) for start, end in spans.get(event.gateway, [])]
    problems = []
    for row in gateways:
        if row.gateway not in spans:
            problems.append(f"gateway {row.gateway}: the ledger lists it, the log never enrolled it")
        elif row.public_key and row.public_key.strip() not in keys[row.gateway]:
            problems.append(
                f"gateway {row.gateway}: the ledger's key is not the log's; its rows bear no witness"
            )
            spans[row.gateway] = []
        else:
            spans[row.gateway] = _narrowed(spans[row.gateway], row)
    return {gateway: merged(found) for gateway, found in spans.items()}, problems


def explained_epochs(events: Iterable[LogEvent], log_size: int) -> frozenset[EpochKey]:
    """Name the epochs (gateway, epoch) for whose beginning somebody has answered within the log's first leaves."""
    return frozenset(
        (event.gateway, event.epoch) for event in events if event.kind == "explain" and event.leaf < log_size
    )


def _narrowed(spans: list[Span], row: GatewayRow) -> list[Span]:
    start = row.enrolled_ms if row.enrolled_ms is not None else -OPEN_MS
    end = row.retired_ms if row.retired_ms is not None else OPEN_MS
    return [(max(first, start), min(last, end)) for first, last in spans]


def merged(spans: list[Span]) -> list[Span]:
    """Join spans that touch and drop the empty ones, so that no moment is enrolled twice."""
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
