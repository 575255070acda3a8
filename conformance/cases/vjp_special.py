"""Gradients of NaN and infinities, in the logits and in the cotangent: a NaN stays in its row and fills it.

A NaN among the cotangents is in both sums, so the whole row is NaN; so is it where a logit is NaN.  For an infinite cotangent and for a
logit of +inf no single answer is right, and none is asked for there.  What is asked is that the rows beside them are what
they are alone: losses are scaled until a gradient overflows, the step is skipped where one is found, and a NaN that
went to other rows, or that was turned into a number, spoils that test.

The smoke tier has one array of nine rows for each special number, and single rows of one length.

First known victims: optax, whose gradient of a cross entropy was NaN beside a logit of -inf
(google-deepmind/optax#1762); a guard that turned a NaN into zeros (pytorch/pytorch#141128).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import first_middle_last
from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

SHAPE = (9, 17)

SIZES = (2, 17, 257)


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """A NaN at three places of logits and cotangents; arrays in which one row is special."""
    for n in SIZES:
        logits = nearest_finite(format, rng.normal(0, 2, n))
        cotangent = nearest_finite(format, rng.normal(0, 1, n))
        for place in first_middle_last(n):
            here, tier = np.arange(n) == place, Tier.SMOKE if n == 17 else Tier.STANDARD
            yield Row(f"g=nan@{place},n={n}", logits, cotangent=np.where(here, np.nan, cotangent), tier=tier)
            yield Row(f"nan@{place},n={n}", np.where(here, np.nan, logits), cotangent=cotangent, tier=tier)
    for name, value in (("nan", np.nan), ("+inf", np.inf), ("-inf", -np.inf)):
        values = nearest_finite(format, rng.normal(0, 2, SHAPE))
        cotangent = nearest_finite(format, rng.normal(0, 1, SHAPE))
        special = cotangent.copy()
        special[4, 8] = value
        yield Row(f"g={name}@4,8,9x17", values, cotangent=special, tier=Tier.SMOKE, alone=True)
        yield Row(f"g={name}@4,8,17x9,axis=0", _turned(values), axis=0, cotangent=_turned(special), alone=True)
        if value != -np.inf:  # which is a mask
            given = values.copy()
            given[4, 8] = value
            yield Row(f"{name}@4,8,9x17", given, cotangent=cotangent, tier=Tier.SMOKE, alone=True)


def _turned(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.T)
