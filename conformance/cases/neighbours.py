"""Logits one unit in the last place apart, at every magnitude, with the odd one at three places.

Two neighbouring numbers of a format are told apart by the last bit alone.  Below 1 the gap is less
than a rounding, all probabilities are 1/n or next to it, and what is asked is that equal logits have
equal answers and that the larger logit has no smaller one.  At 2**p the gap is 1: any work in fewer
bits, before the subtraction (a scale, a change of base, a cast), closes or doubles it.  Far above,
the gap is beyond the range of exp, and one logit takes all.  Every row has n - 1 equal logits, in
vector lanes and in the tail, and one of the next number above or below.  Among subnormal numbers the
neighbours are η and 0, which a kernel that flushes cannot tell apart.  The pairs stand just below each
power of two, where the exponents differ and the gap is 2**(e - p).  (Opposite extremes, and neighbours
at large offsets in steps, are asked by the families of huge ranges and of offsets.)

The smoke tier has the gap of 1 and the pair of the largest numbers, odd one last; the standard tier has
all: magnitudes over the whole range, each gap from 1/8 to 8, three places, both signs.

First known victims: PyTorch's CUDA log_softmax of numbers around -1e7, where the unit is 1, with -1 for
each of three (pytorch/pytorch#38839); Paddle, one unit apart on lanes that should be equal
(PaddlePaddle/Paddle#56834); tails that compute another exp than vector bodies (pytorch/pytorch#197018).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import first_middle_last
from conformance.cases._numbers import eta_exponent
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

STEPS = 9
"""Magnitudes over the whole range of exponents."""

GAPS = (-3, -2, -1, 0, 1, 2, 3)
"""Exponents of the gaps that exp tells apart well."""

SIZE = 17
"""A vector of every width, and a tail of one."""


def exponents(format: Format) -> list[int]:
    """The e of the powers of two that a neighbour is just below."""
    range_ = np.linspace(eta_exponent(format), format.emax, STEPS).round().astype(int).tolist()
    gaps = [format.precision + gap for gap in GAPS]
    return sorted({*range_, *(e for e in gaps if e <= format.emax)})


def pairs(format: Format) -> dict[str, tuple[float, float]]:
    """Neighbours, lower and upper, by name."""
    found = {}
    for e in exponents(format):
        # Below a power of two numbers are half as far apart as above it, but never nearer than η.
        high = float(np.ldexp(1.0, e))
        low = high - max(float(np.ldexp(1.0, e - format.precision)), format.smallest_subnormal)
        found[f"2^{e}"] = (low, high)
    found["max"] = (format.max - float(format.ulp(format.max)), format.max)
    return found


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """One lane above all others, then one below, of every pair and of its negative, at three places."""
    for name, (low, high) in pairs(format).items():
        for sign in (1.0, -1.0):
            lower, upper = sorted((sign * low, sign * high))
            for place in first_middle_last(SIZE):
                here = np.arange(SIZE) == place
                smoke = name in (f"2^{format.precision}", "max") and sign > 0 and place == SIZE - 1
                tier = Tier.SMOKE if smoke else Tier.STANDARD
                side = "-" if sign < 0 else ""
                yield Row(f"{side}{name},above@{place}", np.where(here, upper, lower), tier=tier)
                yield Row(f"{side}{name},below@{place}", np.where(here, lower, upper), tier=tier)
