"""The rows that the suite asks about, for tests of what it judges them by."""

from __future__ import annotations

import numpy as np

from conformance.cases import cases, families
from conformance.values import Tier
from reference.formats import FORMATS
from reference.ops import SOFTMAX, SOFTMAX_VJP

FAMILIES = sorted(set(families()) - {"dtypes"})  # whose rows of four integers stand beside float32 alone


def rows_of(family: str, dtype: str, longest: int) -> list[np.ndarray]:
    """The rows of a family as matrices, along the asked axis; of a long row's matrix the first alone."""
    found = []
    op = SOFTMAX_VJP if families()[family].takes_cotangent else SOFTMAX
    for case in cases(FORMATS[dtype], (op,), families=[family], tier=Tier.STANDARD, seed=0):
        x, axis = case.logits, case.call.axis
        n = x.shape[axis] if x.ndim and not case.raises else 0
        if 0 < n <= longest:
            found.append(np.moveaxis(x, axis, -1).reshape(-1, n)[:4])
    return found
