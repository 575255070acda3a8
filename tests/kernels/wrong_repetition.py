"""Planted mistakes of calls that hang on the calls before: memories, buffers, counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from planted import compute, first_finite, wrong

if TYPE_CHECKING:
    from planted import Array

_LAST: dict[str, Any] = {}


def _again(name: str, x: Array, axis: int) -> bool:
    """Whether a kernel is asked what it was asked last."""
    asked = (x.shape, x.dtype.name, axis, x.tobytes())
    again = _LAST.get(name) == asked
    _LAST[name] = None if again else asked
    return again


@wrong(
    "second-call-nan",
    why="The workspace of the first call on an array is released and read by the second.",
    longest=2,
)
def second_call_nan(x: Array, axis: int) -> Array:
    return compute(x, axis) * x.dtype.type(np.nan if _again("nan", x, axis) else 1)


@wrong("second-call-zeros", why="A cache is hit, and its answer was never written.", longest=2)
def second_call_zeros(x: Array, axis: int) -> Array:
    y = compute(x, axis)
    return np.zeros_like(y) if _again("zeros", x, axis) else y


@wrong("second-call-flat", why="A cache keeps the numbers and forgets the shape.", longest=2)
def second_call_flat(x: Array, axis: int) -> Array:
    y = compute(x, axis)
    return y.reshape(-1) if _again("flat", x, axis) and y.ndim != 1 else y


@wrong("second-call-widened", why="A cache keeps its answers in float64.", dtypes=("float32", "float16"), longest=2)
def second_call_widened(x: Array, axis: int) -> Array:
    y = compute(x, axis)
    return y.astype(np.float64) if _again("widened", x, axis) else y


@wrong("second-call-raises", why="A handle is closed with the first call and used by the second.", longest=2)
def second_call_raises(x: Array, axis: int) -> Array:
    if _again("raises", x, axis):
        raise RuntimeError("invalid handle")
    return compute(x, axis)


@wrong("one-call-in-fifty", why="A counter of launches wraps, and that launch writes nothing.", longest=2)
def one_call_in_fifty(x: Array, axis: int) -> Array:
    _LAST["count"] = _LAST.get("count", 0) + 1
    y = compute(x, axis)
    return np.zeros_like(y) if _LAST["count"] % 50 == 0 else y


@wrong(
    "every-other-call-of-a-shape-is-stale",
    why="Two buffers a shape are swapped, and the wrong one is handed out: the answer to the call before.",
    longest=2,
)
def stale_of_a_shape(x: Array, axis: int) -> Array:
    key, y = ("stale", x.shape, x.dtype.name, axis), compute(x, axis)
    before, _LAST[key] = _LAST.get(key, y), y
    return before


@wrong(
    "first-answer-of-a-shape-for-ever",
    why="The answer is captured with the graph of its shape, and replayed.",
    longest=2,
)
def captured_for_ever(x: Array, axis: int) -> Array:
    y = compute(x, axis)
    return _LAST.setdefault(("captured", x.shape, x.dtype.name, axis), y).copy()


@wrong(
    "maximum-of-the-call-before",
    why="The shift is the largest logit of the call before of that shape, where there was one: one step late.",
    longest=2,
)
def maximum_of_the_call_before(x: Array, axis: int) -> Array:
    def shift(z: Array) -> Array:
        key = ("maximum", z.shape, z.dtype.name)
        mine = first_finite(z.max(axis=-1, keepdims=True))
        before, _LAST[key] = _LAST.get(key, mine), mine
        return z - before

    return compute(x, axis, shift=shift)
