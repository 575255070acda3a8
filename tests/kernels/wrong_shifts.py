"""Planted mistakes about the number that is subtracted before exp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from planted import BOTH, along, answer, compute, shifted, total, wide, wrong

if TYPE_CHECKING:
    from planted import Array


@wrong(
    "lost-shift",
    op=BOTH,
    why="The definition, with no maximum subtracted: a logit of 1000 overflows, a row of -1000 is 0/0. "
    "https://github.com/apache/singa/pull/598, https://github.com/Tencent/ncnn/issues/1588",
    longest=1,
)
def lost_shift(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: z)


@wrong(
    "lost-shift-on-inner-axes",
    op="softmax",
    why="Only the path for the last axis subtracts the maximum; logits of 1000 along another axis become NaN. "
    "https://github.com/pytorch/pytorch/pull/62897, https://github.com/pytorch/pytorch/issues/34585",
    longest=1,
)
def lost_shift_on_inner_axes(x: Array, axis: int) -> Array:
    inner = axis not in (-1, x.ndim - 1)
    return compute(x, axis, shift=(lambda z: z) if inner else shifted)


@wrong(
    "lost-shift-in-vectors",
    op="softmax",
    why="Whole vectors of eight forget the maximum and only the scalar tail subtracts it, so the two parts "
    "have different scales. https://github.com/pytorch/pytorch/pull/62897",
    longest=9,
)
def lost_shift_in_vectors(x: Array, axis: int) -> Array:
    def shift(z: Array) -> Array:
        whole = z.shape[-1] // 8 * 8
        return np.concatenate([z[:, :whole], shifted(z)[:, whole:]], axis=-1)

    return compute(x, axis, shift=shift)


@wrong(
    "shift-by-first",
    op=BOTH,
    why="The first logit is subtracted instead of the largest: [0, 1000] overflows. "
    "https://github.com/ROCm/AMDMIGraphX/pull/1290",
    longest=2,
)
def shift_by_first(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: z - z[:, :1])


@wrong(
    "shift-by-mean",
    op="softmax",
    why="The mean keeps moderate rows in range and looks as good as the maximum until one logit stands far "
    "above the rest: [0, 2000] overflows.",
    longest=2,
)
def shift_by_mean(x: Array, axis: int) -> Array:
    return compute(x, axis, shift=lambda z: z - z.mean(axis=-1, keepdims=True))


@wrong(
    "shift-by-magnitude",
    op="softmax",
    why="max|x| is subtracted, the constant a quantiser has at hand: in [-1000, -1001] every term underflows "
    "and the sum is zero.",
    longest=1,
)
def shift_by_magnitude(x: Array, axis: int) -> Array:
    return compute(x, axis, shift=lambda z: z - np.abs(z).max(axis=-1, keepdims=True))


@wrong(
    "shift-by-minimum",
    op="softmax",
    why="min for max: harmless for logits near each other, overflow for [0, 1000].",
    longest=2,
)
def shift_by_minimum(x: Array, axis: int) -> Array:
    return compute(x, axis, shift=lambda z: z - z.min(axis=-1, keepdims=True))


@wrong(
    "shift-by-global-maximum",
    op=BOTH,
    why="The maximum is reduced over the whole array, not each row: beside a row of 1000 a row of zeros has a "
    "sum of nothing. Any length, two rows.",
    longest=1,
)
def shift_by_global_maximum(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: z - z.max())


@wrong(
    "shift-by-first-block",
    op="softmax",
    why="The maximum of the first block of 32 is kept for the whole row: a logit of 1000 at place 33 overflows.",
    longest=33,
)
def shift_by_first_block(x: Array, axis: int) -> Array:
    return compute(x, axis, shift=lambda z: z - z[:, :32].max(axis=-1, keepdims=True))


@wrong(
    "shift-by-whole-vectors",
    op="softmax",
    why="The loop for the maximum stops at the last whole vector of eight while the other loops have a tail: "
    "a large logit in the tail overflows.",
    longest=9,
)
def shift_by_whole_vectors(x: Array, axis: int) -> Array:
    def shift(z: Array) -> Array:
        whole = z.shape[-1] // 8 * 8 or z.shape[-1]
        return z - z[:, :whole].max(axis=-1, keepdims=True)

    return compute(x, axis, shift=shift)


@wrong(
    "maximum-from-zero",
    op=BOTH,
    why="The running maximum starts at zero (or at the smallest positive number, which is what the name of the "
    "C++ limit suggests is the lowest), so a row of -1000 is 0/0. "
    "https://github.com/microsoft/onnxruntime/pull/20059",
    longest=1,
)
def maximum_from_zero(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: z - np.maximum(z.max(axis=-1, keepdims=True), 0))


@wrong(
    "maximum-from-minus-10000",
    op="softmax",
    why="The running maximum starts at -1e4, a common stand-in for -inf, so a row of -20000 is 0/0.",
    longest=1,
)
def maximum_from_minus_10000(x: Array, axis: int) -> Array:
    return compute(x, axis, shift=lambda z: z - np.maximum(z.max(axis=-1, keepdims=True), -1e4))


@wrong(
    "maximum-in-float16",
    op="softmax",
    why="The maximum is kept in float16: beyond 65504 it is +inf and nothing is left of the row.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=1,
)
def maximum_in_float16(x: Array, axis: int) -> Array:
    return compute(x, axis, shift=lambda z: z - z.max(axis=-1, keepdims=True).astype(np.float16).astype(z.dtype))


@wrong(
    "maximum-above-masked",
    op="softmax",
    why="The maximum is gathered as the product of a one-hot vector and the row, and 0·(-inf) is NaN: one masked "
    "logit costs the whole row. The same product in a loss: https://github.com/google-deepmind/optax/issues/896",
    longest=2,
)
def maximum_above_masked(x: Array, axis: int) -> Array:
    def shift(z: Array) -> Array:
        chosen = np.arange(z.shape[-1]) == z.argmax(axis=-1, keepdims=True)
        return z - (chosen * z).sum(axis=-1, keepdims=True)

    return compute(x, axis, shift=shift)


@wrong(
    "scaled-before-shift",
    op=BOTH,
    why="x·log₂e is rounded before the maximum is subtracted, so the error grows with |x| and not with the gap: "
    "two logits near 10000 that differ by one. Neighbours of bfloat16 are too far apart for that, and there only "
    "the overflow of the product shows; in float16 nothing does.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=2,
)
def scaled_before_shift(x: Array, axis: int, op: str = "softmax") -> Array:
    def body(z: Array) -> Array:
        t = shifted(z * z.dtype.type(np.log2(np.e)))
        s = total(np.exp2(t))
        return np.exp2(t) / s if op == "softmax" else (t - np.log2(s)) * z.dtype.type(np.log(2))

    return along(x, axis, body)


@wrong(
    "shift-folded-into-exponential",
    op="softmax",
    why="exp(x)·exp(-m) is what exp(x - m) becomes when the second factor looks constant: logits of 1000 give inf·0.",
    longest=1,
)
def shift_folded_into_exponential(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        e = np.exp(z) * np.exp(-z.max(axis=-1, keepdims=True))
        return e / total(e)

    return along(x, axis, body)


@wrong(
    "integer-logits",
    op="softmax",
    why="The logits pass through an integer on their way in: [0.75, 0] becomes a tie.",
    longest=2,
)
def integer_logits(x: Array, axis: int) -> Array:
    return compute(x, axis, enter=lambda moved: np.trunc(wide(moved)))


@wrong(
    "logits-clipped-at-10000",
    op="softmax",
    why="Logits are clipped to ±10000 against overflow, which makes a tie of [20000, 10000].",
    longest=2,
)
def logits_clipped_at_10000(x: Array, axis: int) -> Array:
    return compute(x, axis, enter=lambda moved: np.clip(wide(moved), -1e4, 1e4))


@wrong(
    "logits-in-tensor-float",
    op="softmax",
    why="The logits keep ten bits after the leading one, as the inputs of a TF32 matrix unit do: 1000.3 becomes "
    "1000. float16 has no more bits than that.",
    dtypes=("float64", "float32"),
    longest=2,
)
def logits_in_tensor_float(x: Array, axis: int) -> Array:
    def enter(moved: Array) -> Array:
        fraction, exponent = np.frexp(wide(moved))
        return np.ldexp(np.trunc(fraction * 2048) / 2048, exponent)

    return compute(x, axis, enter=enter)


@wrong(
    "logits-in-bfloat16",
    op=BOTH,
    why="The call is cast to bfloat16 by a policy that does not list softmax: 1000.5 becomes 1000. "
    "https://github.com/pytorch/xla/pull/8509",
    dtypes=("float64", "float32", "float16"),
    longest=2,
)
def logits_in_bfloat16(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, enter=lambda moved: wide(moved).astype("bfloat16").astype(wide(moved).dtype))


@wrong(
    "temperature",
    op="softmax",
    why="A temperature of 1.0001 left over from sampling; the error is a ten-thousandth of the gap.",
    dtypes=("float64", "float32"),
    longest=2,
)
def temperature(x: Array, axis: int) -> Array:
    return compute(x, axis, shift=lambda z: shifted(z) / z.dtype.type(1.0001))


@wrong(
    "magnitudes",
    op="softmax",
    why="The softmax of |x|: right for logits that are all positive.",
    longest=2,
)
def magnitudes(x: Array, axis: int) -> Array:
    return compute(x, axis, enter=lambda moved: np.abs(wide(moved)))


@wrong(
    "negated",
    op=BOTH,
    why="softmin: the shift was written m - x.",
    longest=2,
)
def negated(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, enter=lambda moved: -wide(moved))


@wrong(
    "shift-lost-in-normaliser",
    op="log_softmax",
    why="The exponentials are shifted but m is not given back to log Σ: right only where the maximum is zero.",
    longest=1,
)
def shift_lost_in_normaliser(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        t = shifted(z)
        return answer("log_softmax", z, np.exp(t), total(np.exp(t)))

    return along(x, axis, body)


@wrong(
    "shift-by-first-512",
    op=BOTH,
    why="The search for the maximum ends after 512 lanes, which one block of threads covers in one step: zeros(1024) "
    "whose last lane is 1000 overflows.",
    longest=1024,
)
def shift_by_first_512(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: z - z[:, :512].max(axis=-1, keepdims=True))


@wrong(
    "maximum-steps-over-lane-100",
    op=BOTH,
    why="A search unrolled by hand that leaves out lane 100: a winner there, by a gap that overflows.",
    longest=101,
)
def maximum_steps_over_lane_100(x: Array, axis: int, op: str = "softmax") -> Array:
    def shift(z: Array) -> Array:
        seen = np.where(np.arange(z.shape[-1]) == 100, -np.inf, z)
        return z - seen.max(axis=-1, keepdims=True)

    return compute(x, axis, op, shift=shift)


@wrong(
    "maximum-steps-over-one-lane-of-64",
    why="In each group of 64 lanes behind the first the search leaves out the lane 37: a winner there, by a gap that "
    "overflows.",
    longest=257,
)
def maximum_steps_over_one_lane_of_64(x: Array, axis: int) -> Array:
    def shift(z: Array) -> Array:
        lanes = np.arange(z.shape[-1])
        seen = np.where((lanes > 64) & (lanes % 64 == 37), -np.inf, z)
        return z - seen.max(axis=-1, keepdims=True)

    return compute(x, axis, shift=shift)
