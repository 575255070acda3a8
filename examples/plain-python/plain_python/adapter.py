"""softmax in plain Python: rows of floats, one loop.

Peculiarities
-------------
- Python's float is float64; no other format is offered, and being asked for one is an error.
"""

from __future__ import annotations

import math
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import Framework, Primitives

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def softmax(row: list[float]) -> list[float]:
    """Subtract the maximum, exponentiate, add exactly, divide."""
    top = max(row)
    e = [math.exp(x - top) for x in row]
    total = math.fsum(e)
    return [v / total for v in e]


def log_softmax(row: list[float]) -> list[float]:
    """Subtract the maximum and the logarithm of the sum."""
    top = max(row)
    log = math.log(math.fsum(math.exp(x - top) for x in row))
    return [(x - top) - log for x in row]


class PlainPython(Framework):
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

    def function(self, op: str, mode: str, device: str) -> Callable[..., Any]:
        """A row function applied along an axis."""
        del mode, device
        row_function = {"softmax": softmax, "log_softmax": log_softmax}[op]

        def call(x: Any, axis: int) -> Any:
            answer = np.apply_along_axis(lambda row: np.array(row_function(row.tolist())), axis, x)
            return answer.astype(np.float64)

        return call

    def primitives(self, device: str) -> Primitives:
        """NumPy's, for the controls."""
        del device
        return Primitives(
            exp=np.exp,
            log=np.log,
            sum=lambda x, axis: np.sum(x, axis=axis, keepdims=True),
            max=lambda x, axis: np.max(x, axis=axis, keepdims=True),
        )

    def script(self, op: str, mode: str, device: str, dtype: str, axis: int, values: str) -> str:
        """One question as a program."""
        del mode, device, dtype, axis
        return f"from plain_python.adapter import {op}\nprint({op}({values}))\n"
