"""Functions on arrays of NumPy, to be swept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def softmax(x: Array, axis: int) -> Array:
    """Right but for rounding."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def flushing(x: Array, axis: int) -> Array:
    """Every number below 2**-20 is zero."""
    y = softmax(x.astype(np.float32), axis)
    return np.where(np.abs(y) < 2.0**-20, 0, y).astype(x.dtype)


def crashing(x: Array, axis: int) -> Array:
    """Ends its process."""
    if x.size > 100:
        os._exit(3)
    return softmax(x, axis)


def widening(x: Array, axis: int) -> Array:
    """Answers in another dtype."""
    return softmax(x.astype(np.float64), axis)


def spiked(x: Array, axis: int) -> Array:
    """Off by a part in 500 between two gaps, and by one in 50 at one gap among them, 1.25."""
    y = softmax(x.astype(np.float32), axis)
    gap = np.ptp(x, axis=axis, keepdims=True)
    return (y * np.where(gap == 1.25, 1.02, np.where((gap > 1) & (gap < 1.5), 1.002, 1))).astype(x.dtype)
