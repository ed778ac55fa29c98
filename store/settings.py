"""What was decided when a store was made? The offset of its days, written once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from store.log import replace_file
from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.clock import Clock

OFFSET_MINUTES = 480
"""Days are those of +08:00, China Standard Time, which has known no summer time since 1991; recorded at creation."""


def offset_minutes(directory: Path, clock: Clock, *, read_only: bool) -> int:
    """Read the store's day offset in minutes, writing it at creation; ConfigError when this is no store."""
    path = directory / "store.json"
    if not path.exists() and not read_only:
        values = {"version": 1, "offset_minutes": OFFSET_MINUTES, "created_ms": clock.wall_ms()}
        replace_file(path, json.dumps(values).encode())
    try:
        values = json.loads(path.read_bytes())
        version, offset = values["version"], int(values["offset_minutes"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(
            [Problem(str(path), 0, 0, "", "is not there or not readable", "is this a store?")]
        ) from None
    if version != 1:
        raise ConfigError([Problem(str(path), 0, 0, "version", f"{version!r} is not known to this program")])
    return offset
