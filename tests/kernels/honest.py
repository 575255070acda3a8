"""Kernels that are right by different roads, and that no suite may reject."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from planted import BOTH, along, answer, compute, finish, honest, one_pass, running, shifted, total, wide

if TYPE_CHECKING:
    from collections.abc import Callable

    from planted import Array

LOG2E = float(np.log2(np.e))
LOG2 = float(np.log(2))


@honest("two-pass", why="The maximum, then the exponentials and their sum in pairs: what everybody does.")
def two_pass(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op)


@honest("wide", why="Everything in float64, rounded once.")
def wide_inside(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, enter=lambda moved: moved.astype(np.float64))


@honest("wider-sum", why="The terms in the working precision, their sum in the widest type of the machine.")
def wider_sum(x: Array, axis: int, op: str = "softmax") -> Array:
    def add(e: Array) -> Array:
        return e.sum(axis=-1, keepdims=True, dtype=np.longdouble).astype(e.dtype)

    return compute(x, axis, op, total=add)


@honest("online", why="One pass in blocks of 32, the sum rescaled when the maximum moves.")
def online(x: Array, axis: int, op: str = "softmax") -> Array:
    return one_pass(x, axis, op)


@honest("online-wide-blocks", why="One pass in blocks of 1024.")
def online_wide_blocks(x: Array, axis: int, op: str = "softmax") -> Array:
    return one_pass(x, axis, op, width=1024)


def _blocked(e: Array, width: int) -> Array:
    parts = [running(e[:, i : i + width], e.dtype) for i in range(0, e.shape[-1], width)]
    return total(np.concatenate(parts, axis=-1))


@honest("blocked-32", why="A loop in each block of 32 terms, and a tree over the blocks.")
def blocked_32(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=partial(_blocked, width=32))


@honest("blocked-128", why="The same with 128.")
def blocked_128(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=partial(_blocked, width=128))


@honest("blocked-1024", why="The same with 1024.")
def blocked_1024(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=partial(_blocked, width=1024))


@honest("pairwise", why="A tree of pairs down to single terms; an odd one waits for the next level.")
def pairwise(x: Array, axis: int, op: str = "softmax") -> Array:
    def tree(e: Array) -> Array:
        while e.shape[-1] > 1:
            if e.shape[-1] % 2:
                e = np.pad(e, ((0, 0), (0, 1)))
            e = e[:, ::2] + e[:, 1::2]
        return e

    return compute(x, axis, op, total=tree)


@honest("sequential", why="One loop over all terms in the working precision: loose, and not wrong.")
def sequential(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: running(e, e.dtype))


@honest("kahan", why="64 loops side by side that carry what each addition lost, and a last one over the 64 sums.")
def kahan(x: Array, axis: int, op: str = "softmax") -> Array:
    def loop(terms: Array) -> Array:
        s = np.zeros_like(terms[0])
        c = np.zeros_like(s)
        for term in terms:
            y = term - c
            higher = s + y
            c = (higher - s) - y
            s = higher
        return s

    def add(e: Array) -> Array:
        filled = np.pad(e, ((0, 0), (0, -e.shape[-1] % 64)))
        lanes = loop(np.moveaxis(filled.reshape(len(e), -1, 64), 1, 0))
        return loop(lanes.T)[:, None]

    return compute(x, axis, op, total=add)


@honest("descending-sum", why="One loop over the terms from the largest to the smallest, the worst order there is.")
def descending_sum(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: running(np.sort(e, axis=-1)[:, ::-1], e.dtype))


@honest("eight-lanes", why="Eight partial sums side by side, as a vector unit keeps them, added at the end.")
def eight_lanes(x: Array, axis: int, op: str = "softmax") -> Array:
    def add(e: Array) -> Array:
        filled = np.pad(e, ((0, 0), (0, -e.shape[-1] % 8)))
        lanes = np.cumsum(filled.reshape(len(e), -1, 8), axis=1, dtype=e.dtype)[:, -1]
        return total(lanes)

    return compute(x, axis, op, total=add)


@honest("exp2", why="2 to the power of t·log₂e, with the whole constant and after the shift: loose.")
def exp2_based(x: Array, axis: int, op: str = "softmax") -> Array:
    def last(op: str, t: Array, e: Array, s: Array) -> Array:
        return e / s if op == "softmax" else t - np.log2(s) * t.dtype.type(LOG2)

    return compute(x, axis, op, exp=lambda t: np.exp2(t * t.dtype.type(LOG2E)), answer=last)


@honest("cody-waite", why="t less a multiple of log 2 in two parts, a polynomial, and the exponent put back.")
def cody_waite(x: Array, axis: int, op: str = "softmax") -> Array:
    def exp(t: Array) -> Array:
        single = t.dtype == np.float32
        # The leading part has so few bits that k times it is exact.
        high = float(np.float16(LOG2)) if single else float(np.float32(LOG2))
        k = np.rint(t * t.dtype.type(LOG2E))
        r = (t - k * t.dtype.type(high)) - k * t.dtype.type(LOG2 - high)
        value = np.ones_like(t)
        for power in range(8 if single else 14, 0, -1):
            value = 1 + r * value / power
        far = t < -1100
        return np.where(far, 0, np.ldexp(value, np.where(far | np.isnan(t), 0, k).astype(np.int32)))

    return compute(x, axis, op, exp=exp)


@honest("log1p", why="The sum without its first winner, and one added at the end: better near a certain winner.")
def log1p_based(x: Array, axis: int, op: str = "softmax") -> Array:
    def body(z: Array) -> Array:
        t = shifted(z)
        e = np.exp(t)
        rest = total(np.where(np.arange(z.shape[-1]) == t.argmax(axis=-1, keepdims=True), 0 * t, e))
        return e / (1 + rest) if op == "softmax" else t - np.log1p(rest)

    return along(x, axis, body)


@honest("reciprocal", why="One division a row, and a product a lane.")
def reciprocal(x: Array, axis: int, op: str = "softmax") -> Array:
    def last(op: str, t: Array, e: Array, s: Array) -> Array:
        return e * (1 / s) if op == "softmax" else t - np.log(s)

    return compute(x, axis, op, answer=last)


@honest("exp-of-log", why="softmax as exp(t - log S), and log_softmax on the way: loose.")
def exp_of_log(x: Array, axis: int, op: str = "softmax") -> Array:
    def last(op: str, t: Array, _e: Array, s: Array) -> Array:
        y = t - np.log(s)
        return np.exp(y) if op == "softmax" else y

    return compute(x, axis, op, answer=last)


@honest("normalised-twice", op="softmax", why="The shares are divided by their own sum once more.")
def normalised_twice(x: Array, axis: int) -> Array:
    def last(_op: str, _t: Array, e: Array, s: Array) -> Array:
        p = e / s
        return p / total(p)

    return compute(x, axis, answer=last)


@honest("log-normalised-twice", op="log_softmax", why="log_softmax of log_softmax, which is itself.")
def log_normalised_twice(x: Array, axis: int) -> Array:
    def last(op: str, t: Array, e: Array, s: Array) -> Array:
        y = answer(op, t, e, s)
        return answer(op, y, e, total(np.exp(y)))

    return compute(x, axis, "log_softmax", answer=last)


@honest(
    "flush",
    why="Subnormal terms and answers are zeros, a policy. Not in float16, where the shares of 16,384 equal logits "
    "are subnormal and a row would lose everything.",
    dtypes=("float64", "float32", "bfloat16"),
)
def flush(x: Array, axis: int, op: str = "softmax") -> Array:
    def cut(y: Array) -> Array:
        return np.where(np.abs(y) < ml_dtypes.finfo(y.dtype).smallest_normal, np.copysign(y.dtype.type(0), y), y)

    return compute(x, axis, op, exp=lambda t: cut(np.exp(t)), leave=lambda y, like: cut(finish(cut(y), like)))


@honest("lower-shift", why="Half a unit less than the maximum is subtracted; every shift near it is as good.")
def lower_shift(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: z - (z.max(axis=-1, keepdims=True) - z.dtype.type(0.5)))


@honest(
    "whole-shift", why="The maximum rounded down to a whole number is subtracted, so that all blocks share few shifts."
)
def whole_shift(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: z - np.floor(z.max(axis=-1, keepdims=True)))


@honest(
    "own-precision",
    why="Each step is rounded to the 16 bits of the format, but for the sum: loose.",
    dtypes=("float16", "bfloat16"),
)
def own_precision(x: Array, axis: int, op: str = "softmax") -> Array:
    def own(y: Array) -> Array:
        return y.astype(x.dtype).astype(y.dtype)

    def last(op: str, t: Array, e: Array, s: Array) -> Array:
        return e / s if op == "softmax" else t - own(np.log(s))

    return compute(x, axis, op, shift=lambda z: own(shifted(z)), exp=lambda t: own(np.exp(t)), answer=last)


@honest(
    "float32-inside",
    why="16 bits are widened to float32 lane by lane and everything else is float32, one loop for the sum.",
    dtypes=("float16", "bfloat16"),
)
def float32_inside(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: running(e, np.float32))


@honest("fortran-order", why="The answer lies in memory in the other order, which is nobody's business.")
def fortran_order(x: Array, axis: int, op: str = "softmax") -> Array:
    return np.asfortranarray(compute(x, axis, op)).reshape(x.shape, order="F")


@honest("moved-axis", why="The answer is a view of a copy that has the axis last.")
def moved_axis(x: Array, axis: int, op: str = "softmax") -> Array:
    if x.ndim == 0 or x.size == 0:
        return compute(x, axis, op)
    axis = normalize_axis_index(axis, x.ndim)
    return np.moveaxis(compute(np.moveaxis(x, axis, -1), -1, op), -1, axis)


@honest("row-by-row", why="A loop over the rows, each summed in the order of its lanes.")
def row_by_row(x: Array, axis: int, op: str = "softmax") -> Array:
    def body(z: Array) -> Array:
        y = np.empty_like(z)
        for i, row in enumerate(z):
            t = row - row.max()
            y[i] = answer(op, t, np.exp(t), np.exp(t).sum())
        return y

    return along(x, axis, body)


@honest(
    "infinity-takes-all",
    op=BOTH,
    why="The lanes of +inf share one and the others get nothing, the limit of large logits: a policy.",
)
def infinity_takes_all(x: Array, axis: int, op: str = "softmax") -> Array:
    def enter(moved: Array) -> Array:
        z = wide(moved)
        known = (z == np.inf).any(axis=-1, keepdims=True) & ~np.isnan(z).any(axis=-1, keepdims=True)
        return np.where(known, np.where(z == np.inf, 0, -np.inf), z).astype(z.dtype)

    return compute(x, axis, op, enter=enter)


def _masked_rows(value: Callable[[int, str], float]) -> Any:
    def masked(x: Array, axis: int, op: str) -> Array:
        def body(z: Array) -> Array:
            t = shifted(z)
            y = answer(op, t, np.exp(t), total(np.exp(t)))
            return np.where((z == -np.inf).all(axis=-1, keepdims=True), value(z.shape[-1], op), y)

        return along(x, axis, body)

    return masked


_NOTHING = _masked_rows(lambda _n, op: 0.0 if op == "softmax" else -np.inf)
_EQUAL = _masked_rows(lambda n, op: 1 / n if op == "softmax" else -np.log(n))


@honest("masked-row-as-zeros", why="A row of nothing but -inf has no shares at all: a policy.")
def masked_row_as_zeros(x: Array, axis: int, op: str = "softmax") -> Array:
    return _NOTHING(x, axis, op)


@honest("masked-row-as-uniform", why="A row of nothing but -inf is shared equally: a policy.")
def masked_row_as_uniform(x: Array, axis: int, op: str = "softmax") -> Array:
    return _EQUAL(x, axis, op)


@honest("ones-dropped", why="Axes of size one are dropped, all but that of the rows, and put back at the end.")
def ones_dropped(x: Array, axis: int, op: str = "softmax") -> Array:
    true = normalize_axis_index(axis, max(x.ndim, 1))
    dropped = tuple(place for place, size in enumerate(x.shape) if size == 1 and place != true)
    left = true - sum(place < true for place in dropped)
    return compute(np.squeeze(x, dropped), left, op).reshape(x.shape)


@honest("signless-zeros", why="0 is added to each logit on the way in, so that -0 becomes 0.")
def signless_zeros(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, enter=lambda moved: wide(moved) + 0)


@honest("waves", why="Waves of 16 blocks of 1024 lanes, each with a sum of its own, and a sum over the waves.")
def waves(x: Array, axis: int, op: str = "softmax") -> Array:
    def add(e: Array) -> Array:
        return total(np.concatenate([total(e[:, i : i + 2**14]) for i in range(0, e.shape[-1], 2**14)], axis=-1))

    return compute(x, axis, op, total=add)


@honest("masked-slices", why="One pass in slices of 4096, of which one of nothing but -inf is passed over.")
def masked_slices(x: Array, axis: int, op: str = "softmax") -> Array:
    return one_pass(x, axis, op, width=4096)
