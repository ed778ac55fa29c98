"""Who may write? Events of the log (enrol, revoke, writer, conflict, explain) and what they say about keys and tokens.

The log is the truth: this is folded from its events at every start. Tokens are kept as SHA-256 only (a token is 256
random bits, so a plain hash is enough) and compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from telemetry.asset import is_id
from telemetry.errors import FactoryError
from telemetry.seal import parse_public_key, signature_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from telemetry.seal import Seal

GatewayKind = Literal["edge", "provider"]
WHO_MAX, WHY_MAX = 100, 500
"""Characters of a person's word: a name with its post, and a few sentences; a request of the inbox holds both."""
EPOCHS_TOLD = 8
"""Epochs named to whoever mistook one."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class EnrolmentError(FactoryError):
    """What was asked for cannot be enrolled; says what to do instead."""


class EventKind(StrEnum):
    """What happened."""

    ENROL = "enrol"
    """`gateway` may seal with `public_key` from `from_ms` until `until_ms` (UTC ms, by receive time)."""
    REVOKE = "revoke"
    """`gateway` (or a writer) may not write from `from_ms` on."""
    WRITER = "writer"
    """An unsigned writer of this name may write."""
    CONFLICT = "conflict"
    """A batch came under a key that other bytes hold; it was refused and lies in `conflicts/<hash>.batch`."""
    EXPLAIN = "explain"
    """`who` answers for it that `gateway` began `epoch` because of what happened at `from_ms`, told in `why`."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the log; `leaf` and `received_ms` are its frame's, and fields of other kinds are empty."""

    kind: EventKind
    gateway: str
    from_ms: int = 0
    until_ms: int | None = None
    public_key: str = ""
    gateway_kind: str = ""
    token_sha256: str = field(default="", repr=False)
    epoch: str = ""
    seq: int = 0
    hash: str = ""
    who: str = ""
    why: str = ""
    received_ms: int = 0
    leaf: int = -1

    @property
    def at_ms(self) -> int:
        """When the store recorded it (UTC ms)."""
        return self.received_ms

    def body(self) -> bytes:
        """Give the frame's body: JSON with sorted keys, no empty fields, without what the frame itself says."""
        values = asdict(self)
        del values["received_ms"], values["leaf"]
        kept = {key: value for key, value in values.items() if value not in ("", None)}
        return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


_BODY_FIELDS = {item.name for item in fields(Event)} - {"received_ms", "leaf"}


def read_event(body: bytes, *, received_ms: int, leaf: int) -> Event:
    """Read an event back from its frame; ValueError when it is none."""
    values = msgspec.json.decode(body, type=dict[str, Any])
    unknown = values.keys() - _BODY_FIELDS
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    return msgspec.convert(values | {"received_ms": received_ms, "leaf": leaf}, Event)


def token_hash(token: str) -> str:
    """Give what is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def enrol_event(gateway: str, public_key: str, kind: str, period: tuple[int, int | None]) -> Event:
    """Make an enrolment (without its token); EnrolmentError when the id, key or period cannot be."""
    if not is_id(gateway):
        raise EnrolmentError(f"{gateway!r} is not a gateway id; use 1-64 of letters, digits, '.', '_', '-'")
    if kind not in ("edge", "provider"):
        raise EnrolmentError(f"{kind!r} is not a kind of gateway; one of edge, provider")
    try:
        parse_public_key(public_key)
    except ValueError as error:
        raise EnrolmentError(f"not a public key: {error}; 'mfl keys new' prints one") from None
    from_ms, until_ms = period
    if until_ms is not None and until_ms <= from_ms:
        raise EnrolmentError("the enrolment ends before it begins")
    return Event(
        EventKind.ENROL,
        gateway,
        from_ms=from_ms,
        until_ms=until_ms,
        public_key=public_key.strip(),
        gateway_kind=kind,
    )


def explain_event(gateway: str, epoch: str, *, on_ms: int, who: str, why: str) -> Event:
    """Make a person's word on an epoch; EnrolmentError when it does not say who, or what happened."""
    told = {"who answers for it": (who.strip(), WHO_MAX), "what happened": (why.strip(), WHY_MAX)}
    for about, (text, most) in told.items():
        if not text or len(text) > most or not text.isprintable():
            raise EnrolmentError(f"say {about} in one line of 1 to {most} characters, not {text[:40]!r}")
    return Event(EventKind.EXPLAIN, gateway, from_ms=on_ms, epoch=epoch, who=who.strip(), why=why.strip())


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: to write as this name, signed (`gateway`) or unsigned (`writer`)."""

    name: str
    role: Literal["gateway", "writer"]


@dataclass(slots=True)
class _Enrolled:
    event: Event
    key: Ed25519PublicKey | None
    revoked_ms: int | None = None

    def holds_at(self, at_ms: int) -> bool:
        until = self.event.until_ms
        return (
            self.event.from_ms <= at_ms
            and (until is None or at_ms < until)
            and (self.revoked_ms is None or at_ms < self.revoked_ms)
        )


class Authority:
    """What all events so far allow."""

    def __init__(self) -> None:
        self._names: dict[str, list[_Enrolled]] = {}
        self._tokens: dict[str, _Enrolled] = {}
        self.conflicts: dict[str, set[str]] = {}

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        if event.kind in (EventKind.ENROL, EventKind.WRITER):
            key = parse_public_key(event.public_key) if event.kind is EventKind.ENROL else None
            enrolled = _Enrolled(event, key)
            self._names.setdefault(event.gateway, []).append(enrolled)
            self._tokens[event.token_sha256] = enrolled
        elif event.kind is EventKind.REVOKE:
            for enrolled in self._names.get(event.gateway, ()):
                earlier = enrolled.revoked_ms
                enrolled.revoked_ms = event.from_ms if earlier is None else min(earlier, event.from_ms)
        elif event.kind is EventKind.CONFLICT:
            self.conflicts.setdefault(event.gateway, set()).add(event.hash)

    def check_new(self, event: Event, epochs: Collection[tuple[str, str]] = ()) -> None:
        """EnrolmentError when an event is not whole, or contradicts what is known; `epochs` are those with batches here."""
        if event.kind is EventKind.EXPLAIN:
            self._check_explained(event, epochs)
            return
        if event.kind is EventKind.ENROL:
            period = (event.from_ms, event.until_ms)
            enrol_event(event.gateway, event.public_key, event.gateway_kind, period)
        known = {enrolled.event.kind for enrolled in self._names.get(event.gateway, ())}
        if event.kind is EventKind.REVOKE:
            if not known:
                raise EnrolmentError(f"{event.gateway!r} was never enrolled")
            return
        if not is_id(event.gateway) or not _SHA256.fullmatch(event.token_sha256):
            raise EnrolmentError(f"{event.gateway!r} is no name, or its token is missing")
        if known - {event.kind}:
            raise EnrolmentError(
                f"{event.gateway!r} already names a {' and '.join(sorted(known))}; take another name"
            )

    def _check_explained(self, event: Event, epochs: Collection[tuple[str, str]]) -> None:
        explain_event(event.gateway, event.epoch, on_ms=event.from_ms, who=event.who, why=event.why)
        if event.gateway not in self.gateways():
            raise EnrolmentError(f"gateway {event.gateway!r} was never enrolled")
        if (event.gateway, event.epoch) not in epochs:
            known = sorted(epoch for gateway, epoch in epochs if gateway == event.gateway)
            told = ", ".join(known[:EPOCHS_TOLD]) + (", ..." if known[EPOCHS_TOLD:] else "")
            raise EnrolmentError(
                f"no batch of {event.gateway} has the epoch {event.epoch[:64]!r}; the log holds {told or 'none'}"
            )

    def allows(self, seal: Seal, at_ms: int) -> Literal["yes", "unknown", "forged"]:
        """Judge a seal by the keys valid at a time: `unknown` when none is, `forged` when none of them made it."""
        valid = [item for item in self._names.get(seal.gateway, ()) if item.holds_at(at_ms)]
        keys = [item.key for item in valid if item.key is not None]
        if not keys:
            return "unknown"
        return "yes" if any(signature_holds(seal, key) for key in keys) else "forged"

    def grant(self, token: str, at_ms: int) -> Grant | None:
        """Give what a token allows at a time, None when nothing."""
        digest = token_hash(token)
        enrolled = self._tokens.get(digest)
        if enrolled is None or not hmac.compare_digest(enrolled.event.token_sha256, digest):
            return None
        if not enrolled.holds_at(at_ms):
            return None
        return Grant(enrolled.event.gateway, "gateway" if enrolled.key is not None else "writer")

    def gateways(self) -> list[str]:
        """Give the ids of all gateways ever enrolled, sorted."""
        return sorted(name for name, items in self._names.items() if items[0].key is not None)


def with_token(event: Event, token_bytes: Callable[[int], bytes]) -> tuple[Event, str]:
    """Give an event its token: the event that keeps the hash, and the token to be shown once."""
    token = f"mfl_{token_bytes(32).hex()}"
    return replace(event, token_sha256=token_hash(token)), token
