"""Round real numbers to finite values of a format, and name them.

A family is written in real numbers (a gap of 126·log 2, an offset of 1e8); a question holds numbers of the format.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from reference.formats import Format

LOG2 = math.log(2)


def nearest_finite(format: Format, x: ArrayLike) -> NDArray[np.float64]:
    """Round each number to the nearest finite number of the format, ±the largest one beyond its range.

    Parameters
    ----------
    x
        Real numbers or infinities, of any shape; NaN stays NaN.

    Returns
    -------
    float64 of the same shape.
    """
    return format.quantise(np.clip(np.asarray(x, dtype=np.float64), -format.max, format.max))


def nearest_finite_one(format: Format, x: float) -> float:
    """Round one number to the nearest finite number of the format."""
    return float(nearest_finite(format, x))


def label(format: Format, value: float) -> str:
    """A short name of a number, with its sign, for names of rows."""
    landmarks = {format.max: "max", format.smallest_normal: "tiny", format.smallest_subnormal: "eta"}
    sign = "-" if math.copysign(1, value) < 0 else "+"
    return sign + landmarks.get(abs(value), f"{abs(value):g}")


def across_binades(rng: np.random.Generator, lowest: int, highest: int, n: int | None = None) -> NDArray[np.float64]:
    """Draw numbers from 2**lowest up to 2**highest, every binade as likely as another.

    Made of a drawn significand and a drawn exponent: a power of two with a fraction has another last bit in a vector of
    AVX-512 than in one of AVX2, and a question must be the same on every machine.

    Parameters
    ----------
    n
        How many; one number of shape () where None.
    """
    return np.ldexp(rng.uniform(1, 2, n), rng.integers(lowest, highest, n))


def log_of(n: int) -> float:
    """The log of a count to 24 bits, which every library agrees on, where they need not in the last one of float64."""
    return float(np.float32(math.log(n)))


def eta_exponent(format: Format) -> int:
    """The exponent of the smallest subnormal: η = 2**(emin - p + 1)."""
    return format.emin - format.precision + 1
