"""The rows of two logits where a sweep found a framework's gradient furthest off, of every row that there is.

What ``worst_known`` is for the functions: the gaps of the rows [0, -d] where ``conformance sweep`` found the largest
errors of a vjp, with the cotangent that showed them: one lane alone, which is p·(1 - p) and loses what cancels where p
is near 1, or ones, whose vjp is what the roundings leave of zero.

First known victims: the gradients in float16 of torch, JAX and TensorFlow, up to 500 units in the last place off where
the answers themselves are right (docs/worst-cases.md has all of them); in float64 the small component of a gradient,
lost by torch and by JAX (pytorch/pytorch#195680, jax-ml/jax#40384).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._cotangents import one_hot
from conformance.cases._row import Row
from conformance.cases._worst import GAPS
from conformance.cases.worst_known import FEW, side_by_side
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

COTANGENTS = {"one-hot": one_hot(2, 0), "ones": np.ones(2)}
"""By the name that a sweep gives each."""


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """Each gap in both orders, then those of both cotangents as columns, once with each of them."""
    found = {name: [float.fromhex(gap) for gap in GAPS[name][format.name]] for name in COTANGENTS}
    for name, cotangent in COTANGENTS.items():
        for i, gap in enumerate(found[name]):
            tier = Tier.SMOKE if i % FEW == 0 else Tier.STANDARD
            for order, values in (("last", [0.0, -gap]), ("first", [-gap, 0.0])):
                yield Row(f"{gap!r},{order},g={name}", np.array(values), cotangent=cotangent, tier=tier)
    columns = side_by_side(sorted({gap for gaps in found.values() for gap in gaps}))  # of one shape: one compilation
    for name, cotangent in COTANGENTS.items():
        g = np.tile(cotangent[:, np.newaxis], columns.shape[1])
        yield Row(f"columns,2x{columns.shape[1]},axis=0,g={name}", columns, axis=0, alone=True, cotangent=g)
