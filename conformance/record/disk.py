"""Files and folders that appear whole or not at all, whatever ends the process in between.

What is being written has a name of its own, ``.<name>.<process id>.unfinished``, beside the place it is for; what dead
processes left under such names is removed by :func:`tidy`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from conformance.record.errors import CannotWrite, ForeignFiles

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_LEFT = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.(?P<what>unfinished|previous)")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


def unfinished(path: Path) -> Path:
    """Where to write what shall appear at ``path``: beside it, on the same disk."""
    path = path.resolve()
    return path.with_name(f".{path.name}.{os.getpid()}.unfinished")


@contextmanager
def one_line(doing: str) -> Iterator[None]:
    """Turn an error of the disk into one line that begins with ``doing``.

    Raises
    ------
    CannotWrite
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"{doing}: {os.strerror(error.errno) if error.errno else error}") from None


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Give a path to write one file to; it is moved to ``path`` once it is written and on the disk.

    Raises
    ------
    CannotWrite
        If the disk is full, or may not be written; ``path`` is as it was then.
    """
    new = unfinished(path)
    try:
        with one_line(f"cannot write {path}"):
            yield new
            _sync(new)
            new.replace(path.resolve())
            _sync(new.parent)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write one file; see :func:`appearing`."""
    with appearing(path) as new:
        new.write_bytes(content)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_folder(new: Path, old: Path, own: Collection[str] = ()) -> None:
    """Put the folder ``new`` in the place of ``old``, at once, and remove what was there.

    Where the system cannot exchange two names, there is a moment in which ``old`` is away: if the process ends in it,
    :func:`tidy` puts it back.

    Parameters
    ----------
    new
        Beside ``old``: a name from :func:`unfinished`.
    own
        Names that ``old`` may hold besides those that ``new`` holds.

    Raises
    ------
    ForeignFiles
        If ``old`` holds anything else; nothing is changed then.
    CannotWrite
        If the disk refuses; ``old`` is as it was then.
    """
    old = old.resolve()
    check_replaceable(old, {*own, *(entry.name for entry in new.iterdir())})
    with one_line(f"cannot replace {old}"):
        for entry in (new, *new.rglob("*")):
            _sync(entry)
        if not old.exists():
            new.rename(old)
        elif not _exchange(new, old):
            previous = old.with_name(f".{old.name}.{os.getpid()}.previous")
            old.rename(previous)
            new.rename(old)
            new = previous
        _sync(old.parent)
        if new.exists():
            shutil.rmtree(new)


def check_replaceable(folder: Path, own: Collection[str]) -> None:
    """Refuse a folder that holds something of another name, and what is no folder.

    Raises
    ------
    ForeignFiles
        Naming the first.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ForeignFiles(f"{folder} is no folder")
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in own)
    if foreign:
        raise ForeignFiles(f"{folder} holds {foreign[0]}, which belongs to no report: name another folder")


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once; False where the system, or the file system, cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    if ctypes.get_errno() in _NO_EXCHANGE:
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def tidy(path: Path) -> None:
    """Remove what dead processes left of writing ``path``, and put back what they had moved away.

    To be called before anything is written there: what this process itself would be writing counts as left.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        return
    left = [(entry, found) for entry in path.parent.iterdir() if (found := _LEFT.fullmatch(entry.name))]
    for entry, found in sorted(left, key=lambda pair: pair[1]["what"]):  # the previous one first
        if found["name"] != path.name or _alive(int(found["pid"])):
            continue
        with one_line(f"cannot remove {entry}"):
            if found["what"] == "previous" and not path.exists():
                entry.rename(path)
            elif entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    """Whether another process of that number runs."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
