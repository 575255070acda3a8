"""Planted mistakes in the last step: the quotient, the logarithm, and the rounding of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
from planted import BOTH, along, answer, bfloat16, compute, finish, shifted, through, total, wrong

if TYPE_CHECKING:
    from planted import Array

WIDE = ("float64", "float32")
"""Where a relative error of a thousandth is no rounding."""

NARROW_FAR = ("float64", "float32", "bfloat16")


@wrong(
    "division-in-float16",
    why="The quotient is taken in float16: three digits, and no numerator below 6e-8.",
    dtypes=NARROW_FAR,
    longest=2,
)
def division_in_float16(x: Array, axis: int) -> Array:
    def divide(_: str, t: Array, e: Array, s: Array) -> Array:
        return (e.astype(np.float16) / s.astype(np.float16)).astype(t.dtype)

    return compute(x, axis, answer=divide)


@wrong(
    "reciprocal-of-12-bits",
    why="The reciprocal estimate of a vector unit, 12 bits, without the Newton step that follows it: three equal "
    "logits. An approximate division is suspected in https://github.com/tensorflow/tensorflow/issues/116933",
    dtypes=WIDE,
    longest=3,
)
def reciprocal_of_12_bits(x: Array, axis: int) -> Array:
    def estimate(s: Array) -> Array:
        fraction, exponent = np.frexp(1 / s)
        return np.ldexp(np.round(fraction * 4096) / 4096, exponent)

    return compute(x, axis, answer=lambda _op, _t, e, s: e * estimate(s))


@wrong(
    "reciprocal-by-square-root",
    why="1/S as the square of the bit-trick inverse square root with one Newton step of the two it needs.",
    dtypes=WIDE,
    longest=2,
)
def reciprocal_by_square_root(x: Array, axis: int) -> Array:
    def inverse_root(s: Array) -> Array:
        half = s.astype(np.float32)
        y = (0x5F3759DF - (half.view(np.int32) >> 1)).astype(np.int32).view(np.float32)
        return np.where(np.isfinite(s), y * (1.5 - 0.5 * half * y * y), s).astype(s.dtype)

    return compute(x, axis, answer=lambda _op, _t, e, s: e * inverse_root(s) ** 2)


@wrong(
    "reciprocal-by-bits",
    why="The reciprocal by subtracting the bits of S from a constant, with no Newton step: off by up to an eighth, "
    "which bfloat16 hides.",
    dtypes=("float64", "float32", "float16"),
    longest=17,
)
def reciprocal_by_bits(x: Array, axis: int) -> Array:
    def estimate(s: Array) -> Array:
        bits = s.astype(np.float32).view(np.int32)
        return np.where(np.isfinite(s), (0x7EF311C7 - bits).astype(np.int32).view(np.float32), s).astype(s.dtype)

    return compute(x, axis, answer=lambda _op, _t, e, s: e * estimate(s))


@wrong(
    "epsilon-1e-5-in-denominator",
    why="1e-5 is added to the sum against a division by zero that cannot happen: a relative error of up to 1e-5.",
    dtypes=WIDE,
    longest=1,
)
def epsilon_5_in_denominator(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: total(e) + e.dtype.type(1e-5))


@wrong(
    "epsilon-1e-8-in-denominator",
    why="1e-8 is added to the sum: nothing in float32, eight digits in float64.",
    dtypes=("float64",),
    longest=1,
)
def epsilon_8_in_denominator(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: total(e) + 1e-8)


@wrong(
    "answer-at-least-1e-7",
    why="The epsilon of a cross-entropy, 1e-7, as the least answer: masked lanes get it too.",
    longest=2,
)
def answer_at_least_1e_7(x: Array, axis: int) -> Array:
    return compute(x, axis, answer=lambda op, t, e, s: np.clip(answer(op, t, e, s), 1e-7, 1 - 1e-7))


@wrong(
    "zero-below-epsilon",
    why="Answers below the float32 epsilon are set to zero as noise: [0, -20] has a second share of 2e-9.",
    dtypes=NARROW_FAR,
    longest=2,
)
def zero_below_epsilon(x: Array, axis: int) -> Array:
    def cut(op: str, t: Array, e: Array, s: Array) -> Array:
        p = answer(op, t, e, s)
        return np.where(p < 2**-23, 0, p)

    return compute(x, axis, answer=cut)


@wrong(
    "normals-flushed",
    why="The flush of subnormals has its threshold one binade too high, twice the smallest normal number. In "
    "bfloat16 an exponent of -87 is itself uncertain by more than that. Legal for true subnormals only: "
    "https://github.com/jax-ml/jax/issues/37762",
    dtypes=("float64", "float32", "float16"),
    longest=2,
)
def normals_flushed(x: Array, axis: int) -> Array:
    def leave(y: Array, like: Array) -> Array:
        p = finish(y, like)
        return np.where(p < 2 * ml_dtypes.finfo(like.dtype).smallest_normal, like.dtype.type(0), p)

    return compute(x, axis, leave=leave)


@wrong(
    "rounded-through-float16",
    why="A wider answer is stored in float16 on its way: three digits, and zero below 3e-8.",
    dtypes=NARROW_FAR,
    longest=2,
)
def rounded_through_float16(x: Array, axis: int) -> Array:
    return compute(x, axis, leave=lambda y, like: finish(y.astype(np.float16), like))


@wrong(
    "rounded-through-bfloat16",
    op=BOTH,
    why="A wider answer is stored in bfloat16 on its way: two digits, where float16 is "
    "allowed little better. https://github.com/tensorflow/tensorflow/issues/86434",
    dtypes=WIDE,
    longest=2,
)
def rounded_through_bfloat16(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, answer=lambda op, t, e, s: through(answer(op, t, e, s), bfloat16))


@wrong(
    "rounded-through-float32",
    op=BOTH,
    why="A float64 answer is stored in float32 on its way, as where 64-bit types are switched off.",
    dtypes=("float64",),
    longest=2,
)
def rounded_through_float32(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, answer=lambda op, t, e, s: through(answer(op, t, e, s), np.float32))


@wrong(
    "quantised-to-256-levels",
    why="The answer is one of 256 eight-bit levels, as in a quantised graph: a share of 1e-3 is zero.",
    longest=2,
)
def quantised_to_256_levels(x: Array, axis: int) -> Array:
    return compute(x, axis, answer=lambda op, t, e, s: np.rint(answer(op, t, e, s) * 256) / 256)


@wrong(
    "uniform",
    why="1/n whatever the logits: what a test of sums and ranges lets pass.",
    longest=2,
)
def uniform(x: Array, axis: int) -> Array:
    return compute(x, axis, answer=lambda op, t, e, s: answer(op, t, e, s) * 0 + t.dtype.type(1) / t.shape[-1])


@wrong(
    "one-hot",
    why="The hard maximum: what a test with far-apart logits lets pass.",
    longest=2,
)
def one_hot(x: Array, axis: int) -> Array:
    def choose(op: str, t: Array, e: Array, s: Array) -> Array:
        return answer(op, t, e, s) * 0 + (np.arange(t.shape[-1]) == t.argmax(axis=-1, keepdims=True))

    return compute(x, axis, answer=choose)


@wrong(
    "equal-logits-in-fixed-point",
    why="A short cut for equal logits returns 1/n in 16 fractional bits, rounded down: three equal logits in "
    "float32, 4097 in float16.",
    dtypes=("float64", "float32", "float16"),
    longest=4097,
)
def equal_logits_in_fixed_point(x: Array, axis: int) -> Array:
    def cut(op: str, t: Array, e: Array, s: Array) -> Array:
        n = t.shape[-1]
        equal = (t == 0).all(axis=-1, keepdims=True)
        return np.where(equal & (n > 1), t.dtype.type(65536 // n / 65536), answer(op, t, e, s))

    return compute(x, axis, answer=cut)


@wrong(
    "last-by-difference",
    why="The last share is one minus the others, so that the sum is right: a small last share is a rounding error, "
    "or negative.",
    dtypes=NARROW_FAR,
    longest=2,
)
def last_by_difference(x: Array, axis: int) -> Array:
    def rest(op: str, t: Array, e: Array, s: Array) -> Array:
        p = answer(op, t, e, s)
        if p.shape[-1] > 1:
            p[:, -1:] = 1 - total(p[:, :-1])
        return p

    return compute(x, axis, answer=rest)


@wrong(
    "log-of-softmax",
    op="log_softmax",
    why="log(softmax(x)): -inf for a logit 110 below the largest. https://github.com/pytorch/pytorch/issues/94043, "
    "https://github.com/tenstorrent/pytorch2.0_ttnn/issues/1341, https://github.com/torch/nn/issues/804",
    longest=2,
)
def log_of_softmax(x: Array, axis: int) -> Array:
    # In float64 the same happens from 746 on.
    return compute(x, axis, "log_softmax", answer=lambda _op, _t, e, s: np.log(e / s))


@wrong(
    "log-of-softmax-with-epsilon",
    op="log_softmax",
    why="log(softmax(x) + 1e-8) never is -inf, nor anything below -18.4.",
    longest=2,
)
def log_of_softmax_with_epsilon(x: Array, axis: int) -> Array:
    return compute(x, axis, "log_softmax", answer=lambda _op, _t, e, s: np.log(e / s + e.dtype.type(1e-8)))


@wrong(
    "log-of-stored-softmax",
    op="log_softmax",
    why="The logarithm of a softmax that was rounded to the format first: near one its error is that of the "
    "rounding, and far below there is nothing left.",
    dtypes=("float16", "bfloat16"),
    longest=2,
)
def log_of_stored_softmax(x: Array, axis: int) -> Array:
    return compute(x, axis, "log_softmax", answer=lambda _op, _t, e, s: np.log(through(e / s, x.dtype)))


@wrong(
    "lost-normaliser",
    op="log_softmax",
    why="x - (m + log Σ): log Σ is rounded away beside a large maximum, [1e8, 1e8]. float16 ends before float32 "
    "loses it. https://github.com/pytorch/pytorch/issues/38839, https://github.com/pytorch/pytorch/issues/11752, "
    "https://github.com/ml-explore/mlx/pull/4169",
    dtypes=NARROW_FAR,
    longest=2,
)
def lost_normaliser(x: Array, axis: int) -> Array:
    return along(x, axis, lambda z: z - _log_sum_exp(z))


@wrong(
    "lost-normaliser-in-exponent",
    why="exp(x - (m + log Σ)), the same by way of log_softmax: two logits of 1e8 get one each.",
    dtypes=NARROW_FAR,
    longest=2,
)
def lost_normaliser_in_exponent(x: Array, axis: int) -> Array:
    return along(x, axis, lambda z: np.exp(z - _log_sum_exp(z)))


def _log_sum_exp(z: Array) -> Array:
    return z.max(axis=-1, keepdims=True) + np.log(total(np.exp(shifted(z))))


@wrong(
    "normaliser-is-maximum",
    op="log_softmax",
    why="log Σ taken for the maximum, which it is to within log n: [0, 0].",
    longest=2,
)
def normaliser_is_maximum(x: Array, axis: int) -> Array:
    return compute(x, axis, "log_softmax", answer=lambda _op, t, _e, s: t + 0 * s)


@wrong(
    "log-in-base-two",
    op="log_softmax",
    why="log₂Σ from the fast path without its log 2: two equal logits get -1.",
    longest=2,
)
def log_in_base_two(x: Array, axis: int) -> Array:
    return compute(x, axis, "log_softmax", answer=lambda _op, t, _e, s: t - np.log2(s))


@wrong(
    "log-taken-twice",
    op="log_softmax",
    why="The path for rows beyond 1024 gets log Σ where it expects Σ, and takes its logarithm again. "
    "https://github.com/PaddlePaddle/Paddle/pull/53654, there beyond 100,000",
    longest=1025,
)
def log_taken_twice(x: Array, axis: int) -> Array:
    def late(op: str, t: Array, e: Array, s: Array) -> Array:
        return answer(op, t, e, np.log(s) if t.shape[-1] > 1024 else s)

    return compute(x, axis, "log_softmax", answer=late)


@wrong(
    "winner-forced-to-zero",
    op="log_softmax",
    why="The largest lane is set to zero, its value when the others are far away: two equal logits.",
    longest=2,
)
def winner_forced_to_zero(x: Array, axis: int) -> Array:
    return compute(x, axis, "log_softmax", answer=lambda op, t, e, s: np.where(t == 0, t, answer(op, t, e, s)))


@wrong(
    "log-clamped-at-100",
    op="log_softmax",
    why="No log-probability below -100, the clamp of a binary cross-entropy: [0, -200], and masked lanes.",
    longest=2,
)
def log_clamped_at_100(x: Array, axis: int) -> Array:
    return compute(x, axis, "log_softmax", answer=lambda op, t, e, s: np.maximum(answer(op, t, e, s), -100))


@wrong(
    "log-clamped-at-10000",
    op="log_softmax",
    why="-inf is replaced by -1e4 so that nothing infinite leaves: a masked lane, or [0, -20000].",
    longest=2,
)
def log_clamped_at_10000(x: Array, axis: int) -> Array:
    return compute(x, axis, "log_softmax", answer=lambda op, t, e, s: np.maximum(answer(op, t, e, s), -1e4))


@wrong(
    "log-in-8-bits",
    op="log_softmax",
    why="Sixteenths down to -15.9375, the output of an eight-bit kernel with a fixed scale. "
    "https://github.com/tensorflow/tensorflow/issues/48816",
    longest=2,
)
def log_in_8_bits(x: Array, axis: int) -> Array:
    def quantise(op: str, t: Array, e: Array, s: Array) -> Array:
        return np.maximum(np.rint(answer(op, t, e, s) * 16) / 16, -15.9375)

    return compute(x, axis, "log_softmax", answer=quantise)
