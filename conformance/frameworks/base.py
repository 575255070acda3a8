"""The border and the adapter of a framework, and the program of one call.

An adapter is one module in this package with one subclass of :class:`Adapter`.  The module never imports its
framework at the top: a framework may be missing, heavy, or broken at import, so the import happens in ``__init__``,
and only when it is asked.  Numbers cross as NumPy arrays in the storage dtype of their format: native floats, and the
raw bits in an unsigned dtype where NumPy has none (:data:`RAW`).  No method may change a bit; a transport check proves
it before anything is judged.

This package is the half of the project that a worker runs: it needs Python 3.9, NumPy 1.22, the standard library and
the framework, and imports nothing else of the project.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from conformance.frameworks.contract import Contract

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

RAW = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}
"""Dtypes that plain NumPy does not have, and the unsigned one that their bits cross in."""

SYMBOLS = {"multiply": "*", "divide": "/", "add": "+"}
"""The ways that put an operator in front of the op, and how it is written."""


class NotOffered(LookupError):
    """A framework cannot be called so: what is asked is *unsupported*; the message says why in one line."""


@dataclass(frozen=True)
class Layout:
    """A layout in memory, as expressions in Python: executed to ask, and printed to reproduce.

    Attributes
    ----------
    carry
        Of a NumPy array ``a``: what is sent.
    view
        Of the framework's array ``a``: the view of it that holds the values asked.
    """

    carry: str
    view: str

    def carried(self, array: NDArray[Any]) -> NDArray[Any]:
        """What is sent for an array."""
        sent: NDArray[Any] = eval(self.carry, {"numpy": np, "a": array})  # noqa: S307 - our own text
        return sent

    def viewed(self, array: Any) -> Any:
        """The view of what was sent."""
        return eval(self.view, {"a": array})  # noqa: S307 - our own text


LAYOUTS: dict[str, Layout] = {
    "transposed": Layout("numpy.ascontiguousarray(numpy.swapaxes(a, 0, -1))", "a.swapaxes(0, -1)"),
    "heads": Layout("numpy.ascontiguousarray(numpy.swapaxes(a, 0, 1))", "a.swapaxes(0, 1)"),
    # What lies between the numbers that are asked is one, so that reading it shows.
    "step": Layout("numpy.stack([a, numpy.ones_like(a)], -1).reshape(*a.shape[:-1], -1)", "a[..., ::2]"),
    "reversed": Layout("numpy.ascontiguousarray(a[..., ::-1])", "a[..., ::-1]"),
    "offset": Layout("numpy.concatenate([numpy.ones_like(a[:1]), a])", "a[1:]"),
    "broadcast": Layout("a[(slice(0, 1),) * a.ndim]", "a"),
    "broadcast-row": Layout("a[:1]", "a"),
    "broadcast-axis": Layout("a[..., :1]", "a"),
}
"""By name.  ``heads`` is named after attention, which swaps the first two of several axes; the broadcast ones are
widened to the asked shape by the framework, with stride zero."""


@dataclass(frozen=True)
class Primitives:
    """The framework's own elementwise functions and keep-dims reductions.

    ``exp`` and ``log`` take one array; ``sum`` and ``max`` take an array and an axis and keep it.
    """

    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    sum: Callable[[Any, int], Any]
    max: Callable[[Any, int], Any]


@dataclass(frozen=True)
class Program:
    """Python source of one call: executed to ask, and printed to reproduce.

    Attributes
    ----------
    setup
        Imports and settings.
    array
        One expression, a template of ``{values}`` (source of a nested list of floats), ``{dtype}`` and ``{device}``.
    define
        Defines the function ``f``: f(x, axis), f(x, o, axis) where the way has an operand, f(x, axis, g) for a vjp.
    numbers
        Defines the function ``numbers``: of an array, the name of its dtype and its numbers as a nested list.
    """

    setup: str
    array: str
    define: str
    numbers: str

    def function(self) -> Callable[..., Any]:
        """The function ``f``."""
        names: dict[str, Any] = {}
        exec(self.setup + self.define, names)  # noqa: S102 - an adapter's own text
        f: Callable[..., Any] = names["f"]
        return f

    def text(self, arrays: Sequence[tuple[str, str, str]], axis: int, device: str) -> str:
        """A whole program, which prints the numbers of the answer.

        Parameters
        ----------
        arrays
            (``x``, ``o`` or ``g``; source of a nested list; dtype) of each array, x first.
        axis
            The axis of the rows.
        device
            Where the arrays lie.
        """
        made = "".join(
            f"{name} = {self.array.format(values=values, dtype=dtype, device=device)}\n"
            for name, values, dtype in arrays
        )
        show = f"print(numbers({call([name for name, _, _ in arrays], axis)})[1])\n"
        return joined(self.setup, self.define, self.numbers, made, show)


def call(names: Sequence[str], axis: int) -> str:
    """Source of a call of ``f`` with the arrays of these names: f(x, axis), f(x, o, axis) or f(x, axis, g)."""
    before, behind = ([name for name in names if (name == "g") is last] for last in (False, True))
    return f"f({', '.join([*before, str(axis), *behind])})"


def joined(*parts: str) -> str:
    """Pieces of a program as one text, two empty lines between them."""
    return "\n\n".join(f"{part.strip(chr(10))}\n" for part in parts if part.strip())


@dataclass(frozen=True)
class Variant:
    """An environment that makes a framework another subject: a backend, an option that is read at import.

    ``environment`` is set before the framework is imported, ``needs`` are the modules that it imports besides the
    framework's own; ``modes`` are those that are others in it, all where empty: where some are named, its elementary
    functions are those of the framework as it comes, and no controls are asked.  An empty name is the framework as it
    comes.
    """

    name: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()


class Border(ABC):
    """Arrays of one framework, and how bits come in and out.  Construction raises ImportError where it is missing."""

    name: ClassVar[str]
    """The first part of a target's name."""

    layouts: ClassVar[tuple[str, ...]] = ()
    """The names of those LAYOUTS that its arrays can have; most frameworks have no strides."""

    version: str
    """The version that the framework reports."""

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Every device the framework itself can see, ``cpu`` first, then ``cuda:0`` …."""

    @abstractmethod
    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        """The framework's own array of these bits, not sharing memory with ``stored``.

        A dtype that the framework does not have is an exception of any type.
        """

    def send_as(self, stored: NDArray[Any], dtype: str, device: str, layout: str) -> Any:
        """The framework's own array of these bits in a memory layout; the empty name is C order."""
        if not layout:
            return self.send(stored, dtype, device)
        array = LAYOUTS[layout].viewed(self.send(LAYOUTS[layout].carried(stored), dtype, device))
        return self.widen(array, stored.shape) if layout.startswith("broadcast") else array

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        """A view of a larger shape with stride zero; only for frameworks with such layouts."""
        raise NotImplementedError(f"{self.name} has no strides of zero, asked for {shape}")

    @abstractmethod
    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        """The dtype by the framework's own name, and the bits in the storage dtype."""

    def refuses(self, error: BaseException) -> bool:
        """Whether an exception says that a dtype is not supported; any other is a failure."""
        return isinstance(error, (TypeError, NotImplementedError))

    def state(self) -> dict[str, object]:
        """Settings of the framework that a call must not change, by name, as far as it can be asked for them."""
        return {}

    def threads(self, count: int) -> AbstractContextManager[None]:
        """Compute with this many threads for a while; only for frameworks that can change it while they run."""
        raise NotImplementedError(f"{self.name} cannot change its number of threads while it runs, asked for {count}")


class Adapter(Border):
    """A border with functions: one framework, imported."""

    modes: ClassVar[tuple[str, ...]]
    """How its functions can be run; the second part of a target's name."""

    compiled: ClassVar[tuple[str, ...]] = ()
    """Those of the modes whose questions are dear: a function is compiled anew for each shape or rank, or is interpreted."""

    further: ClassVar[tuple[str, ...]] = ()
    """Those of the modes that lead to the kernels of another mode, which the plan asks less."""

    largest: ClassVar[int | None] = None
    """How many numbers an array may have that it is asked, where what it computes is interpreted number by number."""

    twice: ClassVar[bool] = False
    """Whether every question is asked again, and what else a call does is watched: true for a function of a user's own."""

    ways: ClassVar[tuple[str, ...]] = ("plain",)
    """How its functions can be called: names of :data:`conformance.calls.WAYS`, with ``plain`` always among them."""

    variants: ClassVar[tuple[Variant, ...]] = (Variant(),)
    """The environments it is asked in."""

    imports: ClassVar[tuple[str, ...]] = ()
    """The modules that have to be there; the one of its name where none is said."""

    distributions: ClassVar[tuple[str, ...]] = ()
    """The installed packages whose versions belong beside an answer."""

    contract: ClassVar[Contract] = Contract()
    """What a function of a user's own promises; a framework promises everything."""

    also: ClassVar[tuple[str, ...]] = ()
    """What else people call it: a suggestion where one of these is asked for."""
    variables: ClassVar[tuple[str, ...]] = ()
    """The environment variables, by full name, that can change an answer or its time: the record publishes them.

    None that names a folder or a file, which says nothing to a reader on another machine.
    """

    @abstractmethod
    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        """The source of one call; it needs no device and asks nothing.

        Raises
        ------
        NotOffered
            If the framework cannot be called so.
        """

    @cached_property
    def _functions(self) -> dict[tuple[str, str, str, str], Callable[..., Any]]:
        return {}

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        """The ``f`` of that program, made once: f(x, axis), f(x, o, axis) or, for a vjp, f(x, axis, g).

        A compiled mode returns the compiled function.
        """
        key = (op, way, mode, device)
        if key not in self._functions:
            self._functions[key] = self.program(*key).function()
        return self._functions[key]

    def primitives(self, device: str) -> Primitives | None:  # noqa: ARG002 - most arrays know theirs
        """exp, log, sum and max as the framework has them; None where it has no such functions of their own."""
        return None

    def forget(self) -> None:
        """Drop compiled functions and caches, so that the next task starts as a new process does."""
        self._functions.clear()


class Forwarding(Adapter):
    """An adapter of the arrays of another border, which is handed whatever has to do with them."""

    border: Border

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        return self.border.send(stored, dtype, device)

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        return self.border.widen(array, shape)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        return self.border.fetch(array)

    def refuses(self, error: BaseException) -> bool:
        return self.border.refuses(error)


MAPPED = """\
function = {f}


def f({arguments}):
    mapped, inner = (-1, 0) if axis in (0, -x.ndim) else (0, axis - (axis > 0))
    return {vmap}({row}, mapped, mapped)({arrays})
"""
"""The definition of a function that ``vmap`` maps over the first axis, or over the last where the rows lie along the first."""


def of_two_axes(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of arrays of two and more axes: one is that of the rows, and another one is mapped over."""

    def checked(x: Any, *others: Any) -> Any:
        if x.ndim < 2:
            raise NotOffered("there is no axis to map over beside that of the rows")
        return f(x, *others)

    return checked


def template(adapter: str, templates: Mapping[str, str], op: str, way: str) -> str:
    """The template of a way.

    Raises
    ------
    NotOffered
        If there is none; the vjp of log_softmax is called in the plain way alone.
    """
    if way not in templates or (op == "log_softmax_vjp" and way != "plain"):
        raise NotOffered(f"{adapter} has no way {way!r} to call its {op}")
    return templates[way]
