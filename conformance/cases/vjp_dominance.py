"""Gradients beside one logit far ahead, whose p rounds to one: 1 - p is not 1 - 1, and the other lanes survive.

With the winner ahead by a gap g, p = 1 - ε with ε = exp(-g), and the Jacobian holds ε(1 - ε) everywhere: a normal
number as long as ε is one.  An implementation that computes 1 - p from a p that was rounded to one loses it; so does
one that multiplies by p twice.  The vjp of log_softmax is worse off: the winner's own lane is (1 - p)·g = ε·g, and a
saved log-probability of -0 says p = 1.  That loss is legal, within the bounds of p as it is saved; a NaN, a wrong sign
of a loser's lane, or a loser's lane lost to zero is not.  The gaps are those of the family dominance, and one of 26
binades: 2**-26 is nothing beside 1 in float32, and nothing in float16, but a normal number in every other format, and
not so far down that the loose bound of bfloat16 could not tell it from zero.

First known victims: PyTorch and JAX in float64 for a gap of 37.43, 0 in the winner's lane beside -5.55e-17 in the loser's
(pytorch/pytorch#195680, jax-ml/jax#40384).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._cotangents import one_hot
from conformance.cases._numbers import LOG2, nearest_finite, nearest_finite_one
from conformance.cases._row import Row
from conformance.cases.dominance import exponents
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

SMOKE = ("k=p/2", "k=p+1", "k=26", "k=-emin/2", "k=-emin")


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Pairs at every gap with the cotangent on the winner, on the loser and on both; longer rows at three gaps."""
    both = nearest_finite(format, rng.normal(0, 1, 2))
    for name, k in {**exponents(format), "k=26": 26.0}.items():
        gap = nearest_finite_one(format, k * LOG2)
        for where, cotangent in (("winner", one_hot(2, 0)), ("loser", one_hot(2, 1)), ("both", both)):
            tier = Tier.SMOKE if name in SMOKE and where != "both" else Tier.STANDARD
            yield Row(f"{name},[g,0],g={where}", np.array([gap, 0.0]), cotangent=cotangent, tier=tier)
        yield Row(f"{name},[-g,0],g=loser", np.array([-gap, 0.0]), cotangent=one_hot(2, 0))
        tier = Tier.SMOKE if name == "k=26" else Tier.STANDARD
        if tier is Tier.SMOKE:
            yield Row(f"{name},[g,0,0],g=winner", np.array([gap, 0.0, 0.0]), cotangent=one_hot(3, 0), tier=tier)
        yield Row(f"{name},[-g,0],g=winner", np.array([-gap, 0.0]), cotangent=one_hot(2, 1), tier=tier)
    for name in ("k=p/2", "k=p+1", "k=-emin/2"):
        gap = nearest_finite_one(format, exponents(format)[name] * LOG2)
        for n in (3, 17, 257):
            row = np.where(np.arange(n) == n // 2, gap, 0.0)
            every = nearest_finite(format, rng.normal(0, 1, n))
            for where, cotangent in (("winner", one_hot(n, n // 2)), ("loser", one_hot(n, 0)), ("all", every)):
                yield Row(f"{name},win@{n // 2},n={n},g={where}", row, cotangent=cotangent)
