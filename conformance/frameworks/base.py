"""What must a framework be able to do to be asked?  Six verbs.

An adapter is one module in this package with one subclass of :class:`Framework`.  The module never
imports its framework at the top: a framework may be missing, heavy, or broken at import, so the
import happens in ``__init__``, and only when somebody asks for it.  Numbers cross as NumPy arrays
in the storage dtype of their format (see :mod:`reference.formats`): native floats, and the raw bits
in ``uint16`` for bfloat16.  No verb may change a bit; the transport check proves it before anything
is judged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reference.formats import EVERY_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Layout:
    """A way to lie in memory: what is sent, and the view of it that holds the values asked."""

    carry: Callable[[NDArray[Any]], NDArray[Any]]
    view: Callable[[Any], Any]


def _spread(array: NDArray[Any]) -> NDArray[Any]:
    """Every other number is asked; what lies between is one, so that reading it shows."""
    wide = np.ones((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide


RAW = {name: format.storage for name, format in EVERY_FORMAT.items() if format.storage.startswith("uint")}
"""Dtypes that plain NumPy does not have, and the unsigned one that their bits cross in."""

LAYOUTS: dict[str, Layout] = {
    "transposed": Layout(lambda a: np.ascontiguousarray(np.swapaxes(a, 0, -1)), lambda a: a.swapaxes(0, -1)),
    "heads": Layout(lambda a: np.ascontiguousarray(np.swapaxes(a, 0, 1)), lambda a: a.swapaxes(0, 1)),
    "step": Layout(_spread, lambda a: a[..., ::2]),
    "reversed": Layout(lambda a: np.ascontiguousarray(a[..., ::-1]), lambda a: a[..., ::-1]),
    "offset": Layout(lambda a: np.concatenate([np.ones_like(a[:1]), a]), lambda a: a[1:]),
    "broadcast-row": Layout(lambda a: a[:1], lambda a: a),
    "broadcast-axis": Layout(lambda a: a[..., :1], lambda a: a),
}
"""By name, ``heads`` after attention, which swaps the first two of several axes; the broadcast ones are widened to the asked shape by the framework, with stride zero."""


@dataclass(frozen=True)
class Primitives:
    """The framework's own elementwise functions and keep-dims reductions, for the controls.

    ``exp`` and ``log`` take one array; ``sum`` and ``max`` take an array and an axis and keep it.
    """

    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    sum: Callable[[Any, int], Any]
    max: Callable[[Any, int], Any]


@dataclass(frozen=True)
class Behind:
    """What a program needs to know of a producer: its name, its operand as source, and the dtype of the logits."""

    producer: str
    operand: str
    sent: str


class Framework(ABC):
    """One framework, imported.  Construction raises ImportError where it is not installed."""

    name: ClassVar[str]
    """The first part of a target's name."""

    modes: ClassVar[tuple[str, ...]]
    """How its functions can be run; the second part of a target's name."""

    layouts: ClassVar[tuple[str, ...]] = ()
    """The names of those LAYOUTS that its arrays can have; most frameworks have no strides."""

    calls: ClassVar[Mapping[str, str]] = {}
    """Producer → how its functions are called with it; see :mod:`conformance.producers`.

    Python source of ``x``, of the operand ``o`` and of ``axis``, with ``{op}`` for the name of the op.
    """

    version: str
    """The version the framework reports of itself."""

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Every device the framework itself can see, ``cpu`` first, then ``cuda:0`` …."""

    @abstractmethod
    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        """The framework's own array of these bits, not sharing memory with ``stored``."""

    def send_as(self, stored: NDArray[Any], dtype: str, device: str, layout: str) -> Any:
        """The framework's own array of these bits in a memory layout; the empty name is the plain one."""
        if not layout:
            return self.send(stored, dtype, device)
        array = LAYOUTS[layout].view(self.send(LAYOUTS[layout].carry(stored), dtype, device))
        return self.widen(array, stored.shape) if layout.startswith("broadcast") else array

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        """A view of a larger shape with stride zero; only for frameworks with such layouts."""
        raise NotImplementedError

    @abstractmethod
    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        """The dtype by the framework's own name, and the bits in the storage dtype."""

    @abstractmethod
    def function(self, op: str, mode: str, device: str) -> Callable[..., Any]:
        """The framework's own function for ``op``.

        softmax and log_softmax are called as ``f(x, axis)``, their vjps as ``f(x, axis, g)``.
        A compiled mode returns the compiled function.
        """

    def produced(self, op: str, producer: str, mode: str, device: str) -> Callable[..., Any]:
        """One function for producer and op, ``f(x, operand, axis)``, compiled as a whole where the mode compiles."""
        raise NotImplementedError

    def written(self, op: str, producer: str) -> str:
        """That function as source, so that what is asked and what the program of a finding asks are one text."""
        return f"lambda x, o, axis: {self.calls[producer].format(op=op)}"

    def threads(self, count: int) -> AbstractContextManager[None]:
        """Compute with this many threads for a while; only for frameworks that can change it while they run."""
        raise NotImplementedError(f"{self.name} cannot change its number of threads while it runs, asked for {count}")

    @abstractmethod
    def primitives(self, device: str) -> Primitives:
        """exp, log, sum and max as the framework has them."""

    @abstractmethod
    def script(
        self, op: str, mode: str, device: str, dtype: str, axis: int, values: str, behind: Behind | None = None
    ) -> str:
        """A standalone program that asks one question and prints the answer.

        ``values`` is Python source of a (nested) list of floats.
        """
