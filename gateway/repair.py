"""How is a damaged buffer made usable again? Rotten bytes set aside, their readings declared, the rest left as it is.

A gateway does the same at its start and on its way; this does it at once, with a word about everything found. Only while
no gateway runs on the buffer. Sealed batches are never changed, and nothing unrotten goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.ballast import Ballast
from gateway.keys import load_private_key
from gateway.outbox import Outbox
from gateway.outbox_records import Cursor, read_json
from gateway.replay import find_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.config import Site


def repair_buffer(site: Site) -> list[str]:
    """Repair the buffer of a site and tell what was done; an empty list when all was sound.

    Locked when a gateway runs on it; ConfigError when it is another gateway's or the key cannot be used.
    """
    home = site.state_dir / "outbox"
    if not home.is_dir():
        return []
    before = _quarantined_bytes(site.state_dir)
    key = load_private_key(site.key_file)
    had_cursor = read_json(home / "cursor.json", Cursor) is not None
    # Should the disk be full, the reserve is what the repair itself may use.
    outbox = Outbox.open(home, site.gateway, key, make_room=Ballast(site.state_dir / "ballast").drop)
    try:
        told = (
            []
            if had_cursor
            else ["outbox: the cursor was gone or rotten; made anew, all batches here are sent again"]
        )
        told += _outbox(outbox, home / "cursor.json")
        told += _journal(site.state_dir / "journal")
        told += _temporary(site.state_dir)
    finally:
        outbox.close()
    kept = _quarantined_bytes(site.state_dir) - before
    return [*told, f"{kept} rotten bytes kept in quarantine/"] if kept else told


def _outbox(outbox: Outbox, cursor_file: Path) -> Iterator[str]:
    """Look at every waiting batch; what cannot be read is quarantined, and its loss row goes with the next seal."""
    # Asking the outbox for its state looks at the oldest batch, and quarantines it when it is not there.
    cursor = read_json(cursor_file, Cursor)
    start = cursor.quarantined if cursor else 0
    for index in range(1, outbox.newest + 1):
        if not outbox.is_done(index) and outbox.batch(index) is None:
            yield f"outbox: batch {index} is rotten or gone; its loss is declared in the next batch"
    lost = outbox.stat().quarantined - start
    if lost:
        yield f"outbox: {lost} readings quarantined"


def _journal(directory: Path) -> Iterator[str]:
    """Read every segment, which sets rot aside; the next start seals what is whole and declares the rest."""
    for run in find_leftovers(directory) if directory.is_dir() else ():
        for item in run:
            if item.lost:
                yield f"journal: {item.path.name}: {item.lost} readings rotten; declared at the next start"


def _temporary(state_dir: Path) -> Iterator[str]:
    """Remove what a crash in mid-write left; its content was never in force."""
    for path in sorted(state_dir.rglob("*.tmp")):
        path.unlink()
        yield f"removed {path.relative_to(state_dir)}"


def _quarantined_bytes(state_dir: Path) -> int:
    return sum(path.stat().st_size for path in state_dir.glob("*/quarantine/*") if path.is_file())
