"""How is a city's history made fast enough to watch? Two processes make the days, one writes them in order of receipt."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulators.build import build_world
from simulators.history import GatewayPast, ProviderPast, day_start_ms, private_key
from telemetry.seal import ChainPlace, write_public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from store.embedded import EmbeddedStore

    from simulators.world import World, WorldSpec
    from telemetry.seal import Batch

WORKERS = 2
DAY_TIMEOUT_S = 120.0
"""A worker makes a day of a city in half a second; one that needs this long is dead."""


@dataclass(frozen=True, slots=True)
class Past:
    """What was written: rows and batches accepted, those refused, and where each gateway's chain goes on."""

    batches: int
    rows: int
    refused: int
    places: dict[str, ChainPlace]
    accepted: dict[str, int]


def enrol_all(store: EmbeddedStore, world: World) -> dict[str, str]:
    """Enrol every gateway of the world that is enrolled; gives gateway → token."""
    return {
        item.gateway: store.enrol(
            item.gateway,
            write_public_key(private_key(world.spec.seed, item.gateway).public_key()),
            kind=item.kind,
            from_ms=day_start_ms(0),
            at_ms=day_start_ms(0),
        )
        for item in world.gateways
        if item.enrolled
    }


def fill_store(store: EmbeddedStore, world: World, progress: Callable[[int, int], None]) -> Past:
    """Write a world's whole history into the store; `progress(day, rows)` is called as days are done."""
    batches = rows = refused = 0
    waiting: list[tuple[Batch, int]] = []
    makers = _start_makers(world.spec)
    try:
        for day in range(world.spec.days):
            for connection in makers:
                waiting += _receive(connection)
            waiting.sort(key=lambda item: (item[1], item[0].seal.gateway))
            until_ms = day_start_ms(day + 2) if day < world.spec.days - 1 else waiting[-1][1] + 1
            due = [item for item in waiting if item[1] < until_ms]
            waiting = waiting[len(due) :]
            answers = store.write_many(due)
            stored = [item for item, answer in zip(due, answers, strict=True) if answer.kind == "stored"]
            batches += len(stored)
            rows += sum(batch.seal.count for batch, _ in stored)
            refused += len(due) - len(stored)
            progress(day + 1, rows)
        ends = [_receive(connection) for connection in makers]
    finally:
        for connection in makers:
            connection.close()
    places = {gateway: place for end in ends for gateway, (place, _) in end.items()}
    accepted = {gateway: count for end in ends for gateway, (_, count) in end.items()}
    return Past(batches, rows, refused, places, accepted)


def _start_makers(spec: WorldSpec) -> list[Connection]:
    context = multiprocessing.get_context("spawn")
    connections = []
    for part in range(WORKERS):
        ours, theirs = context.Pipe(duplex=False)
        context.Process(target=_make_part, args=(spec, part, theirs), daemon=True).start()
        theirs.close()
        connections.append(ours)
    return connections


def _receive(connection: Connection) -> Any:
    """Take a worker's next message: a day's batches, or at the end where its chains stand."""
    if not connection.poll(DAY_TIMEOUT_S):
        raise TimeoutError(f"no day of history within {DAY_TIMEOUT_S} s")
    return connection.recv()


def _make_part(spec: WorldSpec, part: int, connection: Connection) -> None:
    """Make every day of one share of the gateways; the pipe's own buffer is the bound on running ahead."""
    pasts = list(_pasts(build_world(spec), part))
    for day in range(spec.days):
        made = [past.day_batch(day) for past in pasts]
        connection.send([item for item in made if item is not None])
    connection.send(
        {
            past.gateway.gateway: (past.place, past.accepted if isinstance(past, GatewayPast) else 0)
            for past in pasts
        }
    )
    connection.close()


def _pasts(world: World, part: int) -> Iterator[GatewayPast | ProviderPast]:
    for number, gateway in enumerate(world.gateways):
        if number % WORKERS != part:
            continue
        if gateway.kind == "provider":
            yield ProviderPast.begin(gateway, world.enterprises, world.spec)
        else:
            yield GatewayPast.begin(gateway, world.devices, world.spec)
