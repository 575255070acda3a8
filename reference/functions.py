"""softmax and log_softmax as a textbook gives them, in float64.

These are for reading, and for seeing what each form loses; the suite judges by :mod:`reference.truth`.
All take float64 arrays of any shape and an axis, and return the same shape.  m = max x.

References
----------
P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax functions",
IMA J. Numer. Anal. 41(4), 2021, 2311-2330.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


def softmax_definition(x: Numbers, axis: int = -1) -> Numbers:
    """p = exp(x) / Σexp(x); overflows from x = 710 on, and is 0/0 below x = -745."""
    e = np.exp(x)
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def softmax_shifted(x: Numbers, axis: int = -1) -> Numbers:
    """p = exp(x - m) / Σexp(x - m): the same number, and no exponent is positive."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def logsumexp(x: Numbers, axis: int = -1) -> Numbers:
    """l = m + log Σexp(x - m), the axis kept with length one."""
    m = np.max(x, axis=axis, keepdims=True)
    return np.asarray(m + np.log(np.exp(x - m).sum(axis=axis, keepdims=True)))


def softmax_logsumexp(x: Numbers, axis: int = -1) -> Numbers:
    """p = exp(x - l): one error of size u·|l| stands in the exponent, and becomes relative in p."""
    return np.asarray(np.exp(x - logsumexp(x, axis)))


def log_softmax_shifted(x: Numbers, axis: int = -1) -> Numbers:
    """y = (x - m) - log Σexp(x - m)."""
    t = np.asarray(x - np.max(x, axis=axis, keepdims=True))
    return np.asarray(t - np.log(np.exp(t).sum(axis=axis, keepdims=True)))


def log_softmax_logsumexp(x: Numbers, axis: int = -1) -> Numbers:
    """y = x - l: where |x| is large, log Σ is lost in the rounding of l."""
    return np.asarray(x - logsumexp(x, axis))


def softmax_vjp(x: Numbers, g: Numbers, axis: int = -1) -> Numbers:
    """p·(g - Σ p·g): the cotangent g through the Jacobian p_i (δ_ij - p_j)."""
    p = softmax_shifted(x, axis)
    return np.asarray(p * (g - (p * g).sum(axis=axis, keepdims=True)))


def log_softmax_vjp(x: Numbers, g: Numbers, axis: int = -1) -> Numbers:
    """g - p·Σg: the cotangent g through the Jacobian δ_ij - p_j."""
    return np.asarray(g - softmax_shifted(x, axis) * np.sum(g, axis=axis, keepdims=True))
