"""Gradients of many cotangents over rows of every kind: what comes back, and what cancels.

The vjp of softmax is p_i(g_i - Σ p_j g_j), that of log_softmax g_i - p_i Σ g_j: differences, whose parts may be far
larger than what is left of them.  A cotangent of ones, which is what ``sum().backward()`` gives, lets nearly every wrong
formula pass, since its vjp is zero; it is asked, because what is left there is rounding alone.  One logit's cotangent
alone (a loss that picks one lane) shows each column of the Jacobian, first, middle and last; signs that alternate and
numbers over many binades cancel in the sum and not in the lanes; huge ones overflow where a product is taken before
the probability that makes it small; subnormal ones are lost where they are flushed; zeros have a vjp of zero, and of
nothing else.  Every number is small enough that an honest sum of the absolute values stays in the format.

The rows under them: equal logits (ties), ordinary ones, ±1000, an offset of 1000, one winner so far ahead that its p
rounds to one, and losers whose p is about to be subnormal.

The smoke tier has the ordinary row and the winner at two lengths, with the cotangents that tell formulas apart; the
standard tier has all rows and cotangents at four lengths.

First known victims: PyTorch's log_softmax of equal logits, whose gradient under a cotangent of ones was 7e-5 in sum where it
is zero (pytorch/pytorch#16028), and NNlib's, which divided by a probability that was zero (FluxML/NNlib.jl#68).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._cotangents import cotangents
from conformance.cases._numbers import LOG2, nearest_finite, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

SIZES = (2, 3, 17, 257)

SMOKE_ROWS = ("normal", "winner")

SMOKE_SIZES = (3, 17)

SMOKE = (
    "one@0",
    "one@1",
    "one@8",
    "ones",
    "zeros",
    "normal",
    "alternating",
    "binades",
    "huge",
    "huge@0",
    "eta",
    "small",
)
"""The cotangents of the smoke tier."""


def logits(format: Format, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
    """A row of each kind, by name."""
    lanes = np.arange(n)
    ahead = (format.precision + 1) * LOG2
    low = 0.9 * LOG2 * format.emin
    found = {
        "equal": np.zeros(n),
        "normal": rng.normal(0, 3, n),
        "offset": rng.normal(1000, 3, n),
        "+-1000": np.where(lanes % 2 == 0, 1000.0, -1000.0),
        "winner": np.where(lanes == n // 2, ahead, 0.0),
        "small": np.where(lanes == 0, 0.0, low - lanes % 3),
    }
    return {name: nearest_finite(format, row) for name, row in found.items()}


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Every cotangent over every row, at each length."""
    for n in SIZES:
        given = cotangents(format, rng, n)
        for kind, row in logits(format, rng, n).items():
            for name, cotangent in given.items():
                smoke = kind in SMOKE_ROWS and n in SMOKE_SIZES and name in SMOKE
                tier = Tier.SMOKE if smoke else Tier.STANDARD
                yield Row(f"{kind},g={name},n={n}", row, cotangent=cotangent, tier=tier)
    # The lanes beside a winner whose p is one: their own cotangent, and the winner's.
    for n in (17, 257):
        far = np.where(np.arange(n) == 1, nearest_finite_one(format, -0.5 * LOG2 * format.emin), 0.0)
        for place in (0, 1):
            g = np.where(np.arange(n) == place, 1.0, 0.0)
            yield Row(f"far-winner@1,g=one@{place},n={n}", far, cotangent=g)
