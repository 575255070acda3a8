"""NumPy arrays: what a kernel written for NumPy gets and returns.

NumPy has no softmax; this border only converts arrays for the kernels of users.  bfloat16 and the formats of 8 bits
are the extension types of ``ml_dtypes``, which JAX and TensorFlow use as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import LAYOUTS, RAW, Border, Primitives, Program

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIMITIVES = Primitives(
    exp=np.exp,
    log=np.log,
    sum=lambda x, axis: np.sum(x, axis=axis, keepdims=True),
    max=lambda x, axis: np.max(x, axis=axis, keepdims=True),
)
"""NumPy's own elementary functions."""

PROGRAM = Program(
    setup="import numpy\n",
    array="numpy.array({values}, dtype='{dtype}')",
    define="",
    numbers="numbers = lambda y: (numpy.asarray(y).dtype.name, numpy.asarray(y).tolist())\n",
)
"""A program that makes and prints NumPy's arrays, and defines no function."""


class NumPy(Border):
    """NumPy's arrays."""

    name = "numpy"
    layouts = tuple(LAYOUTS)
    version = np.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if device not in self.devices():
            raise ValueError(f"NumPy's arrays lie on the cpu, not on {device}")
        return stored.copy().view(_extension(dtype)) if dtype in RAW else stored.copy()

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        return np.broadcast_to(array, shape)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        array = np.asarray(array)
        if array.dtype.name in RAW:
            return array.dtype.name, array.copy().view(RAW[array.dtype.name])
        return array.dtype.name if array.dtype.isnative else array.dtype.str, array.copy()

    def state(self) -> dict[str, object]:
        return {"floating-point error state": dict(np.geterr())}


def lacking(dtype: str) -> str:
    """Why NumPy has no arrays of a format here, in one line; empty where it has."""
    if dtype not in RAW:
        return ""
    try:
        import ml_dtypes  # noqa: F401 - what counts is whether it is there
    except ImportError:
        return f"NumPy has no {dtype} without ml_dtypes: pip install ml_dtypes"
    return ""


def _extension(dtype: str) -> Any:
    """The NumPy dtype of a format that NumPy does not have."""
    if why := lacking(dtype):
        raise ImportError(why)
    import ml_dtypes

    return getattr(ml_dtypes, dtype)
