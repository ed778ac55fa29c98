"""What is kept of batches that the store refused? Their bytes, a file each, within a bound; none is ever dropped for another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.frames import make_directory, sync_directory, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.seal import Batch

DEAD_LETTERS_MAX = 1000
"""Dead letters kept at once; with more, batches that the store refuses stay in the outbox."""
DEAD_LETTER_BYTES_MAX = 100_000_000
"""Bytes of dead letters kept at once: a hundred of the largest batches."""
_NAME = re.compile(r"[0-9a-f]{1,64}-\d{12}\.lp")


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The files in `dead/`, each named by its batch's epoch and seq."""

    directory: Path

    def paths(self) -> list[Path]:
        """Give the letters there are, by name; other files are not ours."""
        if not self.directory.is_dir():
            return []
        return sorted(
            path for path in self.directory.iterdir() if _NAME.fullmatch(path.name) and path.is_file()
        )

    @property
    def size(self) -> int:
        """Bytes of all letters."""
        return sum(path.stat().st_size for path in self.paths())

    def keep(self, batch: Batch) -> str | None:
        """Keep a batch's bytes durably and give the file's name; None when there is no room. OSError when the disk refuses."""
        name = letter_name(batch)
        path = self.directory / name
        if not path.exists():
            if len(self.paths()) >= DEAD_LETTERS_MAX or self.size + len(batch.data) > DEAD_LETTER_BYTES_MAX:
                return None
            make_directory(self.directory)
        write_atomically(path, batch.data)
        return name

    def remove(self, names: list[str]) -> None:
        """Remove letters that stand in the outbox again, durably."""
        for name in names:
            (self.directory / name).unlink(missing_ok=True)
        if names and self.directory.is_dir():
            sync_directory(self.directory)


def letter_name(batch: Batch) -> str:
    """Name a batch's file."""
    return f"{batch.seal.epoch}-{batch.seal.seq:012d}.lp"
