"""What is a planted kernel?  A softmax with one known mistake, or an honest one by another road.

Each kernel is ``fn(x, axis)`` on a NumPy array of any rank and layout, and ``fn(x, axis, g)`` for a vjp, with the
cotangent g in a layout of its own.  It is built from the blocks below (those of the vjps are in ``backward.py``), all
of them honest, and its mistake is the one block that it replaces.  The lists fill as the modules beside this one are
imported; :func:`kernels` imports them all.
"""

from __future__ import annotations

import functools
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.lib.array_utils import normalize_axis_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

EVERY = ("float64", "float32", "float16", "bfloat16")
"""All the dtypes a kernel may be asked in."""

BOTH = ("softmax", "log_softmax")
"""For a kernel that is planted in both ops; its function takes the op as one more argument."""

VJPS = ("softmax_vjp", "log_softmax_vjp")
"""The same of the vjps."""

bfloat16 = ml_dtypes.bfloat16
"""What NumPy does not have."""


@dataclass(frozen=True)
class Kernel:
    """One function, what it claims to compute, and what is known about it.

    Attributes
    ----------
    name
        Unique; that of a vjp begins with ``vjp-``, and a kernel of the second of two ops ends in ``-log``.
    op
        softmax, log_softmax, or the vjp of either.
    function
        ``fn(x, axis)``, or ``fn(x, axis, g)``, returns an array of the shape and dtype of x, unless that is its mistake.
    why
        The mistake, a row that shows it, and where it was met.
    dtypes
        Where it is asked; a wrong kernel is beyond rounding in each of them.
    longest
        A row of this length is enough to show the mistake in every one of these dtypes.
    """

    name: str
    op: str
    function: Callable[..., Array]
    why: str
    dtypes: tuple[str, ...] = EVERY
    longest: int = 4097

    @property
    def backward(self) -> bool:
        """Whether it computes a vjp."""
        return self.op in VJPS

    @property
    def first(self) -> str:
        """The dtype that it is asked in at each change: float32, where that is one of its own."""
        return "float32" if "float32" in self.dtypes else self.dtypes[0]


class Kernels(NamedTuple):
    """All that are planted."""

    wrong: list[Kernel]
    honest: list[Kernel]


WRONG: list[Kernel] = []
HONEST: list[Kernel] = []


def wrong(
    name: str, *, op: str | tuple[str, ...] = "softmax", why: str, dtypes: tuple[str, ...] = EVERY, longest: int = 4097
) -> Callable[[Any], Any]:
    """Plant a function that must be rejected."""
    return functools.partial(_plant, WRONG, name, op, why, dtypes, longest)


def honest(
    name: str, *, op: str | tuple[str, ...] = BOTH, why: str, dtypes: tuple[str, ...] = EVERY
) -> Callable[[Any], Any]:
    """Plant a function that must never be rejected."""
    return functools.partial(_plant, HONEST, name, op, why, dtypes, 4097)


def _plant(
    field: list[Kernel],
    name: str,
    op: str | tuple[str, ...],
    why: str,
    dtypes: tuple[str, ...],
    longest: int,
    function: Any,
) -> Any:
    if isinstance(op, str):
        field.append(Kernel(name, op, function, why, dtypes, longest))
        return function
    for each in op:
        called = f"{name}-log" if each.startswith("log_") else name
        field.append(Kernel(called, each, _fixed(function, each), why, dtypes, longest))
    return function


def _fixed(function: Any, op: str) -> Callable[..., Array]:
    """The function for one of its two ops, which has the arguments of that op, and says so."""

    def forward(x: Array, axis: int) -> Array:
        return function(x, axis, op)

    def backward(x: Array, axis: int, g: Array) -> Array:
        return function(x, axis, g, op)

    kernel = functools.wraps(function)(backward if op in VJPS else forward)
    del kernel.__wrapped__  # type: ignore[attr-defined]
    return kernel


def kernels() -> Kernels:
    """Every wrong and every honest kernel, by importing the modules of this folder."""
    here = Path(__file__).parent
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    for module in (*sorted(here.glob("wrong_*.py")), *sorted(here.glob("honest*.py"))):
        importlib.import_module(module.stem)
    return Kernels(list(WRONG), list(HONEST))


# The blocks.  Rows are a matrix of shape (rows, n) in the working precision, freshly copied.


def wide(x: Array) -> Array:
    """A C-ordered copy in the working precision: float64 as it is, everything narrower in float32."""
    return x.astype(np.float64 if x.dtype == np.float64 else np.float32, order="C")


def finish(y: Array, like: Array) -> Array:
    """Round back to the dtype of the question."""
    return y.astype(like.dtype)


def along(
    x: Array, axis: int, body: Callable[[Array], Array], enter: Callable[[Array], Array] = wide, leave: Any = finish
) -> Array:
    """Hand the rows along an axis to ``body`` as a matrix, and put its answer where the logits were.

    Raises
    ------
    numpy.exceptions.AxisError
        For an axis out of range; a 0-d array has the axes 0 and -1.
    """
    axis = normalize_axis_index(axis, max(x.ndim, 1))
    if x.size == 0:
        return np.empty(x.shape, x.dtype)
    with np.errstate(all="ignore"):
        moved = np.moveaxis(np.atleast_1d(x), axis, -1)
        answer = body(enter(moved).reshape(-1, moved.shape[-1])).reshape(moved.shape)
        return leave(np.ascontiguousarray(np.moveaxis(answer, -1, axis)).reshape(x.shape), x)


def shifted(z: Array) -> Array:
    """The distance of each logit to the largest of its row; NaN where the row has a NaN or +inf at the top."""
    return z - z.max(axis=-1, keepdims=True)


def total(e: Array) -> Array:
    """The sum of each row, in blocks and pairs."""
    return e.sum(axis=-1, keepdims=True)


def answer(op: str, t: Array, e: Array, s: Array) -> Array:
    """The quotient, or the difference with the logarithm."""
    return e / s if op == "softmax" else t - np.log(s)


def compute(
    x: Array,
    axis: int,
    op: str = "softmax",
    *,
    shift: Callable[[Array], Array] = shifted,
    exp: Callable[[Array], Array] = np.exp,
    total: Callable[[Array], Array] = total,
    answer: Callable[[str, Array, Array, Array], Array] = answer,
    enter: Callable[[Array], Array] = wide,
    leave: Callable[[Array, Array], Array] = finish,
) -> Array:
    """Shift, exponentiate, sum, answer: the two-pass algorithm, of which any step may be replaced."""

    def body(z: Array) -> Array:
        t = shift(z)
        e = exp(t)
        return answer(op, t, e, total(e))

    return along(x, axis, body, enter, leave)


def running(e: Array, dtype: Any) -> Array:
    """The sum of each row by one loop, kept in a dtype."""
    return np.cumsum(e.astype(dtype), axis=-1, dtype=dtype)[:, -1:].astype(e.dtype)


def through(y: Array, dtype: Any) -> Array:
    """Rounded to a dtype and back."""
    return y.astype(dtype).astype(y.dtype)


def first_finite(m: Array) -> Array:
    """The running maximum, or zero while there has been nothing but -inf."""
    return np.where(m == -np.inf, m.dtype.type(0), m)


def online(
    z: Array,
    width: int,
    rescale: Callable[[Array], Array] = np.exp,
    base: Callable[[Array], Array] = first_finite,
) -> tuple[Array, Array]:
    """The maximum and the sum of each row in one pass over blocks, the sum rescaled when the maximum moves."""
    m = np.full((len(z), 1), -np.inf, z.dtype)
    s = np.zeros((len(z), 1), z.dtype)
    for start in range(0, z.shape[-1], width):
        block = z[:, start : start + width]
        higher = np.maximum(m, block.max(axis=-1, keepdims=True))
        zero = base(higher)
        s = s * rescale(m - zero) + total(np.exp(block - zero))
        m = higher
    return m, s


def one_pass(x: Array, axis: int, op: str, width: int = 32, **how: Any) -> Array:
    """The online algorithm; ``how`` goes to :func:`online`."""

    def body(z: Array) -> Array:
        m, s = online(z, width, **how)
        return answer(op, z - m, np.exp(z - m), s)

    return along(x, axis, body)
