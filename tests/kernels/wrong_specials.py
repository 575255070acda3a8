"""Planted mistakes about NaN, the infinities and masked lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
from planted import BOTH, along, answer, compute, shifted, total, wide, wrong

if TYPE_CHECKING:
    from planted import Array


def _nan_rows(z: Array) -> Array:
    return np.isnan(z).any(axis=-1, keepdims=True)


@wrong(
    "nan-ignored",
    op=BOTH,
    why="The maximum and the sum skip NaN and its lane gets nothing: [0, NaN] looks healthy. "
    "https://github.com/openvinotoolkit/openvino/issues/35929 is a maximum that ignores NaN",
    longest=2,
)
def nan_ignored(x: Array, axis: int, op: str = "softmax") -> Array:
    def enter(moved: Array) -> Array:
        z = wide(moved)
        return np.where(np.isnan(z), -np.inf, z).astype(z.dtype)

    return compute(x, axis, op, enter=enter)


@wrong(
    "nan-in-own-lane",
    op=BOTH,
    why="NaN stays in its own lane and the others share one between them; both ops must say that the whole row is "
    "unknown. https://github.com/mindspore-ai/mindspore/issues/378",
    longest=2,
)
def nan_in_own_lane(x: Array, axis: int, op: str = "softmax") -> Array:
    def body(z: Array) -> Array:
        t = z - np.fmax.reduce(z, axis=-1, keepdims=True)
        e = np.exp(t)
        return answer(op, t, e, np.nansum(e, axis=-1, keepdims=True))

    return along(x, axis, body)


@wrong(
    "nan-row-as-zeros",
    why="A guard meant for masked rows turns every NaN of the answer into zero, and a NaN in the row with it. "
    "https://github.com/pytorch/pytorch/issues/141128",
    longest=1,
)
def nan_row_as_zeros(x: Array, axis: int) -> Array:
    def guard(op: str, t: Array, e: Array, s: Array) -> Array:
        p = answer(op, t, e, s)
        return np.where(np.isnan(p), 0, p)

    return compute(x, axis, answer=guard)


@wrong(
    "nan-row-as-uniform",
    why="exp makes a one of NaN, so a row with a NaN becomes 1/n throughout. "
    "https://github.com/tenstorrent/tt-metal/issues/56056",
    longest=1,
)
def nan_row_as_uniform(x: Array, axis: int) -> Array:
    return compute(x, axis, exp=lambda t: np.where(np.isnan(t), 1, np.exp(t)))


@wrong(
    "nan-lost-in-maximum",
    op="log_softmax",
    why="NaN is found in the sum but a masked lane is answered before it is looked at: [NaN, -inf] keeps its -inf. "
    "https://github.com/mindspore-ai/mindspore/issues/378",
    longest=2,
)
def nan_lost_in_maximum(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        t = shifted(z)
        y = answer("log_softmax", t, np.exp(t), total(np.exp(t)))
        return np.where(z == -np.inf, z, y)

    return along(x, axis, body)


@wrong(
    "nan-to-num",
    op=BOTH,
    why="The logits are cleaned first: NaN becomes zero and the infinities the largest numbers of the format.",
    longest=1,
)
def nan_to_num(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, enter=lambda moved: np.nan_to_num(wide(moved)))


@wrong(
    "infinity-as-ten-thousand",
    op=BOTH,
    why="+inf is replaced by 1e4 so that nothing becomes NaN, and loses to a larger logit.",
    longest=2,
)
def infinity_as_ten_thousand(x: Array, axis: int, op: str = "softmax") -> Array:
    def enter(moved: Array) -> Array:
        z = wide(moved)
        return np.where(z == np.inf, 1e4, z).astype(z.dtype)

    return compute(x, axis, op, enter=enter)


@wrong(
    "infinity-ignored",
    why="A lane of +inf gets NaN and the others a finite share, as if it were not there: [+inf, 1, 2].",
    longest=2,
)
def infinity_ignored(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        others = np.where(z == np.inf, -np.inf, z).astype(z.dtype)
        t = shifted(others)
        return np.where(z == np.inf, np.nan, np.exp(t) / total(np.exp(t)))

    return along(x, axis, body)


@wrong(
    "infinity-gives-ones",
    why="In a row with +inf every lane gets one. https://github.com/pytorch/pytorch/issues/161150",
    longest=2,
)
def infinity_gives_ones(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        t = shifted(z)
        infinite = (z == np.inf).any(axis=-1, keepdims=True) & ~_nan_rows(z)
        return np.where(infinite, 1, np.exp(t) / total(np.exp(t)))

    return along(x, axis, body)


@wrong(
    "infinity-stays-infinite",
    op="log_softmax",
    why="A row with +inf gets +inf for it and -inf for the rest, as x minus a finite normaliser would.",
    longest=1,
)
def infinity_stays_infinite(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        t = shifted(z)
        y = answer("log_softmax", t, np.exp(t), total(np.exp(t)))
        infinite = (z == np.inf).any(axis=-1, keepdims=True) & ~_nan_rows(z)
        return np.where(infinite, np.where(z == np.inf, z, -np.inf), y)

    return along(x, axis, body)


def _mask_as(x: Array, axis: int, op: str, least: float) -> Array:
    def enter(moved: Array) -> Array:
        z = wide(moved)
        return np.where(z == -np.inf, z.dtype.type(least), z)

    return compute(x, axis, op, enter=enter)


@wrong(
    "mask-as-minus-10000",
    op=BOTH,
    why="-inf is taken for -1e4: in a row of -20000 the masked lane wins. "
    "https://github.com/keras-team/keras/issues/21123 is a mask that adds a large number",
    longest=2,
)
def mask_as_minus_10000(x: Array, axis: int, op: str = "softmax") -> Array:
    return _mask_as(x, axis, op, -1e4)


@wrong(
    "mask-as-lowest",
    op=BOTH,
    why="-inf is taken for the lowest finite number: a masked lane ties with a logit that is just that, and its "
    "log-probability is finite.",
    longest=2,
)
def mask_as_lowest(x: Array, axis: int, op: str = "softmax") -> Array:
    return _mask_as(x, axis, op, float(ml_dtypes.finfo(x.dtype).min))


@wrong(
    "mask-poisons-row",
    op=BOTH,
    why="One -inf makes the whole row NaN, as 0·(-inf) does in a range check of the row. "
    "https://github.com/PaddlePaddle/PaddleOCR/pull/18341",
    longest=2,
)
def mask_poisons_row(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, shift=lambda z: shifted(z) + 0 * z.min(axis=-1, keepdims=True))


@wrong(
    "masked-row-to-first",
    why="A row of nothing but -inf gives everything to its first lane, for argmax found it there; NaN, zeros and "
    "equal shares each have their friends, and this has none.",
    longest=2,
)
def masked_row_to_first(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        t = shifted(z)
        masked = (z == -np.inf).all(axis=-1, keepdims=True)
        return np.where(masked, np.arange(z.shape[-1]) == 0, np.exp(t) / total(np.exp(t)))

    return along(x, axis, body)


@wrong(
    "zero-logit-is-padding",
    why="A logit of exactly zero is taken for padding and gets nothing.",
    longest=2,
)
def zero_logit_is_padding(x: Array, axis: int) -> Array:
    def enter(moved: Array) -> Array:
        z = wide(moved)
        return np.where(z == 0, -np.inf, z).astype(z.dtype)

    return compute(x, axis, enter=enter)


@wrong(
    "minus-zero-is-mask",
    op=BOTH,
    why="A mask is made by a product with -0 or -inf, and below a positive winner -0 is taken for one: [1, -0].",
    longest=2,
)
def minus_zero_is_mask(x: Array, axis: int, op: str = "softmax") -> Array:
    def enter(moved: Array) -> Array:
        z = wide(moved)
        masked = (z == 0) & np.signbit(z) & (z.max(axis=-1, keepdims=True) > 0)
        return np.where(masked, -np.inf, z).astype(z.dtype)

    return compute(x, axis, op, enter=enter)
