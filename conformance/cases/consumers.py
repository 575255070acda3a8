"""An operation behind softmax, in one function with it: a scale, a sum, an index, a product with values.

A compiler may fuse softmax with what reads it: it then computes a probability again for each reader, divides by the sum
behind the product and not before it, keeps the row in a wider format, or gives two readers two roundings.  Each such
function is asked where the operation returns its numbers as they are, whatever their order, so that the truth of the
two in turn is the truth of softmax, and no error bound of another operation has to be derived:

- *then-scale*: a product with one number a row, which is 1;
- *then-sum*: its sum is computed, multiplied by one number a row, which is 0, and added, so that softmax has two
  readers, of which one is a reduction;
- *then-index*: each row is read in another order, and so is the truth;
- *then-matmul*: a product with a matrix of zeros and ones that puts the row in that order: each sum has one term
  that is not 0.

The compiler does not know those numbers, since they are arguments.  A logarithm behind softmax is no such operation:
its truth is that of log_softmax, and its bound would have to grow where p is small.

The rows need the maximum (all logits around 1000, and around -1000), have equal logits, one winner far ahead, gaps that
underflow in the narrow formats, or ordinary numbers.  None has a NaN or an infinity, which a sum with 0 would spread;
where a probability is 0, a compiler may add the zeros as it likes.

The smoke tier has the product with the matrix alone, since a compiler works for seconds on each operation and format.
Neither controls nor functions of one's own are asked: nothing is fused with either.

First known victims: torch.compile, whose softmax changed when the function had a second result
(pytorch/pytorch#114225), and which takes the sum of a softmax for 1 without computing either (pytorch/pytorch#189787).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.calls import BEHIND
from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.cases.producers import N
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Six rows in front of each operation."""
    asked = {
        "+1000": rng.normal(1000, 4, N),
        "-1000": rng.normal(-1000, 4, N),
        "all=+0": np.zeros(N),
        "winner": np.where(np.arange(N) == rng.integers(N), 30.0, 0.0),
        "underflow": -np.linspace(0, 120, N),
        "normal": rng.normal(0, 2, N),
    }
    operands = {"then-scale": np.ones(1), "then-sum": np.zeros(1)}
    for way in BEHIND:
        for name, values in asked.items():
            operand = operands[way] if way in operands else rng.permutation(N).astype(np.float64)
            tier = Tier.SMOKE if way == "then-matmul" else Tier.STANDARD
            yield Row(f"{way},{name}", nearest_finite(format, values), tier=tier, way=way, operand=operand)
