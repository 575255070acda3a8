"""Small differences on top of a large common offset, which log_softmax must not add back too early.

Softmax does not change when a constant c is added to every logit.  Computed as (x - m) - log S all
is well; computed as x - (m + log S) the sum m + log S is rounded to a multiple of ulp(c), and where
ulp(c) > 2 log S nothing of log S survives: for two equal logits of 1e8 in float32 (ulp 8) the answer is 0
in the place of -log 2.  The differences asked here are multiples of ulp(c), hence exact in the row:
neighbours one unit apart, and, where ulp(c) is small enough, differences of order one.  The offsets
2**(p-3) and 2**(p-1), with an ulp of 1/4 and 1, are the largest at which a format of p bits still
holds fractions and integers.

First known victims: PyTorch's CUDA log_softmax of rand(4, 3) - 1e7, which gave [-1, -1, -1]
(pytorch/pytorch#38839); cross entropy of equal logits of 1e8, fixed in one kernel and left in the
other (pytorch/pytorch#11752); MLX from 1e4 to 1e20 (ml-explore/mlx#4169).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._numbers import label, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

SPREAD = 4.0
"""How far the differences of order one reach: exp(-4) / 257 still is a normal number in float16."""


def offsets(format: Format) -> list[float]:
    """Every offset of the family, each once, within the format's range."""
    quarter, one = 2.0 ** (format.precision - 3), 2.0 ** (format.precision - 1)
    decimal = [10.0**exponent for exponent in (4, 5, 6, 7, 8, 16, 20)]
    exact = [quarter, one, *decimal, math.sqrt(format.max), format.max]
    return list(dict.fromkeys(nearest_finite_one(format, value) for value in exact))


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Equal pairs, neighbours one unit apart, and differences of order one, at both signs."""
    for offset in offsets(format):
        unit = float(format.ulp(offset))
        for sign in (1.0, -1.0):
            name = label(format, sign * offset)
            smoke = offset in (nearest_finite_one(format, 1e7), nearest_finite_one(format, 1e8)) and sign < 0
            tier = Tier.SMOKE if smoke else Tier.STANDARD
            # Steps lead towards zero: at the largest finite number there is no other way.
            yield Row(f"{name},equal,n=2", np.full(2, sign * offset), tier=tier)
            yield Row(f"{name},ulps,n=3", sign * (offset - unit * np.array([1, 0, 2])), tier=tier)
            if sign > 0:
                yield Row(f"{name},ulps,n=17", offset - unit * rng.permutation(np.arange(17.0)))
            if unit <= 1:
                steps: NDArray[np.float64] = np.floor(rng.uniform(0, SPREAD, 257) / unit)
                tier = Tier.SMOKE if unit == 1 and sign > 0 else Tier.STANDARD
                yield Row(f"{name},units,n=257", sign * (offset - unit * steps), tier=tier)
