"""What is left when the disk is full? A reserved megabyte, given back so that the account can still be written."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}
BALLAST_BYTES = 1_000_000
"""Room for loss rows, heartbeats and cursors while a full disk drains."""

logger = logging.getLogger(__name__)


class Ballast:
    """A file of reserved space."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._complaint = ""

    def keep(self) -> bool:
        """Reserve the space, if it is not; False when the disk is full. A disk that cannot reserve is not full."""
        if self.is_kept:
            return True
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, BALLAST_BYTES)
            finally:
                os.close(fd)
        except OSError as error:
            if self._complaint != str(error):
                self._complaint = str(error)
                logger.warning("event=no_ballast error=%s", error.strerror)
            self.drop()
            return error.errno not in _FULL
        self._complaint = ""
        return True

    @property
    def is_kept(self) -> bool:
        """Whether the space is reserved now."""
        return self._path.exists()

    def drop(self) -> None:
        """Give the space back to the disk; needs none itself."""
        self._path.unlink(missing_ok=True)
