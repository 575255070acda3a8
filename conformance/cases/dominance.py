"""One logit far ahead: its log-probability is a tiny number next to zero that 1 + x rounds away.

With the winner ahead of k losers by a gap g its log-probability is -log(1 + k·exp(-g)) ≈ -k·exp(-g).
As soon as k·exp(-g) < 2**-p the sum 1 + k·exp(-g) is 1 in p bits and its log is 0, although the
answer is a fine number down to the smallest subnormal: only log1p on the losers' sum keeps it.  The
loss is legal (an absolute error of half an ulp of 1) but a user wants to know.  The losers' own
log-probabilities, -g, must be right at the same time.  Gaps stand where exp(-g) is 2**-k for the k
at which something changes: the precision of the format, that of float32 where narrow formats are
computed, the smallest normal number, the smallest subnormal and its half; and at every eighth of the
range of exponents between them, so that the winner's log-probability meets each magnitude there is.

The smoke tier has a gap at which 1 + x keeps half of the bits of x, the first at which it loses all,
and the smallest normal and subnormal numbers; the standard tier has the rest, since a pair costs next
to nothing and the threshold of an implementation may lie anywhere.

First known victims: TensorFlow's log_softmax of [1 - log(eps), 0], -0.0 where the truth is normal
(tensorflow/tensorflow#62400); scipy's logsumexp([0, -40]), 0 in the place of 4.2e-18
(scipy/scipy#18295); and the gradients, where 1 - p is computed as 1 - 1 (pytorch/pytorch#195680).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import first_middle_last
from conformance.cases._numbers import LOG2, eta_exponent, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format


def exponents(format: Format) -> dict[str, float]:
    """The k at which exp(-g) = 2**-k changes something, by name, then eighths of the way to η."""
    p, eta = format.precision, -eta_exponent(format)
    landmarks = {
        "k=1": 1,
        "k=p/2": p / 2,
        "k=p-1": p - 1,
        "k=p-1+log2(e)": p - 1 + 1 / LOG2,  # the published victim: a gap of 1 - log(eps)
        "k=p": p,
        "k=p+1": p + 1,
        "k=24": FORMATS["float32"].precision,
        "k=2p": 2 * p,
        "k=-emin/2": -format.emin / 2,
        "k=-emin": -format.emin,
        "k=eta": eta,
        "k=eta/2": eta + 1,
    }
    return landmarks | {f"k=eta*{i}/8": eta * i / 8 for i in range(1, 8)}


SMOKE = ("k=p/2", "k=p+1", "k=-emin/2", "k=eta*4/8", "k=-emin", "k=eta")
"""Also the middle of the range, twice: there one minus the winner is nothing in float32, and the loser is far from subnormal."""


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """Pairs at every gap in two positions of the zero, then longer rows at four of the gaps."""
    for name, k in exponents(format).items():
        gap = nearest_finite_one(format, k * LOG2)
        tier = Tier.SMOKE if name in SMOKE else Tier.STANDARD
        yield Row(f"{name},[g,0]", np.array([gap, 0.0]), tier=tier)
        yield Row(f"{name},[-g,0]", np.array([-gap, 0.0]))
    for name in ("k=p/2", "k=p+1", "k=-emin", "k=eta"):
        gap = nearest_finite_one(format, exponents(format)[name] * LOG2)
        for n in (3, 17, 257, 4097):
            for place in first_middle_last(n) if n < 4097 else (n // 2,):
                values = np.where(np.arange(n) == place, gap, 0.0)
                tier = Tier.SMOKE if name == "k=p+1" and (n, place) == (17, 16) else Tier.STANDARD
                yield Row(f"{name},win@{place},n={n}", values, tier=tier)
