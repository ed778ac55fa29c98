"""By which map was an old reading read? Profiles in use are kept as text, so that leftovers outlive a new version."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from gateway.frames import write_atomically
from telemetry.errors import ConfigError
from telemetry.profile import parse_profile, profile_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from telemetry.profile import Profile

KEPT_MAX = 200
"""Profile texts kept: those of the last configurations; the oldest go first."""
_ID = re.compile(r"[a-z0-9_]{1,200}@[0-9a-f]{12}")

logger = logging.getLogger(__name__)


class ProfileShelf:
    """Profile texts by id (`name@` and 12 hex digits)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, texts: Mapping[str, str]) -> None:
        """Keep these texts; a full disk is no reason to stop, for they are only needed after a change."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for profile_id, text in texts.items():
                path = self._directory / f"{profile_id}.yaml"
                if not path.exists():
                    write_atomically(path, text.encode())
            kept = sorted(self._directory.glob("*.yaml"), key=lambda path: path.stat().st_mtime_ns)
            for path in kept[: max(0, len(kept) - KEPT_MAX)]:
                if path.stem not in texts:
                    path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("event=profiles_not_kept error=%s", error.strerror)

    def find(self, profile_id: str) -> Profile | None:
        """Give a kept profile; None when it is not here or its text is not what its id says."""
        if not _ID.fullmatch(profile_id):
            return None
        path = self._directory / f"{profile_id}.yaml"
        try:
            text = path.read_bytes().decode()
            profile = parse_profile(text, path.name)
        except (OSError, UnicodeDecodeError, ConfigError):
            return None
        return profile if profile_digest(profile.profile, text) == profile_id else None
