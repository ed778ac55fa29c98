"""Where are the registers kept that devices refused? `holes.json` in the state directory; small, and safe to delete."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from drivers.modbus_holes import HoleBook

if TYPE_CHECKING:
    from pathlib import Path

NAME = "holes.json"
BYTES_MAX = 4_000_000
"""A thousand devices with a hundred holes each take less."""
logger = logging.getLogger(__name__)


def load_holes(state_dir: Path) -> HoleBook:
    """Read what was learnt in earlier runs; each new lesson is written at once. A file that is spoilt is begun anew.

    Nothing is written before there is a lesson. What is lost costs a few polls to learn again, so a disk that refuses is
    logged and no more.
    """
    path = state_dir / NAME
    book = HoleBook(lambda learnt: _save(path, learnt))
    try:
        with path.open("rb") as stream:
            book.decode(stream.read(BYTES_MAX))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        logger.warning("event=holes_unreadable file=%s reason=%s", path, str(error)[:200])
        return HoleBook(lambda learnt: _save(path, learnt))
    return book


def _save(path: Path, book: HoleBook) -> None:
    fresh = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as stream:
            stream.write(book.encode())
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
    except OSError as error:
        logger.warning("event=holes_not_kept file=%s reason=%s", path, error.strerror)
