"""Gaps at which a probability leaves the normal numbers, becomes subnormal, and at last zero.

A loser's probability is exp(-g) / S.  It is the smallest normal number at g = -emin·log 2, the
smallest subnormal η at g = -(emin - p + 1)·log 2, and rounds to zero beyond half of that.  Kernels
flush subnormals, clip the argument of exp at a constant chosen for speed, or lose log_softmax
altogether by taking the log of a probability that has become 0: there the truth is simply -g.  Each
threshold is asked at the nearest gap of the format and one unit before and after it.  Clip constants
are asked for every format, since narrow formats are computed in wider ones: log of the smallest
normal number (-87.34 in float32, -708.40 in float64), of half of η (-103.97, -745.13), of 2**(emax +
1/2) (-88.38: the classic Cephes bound), 2**emax, 2**(emax + 1), and their integer parts, which
people write by hand (-87, -88, -103, -708, -745).  The quotient underflows on its own where exp(-g)
is still normal and S is large.

First known victims: PyTorch on MPS, -inf for a logit 91.6 below the largest (pytorch/pytorch#94043);
log(softmax(x)) as a decomposition (tenstorrent/pytorch2.0_ttnn#1341); XLA on CPU, which flushes
subnormals (jax-ml/jax#37762); TensorFlow's log of the smallest subnormal, -inf
(tensorflow/tensorflow#62399); an exp that flushes (modular/modular#7102).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._numbers import LOG2, eta_exponent, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format


def thresholds(format: Format) -> dict[str, float]:
    """Gaps at which the kind of the result changes."""
    return {
        "normal": -format.emin * LOG2,
        "eta": -eta_exponent(format) * LOG2,
        "eta/2": (1 - eta_exponent(format)) * LOG2,
    }


def interiors(format: Format) -> dict[str, float]:
    """Gaps well inside each kind of result."""
    return {
        "inside-normal": -format.emin * LOG2 / 2,
        "last-binade": (-format.emin - 0.5) * LOG2,
        "inside-subnormal": -(format.emin + eta_exponent(format)) * LOG2 / 2,
        "inside-zero": -2 * eta_exponent(format) * LOG2,
    }


def clips() -> list[float]:
    """Where implementations are known to clip the argument of exp, over all formats."""
    gaps = []
    for working in FORMATS.values():
        emax = working.emax
        exponents = (-working.emin, 1 - eta_exponent(working), emax, emax + 0.5, emax + 1)
        gaps += [exponent * LOG2 for exponent in exponents]
    # Constants written by hand are integer parts; below 16 they would only repeat ordinary gaps.
    return gaps + [float(math.floor(gap)) for gap in gaps if gap > 16]


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """Thresholds and clips at one loser and at sixteen, the quotient, and ramps over all kinds."""
    for name, exact in interiors(format).items():
        gap = nearest_finite_one(format, exact)
        for n in (2, 17):
            yield _losers(name, gap, n, Tier.SMOKE if n == 17 or name == "last-binade" else Tier.STANDARD)
    for name, exact in thresholds(format).items():
        gap = nearest_finite_one(format, exact)
        for steps in (-1, 0, 1):
            for n in (2, 17):
                tier = Tier.SMOKE if steps and n == 2 else Tier.STANDARD
                yield _losers(f"{name}{steps:+d}ulp", gap + steps * float(format.ulp(gap)), n, tier)
        for n in (17, 257):
            # n - 1 winners: p = exp(-g) / (n - 1) crosses the threshold while exp(-g) is above it.
            gap = nearest_finite_one(format, exact - math.log(n - 1))
            yield Row(f"{name},quotient,n={n}", np.where(np.arange(n) == n // 2, -gap, 0.0))
    for exact in clips():
        gap = nearest_finite_one(format, exact)
        yield _losers(f"clip={-gap:.6g}", gap, 17, Tier.STANDARD)
    zero = thresholds(format)["eta/2"]
    for n in (257, 1025):
        ramp = format.quantise(-np.linspace(0, 1.1 * zero, n))
        yield Row(f"ramp,n={n}", ramp, tier=Tier.SMOKE if n == 257 else Tier.STANDARD)
        yield Row(f"ramp-reversed,n={n}", ramp[::-1].copy())


def _losers(name: str, gap: float, n: int, tier: Tier) -> Row:
    """One winner at zero and n - 1 losers behind it."""
    return Row(f"{name},n={n}", np.where(np.arange(n) == 0, 0.0, -gap), tier=tier)
