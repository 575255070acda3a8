"""softmax in plain Python: rows of floats, one loop.

Peculiarities
-------------
- Python's float is float64; no other format is offered, and being asked for one is an error.
- There is no automatic differentiation: the vjps are written out.
"""

from __future__ import annotations

import math
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.arrays import PRIMITIVES
from conformance.frameworks.base import Adapter, NotOffered, Primitives, Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Row = list[float]


def softmax(row: Row) -> Row:
    """Subtract the maximum, exponentiate, add exactly, divide."""
    top = max(row)
    e = [math.exp(x - top) for x in row]
    total = math.fsum(e)
    return [v / total for v in e]


def log_softmax(row: Row) -> Row:
    """Subtract the maximum and the logarithm of the sum."""
    top = max(row)
    log = math.log(math.fsum(math.exp(x - top) for x in row))
    return [(x - top) - log for x in row]


def softmax_vjp(row: Row, cotangent: Row) -> Row:
    """Multiply p by the cotangent less its mean under p."""
    p = softmax(row)
    mean = math.fsum(a * g for a, g in zip(p, cotangent))  # noqa: B905 - Python 3.9 runs it
    return [a * (g - mean) for a, g in zip(p, cotangent)]  # noqa: B905


def log_softmax_vjp(row: Row, cotangent: Row) -> Row:
    """Subtract from the cotangent the share p of its sum."""
    total = math.fsum(cotangent)
    return [g - a * total for a, g in zip(softmax(row), cotangent)]  # noqa: B905


def along(row_function: Callable[..., Row], x: Any, axis: int, *cotangent: Any) -> Any:
    """Apply a row function to each row of float64 arrays of one shape."""
    rows = [np.moveaxis(array, axis, -1) for array in (x, *cotangent)]
    answer = np.empty(rows[0].shape)
    for index in np.ndindex(*answer.shape[:-1]):
        answer[index] = row_function(*(array[index].tolist() for array in rows))
    return np.moveaxis(answer, -1, axis)


class PlainPython(Adapter):
    """Python itself.  Its arrays are NumPy's, since Python has none."""

    name = "plain"
    modes = ("loop",)

    def __init__(self) -> None:
        self.version = platform.python_version()

    def devices(self) -> tuple[str, ...]:
        """There is one."""
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        """Float64 as it is."""
        if dtype != "float64":
            raise TypeError(f"{device}: Python's float is float64, not {dtype}")
        return stored.copy()

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        """The name of the format, and the bits."""
        return array.dtype.name, array.copy()

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        """A row function applied along an axis."""
        if way not in self.ways:
            raise NotOffered(f"plain Python calls {op} as f(x, axis) alone, not in the way {way} ({mode}, {device})")
        return Program(
            setup="import numpy\n\nfrom plain_python import adapter\n",
            array="numpy.array({values}, dtype='{dtype}')",
            define=f"\n\ndef f(x, axis, *cotangent):\n    return adapter.along(adapter.{op}, x, axis, *cotangent)\n\n\n",
            numbers="def numbers(y):\n    return y.dtype.name, y.tolist()\n",
        )

    def primitives(self, device: str) -> Primitives:
        """NumPy's, for the controls."""
        del device
        return PRIMITIVES
