"""What of its process a call may not change, and what it printed.

A function of logits that leaves the processor flushing subnormal numbers, moves to another folder, patches NumPy or
changes the settings of its framework makes every later answer another one.  Each such change is a sentence about the call
that made it; what can be put back is.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALLEST, _ONE = float.fromhex("0x1p-1074"), float(1)


def flushes_subnormals() -> bool:
    """Whether this thread's processor flushes subnormal results or operands to zero."""
    return _SMALLEST * _ONE == 0.0


def folder() -> str:
    """The working directory; empty where it is there no more."""
    try:
        return os.getcwd()  # noqa: PTH109 - a text, to be compared
    except FileNotFoundError:
        return ""


class State:
    """The state of a process before a call."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter
        self.folder = folder()
        self.errors = np.geterr()
        self.flushes = flushes_subnormals()
        self.settings = dict(adapter.state())
        self.numpy = dict(vars(np))

    def changes(self) -> tuple[list[str], bool]:
        """What is different now, a sentence each, and whether something of it could not be put back."""
        found, spoiled = [], False
        if folder() != self.folder:
            found.append("changed the working directory")
            with contextlib.suppress(OSError):
                os.chdir(self.folder)
            spoiled |= folder() != self.folder
        if np.geterr() != self.errors:
            found.append("changed numpy's error state")
            np.seterr(**self.errors)
        patched = [name for name, value in self.numpy.items() if vars(np).get(name) is not value]
        if patched:
            found.append("replaced numpy." + ", numpy.".join(patched[:3]))
            vars(np).update({name: self.numpy[name] for name in patched})
        if flushes_subnormals() != self.flushes:
            found.append("left the processor flushing subnormal numbers")
            _reset_processor()
            spoiled |= flushes_subnormals() != self.flushes
        settings = dict(self.adapter.state())
        for name, value in settings.items():
            if value != self.settings.get(name):
                found.append(f"changed {name} from {self.settings.get(name)} to {value}")
                spoiled = True
        return found, spoiled


def _reset_processor() -> None:
    """Give this thread the C library's default floating-point environment, in which nothing is flushed."""
    with contextlib.suppress(Exception):
        import ctypes  # noqa: PLC0415 - only where there is a C library to be asked

        ctypes.CDLL("libm.so.6").fesetenv(ctypes.c_void_p(-1))  # FE_DFL_ENV, of glibc


def flush_streams() -> None:
    """Write out what Python and the C library still hold of both streams, so that it belongs to the call that printed it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):
        import ctypes  # noqa: PLC0415 - only where there is a C library to be asked

        ctypes.CDLL(None).fflush(None)


def reopen_streams() -> bool:
    """Give Python its streams back if a call closed or replaced them; whether it had to."""
    changed = False
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if getattr(stream, "closed", True):
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                setattr(sys, name, os.fdopen(descriptor, "w", closefd=False))
            changed = True
    return changed


@contextlib.contextmanager
def captured() -> Iterator[list[bytes]]:
    """Keep what this process writes to its two streams, by whatever road, out of them; the list gets it at the end."""
    said: list[bytes] = []
    flush_streams()
    with tempfile.TemporaryFile() as log:
        kept = [(number, os.dup(number)) for number in (1, 2)]
        streams = sys.stdout, sys.stderr
        try:
            for number, _ in kept:
                os.dup2(log.fileno(), number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            yield said
        finally:
            flush_streams()
            sys.stdout, sys.stderr = streams
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)
            log.seek(0)
            said.append(log.read(4096))
