"""Planted mistakes of a backward pass about memory and axes: strides, the caller's arrays, dtypes, shapes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from backward import along_both, gradient, product, shares, terms
from numpy.lib.array_utils import normalize_axis_index
from numpy.lib.stride_tricks import as_strided
from planted import VJPS, total, wrong

if TYPE_CHECKING:
    from planted import Array

_DICE = np.random.default_rng()


def _read(array: Array, steps: tuple[int, ...]) -> Array:
    """An array's memory from its first number on, read with other steps (in numbers); zeros lie beyond its end."""
    owned, start = _memory(array)
    reach = sum((n - 1) * step for n, step in zip(array.shape, steps, strict=True))
    memory = np.zeros(max(owned.size, start + reach + 1), array.dtype)
    memory[: owned.size] = owned
    return as_strided(memory[start:], array.shape, [step * array.itemsize for step in steps], writeable=False)


def _memory(array: Array) -> tuple[Array, int]:
    """All numbers of the array that owns this one's memory, in their order there, and the place of its first."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return owner.ravel(order="K").view(array.dtype), (array.ctypes.data - owner.ctypes.data) // array.itemsize


def _steps(array: Array) -> tuple[int, ...]:
    return tuple(step // array.itemsize for step in array.strides)


def _readable(*arrays: Array) -> bool:
    """Whether their memory can be read from the first number on: something is there, and no step is negative."""
    return all(array.size and all(step >= 0 for step in array.strides) for array in arrays)


@wrong(
    "vjp-strides-of-the-logits",
    op=VJPS,
    why="The cotangent is read with the strides of the logits. https://github.com/flagos-ai/FlagGems/pull/5723",
    longest=7,
)
def strides_of_the_logits(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, _read(g, _steps(x)) if _readable(x, g) else g, op)


@wrong(
    "vjp-strides-of-the-cotangent",
    op=VJPS,
    why="The logits are read with the strides of the cotangent: one row for all where that is shared by all.",
    longest=7,
)
def strides_of_the_cotangent(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(_read(x, _steps(g)) if _readable(x, g) else x, axis, g, op)


@wrong(
    "vjp-stride-zero-ignored",
    op=VJPS,
    why="A cotangent of stride zero, as sum().backward() sends it, is read as if its numbers were neighbours, beyond "
    "its end. https://github.com/flagos-ai/FlagGems/pull/5723",
    longest=7,
)
def stride_zero_ignored(x: Array, axis: int, g: Array, op: str) -> Array:
    plain = _steps(np.empty(g.shape, g.dtype))
    return gradient(x, axis, _read(g, plain) if g.size and 0 in g.strides else g, op)


@wrong("vjp-c-order-assumed", op=VJPS, why="A transposed cotangent is read as if it were not.", longest=7)
def c_order_assumed(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g.ravel(order="K").reshape(g.shape), op)


@wrong("vjp-step-ignored", op=VJPS, why="A sliced cotangent is read as if its numbers were neighbours.", longest=7)
def step_ignored(x: Array, axis: int, g: Array, op: str) -> Array:
    sliced = g.size and g.ndim and abs(g.strides[-1]) > g.itemsize and np.argmin(np.abs(g.strides)) == g.ndim - 1
    plain = _steps(np.empty(g.shape, g.dtype))
    return gradient(x, axis, _read(g, plain) if sliced else g, op)


@wrong(
    "vjp-negative-step-ignored",
    op=VJPS,
    why="A cotangent with a negative step is read in the order of its memory, as a flip sends it.",
    longest=7,
)
def negative_step_ignored(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g[tuple(slice(None, None, -1 if step < 0 else 1) for step in g.strides)], op)


@wrong(
    "vjp-offset-ignored",
    op=VJPS,
    why="A cotangent that is a part of a larger array is read from that one's start.",
    longest=7,
)
def offset_ignored(x: Array, axis: int, g: Array, op: str) -> Array:
    plain = g.flags.c_contiguous and g.size
    return gradient(x, axis, _memory(g)[0][: g.size].reshape(g.shape) if plain else g, op)


@wrong(
    "vjp-broadcast-counted-once",
    op=VJPS,
    why="A cotangent of stride zero along the axis is taken for one number, which is in the sum once. "
    "https://github.com/flagos-ai/FlagGems/pull/5723",
    longest=7,
)
def broadcast_counted_once(x: Array, axis: int, g: Array, op: str) -> Array:
    if g.size and g.ndim and -g.ndim <= axis < g.ndim and g.strides[axis] == 0 and g.shape[axis] > 1:
        return gradient(x, axis, g, op, total=lambda each: each[:, :1])
    return gradient(x, axis, g, op)


@wrong(
    "vjp-broadcast-row-once",
    op=VJPS,
    why="A cotangent that all rows share is taken for a single row: the answer is that of the first.",
    longest=7,
)
def broadcast_row_once(x: Array, axis: int, g: Array, op: str) -> Array:
    if g.ndim > 1 and g.size and g.strides[0] == 0 and g.shape[0] > 1 and axis in (-1, g.ndim - 1):
        return np.broadcast_to(gradient(x[:1], axis, g[:1], op), x.shape).copy()
    return gradient(x, axis, g, op)


@wrong(
    "vjp-overwrites-cotangent",
    op=VJPS,
    why="g - Σ is formed in the caller's cotangent, to save memory; the answer is right.",
    longest=2,
)
def overwrites_cotangent(x: Array, axis: int, g: Array, op: str) -> Array:
    y = gradient(x, axis, g, op)
    if g.flags.writeable:
        g[...] = y
    return y


@wrong("vjp-answers-in-cotangent", op=VJPS, why="The answer is the caller's cotangent, changed.", longest=2)
def answers_in_cotangent(x: Array, axis: int, g: Array, op: str) -> Array:
    y = gradient(x, axis, g, op)
    if not g.flags.writeable:
        return y
    g[...] = y
    return g


@wrong("vjp-overwrites-logits", op=VJPS, why="The shares are kept in the caller's logits.", longest=2)
def overwrites_logits(x: Array, axis: int, g: Array, op: str) -> Array:
    y = gradient(x, axis, g, op)
    if x.flags.writeable:
        x[...] = gradient(x, axis, g, op, product=lambda _op, p, _h, _s: p)
    return y


_BUFFERS: dict[object, Array] = {}


@wrong(
    "vjp-answer-lives-in-a-shared-buffer",
    op=VJPS,
    why="The answer is written to a workspace that the next call of that shape overwrites.",
    longest=2,
)
def answer_lives_in_a_shared_buffer(x: Array, axis: int, g: Array, op: str) -> Array:
    buffer = _BUFFERS.setdefault((op, x.shape, x.dtype.name), np.empty_like(x))
    buffer[...] = gradient(x, axis, g, op)
    return buffer


@wrong(
    "vjp-accumulates",
    op=VJPS,
    why="The gradient is added to what the buffer held from the call before, as where nobody set it to zero.",
    longest=2,
)
def accumulates(x: Array, axis: int, g: Array, op: str) -> Array:
    key = ("accumulates", op, x.shape, x.dtype.name)
    y = gradient(x, axis, g, op)
    before = _BUFFERS.get(key, np.zeros_like(y))
    _BUFFERS[key] = y
    with np.errstate(all="ignore"):
        return y + before


@wrong(
    "vjp-unrepeatable-sum",
    op=VJPS,
    why="A race: in one call of two the sum misses one lane.",
    longest=3,
)
def unrepeatable_sum(x: Array, axis: int, g: Array, op: str) -> Array:
    def race(each: Array) -> Array:
        lost = np.take_along_axis(each, _DICE.integers(each.shape[-1], size=(len(each), 1)), axis=-1)
        return total(each) - np.where(_DICE.random((len(each), 1)) < 0.5, lost, 0).astype(each.dtype)

    return gradient(x, axis, g, op, total=race)


@wrong(
    "vjp-rows-beyond-eight-skipped",
    op=VJPS,
    why="The grid has eight rows, and what lies beyond keeps zeros.",
    longest=17,
)
def rows_beyond_eight_skipped(x: Array, axis: int, g: Array, op: str) -> Array:
    def grid(op: str, p: Array, h: Array, s: Array) -> Array:
        y = product(op, p, h, s)
        y[8:] = 0
        return y

    return gradient(x, axis, g, op, product=grid)


@wrong(
    "vjp-last-row-of-odd-batch",
    op=VJPS,
    why="Rows are taken in pairs, and the last of an odd number has no sum.",
    longest=2,
)
def last_row_of_odd_batch(x: Array, axis: int, g: Array, op: str) -> Array:
    def pairs(each: Array) -> Array:
        s = total(each)
        if len(s) % 2:
            s[-1] = 0
        return s

    return gradient(x, axis, g, op, total=pairs)


@wrong(
    "vjp-float32-for-16-bits",
    op=VJPS,
    why="The working precision is handed out as it is. https://github.com/pytorch/pytorch/issues/30572",
    dtypes=("float16", "bfloat16"),
    longest=1,
)
def float32_for_16_bits(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, leave=lambda y, _like: y)


@wrong(
    "vjp-float64-for-float32",
    op=VJPS,
    why="A scalar of the wrong kind promotes the answer to float64.",
    dtypes=("float32",),
    longest=1,
)
def float64_for_float32(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, leave=lambda y, _like: y.astype(np.float64))


@wrong(
    "vjp-float32-for-float64",
    op=VJPS,
    why="64-bit types are switched off, and nobody is told.",
    dtypes=("float64",),
    longest=1,
)
def float32_for_float64(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, leave=lambda y, _like: y.astype(np.float32))


@wrong(
    "vjp-axis-kept-too-long", op=VJPS, why="The answer keeps an axis of length one of the reduction: (n, 1).", longest=2
)
def axis_kept_too_long(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op)[..., None]


@wrong("vjp-squeezed", op=VJPS, why="Axes of length one are squeezed away on the way out.", longest=1)
def squeezed(x: Array, axis: int, g: Array, op: str) -> Array:
    return np.squeeze(gradient(x, axis, g, op))


@wrong("vjp-last-axis-always", op=VJPS, why="The axis is checked and then ignored.", longest=3)
def last_axis_always(x: Array, axis: int, g: Array, op: str) -> Array:
    normalize_axis_index(axis, max(x.ndim, 1))
    return gradient(x, -1, g, op)


@wrong(
    "vjp-sum-over-last-axis",
    op=VJPS,
    why="The shares are those of the axis, and the sum is over the last one: a forward pass that learnt of axes, and "
    "a backward pass that did not.",
    longest=3,
)
def sum_over_last_axis(x: Array, axis: int, g: Array, op: str) -> Array:
    normalize_axis_index(axis, max(x.ndim, 1))
    z, h = np.atleast_1d(x), np.atleast_1d(g)
    p = np.moveaxis(z, axis, -1).astype(np.float64)
    with np.errstate(all="ignore"):
        p = np.moveaxis(shares(p.reshape(-1, p.shape[-1])).reshape(p.shape), -1, axis) if z.size else z
        wide_h = h.astype(np.float64)
        s = terms(op, p, wide_h).sum(axis=-1, keepdims=True)
        return product(op, p, wide_h, s).astype(x.dtype).reshape(x.shape)


@wrong(
    "vjp-cotangent-not-moved",
    op=VJPS,
    why="The axis of the logits is moved to the end, and that of the cotangent is not: its numbers are those of other rows.",
    longest=3,
)
def cotangent_not_moved(x: Array, axis: int, g: Array, op: str) -> Array:
    true = normalize_axis_index(axis, max(x.ndim, 1))
    if x.ndim == 0:
        return gradient(x, axis, g, op)
    moved = np.moveaxis(x, true, -1)
    return np.moveaxis(gradient(moved, -1, np.ascontiguousarray(g).reshape(moved.shape), op), -1, true)


@wrong(
    "vjp-axis-not-moved-back",
    op=VJPS,
    why="The axis is moved to the end for the kernel, and the answer keeps that order in memory under the old shape.",
    longest=3,
)
def axis_not_moved_back(x: Array, axis: int, g: Array, op: str) -> Array:
    true = normalize_axis_index(axis, max(x.ndim, 1))
    if x.ndim == 0:
        return gradient(x, axis, g, op)
    moved = (np.moveaxis(array, true, -1) for array in (x, g))
    z, h = moved
    return np.ascontiguousarray(gradient(z, -1, h, op)).reshape(x.shape)


@wrong("vjp-flattened-trailing-axes", op=VJPS, why="Everything from the axis on is one row.", longest=3)
def flattened_trailing_axes(x: Array, axis: int, g: Array, op: str) -> Array:
    true = normalize_axis_index(axis, max(x.ndim, 1))
    if x.ndim == 0:
        return gradient(x, axis, g, op)
    rows, n = math.prod(x.shape[:true]), math.prod(x.shape[true:])
    return gradient(x.reshape(rows, n), -1, g.reshape(rows, n), op).reshape(x.shape)


@wrong("vjp-whole-array", op=VJPS, why="One distribution over the whole array.", longest=1)
def whole_array(x: Array, axis: int, g: Array, op: str) -> Array:
    normalize_axis_index(axis, max(x.ndim, 1))
    return gradient(x.reshape(-1), 0, g.reshape(-1), op).reshape(x.shape)


@wrong(
    "vjp-negative-axis-off-by-one",
    op=VJPS,
    why="A negative axis counts from ndim - 1, so -1 is the axis before the last.",
    longest=2,
)
def negative_axis_off_by_one(x: Array, axis: int, g: Array, op: str) -> Array:
    true = normalize_axis_index(axis, max(x.ndim, 1))
    return gradient(x, max(true - 1, 0) if axis < 0 else true, g, op)


@wrong("vjp-sorted-answer", op=VJPS, why="The row is sorted for a careful sum and never put back.", longest=2)
def sorted_answer(x: Array, axis: int, g: Array, op: str) -> Array:
    def body(z: Array, h: Array) -> Array:
        order = np.argsort(z, axis=-1, kind="stable")
        return gradient(np.take_along_axis(z, order, -1), -1, np.take_along_axis(h, order, -1), op)

    return along_both(x, axis, g, body)
