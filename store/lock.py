"""Who writes here? One process a directory, held by a lock file that names it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from telemetry.errors import FactoryError

if TYPE_CHECKING:
    from pathlib import Path


class StoreInUse(FactoryError):
    """Another process has this store open for writing; `pid` is what it wrote into its lock file."""

    def __init__(self, directory: Path, pid: str) -> None:
        self.pid = pid
        super().__init__(
            f"{directory}: process {pid} has this store open for writing; stop it, or open read-only"
        )


class WriterLock:
    """An flock on `DIR/lock`; the kernel lets go of it when the process dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        self._handle = os.open(
            directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640
        )
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(self._handle, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            raise StoreInUse(directory, pid) from None
        with contextlib.suppress(OSError):  # the lock holds on a full disk too, only without a name
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in; a second time changes nothing."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def is_held(directory: Path) -> bool:
    """Tell whether a process has this store open for writing; takes nothing and creates nothing."""
    try:
        handle = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
