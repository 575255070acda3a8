"""The same numbers in another memory layout: transposed, sliced, reversed, offset, and with stride zero.

A kernel reads memory and not arrays: it has to be told the strides, and believe them.  One that assumes C order
reads a transposed array as another array of the same shape; one that ignores a step reads what lies between (here
ones, so that it shows); a negative step is read backwards, or from before the first number; a view that begins
later is read from the beginning of its base; and an axis that is broadcast has stride zero: its logits are equal
and stand in one place, but they are n logits and not one.  No two rows are equal but the broadcast ones, and the
logits lie around 1000, so that a lost shift shows too; around -1000 they are asked again.

Only frameworks whose arrays have strides are asked: NumPy's kernels and torch.  Everything is in the smoke tier,
since it is seven small arrays, but for the larger one.

First known victims: MLX, whose softmax of a slice summed to 4 (ml-explore/mlx#657); PyTorch on MPS, zeros for a slice
(pytorch/pytorch#80006); MIOpen, which ignored the strides of its descriptor (ROCm/rocm-libraries#11387); an ``out=`` that
was not contiguous (pytorch/pytorch#75923).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

CENTRE, SCALE = 1000.0, 8.0
"""Beyond log(max) of every format, and spread over a few of its units."""

ASKED = (
    ("transposed", (5, 7), -1),
    ("transposed", (5, 7), 0),
    ("step", (5, 7), -1),
    ("reversed", (5, 7), -1),
    ("offset", (5, 7), -1),
    ("broadcast-row", (5, 7), -1),
    ("broadcast-axis", (5, 7), -1),
    ("heads", (3, 5, 7), -1),
)

LARGER = (
    ("transposed", (33, 257), -1),
    ("step", (33, 257), -1),
    ("offset", (33, 257), -1),
    ("transposed", (3, 5, 7), -1),
    ("transposed", (3, 5, 7), 1),
    ("heads", (2, 3, 5, 33), -1),
    ("heads", (2, 3, 5, 33), 2),
)
"""Rows of many vectors, of which all but one in sixteen are not aligned, and more than two axes."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Every layout on a small array, some on a larger one."""
    for tier, asked in ((Tier.SMOKE, ASKED), (Tier.STANDARD, LARGER)):
        for layout, shape, axis in asked:
            for sign, centre in (("", CENTRE), ("-", -CENTRE)):
                values = nearest_finite(format, rng.normal(centre, SCALE, shape))
                if layout == "broadcast-row":
                    values = np.broadcast_to(values[:1], shape).copy()
                if layout == "broadcast-axis":
                    values = np.broadcast_to(values[:, :1], shape).copy()
                name = f"{sign}{layout},{'x'.join(map(str, shape))},axis={axis}"
                yield Row(name, values, axis=axis, tier=tier, alone=True, layout=layout)
