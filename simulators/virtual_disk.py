"""What survives a power cut? A model of a disk: what was synced for certain, what was not perhaps, torn and out of order.

Stricter than any real file system, as POSIX allows: a write survives for certain only after a sync of its file, a name
only after a sync of its directory. Of the rest any part may survive: nothing, all, a beginning, or any subset of
512-byte sectors; names in any subset as well. Operations of a failed sync are dropped, as kernels do (`fsyncgate`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

ItemT = TypeVar("ItemT")
SECTOR = 512
"""Bytes a disk writes whole or not at all."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written at an offset of file number `file`."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A file set to a length; it grows by zeros."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """A file's bytes brought to the disk; `failed`: the disk refused, and what was unsynced is dropped."""

    file: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A file appears under a path; `before` is the path it had (a rename), empty when it was created."""

    path: str
    file: int
    before: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """A path goes: a file unlinked or a directory removed."""

    path: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory is made."""

    path: str


@dataclass(frozen=True, slots=True)
class SyncNames:
    """A directory's names are brought to the disk."""

    path: str


Content = Write | Cut
Naming = Name | Gone | Folder
Operation = Content | Naming | Sync | SyncNames


def parent_of(path: str) -> str:
    """Give the directory of a path inside the box; the box itself is the empty path."""
    return path.rpartition("/")[0]


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Content] = field(default_factory=list)


@dataclass(slots=True)
class Image:
    """What a disk holds after a power cut: directories, and files with their bytes and numbers."""

    folders: set[str]
    files: dict[str, tuple[int, bytes]]


class DiskModel:
    """Follows the operations of one box and tells what may be left of them."""

    def __init__(self, image: Image | None = None) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._folders: set[str] = set(image.folders) if image else set()
        self._pending: dict[str, list[Naming]] = {}
        for path, (number, data) in (image.files if image else {}).items():
            self._names[path] = number
            self._files[number] = _File(bytearray(data))

    def apply(self, operation: Operation) -> None:
        """Take one operation in."""
        if isinstance(operation, Write | Cut):
            self._file(operation.file).pending.append(operation)
        elif isinstance(operation, Sync):
            file = self._file(operation.file)
            if not operation.failed:
                _replay(file.durable, file.pending)
            file.pending.clear()
        elif isinstance(operation, SyncNames):
            for naming in self._pending.pop(operation.path, []):
                _rename(self._names, self._folders, naming)
        else:
            self._pending.setdefault(parent_of(operation.path), []).append(operation)

    def _file(self, number: int) -> _File:
        return self._files.setdefault(number, _File())

    @property
    def unsynced(self) -> int:
        """Operations whose fate a power cut would decide."""
        contents = sum(len(file.pending) for file in self._files.values())
        return contents + sum(len(namings) for namings in self._pending.values())

    def power_cut(self, chance: random.Random) -> Image:
        """Give one of the states that a power cut at this moment may leave; the model itself is not changed."""
        names, folders = dict(self._names), set(self._folders)
        for path in sorted(self._pending):
            for naming in _survivors(self._pending[path], chance):
                _rename(names, folders, naming)
        reachable = {path for path in folders if all(parent in folders for parent in _parents(path))}
        files = {
            path: (number, self._left(number, chance))
            for path, number in sorted(names.items())
            if parent_of(path) in reachable or parent_of(path) == ""
        }
        return Image(reachable, files)

    def _left(self, number: int, chance: random.Random) -> bytes:
        file = self._files.get(number, _File())
        data = bytearray(file.durable)
        if file.pending:
            _replay(data, _torn(_survivors(file.pending, chance), chance))
        return bytes(data)


def _parents(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]


def _replay(data: bytearray, contents: Iterable[Content]) -> None:
    for content in contents:
        if isinstance(content, Cut):
            del data[content.size :]
            data.extend(bytes(content.size - len(data)))
        else:
            if content.offset > len(data):
                data.extend(bytes(content.offset - len(data)))
            data[content.offset : content.offset + len(content.data)] = content.data


def _rename(names: dict[str, int], folders: set[str], naming: Naming) -> None:
    if isinstance(naming, Folder):
        folders.add(naming.path)
    elif isinstance(naming, Gone):
        names.pop(naming.path, None)
        folders.discard(naming.path)
    else:
        if names.get(naming.before) == naming.file:
            del names[naming.before]
        names[naming.path] = naming.file


def _survivors(pending: Sequence[ItemT], chance: random.Random) -> list[ItemT]:
    """Choose what survives: nothing, all, a beginning, or any subset."""
    kind = chance.randrange(4)
    if kind == 0:
        return []
    if kind == 1:
        return list(pending)
    if kind == 2:
        return list(pending[: chance.randint(0, len(pending))])
    return [item for item in pending if chance.random() < 0.5]


def _torn(contents: Iterable[Content], chance: random.Random) -> list[Content]:
    """Tear writes at the borders of sectors, and lose some of these."""
    if chance.random() < 0.5:
        return list(contents)
    torn: list[Content] = []
    for content in contents:
        if isinstance(content, Cut):
            torn.append(content)
            continue
        start = content.offset
        end = start + len(content.data)
        at = start
        while at < end:
            border = min(end, at - at % SECTOR + SECTOR)
            if chance.random() < 0.7:
                torn.append(Write(content.file, at, content.data[at - start : border - start]))
            at = border
    return torn
