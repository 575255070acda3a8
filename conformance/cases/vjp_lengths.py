"""Gradients of rows of every length: two sums a row, in the format, in vectors, in blocks, with a tail.

A backward pass adds up p·g, or g itself, over the row: a sum kept in few bits stalls, one that ends with the last whole
vector or block misses the tail, and a product of p = 1/n and a sum of n terms meets both ends of a narrow format.  Each
length has an ordinary row with an ordinary cotangent, but for a large one at the end, which no bound hides; a winner at
the end, ahead of the others by log n, so that it has half of the sum, with its cotangent alone, which is what picks a
class; and equal logits with cotangents a little below one, whose sum is nearly n, stalls at a power of two, and leaves
nothing.

The lengths are those of the ladder, further steps around blocks, and vocabularies of language models, in every
format: sums of n terms are what few bits get wrong.  One of 100,000 is in the smoke tier too: below 65,504 no sum of
ones overflows in float16, no index of 16 bits wraps, and the square of n is a number whose inverse float16 has.

First known victims: JAX's log_softmax in float16, all NaN beyond 65,504 logits, since the sum of the cotangent overflows
(jax-ml/jax#40409); MIOpen's, which added up in float16 (ROCm/MIOpen#3427).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._cotangents import one_hot
from conformance.cases._ladder import FURTHER, LENGTHS, SMOKE_LENGTHS
from conformance.cases._numbers import log_of, nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

LONG = (32_000, 100_000, 151_936)

SMOKE = (*SMOKE_LENGTHS, 1024, 100_000)


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Three rows a length, and four more of two lengths in the smoke tier, so that nothing hangs on one row alone."""
    for n in (*LENGTHS, *FURTHER, *LONG):
        ordinary, cotangent = rng.normal(0, 2, n), rng.normal(0, 1, n)
        for name, row, g in (
            (f"normal,g=64@{n - 1}", ordinary, np.where(np.arange(n) == n - 1, 64.0, cotangent)),
            (f"win@{n - 1},g=one@{n - 1}", one_hot(n, n - 1, log_of(n)), one_hot(n, n - 1)),
            ("equal,g>0", np.zeros(n), rng.uniform(0.75, 1, n)),
        ):
            tier = Tier.SMOKE if n in SMOKE else Tier.STANDARD
            yield Row(f"{name},n={n}", nearest_finite(format, row), cotangent=nearest_finite(format, g), tier=tier)
    for n, place in ((257, 200), (SMOKE[-1], 70_000)):  # the second is beyond what 16 bits count
        for name, row, g in (
            (f"normal,g=64@{place}", rng.normal(0, 2, n), np.where(np.arange(n) == place, 64.0, rng.normal(0, 1, n))),
            (f"win@{place},g=one@{place}", one_hot(n, place, log_of(n)), one_hot(n, place)),
            (f"higher@{n - 1},g=one@{n - 1}", one_hot(n, n - 1, log_of(2 * n)), one_hot(n, n - 1)),
            ("equal,g<0", np.zeros(n), -rng.uniform(0.75, 1, n)),
        ):
            yield Row(
                f"{name},n={n}", nearest_finite(format, row), cotangent=nearest_finite(format, g), tier=Tier.SMOKE
            )
