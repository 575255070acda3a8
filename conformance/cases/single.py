"""A row of one logit: the answer is exactly 1 and exactly 0, whatever the logit.

x - m is 0, exp(0) is 1, S is 1 and 1/1 is 1, each exactly: there is no rounding to hide behind, and
the smallest deviation is a fault.  It shows in kernels that divide by an approximate reciprocal,
that compute exp by a polynomial without a fixed point at 0, that scale before they subtract (η
flushed, max overflowed), or that mistake a size-one axis for an empty one.  All rows travel as one
array of many rows of one logit, so vector bodies over the batch are asked as well.

First known victim: TensorFlow's softmax over a size-one axis, 1 - 2**-24 in the place of 1 as soon
as there are 8 rows (tensorflow/tensorflow#116933).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._numbers import label, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Both signs of every landmark of the format, then random numbers over all its exponents."""
    landmarks = (
        0.0,
        format.smallest_subnormal,
        format.smallest_normal - format.smallest_subnormal,
        format.smallest_normal,
        format.unit_roundoff,
        1.0,
        1000.0,
        format.max / 2,
        format.max,
    )
    smoke = (0.0, format.smallest_subnormal, 1.0, format.max)
    for landmark in landmarks:
        for sign in (1.0, -1.0):
            value = sign * nearest_finite_one(format, landmark)
            tier = Tier.SMOKE if landmark in smoke else Tier.STANDARD
            yield Row(f"[{label(format, value)}]", np.array([value]), tier=tier)
    exponents = rng.uniform(format.emin, format.emax, 14)
    for i, exponent in enumerate(exponents):
        value = nearest_finite_one(format, (-1.0) ** i * 2.0**exponent)
        yield Row(f"[{label(format, value)}]", np.array([value]))
