"""How does production code come to stand on a disk that fails? Its calls of `os` pass through the box they concern.

The shim stands at the `os` module for the time of a run, as LD_PRELOAD does below it: no call can go past it, not even one
that is written tomorrow. What concerns no box goes straight through.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulators.virtual_box import Box, Handle
from simulators.virtual_disk import Cut, Folder, Sync, SyncNames, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BLOCK = 512
"""Free bytes below which a file can no longer be created."""
_NAMES = (
    "open",
    "write",
    "pwrite",
    "ftruncate",
    "truncate",
    "fdatasync",
    "fsync",
    "close",
    "rename",
    "replace",
    "unlink",
    "remove",
    "mkdir",
    "rmdir",
    "posix_fallocate",
)
_REAL: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in _NAMES}
_REAL_OPEN = io.open


class _Shim:
    """The calls, each under its name in `os`."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._boxes = [(f"{box.root}{os.sep}", str(box.root), box) for box in boxes]
        self._boxes_of: dict[int, Box] = {}

    def _find(self, path: Any) -> tuple[Box, str, str] | None:
        if isinstance(path, int):
            return None
        text = os.fsdecode(path)
        for prefix, root, box in self._boxes:
            if (text.startswith(prefix) or text == root) and not box.is_passed_by:
                return box, text, box.name_of(text)
        return None

    def _held(self, handle: int) -> tuple[Box, Handle] | None:
        box = self._boxes_of.get(handle)
        held = box.handles.get(handle) if box is not None else None
        return None if box is None or held is None else (box, held)

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        found = self._find(path)
        if found is None:
            return int(_REAL["open"](path, flags, mode, dir_fd=dir_fd))
        box, text, name = found
        box.enter()
        try:
            is_folder, is_new = stat.S_ISDIR(os.stat(text).st_mode), False  # noqa: PTH116 - called for every file
        except OSError:
            is_folder, is_new = False, not os.path.lexists(text)
        is_last = False
        if is_new and flags & os.O_CREAT:
            is_last = box.change()
            if box.free is not None and box.free < BLOCK:
                raise box.refuse(errno.ENOSPC, text)
        handle = int(_REAL["open"](path, flags, mode))
        number = 0
        if not is_folder:
            number = box.create(name) if is_new else box.file_of(name)
            if flags & os.O_TRUNC and not is_new:
                box.record(Cut(number, 0))
        box.handles[handle] = Handle(name, number, bool(flags & os.O_APPEND), is_folder)
        self._boxes_of[handle] = box
        box.after(is_last=is_last)
        return handle

    def write(self, handle: int, data: Any) -> int:
        held = self._held(handle)
        if held is None:
            return int(_REAL["write"](handle, data))
        box, file = held
        offset = os.fstat(handle).st_size if file.appends else os.lseek(handle, 0, os.SEEK_CUR)
        return self._put(box, file, handle, bytes(data), offset, moves=True)

    def pwrite(self, handle: int, data: Any, offset: int) -> int:
        held = self._held(handle)
        if held is None:
            return int(_REAL["pwrite"](handle, data, offset))
        return self._put(held[0], held[1], handle, bytes(data), offset, moves=False)

    def _put(self, box: Box, file: Handle, handle: int, data: bytes, offset: int, *, moves: bool) -> int:
        is_last = box.change()
        if is_last and box.chance.random() < 0.5:
            data = data[: box.chance.randint(0, len(data))]
        size = box.spend(len(data))
        if data and not size:
            raise box.refuse(errno.ENOSPC, file.path)
        done = int(
            _REAL["write"](handle, data[:size]) if moves else _REAL["pwrite"](handle, data[:size], offset)
        )
        box.record(Write(file.file, offset, data[:done]))
        box.after(is_last=is_last)
        return done

    def ftruncate(self, handle: int, length: int) -> None:
        held = self._held(handle)
        if held is None:
            _REAL["ftruncate"](handle, length)
            return
        box, file = held
        is_last = box.change()
        box.give_back(os.fstat(handle).st_size - length)
        _REAL["ftruncate"](handle, length)
        box.record(Cut(file.file, length))
        box.after(is_last=is_last)

    def truncate(self, path: Any, length: int) -> None:
        found = self._find(path)
        if found is None:
            _REAL["truncate"](path, length)
            return
        box, text, name = found
        is_last = box.change()
        box.give_back(Path(text).stat().st_size - length)
        _REAL["truncate"](path, length)
        box.record(Cut(box.file_of(name), length))
        box.after(is_last=is_last)

    def posix_fallocate(self, handle: int, offset: int, length: int) -> None:
        held = self._held(handle)
        if held is None:
            _REAL["posix_fallocate"](handle, offset, length)
            return
        box, file = held
        is_last = box.change()
        if box.free is not None and box.free < length:
            raise box.refuse(errno.ENOSPC, file.path)
        box.spend(length)
        _REAL["ftruncate"](handle, max(os.fstat(handle).st_size, offset + length))
        box.record(Cut(file.file, offset + length))
        box.after(is_last=is_last)

    def _opened_past(self, handle: int) -> tuple[Box, Handle] | None:
        """Find the box of a handle that a Python file object holds."""
        found = self._find(Path(f"/proc/self/fd/{handle}").readlink())
        if found is None:
            return None
        box, _, name = found
        return box, Handle(name, box.file_of(name), appends=False, is_folder=False)

    def fsync(self, handle: int) -> None:
        held = self._held(handle) or self._opened_past(handle)
        if held is None:
            _REAL["fsync"](handle)
            return
        box, file = held
        box.before_sync()
        is_last = box.change()
        if file.is_folder:
            box.record(SyncNames(file.path))
        else:
            foreign = box.is_foreign(file.file)
            if box.fail_syncs > 0 or (foreign and box.free is not None and box.free < BLOCK):
                box.fail_syncs = max(0, box.fail_syncs - 1)
                box.record(Sync(file.file, failed=True))
                raise box.refuse(errno.ENOSPC if foreign else errno.EIO, file.path)
            if foreign:
                box.capture(file.path)
            box.record(Sync(file.file))
        box.after(is_last=is_last)

    fdatasync = fsync

    def close(self, handle: int) -> None:
        held = self._held(handle)
        if held is not None:
            held[0].enter()
            del held[0].handles[handle]
            del self._boxes_of[handle]
        _REAL["close"](handle)

    def rename(self, before: Any, after: Any, **folders: Any) -> None:
        source, target = self._find(before), self._find(after)
        if source is None or target is None:
            _REAL["rename"](before, after, **folders)
            return
        box = source[0]
        is_last = box.change()
        if os.path.lexists(target[1]):
            box.give_back(Path(target[1]).stat().st_size)
        box.capture(source[2])
        _REAL["rename"](before, after)
        box.rename(source[2], target[2])
        box.after(is_last=is_last)

    replace = rename

    def unlink(self, path: Any, **folders: Any) -> None:
        self._remove("unlink", path, **folders)

    remove = unlink

    def rmdir(self, path: Any, **folders: Any) -> None:
        self._remove("rmdir", path, **folders)

    def _remove(self, call: str, path: Any, **folders: Any) -> None:
        found = self._find(path)
        if found is None:
            _REAL[call](path, **folders)
            return
        box, text, name = found
        is_last = box.change()
        size = os.lstat(text).st_size
        _REAL[call](path)
        box.give_back(size)
        box.forget(name)
        box.after(is_last=is_last)

    def mkdir(self, path: Any, mode: int = 0o777, **folders: Any) -> None:
        found = self._find(path)
        if found is None or os.path.lexists(found[1]):
            _REAL["mkdir"](path, mode, **folders)
            return
        box, _, name = found
        is_last = box.change()
        _REAL["mkdir"](path, mode)
        box.record(Folder(name))
        box.after(is_last=is_last)

    def open_file(self, file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        """Open a Python file; one that is written to is foreign, for its buffer writes past the shim."""
        found = self._find(file)
        if found is None or not set(mode) & set("wax+"):
            return _REAL_OPEN(file, mode, *args, **options)
        box, text, name = found
        is_last = box.change()
        if box.free is not None and box.free < BLOCK:
            raise box.refuse(errno.ENOSPC, text)
        opened = _REAL_OPEN(file, mode, *args, **options)
        box.written_past(name)
        if is_last:
            opened.close()
        box.after(is_last=is_last)
        return opened


@contextmanager
def standing_on(boxes: Sequence[Box]) -> Iterator[None]:
    """Let every call of this process that concerns one of the boxes pass through it."""
    shim = _Shim(boxes)
    places: list[tuple[Any, str, Any]] = [(os, name, getattr(shim, name)) for name in _NAMES]
    places.append((io, "open", shim.open_file))
    before = [(module, name, getattr(module, name)) for module, name, _ in places]
    try:
        for module, name, call in places:
            setattr(module, name, call)
        yield
    finally:
        for module, name, call in before:
            setattr(module, name, call)
