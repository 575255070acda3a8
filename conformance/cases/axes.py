"""Every axis of ranks one to six, its negative twin, axes of size one or zero or none, and axes that do not exist.

Softmax along an axis reads with a stride, and kernels for the last axis and for the others are
different code.  No two sizes of a shape are equal, so a kernel that takes the wrong axis, or
flattens the trailing ones, cannot come out right by chance; the last size, 33, fills the vectors of
a kernel that runs over the inner axis, and behind the second of four axes stands an even and an odd
number of lanes.  All logits lie around 1000, so a path that forgot to
subtract the maximum gives NaN; its neighbours lie around 2000 and 3000, so one that takes the maximum of
more than its row loses the others, or another lane's: a period of three is no vector's width.  Shapes of the smoke tier are asked twice again with rows whose winners, a
drawn half of the lanes, have equal shares: a row without its sum, which in 16 bits may pass where one
logit is far ahead, shows in every format.  And nine rows of other families stand side by side, since a
kernel for another axis has a maximum, a sum and a treatment of NaN and of masks of its own.

Axes of size one behind the axis of the rows change nothing but the strides that a compiler makes of them;
one that drops what has size one may drop the axis as well.  Along a middle axis there are more than 2**16
logits, which an index of 16 bits does not count.

axis and axis - rank are the same question and must have the same answer.  An axis outside [-rank, rank)
must be an error: wrapped modulo the rank it would be a silent answer to another question.

First known victims: PyTorch's bfloat16 kernel along other axes than the last, 103,984 NaN in
126,720 answers (pytorch/pytorch#62897); its log_softmax in 16 bits along another axis, whose second vector of
lanes was shifted by the maxima of the first (pytorch/pytorch#158310); TensorFlow, where the positive twin of the last axis was refused
(tensorflow/tensorflow#7689); jax.jit, all ones for shape (3, 1, 1) along its first axis (jax-ml/jax#20856,
openxla/xla#11772); ONNX operators below opset 13, which flatten (onnx/onnx#5655).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._numbers import LOG2, nearest_finite, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

SHAPES: tuple[tuple[int, ...], ...] = ((33,), (3, 33), (2, 3, 33), (2, 3, 4, 33))
"""One a rank."""

DEEP: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((2, 3, 1, 4, 33), (0, 1, 2, 3, 4)),
    ((2, 1, 3, 1, 4, 33), (1, 2, 4)),
)
"""Ranks five and six, at some of their axes: each is a compilation."""

MANY: tuple[tuple[tuple[int, ...], tuple[int]], ...] = (
    ((70_001, 2), (1,)),
    ((2, 70_001), (0,)),
    ((2, 70_001, 2), (1,)),
)
"""More rows, columns and logits of a middle axis than an index of 16 bits or one dimension of a CUDA grid counts."""

ODD: tuple[tuple[tuple[int, ...], tuple[int]], ...] = (((2, 3, 5, 33), (1,)), ((2, 17, 3, 3), (1,)))
"""Four axes whose last two hold an odd number of lanes: many vectors of them, and one vector and a lane."""

FOLLOWED_BY_ONES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((3, 1, 1), 0),
    ((9, 17, 1), 1),
    ((33, 1), 0),
    ((1, 33, 1), 1),
    ((2, 3, 33, 1, 1), 2),
    ((4097, 3, 1), 1),
)
"""Shapes whose axis is followed by axes of size one alone: of any rank, in any place, in one batch and in many."""

HARD: tuple[tuple[tuple[int, ...], int], ...] = (((17, 9), 0), ((2, 17, 9), 1), ((2, 9, 17), 2))
"""Nine rows of other families side by side, along the first axis, along a middle one and along the last of three."""

SQUARE = (7, 7)
"""A wrong axis, or an array read as its transpose, has the right shape here."""

EMPTY: tuple[tuple[tuple[int, ...], int, str], ...] = (
    ((0, 33), -1, ""),
    ((3, 0), 0, ""),
    ((0,), -1, "empty-axis"),
    ((3, 0), -1, "empty-axis"),
)
"""Shapes without an element: without a row, and with rows of no logit."""

SIZE_ONE = (
    ((33, 1), 1),
    ((1, 33), 0),
    ((2, 1, 33), 1),
    ((2, 1, 33), -2),
    ((1, 3, 1, 33), 2),
    ((1, 1, 1, 1), 0),
)
"""Shapes with an axis of size one, which is the axis asked."""

CENTRE, SCALE = 1000.0, 8.0
"""Beyond log(max) of every format, and spread over a few of its units."""

PERIOD = 3
"""Rows so many places apart lie around the same number: neighbours do not, nor lanes of neighbouring vectors."""

SMOKE = {
    ((7, 7), 0),
    ((3, 33), 0),
    ((2, 3, 33), -2),
    ((2, 3, 5, 33), -3),
    ((3, 33), 2),
    ((2, 3, 33), -4),
    ((3, 1, 1), 0),
    ((9, 17, 1), 1),
}
"""Shape and axis of the smoke tier: few, since each is one compilation for every op, dtype and compiled mode."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Axes that exist, axes of size one, axes that do not exist, arrays without an element or an axis."""
    for shape, axis in _existing():
        values = _apart(format, rng, shape, axis)
        yield _row(values, axis - len(shape))
        if shape in SHAPES:
            yield _row(values, axis)
    for shape, axis in HARD:
        yield _hard(format, rng, shape, axis)
    for shape, axis in FOLLOWED_BY_ONES:
        yield _row(_apart(format, rng, shape, axis), axis)
    for shape, axis in SIZE_ONE:
        yield _row(nearest_finite(format, rng.normal(CENTRE, SCALE, shape)), axis)
    for shape in SHAPES:
        values = nearest_finite(format, rng.normal(CENTRE, SCALE, shape))
        for axis in (-len(shape) - 1, len(shape)):
            yield _row(values, axis, raises=True)
    square = nearest_finite(format, rng.normal(CENTRE, SCALE, SQUARE))
    for axis in (0, 1):
        yield _row(square, axis)
    for empty, axis, policy in EMPTY:
        yield _row(np.zeros(empty), axis, policy=policy)
    yield _row(np.array(CENTRE), -1, policy="0-d")
    yield from _shared(rng)


def _existing() -> Iterator[tuple[tuple[int, ...], int]]:
    for shape in SHAPES:
        yield from ((shape, axis) for axis in range(len(shape)))
    for shape, axes in (*DEEP, *MANY, *ODD):
        yield from ((shape, axis) for axis in axes)


def _apart(format: Format, rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> NDArray[np.float64]:
    """Rows of which each lies far from its neighbours."""
    others = tuple(1 if i == axis else n for i, n in enumerate(shape))
    apart = CENTRE * (np.indices(others).sum(axis=0) % PERIOD)
    return nearest_finite(format, rng.normal(CENTRE, SCALE, shape) + apart)


def _shared(rng: np.random.Generator) -> Iterator[Row]:
    """Rows of equal winners, at least two of each row, and losers far behind."""
    existing = [(shape, axis) for shape, axis in sorted(SMOKE) if -len(shape) <= axis < len(shape)]
    for i, (shape, axis) in enumerate(2 * existing):
        drawn = rng.random(shape)
        most = np.minimum(0.5, np.take(np.sort(drawn, axis), [-2], axis))
        name = f"shared-{i // len(existing)},{_name(shape, axis)}"
        yield replace(_row(np.where(drawn >= most, CENTRE, -CENTRE), axis), name=name)


def _hard(format: Format, rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> Row:
    n, big = shape[axis], nearest_finite_one(format, 3e4)
    hard = rng.normal(0, 4, (9, n))
    hard[0] -= CENTRE  # below zero
    hard[1, 0] = -CENTRE  # the first logit is not the maximum
    hard[2] += big  # beyond what is clipped
    hard[3, : n // 2] = -np.inf
    hard[4, n // 2] = np.nan
    hard[5, 0], hard[5, 1:] = 0.0, 0.9 * LOG2 * format.emin  # small normal probabilities
    hard[6, 0], hard[6, -1] = format.max, -format.max
    hard[7, n // 2] = np.inf
    hard[8] = -np.inf
    finite = np.isfinite(hard)
    hard[finite] = nearest_finite(format, hard[finite])
    rows_last = hard if len(shape) == 2 else np.stack([hard, hard[::-1]])
    values = np.ascontiguousarray(np.moveaxis(rows_last, -1, axis))
    name = f"hard,{'x'.join(map(str, shape))},axis={axis}"
    tier = Tier.SMOKE if len(shape) == 2 else Tier.STANDARD
    return Row(name, values, axis=axis, tier=tier, alone=True)


def _row(values: NDArray[np.float64], axis: int, *, raises: bool = False, policy: str = "") -> Row:
    tier = Tier.SMOKE if (values.shape, axis) in SMOKE else Tier.STANDARD
    return Row(_name(values.shape, axis), values, axis=axis, tier=tier, raises=raises, alone=True, policy=policy)


def _name(shape: tuple[int, ...], axis: int) -> str:
    return f"{'x'.join(map(str, shape)) or 'scalar'},axis={axis}"
