"""Logits spread over the whole range of the format, where x - max(x) itself overflows.

For [max, -max] the gap is 2·max: the subtraction rounds to -inf, softmax is rightly [1, 0], and
log_softmax is rightly [0, -inf], since the true -2·max lies beyond the format and rounds to -inf.
That overflow is honest and must not become NaN: exp(-inf) is 0, but -inf - (-inf), 0·(-inf) and
inf/inf are NaN.  A gap of exactly max is the last that fits; one unit in the last place more is the
first that does not.  Where a narrow format is computed in a wider one the gap is finite inside and
overflows only in the last rounding.

First known victims: compiled PyTorch softmax after a multiplication by -1.7e14, NaN where one-hot
was due (pytorch/pytorch#100775); float16 attention logits below a large negative bias
(google/flax#982); NNPA's softmax beyond the range of its own format (onnx/onnx-mlir#2265).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import first_middle_last
from conformance.cases._numbers import eta_exponent, nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """Pairs around the overflow of the gap, one extreme among others, and ramps over the range."""
    big, last_place = format.max, float(format.ulp(format.max))
    pairs = {
        "[max,-max]": (big, -big),
        "[-max,max]": (-big, big),
        "[max,0]": (big, 0.0),
        "[0,-max]": (0.0, -big),
        "[max,-ulp(max)]": (big, -last_place),
        "[ulp(max),-max]": (last_place, -big),
        "[max,max/2]": (big, big / 2),
        "[max/2,-max/2]": (big / 2, -big / 2),
        "[max,max-ulp(max)]": (big, big - last_place),
        "[eta,-max]": (format.smallest_subnormal, -big),
        "[max,-max,max]": (big, -big, big),
        "[-max,max,-max]": (-big, big, -big),
        "[max,0,-max]": (big, 0.0, -big),
        "[-max,-max,0]": (-big, -big, 0.0),
    }
    smoke = {"[max,-max]", "[0,-max]", "[max,-ulp(max)]", "[-max,max,-max]", "[max,max/2]"}
    for name, values in pairs.items():
        yield Row(name, nearest_finite(format, values), tier=Tier.SMOKE if name in smoke else Tier.STANDARD)
    for n in (9, 17, 257):
        for place in first_middle_last(n):
            highest = np.where(np.arange(n) == place, big, -big)
            yield Row(f"max@{place},n={n}", highest)
            yield Row(f"-max@{place},n={n}", -highest)
    for n in (17, 257, 4097):
        tier = Tier.SMOKE if n == 17 else Tier.STANDARD
        yield Row(f"ramp,n={n}", nearest_finite(format, big * np.linspace(-1, 1, n)), tier=tier)
        yield Row(f"exponents,n={n}", _exponents(format, n))


def _exponents(format: Format, n: int) -> NDArray[np.float64]:
    """Powers of two over the whole range of exponents, the upper half positive, the lower negative."""
    powers = np.linspace(eta_exponent(format), format.emax, n // 2 + 1).round()
    magnitudes = np.ldexp(1.0, powers.astype(np.int64))
    return np.concatenate([-magnitudes[:0:-1], magnitudes])
