"""The blocks of a backward kernel, all of them honest: the shares, the terms of the sum, the sum, the answer.

The vjp of softmax is p·(g - Σ p·g), that of log_softmax g - p·Σ g, with p = softmax(x).  Rows are matrices of shape
(rows, n) in the working precision, freshly copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from planted import finish, shifted, total, wide

if TYPE_CHECKING:
    from collections.abc import Callable

    from planted import Array


def shares(z: Array) -> Array:
    """softmax of each row; zero where the logit is -inf, NaN for a row of nothing else."""
    e = np.exp(shifted(z))
    return e / total(e)


def terms(op: str, p: Array, g: Array) -> Array:
    """What is added up along a row."""
    return p * g if op == "softmax_vjp" else g


def product(op: str, p: Array, g: Array, s: Array) -> Array:
    """The answer, from the shares, the cotangent and the sum."""
    return p * (g - s) if op == "softmax_vjp" else g - p * s


def along_both(
    x: Array,
    axis: int,
    g: Array,
    body: Callable[[Array, Array], Array],
    enter: Callable[[Array], Array] = wide,
    leave: Any = finish,
) -> Array:
    """Hand the rows of logits and cotangent along an axis to ``body``, and put its answer where the logits were.

    Raises
    ------
    numpy.exceptions.AxisError
        For an axis out of range; a 0-d array has the axes 0 and -1.
    """
    axis = normalize_axis_index(axis, max(x.ndim, 1))
    if x.size == 0:
        return np.empty(x.shape, x.dtype)
    with np.errstate(all="ignore"):
        z, h = (np.moveaxis(np.atleast_1d(array), axis, -1) for array in (x, g))
        n = z.shape[-1]
        answer = body(enter(z).reshape(-1, n), enter(h).reshape(-1, n)).reshape(z.shape)
        return leave(np.ascontiguousarray(np.moveaxis(answer, -1, axis)).reshape(x.shape), x)


def gradient(
    x: Array,
    axis: int,
    g: Array,
    op: str,
    *,
    shares: Callable[[Array], Array] = shares,
    terms: Callable[[str, Array, Array], Array] = terms,
    total: Callable[[Array], Array] = total,
    product: Callable[[str, Array, Array, Array], Array] = product,
    enter: Callable[[Array], Array] = wide,
    leave: Callable[[Array, Array], Array] = finish,
) -> Array:
    """Shares, terms, sum, answer: the usual backward pass, of which any step may be replaced."""

    def body(z: Array, h: Array) -> Array:
        p = shares(z)
        return product(op, p, h, total(terms(op, p, h)))

    return along_both(x, axis, g, body, enter, leave)
