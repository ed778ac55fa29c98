"""Where rows rest: the evidence log, the row files made from it, and the doors to both.

STORES names every kind of store; its factories import inside, so that nobody loads what he does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from store.store import Store
    from telemetry.clock import Clock


def _embedded(directory: Path, clock: Clock) -> Store:
    from store.embedded import EmbeddedStore

    return EmbeddedStore.open(directory, clock)


STORES: Mapping[str, Callable[[Path, Clock], Store]] = {"embedded": _embedded}
"""Kind of store → factory; each one passes the store contract suite."""
