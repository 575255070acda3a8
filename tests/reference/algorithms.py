"""Softmax as honest and as damaged kernels compute it, in an emulated working precision.

Each takes float64 logits that the format holds, an axis, the op and the working NumPy type, and returns
the working type; the caller rounds to the output format.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _finish(t: Any, e: Any, s: Any, op: str) -> Any:
    return e / s if op == "softmax" else t - np.log(s)


def _shift(x: Any, axis: int, work: Any) -> Any:
    x = x.astype(work)
    return x - x.max(axis=axis, keepdims=True)


def two_pass(x: Any, axis: int, op: str, work: Any) -> Any:
    """Subtract the maximum, exponentiate, sum in blocks, divide."""
    t = _shift(x, axis, work)
    e = np.exp(t)
    return _finish(t, e, e.sum(axis=axis, keepdims=True, dtype=work), op)


def reciprocal(x: Any, axis: int, op: str, work: Any) -> Any:
    """Multiply by 1/S instead of dividing."""
    t = _shift(x, axis, work)
    e = np.exp(t)
    s = e.sum(axis=axis, keepdims=True, dtype=work)
    return e * (work(1) / s) if op == "softmax" else t - np.log(s)


def online(x: Any, axis: int, op: str, work: Any) -> Any:
    """One pass in eight blocks, or in blocks of 32, rescaling the partial sum when the maximum moves."""
    x = np.moveaxis(x.astype(work), axis, -1)
    m = np.full(x.shape[:-1], -np.inf, work)
    s = np.zeros(x.shape[:-1], work)
    width = max(32, -(-x.shape[-1] // 8))
    for start in range(0, x.shape[-1], width):
        block = x[..., start : start + width]
        higher = np.maximum(m, block.max(-1))
        shift = np.where(np.isneginf(higher), work(0), higher)  # of a block that is masked as a whole
        s = s * np.exp(m - shift) + np.exp(block - shift[..., None]).sum(-1, dtype=work)
        m = higher
    t = x - m[..., None]
    return np.moveaxis(_finish(t, np.exp(t), s[..., None], op), -1, axis)


def pairwise(x: Any, axis: int, op: str, work: Any) -> Any:
    """A tree whose leaves are single terms, far ones first."""
    t = _shift(x, axis, work)
    e = np.exp(t)
    terms = np.moveaxis(e, axis, 0)
    while len(terms) > 1:
        half = len(terms) // 2
        terms = np.concatenate([terms[:half] + terms[len(terms) - half :], terms[half : len(terms) - half]])
    return _finish(t, e, np.moveaxis(terms, 0, axis), op)


def sequential(x: Any, axis: int, op: str, work: Any) -> Any:
    """One loop over all terms."""
    t = _shift(x, axis, work)
    e = np.exp(t)
    return _finish(t, e, np.take(np.cumsum(e, axis=axis, dtype=work), [-1], axis=axis), op)


def exp2_based(x: Any, axis: int, op: str, work: Any) -> Any:
    """exp(t) = 2**(t·log₂e), log S = log₂S·log 2."""
    t = _shift(x, axis, work)
    e = np.exp2(t * work(np.log2(np.e)))
    s = e.sum(axis=axis, keepdims=True, dtype=work)
    return e / s if op == "softmax" else t - np.log2(s) * work(np.log(2))


def exp_of_log(x: Any, axis: int, op: str, work: Any) -> Any:
    """softmax as exp(t - log S)."""
    t = _shift(x, axis, work)
    y = t - np.log(np.exp(t).sum(axis=axis, keepdims=True, dtype=work))
    return np.exp(y) if op == "softmax" else y


def log1p_based(x: Any, axis: int, op: str, work: Any) -> Any:
    """log S as log1p of the sum without the first winner."""
    t = _shift(x, axis, work)
    e = np.exp(t)
    others = e.copy()
    np.put_along_axis(others, np.expand_dims(np.argmax(t, axis=axis), axis), work(0), axis)
    rest = others.sum(axis=axis, keepdims=True, dtype=work)
    return e / (work(1) + rest) if op == "softmax" else t - np.log1p(rest)


def own_precision(x: Any, axis: int, op: str, work: Any) -> Any:
    """Every step in half precision, where the format is half precision."""
    del work
    return two_pass(x, axis, op, np.float16)


STABLE = (two_pass, reciprocal, pairwise, online, log1p_based)
"""Inside the stable bound."""

LOOSE = (sequential, exp2_based, exp_of_log)
"""Inside the loose bound, and on some family outside the stable one."""


def no_shift(x: Any, axis: int, op: str, work: Any) -> Any:
    """The definition."""
    e = np.exp(x.astype(work))
    s = e.sum(axis=axis, keepdims=True, dtype=work)
    return e / s if op == "softmax" else x.astype(work) - np.log(s)


def half_sum(x: Any, axis: int, op: str, work: Any) -> Any:
    """A sum kept in half precision."""
    t = _shift(x, axis, work)
    e = np.exp(t)
    s = np.take(np.cumsum(e.astype(np.float16), axis=axis, dtype=np.float16), [-1], axis=axis).astype(work)
    return _finish(t, e, s, op)


def truncated_constant(x: Any, axis: int, op: str, work: Any) -> Any:
    """log₂e with four digits."""
    t = _shift(x, axis, work)
    e = np.exp2(t * work(1.4427))
    return _finish(t, e, e.sum(axis=axis, keepdims=True, dtype=work), op)


def lost_normaliser(x: Any, axis: int, op: str, work: Any) -> Any:
    """log Σ added to the maximum before it is subtracted."""
    x = x.astype(work)
    m = x.max(axis=axis, keepdims=True)
    log_sum = m + np.log(np.exp(x - m).sum(axis=axis, keepdims=True, dtype=work))
    return np.exp(x - log_sum) if op == "softmax" else x - log_sum


def scaled_before_shift(x: Any, axis: int, op: str, work: Any) -> Any:
    """x·log₂e before the maximum is subtracted."""
    z = x.astype(work) * work(np.log2(np.e))
    t = z - z.max(axis=axis, keepdims=True)
    e = np.exp2(t)
    s = e.sum(axis=axis, keepdims=True, dtype=work)
    return e / s if op == "softmax" else (t - np.log2(s)) * work(np.log(2))


def dropped_tail(x: Any, axis: int, op: str, work: Any) -> Any:
    """The last logit is missing from the sum."""
    t = _shift(x, axis, work)
    e = np.exp(t)
    head = np.take(e, np.arange(max(e.shape[axis] - 1, 1)), axis=axis)
    return _finish(t, e, head.sum(axis=axis, keepdims=True, dtype=work), op)


DAMAGED = (no_shift, half_sum, truncated_constant, lost_normaliser, scaled_before_shift, dropped_tail)
"""Outside every bound on some family."""


def backward(op: str, p: Any, g: Any, add: Any = None) -> Any:
    """The vjp along the last axis from probabilities, in their own type; ``add`` sums a row, in pairs by default."""
    add = add or (lambda terms: terms.sum(-1, keepdims=True, dtype=terms.dtype))
    return p * (g - add(p * g)) if op == "softmax_vjp" else g - p * add(g)


def in_a_loop(terms: Any) -> Any:
    """One loop over all terms."""
    return np.cumsum(terms, axis=-1, dtype=terms.dtype)[..., -1:]


def without_the_sum(op: str, p: Any, g: Any) -> Any:
    """The Jacobian taken for a diagonal."""
    return p * g if op == "softmax_vjp" else g - p


def in_half_precision(op: str, p: Any, g: Any) -> Any:
    """A sum kept in half precision."""
    return backward(op, p, g, lambda terms: in_a_loop(terms.astype(np.float16)).astype(terms.dtype))


def without_the_last(op: str, p: Any, g: Any) -> Any:
    """The last term is missing from the sum."""
    return backward(op, p, g, lambda terms: terms[..., :-1].sum(-1, keepdims=True, dtype=terms.dtype))


def evenly(op: str, p: Any, g: Any) -> Any:
    """The mean of the cotangents in place of their mean under p."""
    return p * (g - g.mean(-1, keepdims=True)) if op == "softmax_vjp" else g - g.mean(-1, keepdims=True)


def from_half_precision(op: str, p: Any, g: Any) -> Any:
    """Probabilities that were saved in half precision."""
    return backward(op, p.astype(np.float16).astype(p.dtype), g)


DAMAGED_BACKWARD = (without_the_sum, in_half_precision, without_the_last, evenly, from_half_precision)
"""Outside every bound on some family."""
