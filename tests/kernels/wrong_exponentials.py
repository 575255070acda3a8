"""Planted mistakes in exp: its range, its polynomial, its constants and its precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from planted import BOTH, along, bfloat16, compute, shifted, total, wrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from planted import Array

LOG2E = float(np.log2(np.e))
LOG2 = float(np.log(2))

NARROW_FAR = ("float64", "float32", "bfloat16")
"""Formats that reach below 1e-38; what is so small is zero in float16 anyway."""


def _clip(least: float) -> Callable[[Array], Array]:
    return lambda t: np.exp(np.maximum(t, t.dtype.type(least)))


@wrong(
    "exponent-clipped-at-10",
    op=BOTH,
    why="The argument of exp is held at -10: everything farther below gets 4.5e-5 of a share, masked lanes too.",
    longest=2,
)
def exponent_clipped_at_10(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: np.maximum(shifted(z), -10))


@wrong(
    "exponent-clipped-at-50",
    why="The argument of exp is held at -50, enough for any picture: [0, -60].",
    dtypes=NARROW_FAR,
    longest=2,
)
def exponent_clipped_at_50(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=_clip(-50))


@wrong(
    "exponent-clipped-at-87",
    why="The argument is held where float32 ends its normal numbers, and [0, -1000] gets 1.6e-38 instead of zero.",
    dtypes=NARROW_FAR,
    longest=2,
)
def exponent_clipped_at_87(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=_clip(-87))


@wrong(
    "exponent-clipped-as-cephes",
    why="The bound of the Cephes expf, ±88.376, taken over by many vector libraries: masked lanes keep 4e-39.",
    dtypes=NARROW_FAR,
    longest=2,
)
def exponent_clipped_as_cephes(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=_clip(-88.3762626647949))


@wrong(
    "exponent-clipped-at-708",
    why="The same habit in float64: masked lanes keep 3e-308.",
    dtypes=("float64",),
    longest=2,
)
def exponent_clipped_at_708(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=_clip(-708))


@wrong(
    "exponential-zero-below-16",
    why="exp returns zero below -16, where a float16 product would: normal numbers of every wider range are lost.",
    dtypes=NARROW_FAR,
    longest=2,
)
def exponential_zero_below_16(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=lambda t: np.where(t < -16, 0, np.exp(t)))


def _polynomial(degree: int) -> Callable[[Array], Array]:
    """2**k·(1 + r + r²/2 + …) with t = k·log 2 + r and -log 2 < r ≤ 0."""

    def exp(t: Array) -> Array:
        k = np.ceil(t / t.dtype.type(LOG2))
        r = t - k * t.dtype.type(LOG2)
        term = value = np.ones_like(t)
        for power in range(1, degree + 1):
            term = term * r / power
            value = value + term
        far = t < -1000
        return np.where(far, 0, np.ldexp(value, np.where(far | np.isnan(t), 0, k).astype(np.int32)))

    return exp


@wrong(
    "exponential-of-degree-2",
    why="Two terms after the first on an interval of log 2: up to a tenth. Such an exp is an option of "
    "https://github.com/openvinotoolkit/openvino/pull/37857",
    dtypes=("float64", "float32", "float16"),
    longest=2,
)
def exponential_of_degree_2(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=_polynomial(2))


@wrong(
    "exponential-of-degree-3",
    op=BOTH,
    why="Three terms after the first on an interval of log 2: up to one in fifty, which 16 bits can hide.",
    dtypes=("float64", "float32"),
    longest=2,
)
def exponential_of_degree_3(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, exp=_polynomial(3))


@wrong(
    "exponential-of-degree-9",
    why="A polynomial that is enough for float32, on float64 data: a hundred-millionth, at gaps just short of a multiple of log 2.",
    dtypes=("float64",),
    longest=2,
)
def exponential_of_degree_9(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=_polynomial(9))


@wrong(
    "exponential-as-limit",
    why="(1 + t/256)**256 by eight squarings: t²/512 too small, and growing again below -512.",
    longest=2,
)
def exponential_as_limit(x: Array, axis: int) -> Array:
    def exp(t: Array) -> Array:
        e = 1 + t / 256
        for _ in range(8):
            e = e * e
        return np.where(t == -np.inf, 0, e)

    return compute(x, axis, exp=exp)


@wrong(
    "exponential-by-bits",
    why="Schraudolph's exp: the scaled argument is written into the exponent field, and the significand grows in a "
    "straight line: up to six hundredths between powers of two.",
    dtypes=("float64", "float32", "float16"),
    longest=2,
)
def exponential_by_bits(x: Array, axis: int) -> Array:
    def exp(t: Array) -> Array:
        held = np.maximum(np.where(np.isnan(t), 0, t).astype(np.float32), -87)
        bits = (held * np.float32(2**23 * LOG2E) + 127 * 2**23).astype(np.int32)
        return np.where(np.isnan(t), t, np.where(t < -87, 0, bits.view(np.float32)).astype(t.dtype))

    return compute(x, axis, exp=exp)


@wrong(
    "exponential-by-table",
    why="256 values of exp on [-16, 0] without interpolation: the step alone is a sixteenth.",
    longest=2,
)
def exponential_by_table(x: Array, axis: int) -> Array:
    def exp(t: Array) -> Array:
        table = np.exp(-np.arange(257, dtype=t.dtype) / 16)
        place = np.clip(np.where(np.isnan(t), 0, -16 * t), 0, 256).astype(np.int64)
        return np.where(np.isnan(t), t, np.where(t < -16, 0, table[place]))

    return compute(x, axis, exp=exp)


@wrong(
    "exponential-in-float32",
    op=BOTH,
    why="float64 logits, float32 exp: right in the first eight digits.",
    dtypes=("float64",),
    longest=2,
)
def exponential_in_float32(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, exp=lambda t: np.exp(t.astype(np.float32)).astype(t.dtype))


@wrong(
    "exponential-in-float16",
    why="The numerators are stored in float16: everything below 6e-8 of the winner is zero, and three digits are right.",
    dtypes=NARROW_FAR,
    longest=2,
)
def exponential_in_float16(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=lambda t: np.exp(t).astype(np.float16).astype(t.dtype))


@wrong(
    "exponential-in-bfloat16-tail",
    why="Lanes after the last whole vector of eight take another exp than the vectors, here one of three digits, so "
    "that equal logits get different answers. https://github.com/pytorch/pytorch/pull/197018",
    dtypes=("float64", "float32"),
    longest=2,
)
def exponential_in_bfloat16_tail(x: Array, axis: int) -> Array:
    def exp(t: Array) -> Array:
        e, whole = np.exp(t), t.shape[-1] // 8 * 8
        e[:, whole:] = e[:, whole:].astype(bfloat16)
        return e

    return compute(x, axis, exp=exp)


def _exp2(constant: float) -> Callable[[Array], Array]:
    return lambda t: np.exp2(t * t.dtype.type(constant))


@wrong(
    "exp2-with-four-digits",
    op=BOTH,
    why="log₂e as 1.4427: three millionths of the gap.",
    dtypes=("float64", "float32"),
    longest=2,
)
def exp2_with_four_digits(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, exp=_exp2(1.4427))


@wrong(
    "exp2-with-float16-constant",
    why="log₂e rounded to float16: two ten-thousandths of the gap.",
    dtypes=("float64", "float32"),
    longest=2,
)
def exp2_with_float16_constant(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=_exp2(float(np.float16(LOG2E))))


@wrong(
    "exp2-with-float32-constant",
    op=BOTH,
    why="log₂e as a float literal in a float64 kernel: a hundred-millionth of the gap.",
    dtypes=("float64",),
    longest=2,
)
def exp2_with_float32_constant(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, exp=_exp2(float(np.float32(LOG2E))))


@wrong(
    "base-two",
    why="exp2 for exp with no scaling at all: a sharper or flatter distribution, but a distribution.",
    longest=2,
)
def base_two(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=np.exp2)


@wrong(
    "exponential-of-subnormals-lost-late",
    why="exp flushes everything below 2**-100, taking the end of the range for the end of its polynomial: normal "
    "numbers are lost. A flush of subnormals alone is legal: https://github.com/modular/modular/pull/7102",
    dtypes=NARROW_FAR,
    longest=2,
)
def exponential_of_subnormals_lost_late(x: Array, axis: int) -> Array:
    def exp(t: Array) -> Array:
        e = np.exp(t)
        return np.where(e < 2.0**-100, 0, e)

    return compute(x, axis, exp=exp)


@wrong(
    "sigmoid-of-two",
    why="For n = 2 the second share is one minus the first, which is zero or a single rounding error as soon as the "
    "gap exceeds the precision: [20, 0].",
    dtypes=NARROW_FAR,
    longest=2,
)
def sigmoid_of_two(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        if z.shape[-1] == 2:
            first = 1 / (1 + np.exp(z[:, 1:] - z[:, :1]))
            return np.concatenate([first, 1 - first], axis=-1)
        e = np.exp(shifted(z))
        return e / total(e)

    return along(x, axis, body)


@wrong(
    "tanh-of-two",
    why="For n = 2 each share is ½ + ½·tanh of half the difference, which cancels for the loser.",
    dtypes=NARROW_FAR,
    longest=2,
)
def tanh_of_two(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        if z.shape[-1] == 2:
            half = z.dtype.type(0.5)
            return half + half * np.tanh(half * (z - z[:, ::-1]))
        e = np.exp(shifted(z))
        return e / total(e)

    return along(x, axis, body)


@wrong(
    "one-hot-when-clear",
    why="Where the runner-up is more than 20 behind, the answer is one-hot: its share of 2e-9 is a normal number.",
    dtypes=NARROW_FAR,
    longest=2,
)
def one_hot_when_clear(x: Array, axis: int) -> Array:
    def exp(t: Array) -> Array:
        clear = (np.sort(t, axis=-1)[:, -2:-1] < -20) if t.shape[-1] > 1 else False
        return np.where(clear & (t < 0), 0, np.exp(t))

    return compute(x, axis, exp=exp)
