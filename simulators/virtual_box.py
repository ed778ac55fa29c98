"""What becomes of one machine's disk, and of the process on it? It may be full, fail, lose its power; the process may die.

The files are real, in the box's directory, so everything reads them as it always does; what changes them is recorded in
the box's `DiskModel` by the shim in `virtual_os`. Files written by C code (Parquet) or by Python's file objects are recorded
as a whole when they are synced or renamed. SQLite's own files are not recorded.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.virtual_disk import Cut, DiskModel, Gone, Image, Name, Operation, Write, parent_of

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Killed(BaseException):
    """The process that made this call is dead; nothing it does from here on happens."""


@dataclass(slots=True)
class Handle:
    """A file or directory that the process holds open."""

    path: str
    file: int
    appends: bool
    is_folder: bool


class Box:
    """One machine's disk, and the life of the one process on it."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        root.mkdir(parents=True)
        self.root = root
        self.chance = chance
        self.model = DiskModel()
        self.trace: list[Operation] | None = None
        """Every operation, when somebody wants to cut the power at each of them."""
        self.is_dead = False
        self.is_passed_by = False
        """Whether calls go straight to the files: those of the storm itself."""
        self.calls = 0
        """Calls that change the disk, so far."""
        self.kill_at: int | None = None
        """The number of the call that is the process's last; it happens half, whole or not at all."""
        self.kill_at_sync: int | None = None
        """After how many more syncs the process dies just before one, with everything written and nothing sure."""
        self.free: int | None = None
        """Bytes left, None when there is room."""
        self.fail_syncs = 0
        """How many of the coming syncs the disk refuses."""
        self.refused = 0
        """Calls refused for want of room or by a failing disk."""
        self.handles: dict[int, Handle] = {}
        self._files: dict[str, int] = {}
        self._foreign: dict[int, bytes] = {}
        """Files written by others than us → their bytes as last recorded."""
        self._next = 1

    def record(self, operation: Operation) -> None:
        """Note an operation that happened."""
        self.model.apply(operation)
        if self.trace is not None:
            self.trace.append(operation)

    def name_of(self, path: str) -> str:
        """Give a path inside the box as recorded."""
        return path[len(str(self.root)) + 1 :]

    def enter(self) -> None:
        """Every call passes here first: the dead do nothing."""
        if self.is_dead:
            raise Killed

    def change(self) -> bool:
        """Count a call that changes something; tells whether it is the last one (which dies after its effect)."""
        self.enter()
        self.calls += 1
        if self.kill_at is None or self.calls < self.kill_at:
            return False
        if self.chance.random() < 0.4:
            self.kill()
            raise Killed
        return True

    def before_sync(self) -> None:
        """Die just before a sync, when it is time."""
        if self.kill_at_sync is not None:
            self.kill_at_sync -= 1
            if self.kill_at_sync < 0:
                self.kill()
                raise Killed

    def kill(self) -> None:
        """End the process: from here on it changes nothing."""
        self.is_dead, self.kill_at, self.kill_at_sync = True, None, None

    def after(self, *, is_last: bool) -> None:
        """Die after a call's effect, when `change` said so."""
        if is_last:
            self.kill()
            raise Killed

    def refuse(self, number: int, path: str) -> OSError:
        """Make the error of a refused call."""
        self.refused += 1
        return OSError(number, os.strerror(number), path)

    def spend(self, size: int) -> int:
        """Take room for up to `size` bytes; gives how many there were."""
        if self.free is None:
            return size
        got = min(size, max(0, self.free))
        self.free -= got
        return got

    def give_back(self, size: int) -> None:
        """Return room."""
        if self.free is not None:
            self.free += size

    def file_of(self, name: str) -> int:
        """Give a path's file number; one never seen before was made by others than us."""
        known = self._files.get(name)
        if known is None:
            known = self.create(name)
            self._foreign[known] = b""
        return known

    def create(self, name: str) -> int:
        """Record a new file."""
        number = self._files[name] = self._next
        self._next += 1
        self.record(Name(name, number))
        return number

    def written_past(self, name: str) -> None:
        """Note that a path is about to be written past the shim."""
        if name not in self._files:
            self.create(name)
        self._foreign.setdefault(self._files[name], b"")

    def is_foreign(self, number: int) -> bool:
        """Tell whether a file is written past the shim."""
        return number in self._foreign

    def capture(self, name: str) -> None:
        """Record what was written to a foreign file past the shim."""
        number = self._files.get(name)
        if number is None or number not in self._foreign:
            return
        data = (self.root / name).read_bytes()
        if data != self._foreign[number]:
            self._foreign[number] = data
            self.record(Cut(number, 0))
            self.record(Write(number, 0, data))

    def rename(self, before: str, after: str) -> None:
        """Record a rename of a file."""
        number = self.file_of(before)
        del self._files[before]
        self._files[after] = number
        self.record(Name(after, number, before))

    def forget(self, name: str) -> None:
        """Record a removal."""
        self._foreign.pop(self._files.pop(name, 0), None)
        self.record(Gone(name))

    def reap(self) -> None:
        """After a death: close what the process held (locks go with it), so that another may start."""
        self.is_dead, self.kill_at, self.kill_at_sync = False, None, None
        for handle in list(self.handles):
            os.close(handle)
        self.handles.clear()

    @contextmanager
    def passed_by(self) -> Iterator[None]:
        """Let the storm's own hands reach the files, unrecorded."""
        self.is_passed_by, before = True, self.is_passed_by
        try:
            yield
        finally:
            self.is_passed_by = before

    def cut_power(self, kept: Sequence[str] = ()) -> None:
        """Put what survives a power cut in the place of what was; files named by `kept` (not recorded) stay."""
        for name in [name for name, number in self._files.items() if number in self._foreign]:
            if (self.root / name).is_file():
                self.capture(name)
        others = {name: (self.root / name).read_bytes() for name in kept if (self.root / name).is_file()}
        self.put(self.model.power_cut(self.chance), others)

    def put(self, image: Image, others: dict[str, bytes] | None = None) -> None:
        """Make the box's disk this image, all of it synced."""
        with self.passed_by():
            shutil.rmtree(self.root)
            write_image(self.root, image)
            for name, data in (others or {}).items():
                if parent_of(name) in image.folders | {""}:
                    (self.root / name).write_bytes(data)
        self.model = DiskModel(image)
        self._files = {path: number for path, (number, _) in image.files.items()}
        self._foreign.clear()
        self._next = max([self._next, *(number + 1 for number in self._files.values())])


def write_image(root: Path, image: Image) -> None:
    """Write an image into an empty place."""
    root.mkdir(parents=True)
    for folder in sorted(image.folders):
        (root / folder).mkdir()
    for path, (_, data) in image.files.items():
        (root / path).write_bytes(data)
