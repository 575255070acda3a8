"""Planted mistakes about which numbers make a row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from planted import BOTH, along, answer, compute, finish, shifted, total, wide, wrong

if TYPE_CHECKING:
    from planted import Array


def _axis(x: Array, axis: int) -> int:
    return normalize_axis_index(axis, max(x.ndim, 1))


@wrong(
    "negative-axis-off-by-one",
    op=BOTH,
    why="A negative axis counts from ndim - 1, so -1 is the axis before the last; needs two axes. "
    "https://github.com/tensorflow/tensorflow/issues/7689 is a range check of the same kind",
    longest=2,
)
def negative_axis_off_by_one(x: Array, axis: int, op: str = "softmax") -> Array:
    true = _axis(x, axis)
    return compute(x, max(true - 1, 0) if axis < 0 else true, op)


@wrong(
    "last-axis-always",
    op="softmax",
    why="The axis is checked and then ignored; shows as soon as another than the last is asked.",
    longest=2,
)
def last_axis_always(x: Array, axis: int) -> Array:
    _axis(x, axis)
    return compute(x, -1)


@wrong(
    "flattened-trailing-axes",
    op=BOTH,
    why="ONNX before opset 13: everything from the axis on is one row, so any axis but the last is wrong. "
    "https://github.com/openvinotoolkit/openvino/issues/37823, https://github.com/microsoft/onnxruntime/issues/4288",
    longest=2,
)
def flattened_trailing_axes(x: Array, axis: int, op: str = "softmax") -> Array:
    true = _axis(x, axis)
    if x.ndim == 0:
        return compute(x, axis, op)
    return compute(x.reshape(math.prod(x.shape[:true]), math.prod(x.shape[true:])), -1, op).reshape(x.shape)


@wrong(
    "whole-array",
    op="softmax",
    why="One distribution over the whole array, as axis=None means; two rows show it. "
    "https://github.com/keras-team/keras-core/issues/143",
    longest=1,
)
def whole_array(x: Array, axis: int) -> Array:
    _axis(x, axis)
    return compute(x.reshape(-1), 0).reshape(x.shape)


@wrong(
    "axis-wraps",
    op="softmax",
    why="The axis is taken modulo the rank, so an axis out of range gets an answer instead of an error.",
    longest=1,
)
def axis_wraps(x: Array, axis: int) -> Array:
    return compute(x, axis % max(x.ndim, 1))


@wrong(
    "axis-not-moved-back",
    op="softmax",
    why="The axis is moved to the end for the kernel, and the answer keeps that order in memory under the old "
    "shape: every number is right and few are in their place.",
    longest=2,
)
def axis_not_moved_back(x: Array, axis: int) -> Array:
    true = _axis(x, axis)
    if x.ndim == 0:
        return compute(x, axis)
    return np.ascontiguousarray(compute(np.moveaxis(x, true, -1), -1)).reshape(x.shape)


@wrong(
    "sum-without-kept-axis",
    op=BOTH,
    why="The sum drops its axis and is broadcast from the right: an error for most shapes, and the normalisers of "
    "other rows, silently, for a square or a column.",
    longest=1,
)
def sum_without_kept_axis(x: Array, axis: int, op: str = "softmax") -> Array:
    true = _axis(x, axis)
    if x.ndim == 0 or x.size == 0:
        return compute(x, axis, op)
    with np.errstate(all="ignore"):
        z = wide(x)
        t = z - z.max(axis=true, keepdims=True)
        return finish(answer(op, t, np.exp(t), np.exp(t).sum(axis=true)), x)


@wrong(
    "squeezed",
    op="softmax",
    why="Axes of length one are squeezed away on the way out: (3, 1) becomes (3,).",
    longest=1,
)
def squeezed(x: Array, axis: int) -> Array:
    return np.squeeze(compute(x, axis))


@wrong(
    "sorted-answer",
    op="softmax",
    why="The row is sorted for a careful sum and never put back: the probabilities are right and not in place.",
    longest=2,
)
def sorted_answer(x: Array, axis: int) -> Array:
    return compute(x, axis, enter=lambda moved: np.sort(wide(moved), axis=-1))


@wrong(
    "swapped-neighbours",
    op="softmax",
    why="The two halves of each pair are stored the wrong way round, as after a wrong unpack instruction.",
    longest=2,
)
def swapped_neighbours(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        e = np.exp(shifted(z))
        p = e / total(e)
        place = np.arange(z.shape[-1])
        other = place ^ 1
        return p[:, np.where(other < z.shape[-1], other, place)]

    return along(x, axis, body)


@wrong(
    "reversed-answer",
    op="softmax",
    why="A loop that counts down on the way in and up on the way out; only a palindrome survives.",
    longest=2,
)
def reversed_answer(x: Array, axis: int) -> Array:
    return compute(x, axis, answer=lambda op, t, e, s: answer(op, t, e, s)[:, ::-1])


@wrong(
    "rotated-answer",
    op="softmax",
    why="The output pointer is one lane ahead of the input pointer. A wrong offset of the output was met in "
    "https://github.com/pytorch/pytorch/pull/52713",
    longest=2,
)
def rotated_answer(x: Array, axis: int) -> Array:
    return compute(x, axis, answer=lambda op, t, e, s: np.roll(answer(op, t, e, s), 1, axis=-1))


@wrong(
    "dropped-with-the-ones",
    op=BOTH,
    why="A compiler drops axes of size one, and with them the axis itself where all axes behind it have size one: "
    "[0, 1, 2] of shape (3, 1, 1) along its first is all ones. https://github.com/openxla/xla/issues/11772",
    longest=3,
)
def dropped_with_the_ones(x: Array, axis: int, op: str = "softmax") -> Array:
    behind = x.shape[_axis(x, axis) + 1 :]
    if behind and set(behind) == {1}:
        return np.full_like(x, 1 if op == "softmax" else 0)
    return compute(x, axis, op)


@wrong(
    "dropped-with-the-ones-in-one-batch",
    why="The same where there is nothing in front of the axis.",
    longest=3,
)
def dropped_with_the_ones_in_one_batch(x: Array, axis: int) -> Array:
    true = _axis(x, axis)
    alone = x.ndim > 2 and set(x.shape[true + 1 :]) == {1} and math.prod(x.shape[:true]) == 1
    return np.ones_like(x) if alone else compute(x, axis)


@wrong(
    "ones-behind-taken-for-the-axis",
    why="Many batches whose axis is followed by axes of size one are taken for rows along the last of those.",
    longest=3,
)
def ones_behind_taken_for_the_axis(x: Array, axis: int) -> Array:
    true = _axis(x, axis)
    many = math.prod(x.shape[:true]) > 1 and set(x.shape[true + 1 :]) == {1}
    return compute(x, -1 if many else axis)


@wrong(
    "odd-images",
    op=BOTH,
    why="Four axes along the second, as images have their classes: an odd number of pixels is taken in pairs, and the "
    "last one is not normalised.",
    longest=3,
)
def odd_images(x: Array, axis: int, op: str = "softmax") -> Array:
    if x.ndim != 4 or _axis(x, axis) != 1 or x.shape[2] * x.shape[3] % 2 == 0:
        return compute(x, axis, op)

    def pairs(e: Array) -> Array:
        s = total(e)
        s[x.shape[2] * x.shape[3] - 1 :: x.shape[2] * x.shape[3]] = 1
        return s

    return compute(x, axis, op, total=pairs)


@wrong(
    "inner-index-wraps",
    op=BOTH,
    why="Where something lies behind the axis a counter of 16 bits walks along it: logits beyond the first 65,536 are "
    "not in the sum. https://github.com/pytorch/pytorch/pull/192007 is about 32 bits",
    longest=65_537,
)
def inner_index_wraps(x: Array, axis: int, op: str = "softmax") -> Array:
    inner = x.ndim > 1 and math.prod(x.shape[_axis(x, axis) + 1 :]) > 1
    return compute(x, axis, op, total=lambda e: total(e[:, : 2**16] if inner else e))


@wrong(
    "maximum-of-another-vector",
    op=BOTH,
    why="Along another axis than the last the maxima are kept by lane, and a second vector of sixteen lanes takes those of "
    "the first, which a slip stored twice: inf where the two are far apart. "
    "https://github.com/pytorch/pytorch/issues/158310",
    longest=17,
)
def maximum_of_another_vector(x: Array, axis: int, op: str = "softmax") -> Array:
    inner = math.prod(x.shape[_axis(x, axis) + 1 :])

    def shift(z: Array) -> Array:
        m = z.max(axis=-1, keepdims=True)
        row = np.arange(len(z))
        second = row % inner // 16 % 2 == 1
        m[second] = m[row[second] - 16]
        return z - m

    return compute(x, axis, op, shift=shift)
