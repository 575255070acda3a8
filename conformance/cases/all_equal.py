"""Equal logits: the answer is 1/n and -log n whatever the value, so only the sum can go wrong.

Every shifted logit is 0 and every exp is 1, so S = n exactly: no exp, no cancellation.  What is left
is the sum, and a sum kept in p bits stalls at 2**p, because 2**p + 1 rounds back to 2**p: at 256
terms in bfloat16, at 2048 in float16.  At the largest finite value and its negative, any work done
before the subtraction (a scale, x·x, a base change by log2 e) overflows.  Equal logits must also
have equal answers, in vector lanes and in the tail alike.

First known victims: candle's float16 softmax of 4096 zeros, whose rows summed to 2.0
(huggingface/candle#3727); PyTorch's CUDA softmax of 781 float64 zeros, half of the right value in
some lanes (pytorch/pytorch#147284); log_softmax of two logits of 1e16 (pytorch/pytorch#11752).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import EDGES, LENGTHS
from conformance.cases._numbers import label, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """Zero, 1000 and the largest number at every length of the ladder, the other values at some."""
    for value in (0.0, 1000.0, format.max, 1.0, -1.0, -1000.0, -format.max):
        level = nearest_finite_one(format, value)
        for n in LENGTHS if value in (0, 1000, format.max) else (1, *EDGES):
            smoke = (value in (0, format.max) and n in (3, 257)) or (value == -format.max and n == 17)
            name = f"all={label(format, level)},n={n}"
            yield Row(name, np.full(n, level), tier=Tier.SMOKE if smoke else Tier.STANDARD)
