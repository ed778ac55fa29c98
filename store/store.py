"""What must a store be able to do? Take sealed batches durably, and give back exact integers by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import pyarrow as pa

    from store.enrolment import Event, GatewayKind
    from telemetry.seal import Batch
    from telemetry.sink import Answer


class Store(Protocol):
    """A Sink that can be read: no arithmetic is pushed down, rows come back as they were sealed."""

    async def write(self, batch: Batch) -> Answer:
        """Offer one batch; STORED only when it is durable. The same bytes again are STORED again, and count once."""
        ...

    def write_many(self, batches: Sequence[tuple[Batch, int]]) -> list[Answer]:
        """Offer batches with their receive times (UTC ms)."""
        ...

    def enrol(
        self,
        gateway: str,
        public_key: str,
        *,
        kind: GatewayKind,
        from_ms: int,
        until_ms: int | None = None,
        at_ms: int,
    ) -> str:
        """Let a gateway's key in for a period of receive times; gives its token."""
        ...

    def revoke(self, gateway: str, *, from_ms: int, at_ms: int) -> None:
        """Shut a gateway out from a receive time on."""
        ...

    def events(self) -> list[Event]:
        """Give all events, oldest first."""
        ...

    def apply(self) -> None:
        """Make every stored row visible to `days` and `scan`."""
        ...

    def days(self, measurement: str) -> list[date]:
        """Give the days that have rows of a measurement, ascending."""
        ...

    def scan(self, day: date, measurement: str) -> pa.Table:
        """Give a day's rows of a measurement."""
        ...

    def log_size(self) -> int:
        """Give how many leaves there are."""
        ...

    def root_hash(self, size: int | None = None) -> str:
        """Give the RFC 6962 root over the first `size` leaves, in hex."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
