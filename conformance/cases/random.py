"""Ordinary rows at many scales and lengths: where no trick applies, the plain error budget is spent.

Adversarial rows test edges; rounding errors of exp, of the sum and of the quotient add up in
ordinary ones, in proportion to the row's length and spread.  Scales run from 2**-10, where the
logits nearly agree and log S ≈ log n is all there is, to 2**7, where p covers the whole range and
most of it underflows.  Rows that are uniform over the bit patterns of the format instead try every
exponent and subnormals, and narrowed to |x| <= 128 they mix tiny and large logits in one row.

First known victims: log_softmax in bfloat16, about one per cent apart on CPU and GPU
(pytorch/pytorch#112714), also on the two logits [0.0664, -2.3906] (tensorflow/tensorflow#86434);
rows of 517 doubles that do not sum to 1 (pytorch/pytorch#143644).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import EDGES, LENGTHS, SMOKE_LENGTHS
from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

SCALES = (-10, -3, 0, 3, 7)
"""Exponents of the standard deviations."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Normal rows at every scale and length, then rows uniform over bit patterns."""
    for n in LENGTHS[1:]:
        for scale in SCALES:
            values = nearest_finite(format, rng.normal(0, 2.0**scale, n))
            smoke = n in SMOKE_LENGTHS and scale in (0, 3)
            yield Row(f"normal*2^{scale},n={n}", values, tier=Tier.SMOKE if smoke else Tier.STANDARD)
    for n in EDGES:
        for name, largest in (("bits", format.max), ("bits<=128", 128.0)):
            tier = Tier.SMOKE if n in (3, 17) and name == "bits<=128" else Tier.STANDARD
            yield Row(f"{name},n={n}", _uniform_bits(format, rng, n, largest), tier=tier)


def _uniform_bits(format: Format, rng: np.random.Generator, n: int, largest: float) -> NDArray[np.float64]:
    """Numbers whose bit patterns are uniform, up to a largest magnitude.

    Patterns of one sign are ordered like the magnitudes they stand for, so a uniform pattern is a
    uniform binade (the subnormals are one of them) and a uniform significand in it.
    """
    last = np.frexp(largest)[1] - 1 - format.emin + 1
    binade = rng.integers(0, last + 1, n)
    fraction = rng.integers(0, 2 ** (format.precision - 1), n) * 2.0 ** (1 - format.precision)
    exponent = np.maximum(binade - 1, 0) + format.emin
    magnitude = np.ldexp(np.where(binade == 0, 0.0, 1.0) + fraction, exponent)
    signs: NDArray[np.float64] = rng.choice(np.array([-1.0, 1.0]), n)
    values: NDArray[np.float64] = signs * np.minimum(magnitude, largest)
    return values
