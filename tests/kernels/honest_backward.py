"""Backward kernels that are right by different roads, and that no suite may reject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from backward import along_both, gradient, product, shares, terms
from planted import VJPS, first_finite, honest, online, running, shifted, through, total, wide

if TYPE_CHECKING:
    from planted import Array

LOG2E = float(np.log2(np.e))


@honest("vjp-two-pass", op=VJPS, why="The shares once more, the sum in pairs, the product: what everybody does.")
def two_pass(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op)


@honest("vjp-wide", op=VJPS, why="Everything in float64, rounded once.")
def wide_inside(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, enter=lambda moved: moved.astype(np.float64))


@honest("vjp-sequential", op=VJPS, why="Both sums in one loop over all lanes, in the working precision: loose.")
def sequential(x: Array, axis: int, g: Array, op: str) -> Array:
    def one_loop(z: Array) -> Array:
        e = np.exp(shifted(z))
        return e / running(e, e.dtype)

    return gradient(x, axis, g, op, shares=one_loop, total=lambda each: running(each, each.dtype))


@honest("vjp-blocked-128", op=VJPS, why="A loop in each block of 128 terms, and a tree over the blocks.")
def blocked_128(x: Array, axis: int, g: Array, op: str) -> Array:
    def add(each: Array) -> Array:
        parts = [running(each[:, i : i + 128], each.dtype) for i in range(0, each.shape[-1], 128)]
        return total(np.concatenate(parts, axis=-1))

    return gradient(x, axis, g, op, total=add)


@honest(
    "vjp-eight-lanes", op=VJPS, why="Eight partial sums side by side, as a vector unit keeps them, added at the end."
)
def eight_lanes(x: Array, axis: int, g: Array, op: str) -> Array:
    def add(each: Array) -> Array:
        filled = np.pad(each, ((0, 0), (0, -each.shape[-1] % 8)))
        return total(np.cumsum(filled.reshape(len(each), -1, 8), axis=1, dtype=each.dtype)[:, -1])

    return gradient(x, axis, g, op, total=add)


@honest("vjp-kahan", op=VJPS, why="64 loops side by side that carry what each addition lost, added in pairs.")
def kahan(x: Array, axis: int, g: Array, op: str) -> Array:
    def add(each: Array) -> Array:
        filled = np.pad(each, ((0, 0), (0, -each.shape[-1] % 64)))
        s = np.zeros((len(each), 64), each.dtype)
        c = np.zeros_like(s)
        for term in np.moveaxis(filled.reshape(len(each), -1, 64), 1, 0):
            y = term - c
            higher = s + y
            c = (higher - s) - y
            s = higher
        return total(s)

    return gradient(x, axis, g, op, total=add)


@honest("vjp-dot", op=VJPS, why="The sum is a product of two vectors, by the machine's own library of linear algebra.")
def dot(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        p = shares(z)
        weights = p if op == "softmax_vjp" else np.ones_like(p)
        return product(op, p, h, np.matmul(weights[:, None, :], h[:, :, None])[:, :, 0])

    return along_both(x, axis, g, body)


@honest("vjp-of-saved-shares", op=VJPS, why="The forward pass saved its shares, rounded to the format.")
def of_saved_shares(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: through(shares(z), x.dtype))


def _log(z: Array) -> Array:
    t = shifted(z)
    return t - np.log(total(np.exp(t)))


@honest("vjp-of-saved-logarithms", op=VJPS, why="The forward pass saved its log-probabilities, rounded to the format.")
def of_saved_logarithms(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: np.exp(through(_log(z), x.dtype)))


@honest(
    "vjp-of-saved-normaliser", op=VJPS, why="The forward pass saved one number a row, max + log S; p = exp(t - log S)."
)
def of_saved_normaliser(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: np.exp(_log(z)))


@honest("vjp-exp2", op=VJPS, why="The shares by 2 to the power of t·log₂e, as GPU kernels have them: loose.")
def exp2_based(x: Array, axis: int, g: Array, op: str) -> Array:
    def powers(z: Array) -> Array:
        e = np.exp2(shifted(z) * z.dtype.type(LOG2E))
        return e * (1 / total(e))

    return gradient(x, axis, g, op, shares=powers)


@honest("vjp-online", op=VJPS, why="The shares from a maximum and a sum of one pass in blocks of 32.")
def online_shares(x: Array, axis: int, g: Array, op: str) -> Array:
    def one_pass(z: Array) -> Array:
        m, s = online(z, 32)
        return np.exp(z - m) / s

    return gradient(x, axis, g, op, shares=one_pass)


@honest(
    "vjp-fused-online",
    op="softmax_vjp",
    why="Forward and backward in one pass in blocks of 32: maximum, Σ e and Σ e·g, the sums rescaled when it moves.",
)
def fused_online(x: Array, axis: int, g: Array) -> Array:
    def body(z: Array, h: Array) -> Array:
        m = np.full((len(z), 1), -np.inf, z.dtype)
        s, weighted = np.zeros_like(m), np.zeros_like(m)
        for start in range(0, z.shape[-1], 32):
            block, part = z[:, start : start + 32], h[:, start : start + 32]
            higher = np.maximum(m, block.max(axis=-1, keepdims=True))
            down, e = np.exp(m - first_finite(higher)), np.exp(block - first_finite(higher))
            s, weighted = s * down + total(e), weighted * down + total(e * part)
            m = higher
        return np.exp(z - m) / s * (h - weighted / s)

    return along_both(x, axis, g, body)


@honest(
    "vjp-fused", op="softmax_vjp", why="Σ e·g is divided by Σ e once a row, instead of every e before it is weighted."
)
def fused(x: Array, axis: int, g: Array) -> Array:
    def body(z: Array, h: Array) -> Array:
        e = np.exp(shifted(z))
        s = total(e)
        return e / s * (h - total(e * h) / s)

    return along_both(x, axis, g, body)


@honest("vjp-expanded", op="softmax_vjp", why="p·g - p·Σ p·g, the products apart.")
def expanded(x: Array, axis: int, g: Array) -> Array:
    return gradient(x, axis, g, "softmax_vjp", product=lambda _op, p, h, s: p * h - p * s)


@honest(
    "vjp-of-differences",
    op="softmax_vjp",
    why="p_i·Σ p_j·(g_i - g_j), lane by lane: nothing cancels but the cotangents.",
)
def of_differences(x: Array, axis: int, g: Array) -> Array:
    def body(z: Array, h: Array) -> Array:
        p = shares(z)
        lanes = (total(p * (h[:, i : i + 1] - h)) for i in range(h.shape[-1]))
        # A long row would take n² steps; its lanes are left to the mean.
        return p * (np.concatenate(list(lanes), axis=-1) if h.shape[-1] <= 1024 else h - total(p * h))

    return along_both(x, axis, g, body)


@honest(
    "vjp-winner-first",
    op="softmax_vjp",
    why="The winner's cotangent is taken from all of them first, which changes nothing in the truth, so that its own "
    "lane keeps what the others hold.",
)
def winner_first(x: Array, axis: int, g: Array) -> Array:
    def body(z: Array, h: Array) -> Array:
        p = shares(z)
        d = h - np.take_along_axis(h, p.argmax(axis=-1, keepdims=True), axis=-1)
        return p * (d - total(p * d))

    return along_both(x, axis, g, body)


@honest(
    "vjp-one-less-share",
    op="softmax_vjp",
    why="The own cotangent is multiplied by 1 - p, which is 1 - 1 where p rounds to one: what is lost is within the "
    "error of p, and legal. https://github.com/pytorch/pytorch/issues/195680, https://github.com/jax-ml/jax/issues/40384",
)
def one_less_share(x: Array, axis: int, g: Array) -> Array:
    def apart(_op: str, p: Array, h: Array, s: Array) -> Array:
        return p * h * (1 - p) - p * (s - p * h)

    return gradient(x, axis, g, "softmax_vjp", product=apart)


@honest(
    "vjp-by-the-others", op="log_softmax_vjp", why="1 - p of the winner is the sum of the others, which is not lost."
)
def by_the_others(x: Array, axis: int, g: Array) -> Array:
    def apart(_op: str, p: Array, h: Array, s: Array) -> Array:
        first = np.arange(p.shape[-1]) == p.argmax(axis=-1, keepdims=True)
        others = total(np.where(first, 0, p)) + 0 * p
        return np.where(first, h * others - p * (total(np.where(first, 0, h)) + 0 * s), h - p * s)

    return gradient(x, axis, g, "log_softmax_vjp", product=apart)


@honest(
    "vjp-by-the-jacobian", op="softmax_vjp", why="The whole Jacobian in memory, and a product of matrix and vector."
)
def by_the_jacobian(x: Array, axis: int, g: Array) -> Array:
    def body(z: Array, h: Array) -> Array:
        p, n = shares(z), z.shape[-1]
        if n > 257:  # n² numbers a row
            return p * (h - total(p * h))
        matrices = np.eye(n, dtype=p.dtype) * p[:, None, :] - p[:, :, None] * p[:, None, :]
        return np.matmul(matrices, h[:, :, None])[:, :, 0]

    return along_both(x, axis, g, body)


@honest(
    "vjp-own-precision",
    op=VJPS,
    why="Each step is rounded to the 16 bits of the format, but for the sums, which float16 may not hold: loose.",
    dtypes=("float16", "bfloat16"),
)
def own_precision(x: Array, axis: int, g: Array, op: str) -> Array:
    def own(y: Array) -> Array:
        return through(y, x.dtype)

    def rounded(z: Array) -> Array:
        e = own(np.exp(own(shifted(z))))
        return own(e / total(e))

    def last(op: str, p: Array, h: Array, s: Array) -> Array:
        return p * own(h - s) if op == "softmax_vjp" else h - own(p * s)

    return gradient(x, axis, g, op, shares=rounded, terms=lambda op, p, h: own(terms(op, p, h)), product=last)


@honest(
    "vjp-flush",
    op=VJPS,
    why="Subnormal numbers of the working precision are zeros wherever they occur, a policy.",
)
def flush(x: Array, axis: int, g: Array, op: str) -> Array:
    def cut(y: Array) -> Array:
        return np.where(np.abs(y) < np.finfo(y.dtype).tiny, 0 * y, y)

    def of_normal(z: Array) -> Array:
        e = cut(np.exp(cut(shifted(z))))
        return cut(e / total(e))

    def last(op: str, p: Array, h: Array, s: Array) -> Array:
        h, s = cut(h), cut(s)
        return cut(p * cut(h - s)) if op == "softmax_vjp" else cut(h - cut(p * s))

    def each(op: str, p: Array, h: Array) -> Array:
        return cut(terms(op, p, cut(h)))

    return gradient(x, axis, g, op, shares=of_normal, terms=each, product=last)


@honest("vjp-skips-the-masked", op="softmax_vjp", why="Lanes whose share is zero are neither weighted nor multiplied.")
def skips_the_masked(x: Array, axis: int, g: Array) -> Array:
    return gradient(
        x, axis, g, "softmax_vjp",
        terms=lambda _op, p, h: np.where(p == 0, 0, p * h),
        product=lambda _op, p, h, s: np.where(p == 0, 0 * s, p * (h - s)),
    )  # fmt: skip


@honest("vjp-row-by-row", op=VJPS, why="A loop over the rows, and the answer in memory in the other order.")
def row_by_row(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        rows = [gradient(row, 0, own, op) for row, own in zip(z, h, strict=True)]
        return np.stack(rows)

    return np.asfortranarray(along_both(x, axis, g, body)).reshape(x.shape, order="F")


@honest("vjp-moved-axis", op=VJPS, why="The answer is a view of a copy that has the axis last.")
def moved_axis(x: Array, axis: int, g: Array, op: str) -> Array:
    if x.ndim == 0:
        return gradient(x, axis, g, op)
    moved = (np.moveaxis(array, axis, -1) for array in (x, g))
    z, h = moved
    return np.moveaxis(gradient(z, -1, h, op), -1, axis)


def _masked_rows(value: Any) -> Any:
    """A kernel that has a rule of its own for rows of nothing but -inf."""

    def masked(x: Array, axis: int, g: Array, op: str) -> Array:
        def body(z: Array, h: Array) -> Array:
            p = shares(z)
            y = product(op, p, h, total(terms(op, p, h)))
            return np.where((z == -np.inf).all(axis=-1, keepdims=True), value(h), y)

        return along_both(x, axis, g, body)

    return masked


_STOPPED = _masked_rows(np.zeros_like)


@honest("vjp-masked-row-as-zeros", op=VJPS, why="Nothing flows through a row of nothing but -inf: no right answer.")
def masked_row_as_zeros(x: Array, axis: int, g: Array, op: str) -> Array:
    return _STOPPED(x, axis, g, op)


@honest("vjp-wide-cotangent", op=VJPS, why="The shares in the working precision, cotangent and sum in the widest type.")
def wide_cotangent(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        p, h = shares(z), h.astype(np.longdouble)
        return product(op, p, h, total(terms(op, p, h)))

    return along_both(x, axis, g, body, enter=wide)
