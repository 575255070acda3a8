"""The rows of two logits where a sweep found a framework furthest off, of every row that there is.

A row [0, -d] shows the whole chain: exp, sum, quotient and log.  ``conformance sweep`` asks every d of a format, of
float64 a sample, and keeps the row where each lane is worst, in units in the last place and over the bound, of each
framework.  These rows are replayed here, in both orders, along the last axis and side by side along the first: kernels
for the two are different code, and a worst row of one framework is a hard row for all, since the frameworks share few
exponentials (one polynomial has its worst error where another one has).

``_worst.py`` holds the gaps; ``python tests/sweep/worst_rows.py --write`` makes it from the published sweeps.

First known victims: log_softmax in 16 bits of torch, JAX and TensorFlow alike, which along the last axis is 0 for the
larger logit of [0, -7.625], where -0.000488 is right (docs/worst-cases.md has all of them); TensorFlow's, which for two
logits could be many orders of magnitude more accurate (tensorflow/tensorflow#62400).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._row import Row
from conformance.cases._worst import GAPS
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from reference.formats import Format


FEW = 8
"""The smoke tier has one gap in so many."""


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """Each gap in both orders, then all of them as columns."""
    gaps = [float.fromhex(gap) for gap in GAPS["forward"][format.name]]
    for i, gap in enumerate(gaps):
        tier = Tier.SMOKE if i % FEW == 0 else Tier.STANDARD
        for order, values in (("last", [0.0, -gap]), ("first", [-gap, 0.0])):
            yield Row(f"{gap!r},{order}", np.array(values), tier=tier)
    columns = side_by_side(gaps)
    yield Row(f"columns,2x{columns.shape[1]},axis=0", columns, axis=0, alone=True)


def side_by_side(gaps: Sequence[float]) -> NDArray[np.float64]:
    """The rows [0, -d] of all gaps, then the rows [-d, 0], as columns."""
    lower = -np.array(gaps)
    zeros = np.zeros(len(gaps))
    return np.concatenate([[zeros, lower], [lower, zeros]], axis=-1)
