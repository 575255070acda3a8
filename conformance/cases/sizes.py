"""Ordinary rows at every length where a kernel changes its path, from one logit to a vocabulary.

A kernel that is right at 1024 says nothing about 1025.  Vector bodies hand the rest of a row to a
tail, warps pad it, blocks carry a maximum and a sum from one to the next, launchers choose another
kernel beyond 1024, 2048 or 4096 logits, and an index of 16 bits wraps at 65,536.  Each such path has
its own maximum, its own sum and its own store, so each is asked with two rows: a normal one around
zero, where every lane has a share that shows, and one whose winner stands in the last lane, where a
dropped tail, a block that was not rescaled or a sum over a part of the row costs the most.

The second has a common offset of log(max) - 8, two standard deviations below the overflow of exp.
Without the shift about 2 lanes in 100 overflow, so a short row may come out right by chance and a long
one is NaN.  Its first lane lies far below, so that a kernel which subtracts the first logit, and not
the maximum, overflows, and its second has a small normal probability, which a clip or a flush loses.
The normal row of more than 1000 logits lies where exp underflows without the shift.

In arrays of 1, 2, 7, 8 and 9 rows, around a vector of rows, and of 129, twice what a grid of 64 holds and
one more, the rows have offsets of their own, so a maximum or a sum taken from a neighbour shows, and
winners in lanes of their own, of which the 65th row has the first and the 129th the last of 257.
The offsets rise from row to row, and in the smoke tier fall as well, where a maximum that is kept from
one row to the next is too large.

The smoke tier has the lengths of its ladder, 1024, 4097 and one row of 202,048, in which a kernel that
breaks anywhere up to there is found at the price of one long array; and two shapes.  The standard tier
has six more lengths around blocks, and vocabularies from 32,000 to 262,144; each length costs every
compiled mode a compilation, so the others are exhaustive, and one of a million.

First known victims: PyTorch's CUDA softmax of 517 and of 781 doubles (pytorch/pytorch#143644,
pytorch/pytorch#147284); TensorRT between 128 and 384 tokens and beyond (NVIDIA/TensorRT#1097); Paddle,
whose log_softmax beyond 100,000 took another logarithm (PaddlePaddle/Paddle#53654) and whose softmax of
100,000 logits was NaN (PaddlePaddle/Paddle#55685); TensorFlow, from 8 rows on (tensorflow/tensorflow#116933);
and tails that answer unlike vector bodies (pytorch/pytorch#197018).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import RARE, STANDARD_LENGTHS, lowest_tier
from conformance.cases._numbers import LOG2, nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

SPREAD = 4.0
"""Standard deviation of the logits; rows around zero have half of it, so that every lane counts."""

ONE_ROW = (65_537, 100_000, 128_256, 151_936, 202_048, 262_144, 2**20 + 1)
"""Lengths asked with one row, for their cost."""

COUNTS = (1, 2, 7, 8, 9, 129)
"""Rows of an array."""

SIDES = (17, 33, 257, 1025)
"""Their lengths."""

SMOKE_SHAPES = {(129, 257), (9, 17)}
STANDARD_SHAPES = {(7, 257), (1, 257), (2, 33), (8, 17), (9, 1025)}


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Two rows a length, one of the longest ones, then arrays of a few rows; the exhaustive ones last."""
    for n in STANDARD_LENGTHS:
        yield from _two(format, rng, n)
    shapes = [(count, n) for count in COUNTS for n in SIDES]
    for shape in sorted(shapes, key=_tier):
        yield _array(format, rng, shape, 1)
        if shape in SMOKE_SHAPES:
            yield _array(format, rng, shape, -1)
    for n in RARE:
        yield from _two(format, rng, n)


def _array(format: Format, rng: np.random.Generator, shape: tuple[int, int], sign: int) -> Row:
    """Rows with rising or falling offsets, and each with its winner in another lane."""
    offsets = np.linspace(-sign, sign, shape[0])[:, None] * 2 * _log_max(format)
    values = rng.normal(offsets, SPREAD, shape)
    count, n = np.arange(shape[0]), shape[1]
    values[count, 4 * (count - 64) % n] = values.max(axis=-1) + 1
    name = f"{'offsets' if sign > 0 else 'falling'},{shape[0]}x{n}"
    return Row(name, nearest_finite(format, values), tier=_tier(shape), alone=True)


def _two(format: Format, rng: np.random.Generator, n: int) -> Iterator[Row]:
    """A row around the overflow of exp, with its winner in the last lane, and one around zero."""
    shifted = rng.normal(_log_max(format) - 2 * SPREAD, SPREAD, n)
    shifted[-1] = shifted.max() + SPREAD
    if n > 4:
        shifted[0] = -_log_max(format)
        shifted[1] = shifted[-1] + 0.9 * LOG2 * format.emin
    yield Row(f"last,n={n}", nearest_finite(format, shifted), tier=lowest_tier(n))
    if n not in ONE_ROW:
        centre = -2 * _log_max(format) if n > 1000 else 0.0
        yield Row(f"normal,n={n}", nearest_finite(format, rng.normal(centre, SPREAD / 2, n)), tier=lowest_tier(n))


def _tier(shape: tuple[int, int]) -> Tier:
    if shape in SMOKE_SHAPES:
        return Tier.SMOKE
    return Tier.STANDARD if shape in STANDARD_SHAPES else Tier.EXHAUSTIVE


def _log_max(format: Format) -> float:
    return (format.emax + 1) * LOG2
