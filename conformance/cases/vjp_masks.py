"""Gradients of rows with masked lanes: nothing flows through -inf, and nothing of a masked row into another.

A masked lane has p = 0.  Its own vjp of softmax is 0, and its cotangent has no part in the others, however large it
is; of log_softmax it is its own cotangent, untouched, and p takes none of the sum, however large that is.  0·(-inf),
-inf - (-inf) and exp of either are where NaN comes from.  A row masked as a whole has no right answer, and none is asked
for; but the rows beside it are judged, since a batch of attention holds such rows and a gradient that is NaN there must
not become NaN everywhere.

Prefixes, single open lanes and every other lane, at two lengths; arrays of rows of which one is masked as a whole,
along the last axis and along the first.

First known victims: PyTorch's attention, where the gradients of one wholly masked row made those of the batch NaN
(pytorch/pytorch#41508); JAX, whose gradient through its mask argument was all NaN (jax-ml/jax#17117); TensorFlow's gradient
of a row with -inf (tensorflow/tensorflow#11756).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.cases.masks import patterns
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

SIZES = (17, 257)

SHAPE = (9, 17)
"""Rows of which one is masked as a whole."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Every pattern with ordinary cotangents, huge ones under the mask, and those of masked or of open lanes alone."""
    for n in SIZES:
        logits = nearest_finite(format, rng.normal(0, 2, n))
        ordinary = nearest_finite(format, rng.normal(0, 1, n))
        for pattern, open_ in patterns(n).items():
            if not open_.any():
                continue
            masked = np.where(open_, logits, -np.inf)
            large = nearest_finite(format, format.max / (4 * n))
            given = {
                "normal": ordinary,
                "huge-under-mask": np.where(open_, ordinary, large),
                "masked-alone": np.where(open_, 0.0, 1.0),
                "huge-open-alone": np.where(open_, large, 0.0),
            }
            for name, cotangent in given.items():
                smoke = n == 17 and pattern in ("one@16", "even", "prefix=8")
                tier = Tier.SMOKE if smoke else Tier.STANDARD
                yield Row(f"{pattern},g={name},n={n}", masked, cotangent=cotangent, tier=tier)
    values = nearest_finite(format, rng.normal(0, 2, SHAPE))
    values[4] = -np.inf
    values[2, :5] = -np.inf
    cotangent = nearest_finite(format, rng.normal(0, 1, SHAPE))
    yield Row("all=-inf@4,9x17", values, cotangent=cotangent, tier=Tier.SMOKE, alone=True)
    turned = (np.ascontiguousarray(array.T) for array in (values, cotangent))
    values, cotangent = turned
    yield Row("all=-inf@4,17x9,axis=0", values, axis=0, cotangent=cotangent, alone=True)
