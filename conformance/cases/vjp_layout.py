"""Gradients along every axis, and of cotangents in every memory layout: transposed, sliced, with stride zero.

A backward pass reads two arrays, which need not lie in memory alike: the cotangent comes from whatever stands behind
the op.  ``sum().backward()`` sends one number with stride zero everywhere; a mean over an axis, or a mask shared by all
rows, one with stride zero along it; an attention that swaps its axes, a transposed one; a slice of a larger gradient,
one with a step or an offset.  A kernel that takes the strides of the output for those of the cotangent reads other
numbers, or beyond the end.

All logits lie around 1000, no two rows are alike, and no two sizes of a shape are equal.  Layouts are asked of frameworks
whose arrays have strides: NumPy's kernels and torch.

First known victims: FlagGems, wrong by 0.3 for the cotangent of stride zero that ``sum().backward()`` sends, which it
read as if it were contiguous, beyond its end (flagos-ai/FlagGems#5723).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

AXES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((33,), 0),
    ((3, 33), 0),
    ((3, 33), -1),
    ((2, 3, 33), 0),
    ((2, 3, 33), 1),
    ((2, 3, 33), -1),
    ((2, 3, 4, 33), 1),
    ((2, 3, 4, 33), -1),
    ((33, 1), 1),
    ((1, 33), 0),
    ((2, 1, 33), 1),
)

SMOKE_AXES = (((3, 33), 0), ((2, 3, 33), 1))

LAYOUTS: tuple[tuple[str, str, tuple[int, ...], int], ...] = (
    ("", "transposed", (5, 7), -1),
    ("transposed", "", (5, 7), -1),
    ("transposed", "transposed", (5, 7), 0),
    ("", "step", (5, 7), -1),
    ("", "reversed", (5, 7), -1),
    ("", "offset", (5, 7), -1),
    ("", "broadcast", (5, 7), -1),
    ("", "broadcast-row", (5, 7), -1),
    ("", "broadcast-axis", (5, 7), 0),
    ("heads", "heads", (3, 5, 7), -1),
    ("", "heads", (3, 5, 7), 1),
)
"""Of the logits and of the cotangent, shape and axis."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Axes of arrays in C order; then layouts."""
    for shape, axis in AXES:
        values, cotangent = _pair(format, rng, shape)
        tier = Tier.SMOKE if (shape, axis) in SMOKE_AXES else Tier.STANDARD
        name = f"{'x'.join(map(str, shape))},axis={axis}"
        yield Row(name, values, axis=axis, cotangent=cotangent, tier=tier, alone=True)
    # Twice, so that nothing hangs on one row alone; the same shapes, which a compiled mode has compiled already.
    for again in ("", ",again"):
        for layout, of_cotangent, shape, axis in LAYOUTS:
            values, cotangent = _pair(format, rng, shape)
            cotangent = _equal(cotangent, of_cotangent)
            name = f"{layout or 'c'},g={of_cotangent or 'c'},{'x'.join(map(str, shape))},axis={axis}{again}"
            yield Row(
                name,
                values,
                axis=axis,
                cotangent=cotangent,
                tier=Tier.SMOKE,
                alone=True,
                layout=layout,
                cotangent_layout=of_cotangent,
            )


def _pair(
    format: Format, rng: np.random.Generator, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return nearest_finite(format, rng.normal(1000, 8, shape)), nearest_finite(format, rng.normal(0, 1, shape))


def _equal(cotangent: NDArray[np.float64], layout: str) -> NDArray[np.float64]:
    """The numbers that a layout with strides of zero can hold."""
    first = {"broadcast": (0, 0), "broadcast-row": (0,), "broadcast-axis": (slice(None), slice(0, 1))}
    if layout not in first:
        return cotangent
    return np.broadcast_to(cotangent[first[layout]], cotangent.shape).copy()
