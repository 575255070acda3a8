"""The rows that the suite asks about, for tests of what it judges them by."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from conformance.cases import cases, families
from conformance.values import Tier
from reference.formats import FORMATS
from reference.ops import SOFTMAX, SOFTMAX_VJP

FAMILIES = sorted(set(families()) - {"dtypes"})  # whose rows of four integers stand beside float32 alone

A_FORMAT_A_SPEED = [
    pytest.param(dtype, marks=[] if dtype in ("float64", "bfloat16") else pytest.mark.nightly) for dtype in FORMATS
]
"""The formats; those whose truth is computed at the speed of another one are left to the nightly run."""


@cache
def rows_of(family: str, dtype: str, longest: int) -> tuple[np.ndarray, ...]:
    """The rows of a family along the asked axis, each once: one matrix a length; of a long row's matrix the first alone."""
    found: dict[int, dict[bytes, np.ndarray]] = {}
    op = SOFTMAX_VJP if families()[family].takes_cotangent else SOFTMAX
    for case in cases(FORMATS[dtype], (op,), families=[family], tier=Tier.STANDARD, seed=0):
        x, axis = case.logits, case.call.axis
        n = x.shape[axis] if x.ndim and not case.raises else 0
        if 0 < n <= longest:
            for row in np.moveaxis(x, axis, -1).reshape(-1, n)[:4]:
                found.setdefault(n, {}).setdefault(row.tobytes(), row)
    return tuple(np.stack(list(rows.values())) for rows in found.values())
