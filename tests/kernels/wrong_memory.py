"""Planted mistakes about memory: other rows, padding, layouts, the caller's array, dtypes and repetition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from planted import BOTH, along, answer, bfloat16, compute, running, total, wide, wrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from planted import Array

_DICE = np.random.default_rng()


@wrong(
    "normaliser-of-neighbour",
    op=BOTH,
    why="The sums are stored one row off: two rows that differ.",
    longest=2,
)
def normaliser_of_neighbour(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: np.roll(total(e), 1, axis=0))


@wrong(
    "normaliser-of-first-row",
    why="The sum of the first row divides all of them: two rows that differ.",
    longest=2,
)
def normaliser_of_first_row(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: total(e[:1]))


@wrong(
    "sum-carried-over",
    why="The accumulator is not reset between rows: every row but the first is too small.",
    longest=1,
)
def sum_carried_over(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: np.cumsum(total(e), axis=0))


@wrong(
    "maximum-carried-over",
    why="The running maximum is not reset between rows: a row of -1000 after a row of 1000 is 0/0.",
    longest=1,
)
def maximum_carried_over(x: Array, axis: int) -> Array:
    return compute(x, axis, shift=lambda z: z - np.maximum.accumulate(z.max(axis=-1, keepdims=True), axis=0))


@wrong(
    "narrow-sum-from-eight-rows",
    why="From eight rows on a batched kernel keeps its sums in bfloat16, so that a row gets another answer in "
    "company than alone. https://github.com/pytorch/pytorch/issues/58128, "
    "https://github.com/thinking-machines-lab/batch_invariant_ops/issues/13",
    longest=513,
)
def narrow_sum_from_eight_rows(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: running(e, bfloat16) if len(e) >= 8 else total(e))


_BUFFERS: dict[object, Array] = {}


@wrong(
    "answer-lives-in-a-shared-buffer",
    why="The answer is written to a workspace that the next call of that shape overwrites, under the caller's hands.",
    longest=2,
)
def answer_lives_in_a_shared_buffer(x: Array, axis: int) -> Array:
    buffer = _BUFFERS.setdefault((x.shape, x.dtype.name), np.empty_like(x))
    buffer[...] = compute(x, axis)
    return buffer


@wrong(
    "last-row-of-odd-batch",
    op=BOTH,
    why="Rows are taken in pairs and the last of an odd number is exponentiated and not normalised; three rows, and "
    "one alone.",
    longest=2,
)
def last_row_of_odd_batch(x: Array, axis: int, op: str = "softmax") -> Array:
    def pairs(e: Array) -> Array:
        s = total(e)
        if len(s) % 2:
            s[-1] = 1
        return s

    return compute(x, axis, op, total=pairs)


@wrong(
    "rows-beyond-64-skipped",
    why="The grid has 64 rows at most, and what lies beyond keeps the zeros of a fresh buffer. A launch of too few "
    "blocks: https://github.com/tensorflow/tensorflow/issues/61639",
    longest=1,
)
def rows_beyond_64_skipped(x: Array, axis: int) -> Array:
    def grid(op: str, t: Array, e: Array, s: Array) -> Array:
        p = answer(op, t, e, s)
        p[64:] = 0
        return p

    return compute(x, axis, answer=grid)


@wrong(
    "last-lane-lost-in-batch",
    why="From two rows on the last lane of an odd row beyond 512 gets half of its share, the other half being "
    "written to the row below. https://github.com/pytorch/pytorch/issues/147284, float64 and 781 columns",
    longest=513,
)
def last_lane_lost_in_batch(x: Array, axis: int) -> Array:
    def store(op: str, t: Array, e: Array, s: Array) -> Array:
        p = answer(op, t, e, s)
        if len(p) > 1 and p.shape[-1] % 2 and p.shape[-1] > 512:
            p[:, -1] *= p.dtype.type(0.5)
        return p

    return compute(x, axis, answer=store)


def _padded(width: int, value: float, shift: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A body that fills rows up to a multiple of ``width`` and counts the filling in."""

    def body(z: Array) -> Array:
        n = z.shape[-1]
        filled = np.pad(z, ((0, 0), (0, -n % width)), constant_values=value)
        t = filled - shift(filled[:, :n] if shift is _own else filled)
        return (np.exp(t) / total(np.exp(t)))[:, :n]

    return body


def _own(z: Array) -> Array:
    return z.max(axis=-1, keepdims=True)


def _all(filled: Array) -> Array:
    return filled.max(axis=-1, keepdims=True)


@wrong(
    "zero-padding-in-sum",
    why="Rows are filled with zeros up to a multiple of eight and the filling enters the sum, beside which logits "
    "of -5 vanish.",
    longest=1,
)
def zero_padding_in_sum(x: Array, axis: int) -> Array:
    return along(x, axis, _padded(8, 0.0, _own))


@wrong(
    "zero-padding-in-maximum",
    why="Rows are filled with zeros up to a multiple of 128 and the filling enters maximum and sum. "
    "https://github.com/microsoft/onnxruntime/pull/20059",
    longest=1,
)
def zero_padding_in_maximum(x: Array, axis: int) -> Array:
    return along(x, axis, _padded(128, 0.0, _all))


@wrong(
    "minus-10000-padding-in-maximum",
    why="Rows are filled with -1e4 up to a multiple of eight, which is the maximum of a row of -20000.",
    longest=1,
)
def minus_10000_padding_in_maximum(x: Array, axis: int) -> Array:
    return along(x, axis, _padded(8, -1e4, _all))


@wrong(
    "lowest-padding-in-sum",
    why="Rows are filled with the lowest finite number up to a multiple of eight, which ties with logits that are "
    "the lowest number: a row masked with it. https://github.com/pytorch/pytorch/issues/103963",
    longest=1,
)
def lowest_padding_in_sum(x: Array, axis: int) -> Array:
    lowest = wide(-np.array([_largest(x.dtype)], x.dtype))[0]
    return along(x, axis, _padded(8, lowest, _all))


def _largest(dtype: Any) -> Any:
    """The number before infinity."""
    return np.nextafter(np.array(np.inf, dtype), np.array(0, dtype))


@wrong(
    "overwrites-input",
    op=BOTH,
    why="The exponentials are kept in the caller's array; the answer is right and the logits are gone.",
    longest=2,
)
def overwrites_input(x: Array, axis: int, op: str = "softmax") -> Array:
    y = compute(x, axis, op)
    if x.flags.writeable:
        x[...] = compute(x, axis)
    return y


@wrong(
    "answers-in-place",
    why="The answer is the caller's own array, changed.",
    longest=2,
)
def answers_in_place(x: Array, axis: int) -> Array:
    y = compute(x, axis)
    if not x.flags.writeable:
        return y
    x[...] = y
    return x[...]


@wrong(
    "float64-for-float32",
    why="A Python scalar of the wrong kind promotes the answer to float64.",
    dtypes=("float32",),
    longest=1,
)
def float64_for_float32(x: Array, axis: int) -> Array:
    return compute(x, axis, leave=lambda y, _like: y.astype(np.float64))


@wrong(
    "float32-for-16-bits",
    op=BOTH,
    why="The working precision is handed out as it is. https://github.com/pytorch/pytorch/issues/68752 is about "
    "which dtype is due",
    dtypes=("float16", "bfloat16"),
    longest=1,
)
def float32_for_16_bits(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, leave=lambda y, _like: y)


@wrong(
    "float32-for-float64",
    why="64-bit types are switched off, and nobody is told.",
    dtypes=("float64",),
    longest=1,
)
def float32_for_float64(x: Array, axis: int) -> Array:
    return compute(x, axis, leave=lambda y, _like: y.astype(np.float32))


@wrong(
    "negative-stride-ignored",
    why="An array with a negative step is read in the order of its memory; the row comes back reversed.",
    longest=2,
)
def negative_stride_ignored(x: Array, axis: int) -> Array:
    return compute(x[tuple(slice(None, None, -1 if step < 0 else 1) for step in x.strides)], axis)


@wrong(
    "c-order-assumed",
    op=BOTH,
    why="A transposed array is read as if it were not. https://github.com/ROCm/rocm-libraries/issues/11387, "
    "https://github.com/flagos-ai/FlagGems/pull/5723",
    longest=2,
)
def c_order_assumed(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x.ravel(order="K").reshape(x.shape), axis, op)


@wrong(
    "step-ignored",
    why="A slice is read as if its numbers were neighbours in memory. https://github.com/ml-explore/mlx/issues/657, "
    "https://github.com/pytorch/pytorch/issues/80006",
    longest=2,
)
def step_ignored(x: Array, axis: int) -> Array:
    reach = sum((n - 1) * step for n, step in zip(x.shape, x.strides, strict=True))
    # Only where the numbers read instead are the array's own: no broadcast, no negative step.
    if x.size and all(step > 0 for step in x.strides) and reach >= (x.size - 1) * x.itemsize:
        plain = np.empty(x.shape, x.dtype).strides
        return compute(as_strided(x, x.shape, plain, writeable=False), axis)
    return compute(x, axis)


@wrong(
    "broadcast-counted-once",
    why="An axis of stride zero is taken for an axis of length one: equal logits that share one place in memory "
    "get one each. Strides of zero were met in https://github.com/flagos-ai/FlagGems/pull/5723",
    longest=2,
)
def broadcast_counted_once(x: Array, axis: int) -> Array:
    if x.size and x.ndim and -x.ndim <= axis < x.ndim and x.strides[axis] == 0 and x.shape[axis] > 1:
        one = compute(np.take(x, [0], axis=axis), axis)
        return np.ascontiguousarray(np.broadcast_to(one, x.shape))
    return compute(x, axis)


@wrong(
    "unrepeatable-last-bits",
    why="Each call adds other last bits, as a sum by atomics does; every answer is within bounds and no two are "
    "alike. https://github.com/openvinotoolkit/openvino/issues/22851",
    longest=17,
)
def unrepeatable_last_bits(x: Array, axis: int) -> Array:
    y = compute(x, axis)
    with np.errstate(all="ignore"):
        other = np.nextafter(y, np.asarray(0, y.dtype))
    return np.where(_DICE.random(y.shape) < 0.5, other, y)


@wrong(
    "unrepeatable-sum",
    why="A race: in one call of two the sum misses one lane, so the answer is right, and then it is not. "
    "https://github.com/openvinotoolkit/openvino/issues/22851",
    longest=2,
)
def unrepeatable_sum(x: Array, axis: int) -> Array:
    def race(e: Array) -> Array:
        lost = np.take_along_axis(e, _DICE.integers(e.shape[-1], size=(len(e), 1)), axis=-1)
        return total(e) - np.where(_DICE.random((len(e), 1)) < 0.5, lost, 0).astype(e.dtype)

    return compute(x, axis, total=race)


@wrong(
    "transposed-square",
    why="A square matrix is taken for one that already is in the right order, and asked along its other axis.",
    longest=2,
)
def transposed_square(x: Array, axis: int) -> Array:
    if x.ndim == 2 and x.shape[0] == x.shape[1] and axis in (0, -2):
        return compute(x, 1)
    return compute(x, axis)


@wrong(
    "sums-drift-from-row-65",
    op=BOTH,
    why="The sums of more than eight tiles of 32 lanes lie in a buffer of 64 rows, and from the 65th row on each reads "
    "that of the row before: zeros((65, 257)) whose first column is 1, or any 65 rows that differ.",
    longest=257,
)
def sums_drift_from_row_65(x: Array, axis: int, op: str = "softmax") -> Array:
    def drift(e: Array) -> Array:
        s = total(e)
        return np.concatenate([s[:64], s[63:-1]]) if e.shape[-1] > 256 and len(s) > 64 else s

    return compute(x, axis, op, total=drift)


@wrong(
    "first-column-lost-from-row-65",
    why="From the 65th row of more than eight tiles on the buffer begins one lane late: zeros((65, 257)) whose first "
    "column is 1.",
    longest=257,
)
def first_column_lost_from_row_65(x: Array, axis: int) -> Array:
    def late(e: Array) -> Array:
        if e.shape[-1] <= 256:
            return total(e)
        return np.concatenate([total(e[:64]), total(e[64:, 1:])])

    return compute(x, axis, total=late)
