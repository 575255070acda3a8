"""The gradient of softmax by other derivatives: in forward mode, and as the Hessian of a cross entropy.

The Jacobian of softmax is diag(p) - p·pᵀ.  It is symmetric, so that a Jacobian-vector product in forward mode is the
vector-Jacobian product with the same vector; and it is the Hessian of a cross entropy -log softmax(x)_k, whatever the
lane k, so that a Hessian-vector product is the same once more: the vjp of the backward pass of log_softmax, or its
Jacobian-vector product.  Each is a rule of its own in a framework, often written years after the first derivative and
tested on one row by finite differences; the truth and the bound are those of the vjp of softmax, since an honest rule
rounds no more often (docs/error-bounds.md).

The rows are those on which a rule goes wrong: equal logits, ordinary ones, ±1000, a winner whose p rounds to one, losers
whose p is about to be subnormal, and lanes of -inf, whose p is 0 and which take no part; the lane of the cross entropy,
the first, is none of these.  The cotangents pick one lane, are equal, or are ordinary.

First known victim: TensorFlow's cross entropy of sparse labels, whose Hessian was zero (tensorflow/tensorflow#7403).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.calls import DERIVATIVES
from conformance.cases._cotangents import one_hot
from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.cases.vjp_cotangents import logits
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

N, LONG = 17, 4097


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Every cotangent over every row of one length, in each way; and one long row."""
    given = {
        "one@8": one_hot(N, N // 2),
        "ones": np.ones(N),
        "normal": nearest_finite(format, rng.normal(0, 1, N)),
    }
    found = {name: row for name, row in logits(format, rng, N).items() if name != "offset"}
    found["masked"] = np.where(np.arange(N) % 3 == 1, -np.inf, found["normal"])
    long, cotangent = (nearest_finite(format, rng.normal(0, 2, LONG)) for _ in range(2))
    for way in DERIVATIVES:
        for kind, row in found.items():
            for name, g in given.items():
                tier = Tier.SMOKE if kind in ("normal", "winner", "masked") and name == "one@8" else Tier.STANDARD
                yield Row(f"{way},{kind},g={name},n={N}", row, cotangent=g, tier=tier, way=way)
        yield Row(f"{way},normal,n={LONG}", long, cotangent=cotangent, way=way)
