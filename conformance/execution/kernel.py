"""How is somebody's own function asked?  Like any framework's, and watched more closely.

A kernel is ``fn(x, axis)``: it gets and returns arrays of a framework.  It is called twice on the same bits, and
what it prints, where it leaves the working directory and whether it returns an array at all are observed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import frameworks
from conformance.execution.ask import Respondent, deaf, describe
from conformance.frameworks.arrays import NumPy
from conformance.frameworks.base import Behind, Framework, Primitives
from conformance.values import Answered, Batch, Case, Observation, Raised, Target, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from reference.formats import Format

FRAMEWORKS = ("numpy", "torch", "jax", "tensorflow")
"""Whose arrays a kernel may take."""


class BadKernel(Exception):
    """A kernel that cannot be found or called; the message is one line."""


@dataclass(frozen=True)
class Kernel:
    """Where a function is, and whose arrays it takes.

    Parameters
    ----------
    where
        ``path/to/file.py:function``, ``package.module:function``, or the function itself.
    framework
        numpy, torch, jax or tensorflow.
    """

    where: str | Callable[[Any, int], Any]
    framework: str = "numpy"

    @property
    def name(self) -> str:
        """What it is called in the report: no part of a target's name may hold a slash or a space."""
        name = self.where.rpartition(":")[2] if isinstance(self.where, str) else getattr(self.where, "__name__", "")
        return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or type(self.where).__name__

    def function(self) -> Callable[[Any, int], Any]:
        """Import it.

        Raises
        ------
        BadKernel
            If there is no such file, module or function, or importing it fails.
        """
        if not isinstance(self.where, str):
            return self.where
        place, colon, name = self.where.rpartition(":")
        if not colon or not place or not name:
            raise BadKernel(f"{self.where!r}: a kernel is path/to/file.py:function or package.module:function")
        try:
            if "" not in sys.path:  # as for python -m
                sys.path.insert(0, "")
            module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        except FileNotFoundError:
            raise BadKernel(f"{self.where}: there is no file {place}") from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever its file does is its own
            raise BadKernel(f"{self.where}: importing {place} failed: {describe(error)}") from None
        function = getattr(module, name, None)
        if not callable(function):
            known = sorted(
                key for key, value in vars(module).items() if callable(value) and not key.startswith("_")
                and getattr(value, "__module__", "") == module.__name__
            )  # fmt: skip
            what = "is no function" if function is not None else "is not there"
            raise BadKernel(f"{self.where}: {name} {what}; {place} has {', '.join(known) or 'none'}")
        return function  # type: ignore[no-any-return]

    def load(self) -> KernelFramework:
        """The function behind a border that looks like a framework's."""
        arrays = NumPy() if self.framework == "numpy" else frameworks.load(self.framework)
        return KernelFramework(self, arrays, self.function())


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(path)
    path = path.resolve()
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    # A file may import its neighbours, as when it is run as a script.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def _folder() -> str:
    """The working directory; empty where it is there no more."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""


class KernelFramework(Framework):
    """A framework's arrays, and one function of somebody's own."""

    def __init__(self, kernel: Kernel, arrays: Framework, function: Callable[[Any, int], Any]) -> None:
        self.kernel, self.arrays, self.own = kernel, arrays, function
        self.name = kernel.name  # type: ignore[misc]  # each kernel is a framework of its own
        self.modes = (arrays.name,)  # type: ignore[misc]
        self.version = arrays.version
        self.layouts = arrays.layouts  # type: ignore[misc]

    def devices(self) -> tuple[str, ...]:
        return self.arrays.devices()

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        return self.arrays.send(stored, dtype, device)

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        return self.arrays.widen(array, shape)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        return self.arrays.fetch(array)

    def function(self, op: str, mode: str, device: str) -> Callable[..., Any]:  # noqa: ARG002 - it is what it is
        return self.own

    def primitives(self, device: str) -> Primitives:
        return self.arrays.primitives(device)

    def script(
        self, op: str, mode: str, device: str, dtype: str, axis: int, values: str, behind: Behind | None = None
    ) -> str:
        del op, mode, behind  # nothing stands in front of somebody's own function
        where = self.kernel.where
        if not isinstance(where, str):
            module = inspect.getmodule(where)
            where = f"{module.__name__ if module else '?'}:{self.kernel.name}"
        return (
            "from conformance.execution.kernel import Kernel\n"
            "from reference import FORMATS\n"
            f"kernel = Kernel({where!r}, {self.arrays.name!r}).load()\n"
            f"format = FORMATS[{dtype!r}]\n"
            f"x = kernel.send(format.encode({values}), {dtype!r}, {device!r})\n"
            f"print(kernel.own(x, {axis}))\n"
        )


class KernelRespondent(Respondent):
    """A kernel that is ready to be asked.

    One that raises on two rows of zeros does not support the dtype, which is no fault unless it ``must``.
    """

    def __init__(self, framework: Framework, target: Target, op: str, format: Format, *, must: bool) -> None:
        self.must = must
        self._latest: Any = None
        self._overwrites = False
        super().__init__(framework, target, op, format)

    def _prepare(self) -> str:
        self.call = self.framework.function(self.op, self.target.mode, self.target.device)
        one, other = (
            Batch((Case("", "probe", self.op, self.format.name, np.array(x), alone=True),))
            for x in ([[0.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [4.0, 2.0]])
        )
        first = self._watched(one)
        if isinstance(first, Raised) and not first.error.startswith("SystemExit"):
            return first.error
        kept = self._latest
        self._watched(other)
        if isinstance(first, Answered) and first.stored.size:
            self._overwrites = self.framework.fetch(kept)[1].tobytes() != first.stored.tobytes()
        return ""

    def ask(self, batch: Batch) -> list[tuple[Batch, Observation]]:
        """Ask one batch."""
        if self.why_not and self.must:
            return [(batch, Raised(self.why_not))]
        if batch.sent != self.format.name:
            return [(batch, Unsupported("a function of one's own is asked only in the dtypes that it is said to take"))]
        return super().ask(batch)

    @deaf
    def _ask_once(self, batch: Batch) -> Observation:
        assert self.call is not None
        first, second = (self._watched(batch) for _ in range(2))
        if not isinstance(first, Answered) or not isinstance(second, Answered):
            return first if not isinstance(first, Answered) else second
        same = first.stored.tobytes() == second.stored.tobytes()
        return Answered(
            first.dtype,
            first.shape,
            first.stored,
            first.seconds,
            first.wrote_input or second.wrote_input,
            first.side_effects + ("overwrote the answer of an earlier call",) * self._overwrites,
            same,
        )

    def _watched(self, batch: Batch) -> Observation:
        assert self.call is not None
        x = self.framework.send_as(batch.stored, self.format.name, self.target.device, batch.layout)
        here, said, own = _folder(), io.StringIO(), os.getpid()
        start = time.perf_counter()
        try:
            # The kernel's floating-point error state ends with its call: the next question must not feel it.
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), np.errstate():
                before = np.geterr()
                self._latest = answer = self.call(x, batch.axis)
                error_state = np.geterr() != before
            seconds = time.perf_counter() - start
            if not isinstance(answer, (type(x), np.generic)):
                kind = f"{type(answer).__module__}.{type(answer).__qualname__}".removeprefix("builtins.")
                return Answered(f"an object of type {kind}", (), np.empty(0), seconds)
            dtype, stored = self.framework.fetch(answer)
            wrote = self.framework.fetch(x)[1].tobytes() != batch.stored.tobytes()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a kernel raises is an observation
            return Raised(describe(error), time.perf_counter() - start)
        finally:
            if os.getpid() != own:
                os._exit(0)  # a process that the kernel forked must not go on as if it were this one
            moved = _folder() != here
            if moved:
                os.chdir(here)
        effects = []
        if said.closed:
            effects.append("closed the standard output")
        elif text := said.getvalue().strip():
            effects.append(f"printed {text.splitlines()[0][:80]!r}")
        if moved:
            effects.append("changed the working directory")
        if error_state:
            effects.append("changed numpy's error state")
        return Answered(dtype, stored.shape, stored, seconds, wrote, tuple(effects))
