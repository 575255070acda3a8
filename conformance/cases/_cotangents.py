"""Cotangents of every kind: what a loss sends back, and what only an adversary would."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import first_middle_last
from conformance.cases._numbers import across_binades, nearest_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.formats import Format


def one_hot(n: int, place: int, value: float = 1.0) -> NDArray[np.float64]:
    """A cotangent that is zero but for one lane."""
    return np.where(np.arange(n) == place, value, 0.0)


def cotangents(format: Format, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
    """A cotangent of each kind for rows of n logits, by name; each is representable in the format.

    The sum of the absolute values of each is below the largest number, so that no honest sum overflows.
    """
    lanes, p, eta = np.arange(n), format.precision, format.smallest_subnormal
    large = format.max / (4 * n)
    signs = np.where(lanes % 2 == 0, 1.0, -1.0)
    reach = min(2 * p, -format.emin // 2, format.emax // 2)
    found = {
        **{f"one@{place}": one_hot(n, place) for place in first_middle_last(n)},
        "ones": np.ones(n),
        "all=-3": np.full(n, -3.0),
        "zeros": np.zeros(n),
        "-zeros": np.full(n, -0.0),
        "normal": rng.normal(0, 1, n),
        "alternating": signs,
        "pairs": signs * np.repeat(rng.normal(0, 1, (n + 1) // 2), 2)[:n],  # each and its opposite, side by side
        "binades": rng.choice([-1.0, 1.0], n) * across_binades(rng, -reach, min(reach, math.frexp(large)[1] - 1), n),
        "huge": signs * large * rng.uniform(0.5, 1, n),
        "huge-equal": np.full(n, large),
        "huge@0": one_hot(n, 0, format.max / 4),
        "large@0": np.where(lanes == 0, 2.0 ** min(p, format.emax // 2), 1.0),  # hides the others in a sum
        "tiny": rng.normal(0, 1, n) * 8 * format.smallest_normal,
        "eta": signs * eta * rng.integers(1, 8, n),
        "small": rng.normal(0, 1, n) * 2.0 ** (format.emin // 2),  # far below 1, and far from subnormal
    }
    return {name: nearest_finite(format, cotangent) for name, cotangent in found.items()}
