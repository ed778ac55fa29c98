"""How is a city's history made fast enough to watch? Two processes make the days, one writes them in order of receipt."""

from __future__ import annotations

import contextlib
import multiprocessing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from simulators.build import build_world
from simulators.history import GatewayPast, ProviderPast, day_start_ms, key_on
from telemetry.seal import write_public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from simulators.world import World, WorldSpec
    from store.embedded import EmbeddedStore
    from telemetry.seal import Batch, ChainPlace

WORKERS = 2
DAY_TIMEOUT_S = 120.0
"""A worker makes a day of a city in half a second; one that needs this long is dead."""
STOP_TIMEOUT_S = 10.0
FOREVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Past:
    """What was written: rows and batches accepted, those refused, and where each gateway's chain goes on."""

    batches: int
    rows: int
    refused: int
    places: dict[str, ChainPlace]


def enrol_all(store: EmbeddedStore, world: World) -> dict[str, str]:
    """Enrol every key of the world's enrolled gateways, revoke the revoked; gives gateway → token of its last key."""
    tokens = {}
    for item in enrolments(world):
        tokens[item.gateway] = store.enrol(
            item.gateway, item.public_key, kind=item.kind, from_ms=item.from_ms, at_ms=day_start_ms(0)
        )
    for gateway in world.gateways:
        if gateway.enrolled and gateway.revoked_day is not None:
            store.revoke(gateway.gateway, from_ms=day_start_ms(gateway.revoked_day), at_ms=day_start_ms(0))
    return tokens


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key of one gateway, and from when it may seal."""

    gateway: str
    kind: Literal["edge", "provider"]
    public_key: str
    from_ms: int
    revoked_ms: int | None = None


def enrolments(world: World) -> Iterator[KeyLine]:
    """List the keys of all gateways that are enrolled, each box's own."""
    for item in world.gateways:
        days = [0] if item.replaced_day is None else [0, item.replaced_day]
        for day in days if item.enrolled else []:
            key = write_public_key(key_on(item, world.spec.seed, day).public_key())
            revoked = None if item.revoked_day is None else day_start_ms(item.revoked_day)
            yield KeyLine(item.gateway, item.kind, key, day_start_ms(day), revoked)


class Maker(Protocol):
    """Makes the days of some gateways, one after the other."""

    def next_day(self) -> list[tuple[Batch, int]]:
        """Give the next day's batches with the time of their receipt."""
        ...

    def ends(self) -> dict[str, ChainPlace]:
        """Give, after the last day, where each gateway's chain goes on."""
        ...


def fill_store(store: EmbeddedStore, world: World, progress: Callable[[int, int], None]) -> Past:
    """Write a world's whole history into the store, made by worker processes; `progress(day, rows)` tells how far."""
    with workers(world.spec) as makers:
        return fill_from(makers, store, world.spec.days, progress)


@contextlib.contextmanager
def workers(spec: WorldSpec) -> Iterator[Sequence[Maker]]:
    """Start the processes that make a world's days, and end them."""
    makers = [_Worker(spec, part) for part in range(WORKERS)]
    try:
        yield makers
    finally:
        for maker in makers:
            maker.close()


def fill_from(
    makers: Sequence[Maker], store: EmbeddedStore, days: int, progress: Callable[[int, int], None]
) -> Past:
    """Write days into the store in the order in which they were received, whoever made them."""
    batches = rows = refused = 0
    waiting: list[tuple[Batch, int]] = []
    for day in range(days):
        for maker in makers:
            waiting += maker.next_day()
        waiting.sort(key=lambda item: (item[1], item[0].seal.gateway))
        until_ms = day_start_ms(day + 2) if day < days - 1 else FOREVER_MS
        due = [item for item in waiting if item[1] < until_ms]
        waiting = waiting[len(due) :]
        answers = store.write_many(due)
        stored = [item for item, answer in zip(due, answers, strict=True) if answer.kind == "stored"]
        batches += len(stored)
        rows += sum(batch.seal.count for batch, _ in stored)
        refused += len(due) - len(stored)
        progress(day + 1, rows)
    places = {gateway: place for maker in makers for gateway, place in maker.ends().items()}
    return Past(batches, rows, refused, places)


class LocalMaker:
    """Makes the days of every gateway in this process; for worlds that are no function of their specification alone."""

    def __init__(self, world: World) -> None:
        self._pasts = list(_pasts(world, range(len(world.gateways))))
        self._day = -1

    def next_day(self) -> list[tuple[Batch, int]]:
        """Give the next day's batches with the time of their receipt."""
        self._day += 1
        return [made for past in self._pasts for made in past.day_batches(self._day)]

    def ends(self) -> dict[str, ChainPlace]:
        """Give where each gateway's chain goes on."""
        return {past.gateway.gateway: past.place for past in self._pasts}


class _Worker:
    """A process that makes one share of the gateways' days; the pipe's buffer bounds how far it runs ahead."""

    def __init__(self, spec: WorldSpec, part: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_make_part, args=(spec, part, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def next_day(self) -> list[tuple[Batch, int]]:
        made: list[tuple[Batch, int]] = self._receive()
        return made

    def ends(self) -> dict[str, ChainPlace]:
        places: dict[str, ChainPlace] = self._receive()
        return places

    def _receive(self) -> Any:
        if not self._connection.poll(DAY_TIMEOUT_S):
            raise TimeoutError(f"no day of history within {DAY_TIMEOUT_S} s")
        return self._connection.recv()

    def close(self) -> None:
        """End the process, done or not."""
        self._connection.close()
        self._process.terminate()
        self._process.join(STOP_TIMEOUT_S)
        self._process.close()


def _make_part(spec: WorldSpec, part: int, connection: Connection) -> None:
    world = build_world(spec)
    pasts = list(_pasts(world, range(part, len(world.gateways), WORKERS)))
    for day in range(spec.days):
        connection.send([made for past in pasts for made in past.day_batches(day)])
    connection.send({past.gateway.gateway: past.place for past in pasts})
    connection.close()


def _pasts(world: World, numbers: range) -> Iterator[GatewayPast | ProviderPast]:
    for number in numbers:
        gateway = world.gateways[number]
        if gateway.kind == "provider":
            yield ProviderPast.begin(gateway, world.enterprises, world.spec)
        else:
            yield GatewayPast.begin(gateway, world.devices, world.spec)
