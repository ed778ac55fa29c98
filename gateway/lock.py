"""Who writes here? One process a state directory, by `flock`; the second is told the first one's pid."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from gateway.frames import make_directory
from telemetry.errors import ConfigError, FactoryError, Problem

if TYPE_CHECKING:
    from pathlib import Path

_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}
"""What a state directory answers that is no state directory of ours; a full disk is none of it."""
_HINT = "state_dir must be a directory on a writable disk that belongs to the gateway's user"


class Locked(FactoryError):
    """Another process holds the directory; exit code 75 (EX_TEMPFAIL of sysexits.h)."""


class DirectoryLock:
    """Holds a directory until closed or until the process ends, however it ends.

    ConfigError when the directory cannot be one of ours.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / "lock"
        try:
            make_directory(directory)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            raise ConfigError(
                [Problem(str(path), 0, 0, "state_dir", f"cannot be written: {error.strerror}", _HINT)]
            ) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise Locked(
                f"{directory} is in use by process {pid}; stop that gateway first, or give this one its own state_dir"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let go; closing the file releases the lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
