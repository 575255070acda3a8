"""A framework of two functions on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

__version__ = "1.4.0"


def softmax(x: Any, axis: int) -> Any:
    """Subtract the maximum, exponentiate, divide by the sum."""
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int) -> Any:
    """The logarithm of softmax, which is -inf where a probability underflows: known, see known.toml."""
    with np.errstate(all="ignore"):
        return np.log(softmax(x, axis))
