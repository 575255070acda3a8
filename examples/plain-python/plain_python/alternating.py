"""Rows that alternate between two values, so that every vector lane sees the same one.

A kernel that adds in lanes puts all large terms into every other lane; one that drops a lane, or folds the lanes
in the wrong order, loses half of the sum and not a little of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Two values, one and four units apart, at three lengths."""
    del rng
    for n in (2, 17, 257):
        for gap in (1.0, 4.0):
            values = np.where(np.arange(n) % 2 == 0, 0.0, -gap)
            yield Row(f"gap={gap:g},n={n}", format.quantise(values), tier=Tier.SMOKE)
