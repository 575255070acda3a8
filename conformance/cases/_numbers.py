"""How does a wish become numbers of a format?  By rounding and clipping.

A family wishes for real numbers (a gap of 126·log 2, an offset of 1e8); a question holds numbers of
the format.  A wish beyond the format's range becomes its largest finite number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from reference.formats import Format

LOG2 = math.log(2)


def fit(format: Format, wish: ArrayLike) -> NDArray[np.float64]:
    """The nearest finite numbers of the format."""
    return format.quantise(np.clip(np.asarray(wish, dtype=np.float64), -format.max, format.max))


def fit_one(format: Format, wish: float) -> float:
    """The nearest finite number of the format."""
    return float(fit(format, wish))


def label(format: Format, value: float) -> str:
    """A short name of a number, with its sign, for names of rows."""
    landmarks = {format.max: "max", format.smallest_normal: "tiny", format.smallest_subnormal: "eta"}
    sign = "-" if math.copysign(1, value) < 0 else "+"
    return sign + landmarks.get(abs(value), f"{abs(value):g}")


def eta_exponent(format: Format) -> int:
    """The exponent of the smallest subnormal: η = 2**(emin - p + 1)."""
    return format.emin - format.precision + 1
