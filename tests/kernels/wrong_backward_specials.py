"""Planted mistakes of a backward pass about masks, NaN, infinities, and cotangents at the ends of the format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from backward import along_both, gradient, product, shares, terms
from planted import VJPS, shifted, total, wrong

if TYPE_CHECKING:
    from planted import Array


@wrong(
    "vjp-mask-times-infinity",
    op=VJPS,
    why="The saved logarithm of a share is used beside the share: p·(1 + (t - log S - y)), one step of Newton that is "
    "0·NaN under a mask of -inf. https://github.com/google-deepmind/optax/issues/896",
    longest=17,
)
def mask_times_infinity(x: Array, axis: int, g: Array, op: str) -> Array:
    def improved(z: Array) -> Array:
        t = shifted(z)
        s = total(np.exp(t))
        y = t - np.log(s)
        return np.exp(y) * (1 + (t - np.log(s) - y))

    return gradient(x, axis, g, op, shares=improved)


@wrong(
    "vjp-mask-applied-late",
    op=VJPS,
    why="The sum is taken with the shares from before the mask, in which masked logits are zeros: masked lanes' "
    "cotangents are counted. https://github.com/jax-ml/jax/issues/17117",
    longest=17,
)
def mask_applied_late(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        before = shares(np.where(z == -np.inf, z.dtype.type(0), z))
        p = np.where(z == -np.inf, 0 * before, before)
        return product(op, p, h, total(terms(op, before, h)))

    return along_both(x, axis, g, body)


@wrong(
    "vjp-masked-cotangents-in-sum",
    op="softmax_vjp",
    why="A masked lane enters the sum with its cotangent itself, as if its share were one.",
    longest=17,
)
def masked_cotangents_in_sum(x: Array, axis: int, g: Array) -> Array:
    return gradient(x, axis, g, "softmax_vjp", terms=lambda _op, p, h: np.where(p == 0, h, p * h))


@wrong(
    "vjp-masked-lane-stopped",
    op="log_softmax_vjp",
    why="Nothing flows through a masked lane, and its cotangent is in no sum: right for softmax, whose share is zero, "
    "and not for log_softmax, where the lane hands on its own.",
    longest=17,
)
def masked_lane_stopped(x: Array, axis: int, g: Array) -> Array:
    return gradient(
        x, axis, g, "log_softmax_vjp",
        terms=lambda _op, p, h: np.where(p == 0, 0, h),
        product=lambda _op, p, h, s: np.where(p == 0, 0 * s, h - p * s),
    )  # fmt: skip


@wrong(
    "vjp-masked-row-poisons",
    op=VJPS,
    why="All rows' shares enter one product of matrices with zeros where they are not wanted: 0·NaN, and a row of "
    "nothing but -inf makes all of them NaN. https://github.com/pytorch/pytorch/issues/41508",
    longest=17,
)
def masked_row_poisons(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: shares(z) + 0 * shares(z).sum())


@wrong(
    "vjp-cotangents-poison",
    op=VJPS,
    why="All rows' sums are one product with a matrix of zeros and ones, and 0·NaN takes a NaN of one cotangent, or "
    "0·inf an infinity, to all of them.",
    longest=17,
)
def cotangents_poison(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: total(each) + (0 * each).sum())


@wrong(
    "vjp-nan-to-zero",
    op=VJPS,
    why="A guard turns a NaN among the cotangents into zero. https://github.com/pytorch/pytorch/pull/141128",
    longest=17,
)
def nan_to_zero(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, np.where(np.isnan(g), np.zeros_like(g), g), op)


@wrong("vjp-nan-answers-to-zero", op=VJPS, why="A guard turns a NaN among the answers into zero.", longest=17)
def nan_answers_to_zero(x: Array, axis: int, g: Array, op: str) -> Array:
    y = gradient(x, axis, g, op)
    return np.where(np.isnan(y), np.zeros_like(y), y)


@wrong(
    "vjp-nan-stays-in-its-lane",
    op=VJPS,
    why="The sum skips a NaN, which stays in its own lane while the others get numbers.",
    longest=17,
)
def nan_stays_in_its_lane(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: np.nansum(each, axis=-1, keepdims=True))


@wrong(
    "vjp-nan-logit-is-masked",
    op=VJPS,
    why="A NaN among the logits is taken for a mask: a maximum that ignores it, and a share of zero.",
    longest=17,
)
def nan_logit_is_masked(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: shares(np.where(np.isnan(z), z.dtype.type(-np.inf), z)))


@wrong(
    "vjp-step-skipped",
    op=VJPS,
    why="The step is skipped where a number is not finite: one such cotangent, and every row of the call gets zeros.",
    longest=17,
)
def step_skipped(x: Array, axis: int, g: Array, op: str) -> Array:
    y = gradient(x, axis, g, op)
    return y if np.isfinite(g).all() else np.zeros_like(y)


def _clipped(y: Array, limit: float) -> Array:
    return np.clip(y, y.dtype.type(-limit), y.dtype.type(limit))


@wrong("vjp-clipped-at-one", op=VJPS, why="Cotangents are clipped to [-1, 1], for stability.", longest=2)
def clipped_at_one(x: Array, axis: int, g: Array, op: str) -> Array:
    return along_both(x, axis, g, lambda z, h: gradient(z, -1, _clipped(h, 1), op))


@wrong(
    "vjp-clipped-at-ten-thousand",
    op=VJPS,
    why="Cotangents are clipped at 10,000, which no sound loss reaches.",
    longest=3,
)
def clipped_at_ten_thousand(x: Array, axis: int, g: Array, op: str) -> Array:
    return along_both(x, axis, g, lambda z, h: gradient(z, -1, _clipped(h, 1e4), op))


@wrong("vjp-answers-clipped", op=VJPS, why="The answer is clipped to [-1, 1], an optimiser's business.", longest=2)
def answers_clipped(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, product=lambda op, p, h, s: _clipped(product(op, p, h, s), 1))


@wrong(
    "vjp-cotangents-through-float16",
    op=VJPS,
    why="The cotangent travels in float16, where large ones are infinite and small ones are zero.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=2,
)
def cotangents_through_float16(x: Array, axis: int, g: Array, op: str) -> Array:
    with np.errstate(all="ignore"):
        return gradient(x, axis, g.astype(np.float16), op)


@wrong(
    "vjp-small-cotangents-dropped",
    op=VJPS,
    why="Cotangents below 1e-6 are taken for zero, which is more than flushing what is subnormal; in float16 it is that.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=3,
)
def small_cotangents_dropped(x: Array, axis: int, g: Array, op: str) -> Array:
    with np.errstate(all="ignore"):
        return gradient(x, axis, np.where(np.abs(g) < 1e-6, np.zeros_like(g), g), op)


@wrong(
    "vjp-normals-flushed",
    op=VJPS,
    why="What is flushed on the way is everything below the smallest normal number of float16, in a wider format.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=3,
)
def normals_flushed(x: Array, axis: int, g: Array, op: str) -> Array:
    def cut(y: Array) -> Array:
        return np.where(np.abs(y) < 2.0**-14, 0 * y, y)

    return gradient(x, axis, g, op, product=lambda op, p, h, s: cut(product(op, p, h, s)))


@wrong(
    "vjp-scaled-by-largest",
    op=VJPS,
    why="The cotangent is divided by its largest number and the answer multiplied by it: 0/0 where all are zero.",
    longest=2,
)
def scaled_by_largest(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        scale = np.abs(h).max(axis=-1, keepdims=True)
        p = shares(z)
        return scale * product(op, p, h / scale, total(terms(op, p, h / scale)))

    return along_both(x, axis, g, body)


@wrong(
    "vjp-scaled-up",
    op=VJPS,
    why="A loss scale of 2**40 is applied inside and taken off at the end, and overflows. In float16 float32 has room.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=3,
)
def scaled_up(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        p, scaled = shares(z), h * h.dtype.type(2.0**40)
        return product(op, p, scaled, total(terms(op, p, scaled))) * h.dtype.type(2.0**-40)

    return along_both(x, axis, g, body)


@wrong(
    "vjp-norm-clipped",
    op=VJPS,
    why="The row of cotangents is scaled down to length one where it is longer, as gradients are clipped elsewhere.",
    longest=2,
)
def norm_clipped(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        scale = np.maximum(1, np.sqrt(total(h * h)))
        p = shares(z)
        return product(op, p, h / scale, total(terms(op, p, h / scale)))

    return along_both(x, axis, g, body)


@wrong(
    "vjp-square-of-cotangents",
    op="softmax_vjp",
    why="The sum is formed as half of Σ p(g + 1)² - Σ p·g² - 1: an identity whose squares overflow, and cancel. In float16 "
    "float32 has room.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=2,
)
def square_of_cotangents(x: Array, axis: int, g: Array) -> Array:
    def body(z: Array, h: Array) -> Array:
        p = shares(z)
        s = (total(p * (h + 1) ** 2) - total(p * h**2) - total(p)) / 2
        return p * (h - s)

    return along_both(x, axis, g, body)
