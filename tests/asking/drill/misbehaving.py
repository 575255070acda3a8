"""Two adapters on NumPy's arrays: an honest one, and one that misbehaves on one row of many, as a variable says.

They are another package's plugin: the test puts this folder, with entry points beside it, on the workers' path.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import platform
import signal
import time
from typing import Any

import numpy as np

from conformance.frameworks.base import Adapter, NotOffered, Program

WAY = os.environ.get("DRILL", "")
"""How to misbehave: a name of :data:`CALLS` or :data:`LIES`, or of what ``Misbehaving`` does at other times."""

CULPRIT = (1000.0, 17)
"""The row on which a call misbehaves: all of its logits, and how many."""

HOSTILE = "a\ud800\x00\x1b[31m<script>alert(1)</script>|`\n=1+1"
"""A lone surrogate, NUL, an escape sequence, markup, table and code marks, a line break, a formula."""


class Unreadable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Rude(BaseException):
    """No Exception."""


def softmax(x: Any, axis: int) -> Any:
    """The shifted formula."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def eat() -> None:
    """Take memory without end."""
    kept = []
    while True:
        kept.append(np.ones(2**21))
        time.sleep(0.005)


def print_on() -> None:
    """Print without end."""
    while True:
        os.write(2, b"noise " * 2**12)


def hold_the_interpreter() -> None:
    """Sleep in C, and let no other thread of Python run."""
    ctypes.PyDLL(None).sleep(600)


def flush_subnormals() -> None:
    """Set the processor's control register so that subnormal numbers are zeros (x86 alone)."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\x0f\xae\x17\xc3")  # ldmxcsr [rdi]; ret
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    value = ctypes.c_uint32(0x1F80 | 0x8040)
    run(ctypes.addressof(value))


def fork_a_sleeper() -> None:
    """Leave a child behind."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
        os._exit(0)


def recurse() -> None:
    """Never come back."""
    recurse()


def remove_folder() -> None:
    """Go to a folder and remove it."""
    os.makedirs("/tmp/conformance-drill", exist_ok=True)  # noqa: S108, PTH103 - to be removed at once
    os.chdir("/tmp/conformance-drill")  # noqa: S108
    os.rmdir("/tmp/conformance-drill")  # noqa: S108, PTH106


def raising(error: BaseException) -> Any:
    """A call that raises."""

    def call() -> None:
        raise error

    return call


CALLS = {
    "raises": raising(ValueError("no such row")),
    "raises hostile text": raising(ValueError(HOSTILE)),
    "raises what cannot be printed": raising(Unreadable()),
    "raises KeyboardInterrupt": raising(KeyboardInterrupt()),
    "raises SystemExit": raising(SystemExit(0)),
    "raises no Exception": raising(Rude("rude")),
    "raises MemoryError": raising(MemoryError()),
    "raises RecursionError": recurse,
    "exits with 0": lambda: os._exit(0),
    "exits with 7": lambda: os._exit(7),
    "reads address 0": lambda: ctypes.string_at(0),
    "aborts": os.abort,
    "kills itself": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "sleeps": lambda: time.sleep(600),
    "sleeps holding the interpreter": hold_the_interpreter,
    "takes memory without end": eat,
    "prints without end": print_on,
    "writes to every descriptor": lambda: [_quietly(os.write, n, b"noise\n") for n in range(20)],
    "closes every descriptor": lambda: os.closerange(0, 20),
    "closes its streams": lambda: os.closerange(0, 3),
    "leaves the processor flushing": flush_subnormals,
    "changes the folder": lambda: os.chdir("/"),
    "removes the folder": remove_folder,
    "replaces np.exp": lambda: setattr(np, "exp", np.cos),
    "makes NumPy raise": lambda: np.seterr(all="raise"),
    "changes a setting": lambda: SETTINGS.update(threads=7),
    "forks a child that sleeps": fork_a_sleeper,
    "comes back twice": os.fork,
}
"""What a call does on the culprit before it answers."""

LIES = {
    "returns NaN": lambda y, at: np.where(at, np.float32(np.nan), y),
    "returns another shape": lambda y, _: y[..., :-1],
    "returns another dtype": lambda y, _: y.astype(np.float64),
    "returns nothing": lambda _, __: None,
    "returns objects": lambda y, _: y.astype(object),
    "returns text": lambda y, _: y.astype(str),
    "writes to its input": None,
    "misstates its dtype": "float64",
    "misstates its storage": "uint8",
    "names a hostile dtype": HOSTILE,
}
"""What a call answers where the culprit is among its rows."""

SETTINGS = {"threads": 2}

MACHINE = platform.machine()


def _quietly(call: Any, *arguments: Any) -> None:
    with contextlib.suppress(OSError):
        call(*arguments)


class Honest(Adapter):
    """Does what it should."""

    name = "honest"
    modes = ("eager",)
    version = "1"
    fail = ""

    def devices(self) -> tuple[str, ...]:
        """One."""
        return ("cpu",)

    def send(self, stored: Any, dtype: str, device: str) -> Any:
        """A copy."""
        del device
        if dtype != "float32":
            raise TypeError(f"no arrays of {dtype}")
        return stored.copy()

    def fetch(self, array: Any) -> tuple[str, Any]:
        """A copy."""
        return array.dtype.name, array.copy()

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        """The formula."""
        del way, mode, device
        if op != "softmax":
            raise NotOffered(f"no {op}")
        return Program(
            "from misbehaving import softmax\n", "{values}", "f = softmax\n", "def numbers(y):\n    return '', y\n"
        )


class Misbehaving(Honest):
    """Does what :data:`WAY` says, at the time it says."""

    name = "drill"

    def __init__(self) -> None:
        match_import = {
            "raises at import": raising(ImportError("its library is broken")),
            "raises no Exception at import": raising(Rude("at import")),
            "exits at import": lambda: os._exit(0),
            "crashes at import": lambda: ctypes.string_at(0),
            "sleeps at import": lambda: time.sleep(600),
            "prints at import": lambda: (print("noise"), os.write(1, b"more noise\n")),  # noqa: T201
        }
        match_import.get(WAY, lambda: None)()
        self.version = HOSTILE if WAY == "has a hostile version" else "1"

    def devices(self) -> tuple[str, ...]:
        """One, or a lie."""
        if WAY == "cannot name its devices":
            raise RuntimeError("no driver")
        return ("cpu", "<b>npu</b>:0") if WAY == "has a device of a strange name" else ("cpu",)

    def send(self, stored: Any, dtype: str, device: str) -> Any:
        """A copy, or a lie."""
        array = super().send(stored, dtype, device)
        if WAY == "flushes on the way in":
            array[np.abs(array) < 2.0**-126] = 0
        if WAY == "rounds on the way in":
            array = (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        return array

    def fetch(self, array: Any) -> tuple[str, Any]:
        """A copy, or a lie where the culprit was asked."""
        dtype, stored = super().fetch(array)
        if self.fail == "misstates its dtype":
            return "float64", stored
        if self.fail == "misstates its storage":
            return dtype, stored.astype(np.uint8)
        return (HOSTILE if self.fail == "names a hostile dtype" else dtype), stored

    def state(self) -> dict[str, object]:
        """Settings that a call must not change."""
        return dict(SETTINGS)

    def function(self, op: str, way: str, mode: str, device: str) -> Any:
        """The formula, and what else it does on the culprit."""
        super().program(op, way, mode, device)
        value, n = CULPRIT

        def call(x: Any, axis: int) -> Any:
            at = (x == value).all(axis=axis, keepdims=True) & (x.shape[axis] == n)
            self.fail = ""
            if not at.any():
                return softmax(x, axis)
            if WAY in CALLS:
                CALLS[WAY]()
            y = softmax(x, axis)
            if WAY == "writes to its input":
                x[...] = y
            lie = LIES.get(WAY)
            if callable(lie):
                return lie(y, at)
            self.fail = WAY if lie else ""
            return y

        return call

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        """The formula, or none."""
        if WAY == "crashes over its program":
            os._exit(9)
        return super().program(op, way, mode, device)

    def forget(self) -> None:
        """Nothing to drop."""
        if WAY == "crashes when it forgets":
            os.abort()
