"""Which edge nodes are alive, and in which order did they speak? A host's side of Sparkplug B: events in, actions out. Pure.

Source: Eclipse Sparkplug 3.0, chapter 5 (session, ordering, death). Time is an argument: `now_ms` monotonic for the timers,
`wall_ms` UTC for what is reported. Only nodes that are watched have a state here, so its size is the configuration's;
what waits for a missing message is bounded by the 256 sequence numbers and by `PENDING_METRICS_MAX`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drivers.sparkplug_payload import SEQ_MAX
from drivers.sparkplug_topic import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from drivers.sparkplug_payload import Metric, Payload

PENDING_METRICS_MAX = 20_000
"""Metrics that may wait, a node, for a missing message; about 5 MB."""
REBIRTH_AGAIN_MS = 30_000
"""A node is asked again only after this, and after twice as long each time it gave no birth; one request at a time."""
REBIRTH_AGAIN_MAX_MS = 600_000
REBIRTH_SPACING_MS = 67
"""Between two requests to any nodes, 15 a second: a thousand nodes after a restart are asked over more than a minute."""
_MODULUS = SEQ_MAX + 1


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What an operator may set. A reorder timeout of 0 asks at the first gap (a broker that keeps the order)."""

    reorder_ms: int = 2_000
    birth_wait_ms: int = 5_000
    """How long after connecting a silent node is left alone before it is asked for its birth."""


@dataclass(frozen=True, slots=True)
class Told:
    """A device (or the node itself, `device` empty) gave values, each metric with its name and birth datatype.

    `is_doubtful`: a message before this one is missing, and no birth of the device has come since.
    """

    node: str
    device: str
    metrics: tuple[Metric, ...]
    time_ms: int | None
    is_birth: bool = False
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Stale:
    """What a device said last no longer holds since `at_ms` (UTC)."""

    node: str
    device: str
    at_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class AskRebirth:
    """Send this node the Rebirth request."""

    node: str
    reason: str


Action = Told | Stale | AskRebirth


@dataclass(slots=True)
class _Device:
    """One watched device: what its birth declared. An alias or a name leads to the birth's metric.

    After a message was lost it is doubtful until its next birth: the lost one may have been a birth that gave the
    aliases anew, so what has only an alias is no value then.
    """

    is_online: bool = False
    is_doubtful: bool = False
    names: dict[str, Metric] = field(default_factory=dict)
    aliases: dict[int, Metric] = field(default_factory=dict)


@dataclass(slots=True)
class _Node:
    """One watched edge node."""

    devices: dict[str, _Device]
    is_online: bool = False
    bd_seq: int | None = None
    expected: int = 0
    last: Payload | None = None
    pending: dict[int, tuple[Kind, str, Payload]] = field(default_factory=dict)
    gap_since_ms: int | None = None
    wanted: str = ""
    """Why a rebirth is wanted; empty when none is."""
    ask_ms: int = 0
    """When it is to be asked, if one is wanted."""
    not_before_ms: int = 0
    unanswered: int = 0


class HostSession:
    """The state of one connection to a broker: made anew with each, for nothing of the last one holds."""

    def __init__(self, watched: Iterable[tuple[str, str]], options: SessionOptions, now_ms: int) -> None:
        """Watch (node, device) pairs; device empty for the node's own metrics."""
        self._options = options
        self._nodes: dict[str, _Node] = {}
        for node, device in watched:
            self._nodes.setdefault(node, _Node({})).devices[device] = _Device()
        for node_state in self._nodes.values():
            self._want(node_state, "no birth was heard", now_ms + options.birth_wait_ms)
        self._busy = set(self._nodes)
        """Nodes with a timer running; the others cost nothing when time is asked for."""
        self._next_ask_ms = now_ms
        self.counts: Counter[str] = Counter()
        """What was dropped, and why; a fixed set of words."""

    def watches(self, node: str) -> bool:
        """Tell whether a node's messages matter here."""
        return node in self._nodes

    def is_online(self, node: str, device: str = "") -> bool:
        """Tell whether a node, or one of its watched devices, is known to be alive."""
        found = self._nodes.get(node)
        if found is None:
            return False
        return found.devices[device].is_online if device else found.is_online

    def next_due_ms(self) -> int | None:
        """Give the monotonic time at which `on_time` has something to do; None when nothing is due."""
        busy = [self._nodes[name] for name in self._busy]
        gaps = [node.gap_since_ms for node in busy if node.gap_since_ms is not None]
        due = [since_ms + self._options.reorder_ms for since_ms in gaps]
        due += [max(node.ask_ms, self._next_ask_ms) for node in busy if node.wanted]
        return min(due, default=None)

    def on_message(
        self, kind: Kind, node: str, device: str, payload: Payload, *, now_ms: int, wall_ms: int
    ) -> list[Action]:
        """Take one message of an edge node; gives what follows from it, in order."""
        state = self._nodes.get(node)
        if state is None:
            self.counts["foreign"] += 1
            return []
        if kind is Kind.NDEATH:
            actions = self._on_node_death(node, state, payload, wall_ms)
        elif payload.seq is None or payload.seq > SEQ_MAX:
            self.counts["no_seq"] += 1
            self._want(state, "a message without a sequence number", now_ms)
            actions = []
        elif kind is Kind.NBIRTH:
            actions = self._on_node_birth(node, state, payload, now_ms)
        elif not state.is_online:
            self.counts["unborn"] += 1
            self._want(state, f"{kind} before NBIRTH", now_ms)
            actions = []
        else:
            actions = self._on_sequenced(node, state, (kind, device, payload), now_ms, wall_ms)
        self._note(node, state)
        return actions + self._asks(now_ms)

    def on_time(self, now_ms: int, wall_ms: int) -> list[Action]:
        """Do what is due: gaps that did not fill are given up, rebirths that are wanted are asked for."""
        actions: list[Action] = []
        for name in sorted(self._busy):
            node = self._nodes[name]
            if node.gap_since_ms is not None and now_ms - node.gap_since_ms >= self._options.reorder_ms:
                actions += self._give_up(name, node, now_ms, wall_ms)
        return actions + self._asks(now_ms)

    def _want(self, node: _Node, reason: str, from_ms: int) -> None:
        due_ms = max(node.not_before_ms, from_ms)
        if not node.wanted or due_ms < node.ask_ms:
            node.wanted, node.ask_ms = reason, due_ms

    def _note(self, name: str, node: _Node) -> None:
        if node.wanted or node.gap_since_ms is not None:
            self._busy.add(name)
        else:
            self._busy.discard(name)

    def _asks(self, now_ms: int) -> list[Action]:
        """Ask whoever has waited longest, spaced over all nodes; who does not answer is asked again, rarely."""
        if now_ms < self._next_ask_ms or not self._busy:
            return []
        due = [
            (node.ask_ms, name)
            for name in self._busy
            if (node := self._nodes[name]).wanted and node.ask_ms <= now_ms
        ]
        if not due:
            return []
        _, name = min(due)
        node = self._nodes[name]
        wait_ms = min(REBIRTH_AGAIN_MS << min(node.unanswered, 8), REBIRTH_AGAIN_MAX_MS)
        node.not_before_ms = node.ask_ms = now_ms + wait_ms
        node.unanswered += 1
        self._next_ask_ms = now_ms + REBIRTH_SPACING_MS
        self.counts["rebirths_asked"] += 1
        return [AskRebirth(name, node.wanted)]

    def _on_node_death(self, name: str, node: _Node, payload: Payload, wall_ms: int) -> list[Action]:
        """End the node's session, if it is this one's death: the will of an older session may come late."""
        if not node.is_online or payload.bd_seq() != node.bd_seq:
            self.counts["old_deaths"] += 1
            return []
        node.is_online, node.wanted = False, ""
        node.pending.clear()
        node.gap_since_ms = None
        return self._stale_all(name, node, wall_ms, "edge node offline (NDEATH)")

    def _stale_all(self, name: str, node: _Node, at_ms: int, reason: str) -> list[Action]:
        actions: list[Action] = [
            Stale(name, device, at_ms, reason) for device, state in node.devices.items() if state.is_online
        ]
        for state in node.devices.values():
            state.is_online = False
        return actions

    def _on_node_birth(self, name: str, node: _Node, payload: Payload, now_ms: int) -> list[Action]:
        """Begin the node's session anew: any sequence number may begin it, and its devices have yet to be born."""
        node.is_online, node.wanted, node.unanswered = True, "", 0
        node.bd_seq, node.last = payload.bd_seq(), payload
        node.expected = (int(payload.seq or 0) + 1) % _MODULUS
        node.pending.clear()
        node.gap_since_ms = None
        for device in node.devices.values():
            device.is_online = device.is_doubtful = False
        return self._birth(name, "", node, payload, now_ms)

    def _birth(self, name: str, device: str, node: _Node, payload: Payload, now_ms: int) -> list[Action]:
        state = node.devices.get(device)
        if state is None:
            return []
        names = {metric.name: metric for metric in payload.metrics if metric.name}
        aliases = {metric.alias: metric for metric in payload.metrics if metric.alias is not None}
        unnamed = len(names) != len(payload.metrics)
        if unnamed or len(aliases) != sum(metric.alias is not None for metric in payload.metrics):
            self.counts["bad_births"] += 1
            self._want(node, "a birth with unnamed metrics, or a name or alias given twice", now_ms)
            state.is_online, state.names, state.aliases = False, {}, {}
            return [
                Stale(
                    name,
                    device,
                    payload.time_ms,
                    "birth refused: a name or alias is missing or given twice",
                )
            ]
        state.is_online, state.is_doubtful, state.names, state.aliases = True, False, names, aliases
        return [Told(name, device, payload.metrics, payload.time_ms, is_birth=True)]

    def _on_sequenced(
        self, name: str, node: _Node, message: tuple[Kind, str, Payload], now_ms: int, wall_ms: int
    ) -> list[Action]:
        payload = message[2]
        seq = int(payload.seq or 0)
        if seq != node.expected:
            if payload == node.last or seq in node.pending:
                self.counts["duplicates"] += 1
                return []
            node.pending[seq] = message
            if node.gap_since_ms is None:
                node.gap_since_ms = now_ms
            waiting = sum(len(waiting[2].metrics) for waiting in node.pending.values())
            if self._options.reorder_ms == 0 or waiting > PENDING_METRICS_MAX:
                return self._give_up(name, node, now_ms, wall_ms)
            return []
        actions = self._apply(name, node, message, now_ms)
        while (late := node.pending.pop(node.expected, None)) is not None:
            actions += self._apply(name, node, late, now_ms)
        if not node.pending:
            node.gap_since_ms = None
        return actions

    def _give_up(self, name: str, node: _Node, now_ms: int, wall_ms: int) -> list[Action]:
        """Stop waiting: what was said no longer holds, what came is taken in its order, a birth is asked for."""
        waiting = sorted(node.pending.items(), key=lambda item: (item[0] - node.expected) % _MODULUS)
        node.pending.clear()
        node.gap_since_ms = None
        reason = f"message {node.expected} of the edge node is missing"
        self.counts["gaps"] += 1
        self._want(node, reason, now_ms)
        actions: list[Action] = []
        for device, state in node.devices.items():
            state.is_doubtful = True
            if state.is_online:
                actions.append(Stale(name, device, wall_ms, reason))
        return actions + [
            action for _, message in waiting for action in self._apply(name, node, message, now_ms)
        ]

    def _apply(self, name: str, node: _Node, message: tuple[Kind, str, Payload], now_ms: int) -> list[Action]:
        """Take one message in its turn."""
        kind, device, payload = message
        node.expected = (int(payload.seq or 0) + 1) % _MODULUS
        node.last = payload
        if kind is Kind.DBIRTH:
            return self._birth(name, device, node, payload, now_ms)
        state = node.devices.get(device)
        if state is None:
            return []
        if not state.is_online:
            if kind is not Kind.DDEATH:
                self.counts["unborn"] += 1
                self._want(node, f"{kind} before the birth of {device or 'the node'}", now_ms)
            return []
        if kind is Kind.DDEATH:
            state.is_online = False
            return [Stale(name, device, payload.time_ms, "device offline (DDEATH)")]
        metrics = tuple(self._known(node, state, payload.metrics, now_ms))
        if not metrics:
            return []
        return [Told(name, device, metrics, payload.time_ms, is_doubtful=state.is_doubtful)]

    def _known(
        self, node: _Node, device: _Device, metrics: tuple[Metric, ...], now_ms: int
    ) -> Iterator[Metric]:
        """Give each metric its name and datatype from the birth; what the birth does not know is no value."""
        for metric in metrics:
            if not metric.name and device.is_doubtful:
                self.counts["doubtful_aliases"] += 1
                continue
            alias = -1 if metric.alias is None else metric.alias
            born = device.names.get(metric.name) if metric.name else device.aliases.get(alias)
            if born is None:
                self.counts["unknown_metrics"] += 1
                self._want(node, "a metric that the birth did not declare", now_ms)
            elif metric.datatype not in {0, born.datatype}:
                self.counts["changed_types"] += 1
                self._want(node, "a metric that changed its datatype", now_ms)
            else:
                yield replace(metric, name=born.name, datatype=born.datatype)
