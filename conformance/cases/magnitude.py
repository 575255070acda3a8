"""Logits so large or so small that exp overflows or underflows unless the maximum is subtracted first.

The textbook definition exp(x) / sum(exp(x)) is inf/inf = NaN as soon as one logit exceeds log(max)
(11.1 in float16, 88.7 in float32, 709.8 in float64), and 0/0 = NaN when every logit lies below the
log of the smallest subnormal.  Subtracting m = max(x) cures both, if it really is the maximum: a
kernel that misses one lane while it searches (a tail, the first, the last, one that a loop steps over)
fails only when the maximum sits in that lane, so +1000 visits every lane of a row of -1000: rows of up
to 17 one by one, and 257 lanes as the two diagonals of a square.  Longer rows have their winner at the first,
the middle and the last place, behind everything that a search by blocks may have left out.  At the
largest integer below log(max) each exp is still finite, and only their sum overflows.

First known victims: torch-export to ONNX, which emitted Exp/ReduceSum/Div (pytorch/pytorch#34585);
PyTorch's bfloat16 kernel along other axes, whose vector path had lost the subtraction
(pytorch/pytorch#62897); cuDNN's fast softmax on rows of -1000 (FluxML/NNlib.jl#506); and a shift by
x[0] in the place of the maximum (ROCm/AMDMIGraphX#1290).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import EDGES, LONGEST_SMOKE, SMOKE_FURTHER, SMOKE_LENGTHS, first_middle_last
from conformance.cases._numbers import LOG2, label, nearest_finite, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

BIG = 1000.0
"""Beyond log(max) of every format, and inside the range of every format."""

EVERY_PLACE = (2, 3, 9, 17)
"""Lengths at which every lane holds the maximum once; longer rows try the lanes around a vector."""

DIAGONALS = ((257, Tier.SMOKE), (1025, Tier.EXHAUSTIVE))
"""Length, and tier, of two squares in which every lane holds the maximum of one row."""


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """Constant rows at both signs, then the maximum at every place."""
    log_max = (format.emax + 1) * LOG2
    for value in (BIG, -BIG, math.floor(log_max), math.ceil(log_max), -math.ceil(log_max)):
        level = nearest_finite_one(format, value)
        for n in EDGES:
            smoke = abs(value) == BIG and n in (3, 17)
            tier = Tier.SMOKE if smoke else Tier.STANDARD
            yield Row(f"all={label(format, level)},n={n}", np.full(n, level), tier=tier)
    for n in EVERY_PLACE:
        for place in range(n):
            smoke = n in SMOKE_LENGTHS and place in (1, n - 1)
            yield _maximum(format, n, place, Tier.SMOKE if smoke else Tier.STANDARD)
    for n in (33, 257):
        for place in (0, 7, 8, 31, 32, n - 1):
            yield _maximum(format, n, place, Tier.SMOKE if (n, place) == (257, n - 1) else Tier.STANDARD)
    for n in (1024, 4097, 8193, 100_000, LONGEST_SMOKE):
        for place in first_middle_last(n) if n < 100_000 else (n - 1,):
            yield _maximum(format, n, place, Tier.SMOKE if n in SMOKE_FURTHER and place == n - 1 else Tier.STANDARD)
    for n, tier in DIAGONALS:
        values = nearest_finite(format, np.where(np.eye(n) == 1, BIG, -BIG))
        yield Row(f"max@each,{n}x{n}", values, tier=tier, alone=True)
        yield Row(f"max@each-reversed,{n}x{n}", values[::-1].copy(), tier=tier, alone=True)


def _maximum(format: Format, n: int, place: int, tier: Tier) -> Row:
    values = nearest_finite(format, np.where(np.arange(n) == place, BIG, -BIG))
    return Row(f"max@{place},n={n}", values, tier=tier)
