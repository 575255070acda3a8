"""Planted mistakes in the sums of a backward pass: their precision, their blocks, and which terms they take."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from backward import along_both, gradient, shares, terms
from planted import VJPS, bfloat16, first_finite, running, through, total, wrong

if TYPE_CHECKING:
    from planted import Array


NOT_BFLOAT16 = ("float64", "float32", "float16")
"""For sums of softmax_vjp that miss lanes of rows of 1,000 and more: in bfloat16 the loose bound is as large as the sum."""

SOFTMAX, LOG = (VJPS[:1], VJPS[1:])
"""One op at a time, where the dtypes differ."""


@wrong(
    "vjp-sum-in-float16",
    op=VJPS,
    why="A running sum in float16 stalls, or loses what it should cancel. https://github.com/ROCm/MIOpen/pull/3427",
    longest=4097,
)
def sum_in_float16(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: running(each, np.float16))


@wrong("vjp-sum-in-bfloat16", op=LOG, why="A running sum in bfloat16 stalls at 256 equal terms.", longest=1024)
@wrong(
    "vjp-sum-in-bfloat16",
    op=SOFTMAX,
    why="A running sum in bfloat16 stalls at 256 equal terms.",
    dtypes=NOT_BFLOAT16,
    longest=1024,
)
def sum_in_bfloat16(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: running(each, bfloat16))


@wrong(
    "vjp-sum-overflows-float16",
    op="log_softmax_vjp",
    why="A good sum of cotangents is stored in float16, which ends at 65,504: the gradient of a row of 100,000 is all "
    "infinite. https://github.com/jax-ml/jax/issues/40409",
    longest=100_000,
)
def sum_overflows_float16(x: Array, axis: int, g: Array) -> Array:
    return gradient(x, axis, g, "log_softmax_vjp", total=lambda each: through(total(each), np.float16))


@wrong(
    "vjp-sum-in-float32",
    op=VJPS,
    why="float64 terms are added in float32: eight digits are lost at any length.",
    dtypes=("float64",),
    longest=2,
)
def sum_in_float32(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: total(each.astype(np.float32)).astype(each.dtype))


@wrong(
    "vjp-dropped-tail",
    op=VJPS,
    why="From eight lanes on only whole vectors of eight are added.",
    longest=17,
)
def dropped_tail(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: total(each[:, : each.shape[-1] // 8 * 8 or None]))


@wrong("vjp-last-missing", op=VJPS, why="An exclusive end: the last term is not in the sum.", longest=2)
def last_missing(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: total(each[:, : max(each.shape[-1] - 1, 1)]))


@wrong("vjp-first-twice", op=VJPS, why="The sum starts as the first term and the loop starts at it too.", longest=1)
def first_twice(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: each[:, :1] + total(each))


def _first(count: int, each: Array) -> Array:
    return total(each[:, :count])


@wrong("vjp-first-warp-only", op=VJPS, why="Of several warps of 32 lanes the first alone is in the sum.", longest=257)
def first_warp_only(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=partial(_first, 32))


@wrong("vjp-first-512-only", op=LOG, why="The sum covers one block of 512 lanes, whatever the length.", longest=1024)
@wrong(
    "vjp-first-512-only",
    op=SOFTMAX,
    why="The sum covers one block of 512 lanes, whatever the length.",
    dtypes=NOT_BFLOAT16,
    longest=1024,
)
def first_512_only(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=partial(_first, 512))


@wrong(
    "vjp-one-block-only",
    op=LOG,
    why="The reduction covers one block of 1024 lanes and the launcher sends longer rows too.",
    longest=1025,
)
@wrong(
    "vjp-one-block-only",
    op=SOFTMAX,
    why="The reduction covers one block of 1024 lanes and the launcher sends longer rows too.",
    dtypes=NOT_BFLOAT16,
    longest=1025,
)
def one_block_only(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=partial(_first, 1024))


@wrong("vjp-index-wraps", op=LOG, why="A 16-bit counter of lanes: only the first 65,536 are added.", longest=65_537)
@wrong(
    "vjp-index-wraps",
    op=SOFTMAX,
    why="A 16-bit counter of lanes: only the first 65,536 are added.",
    dtypes=NOT_BFLOAT16,
    longest=65_537,
)
def index_wraps(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=partial(_first, 2**16))


@wrong(
    "vjp-zeros-beyond-65536",
    op=VJPS,
    why="The second loop, that of the answers, counts in 16 bits: lanes beyond 65,536 keep the zeros of a fresh buffer.",
    longest=65_537,
)
def zeros_beyond_65536(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        y = gradient(z, -1, h, op)
        y[:, 2**16 :] = 0
        return y

    return along_both(x, axis, g, body)


@wrong(
    "vjp-tree-stride-halved-down",
    op=VJPS,
    why="A reduction of partial sums of 32 lanes whose first stride is half their number rounded down: of nine the "
    "last is lost.",
    longest=257,
)
def tree_stride_halved_down(x: Array, axis: int, g: Array, op: str) -> Array:
    def warps(each: Array) -> Array:
        parts = [total(each[:, i : i + 32]) for i in range(0, each.shape[-1], 32)]
        while len(parts) > 1:
            stride = len(parts) // 2
            parts = [parts[i] + parts[i + stride] for i in range(stride)]
        return parts[0]

    return gradient(x, axis, g, op, total=warps)


@wrong(
    "vjp-overlapping-tail",
    op=VJPS,
    why="The tail is read as one whole vector that ends at the last lane, and the lanes it shares with the vector "
    "before are added twice.",
    longest=17,
)
def overlapping_tail(x: Array, axis: int, g: Array, op: str) -> Array:
    def add(each: Array) -> Array:
        n = each.shape[-1]
        return total(each) + (total(each[:, n - 8 : n // 8 * 8]) if n > 8 and n % 8 else 0)

    return gradient(x, axis, g, op, total=add)


@wrong(
    "vjp-fused-online-not-rescaled",
    op="softmax_vjp",
    why="One pass over blocks of eight for Σ e and Σ e·g, of which the second is not rescaled when the maximum moves.",
    longest=17,
)
def fused_online_not_rescaled(x: Array, axis: int, g: Array) -> Array:
    def body(z: Array, h: Array) -> Array:
        m = np.full((len(z), 1), -np.inf, z.dtype)
        s, weighted = np.zeros_like(m), np.zeros_like(m)
        for start in range(0, z.shape[-1], 8):
            block, part = z[:, start : start + 8], h[:, start : start + 8]
            higher = np.maximum(m, block.max(axis=-1, keepdims=True))
            e = np.exp(block - first_finite(higher))
            s = s * np.exp(m - first_finite(higher)) + total(e)
            weighted = weighted + total(e * part)
            m = higher
        return np.exp(z - m) / s * (h - weighted / s)

    return along_both(x, axis, g, body)


@wrong("vjp-sum-carried-over", op=VJPS, why="The accumulator is not reset between rows.", longest=1)
def sum_carried_over(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: np.cumsum(total(each), axis=0))


@wrong("vjp-sum-of-neighbour", op=VJPS, why="The sums are stored one row off.", longest=2)
def sum_of_neighbour(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: np.roll(total(each), 1, axis=0))


@wrong("vjp-sum-of-sizes", op=VJPS, why="The sum takes the terms without their signs.", longest=2)
def sum_of_sizes(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: total(np.abs(each)))


@wrong(
    "vjp-terms-at-least-1e-3",
    op="softmax_vjp",
    why="Shares below 1e-3 are left out of the sum as if they could not matter: the only cotangent may stand there.",
    longest=2,
)
def terms_at_least(x: Array, axis: int, g: Array) -> Array:
    return gradient(
        x, axis, g, "softmax_vjp", terms=lambda op, p, h: terms(op, np.where(p < 1e-3, 0, p).astype(p.dtype), h)
    )


@wrong(
    "vjp-terms-in-float16",
    op="softmax_vjp",
    why="The products p·g are kept in float16, which ends at 65,504 and at 6e-8.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=3,
)
def terms_in_float16(x: Array, axis: int, g: Array) -> Array:
    return gradient(x, axis, g, "softmax_vjp", terms=lambda op, p, h: through(terms(op, p, h), np.float16))


@wrong(
    "vjp-sum-of-distinct",
    op="log_softmax_vjp",
    why="Equal cotangents are counted once: ones, of which n are one.",
    longest=2,
)
def sum_of_distinct(x: Array, axis: int, g: Array) -> Array:
    def distinct(each: Array) -> Array:
        each = np.sort(each, axis=-1)
        again = np.diff(each, axis=-1, prepend=np.nan) == 0
        return total(np.where(again, 0, each))

    return gradient(x, axis, g, "log_softmax_vjp", total=distinct)


@wrong(
    "vjp-narrow-from-eight-rows",
    op=VJPS,
    why="From eight rows on a batched kernel keeps its shares in bfloat16, so that a row has another gradient in "
    "company; in float16 that is within the loose bound.",
    dtypes=("float64", "float32"),
    longest=3,
)
def narrow_from_eight_rows(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: through(shares(z), bfloat16) if len(z) >= 8 else shares(z))
