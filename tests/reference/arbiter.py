"""softmax and log_softmax by others: mpmath at a growing precision, and Arb's ball arithmetic.

At a fixed precision of d digits 1 + exp(-g) is 1 for g > d·log 10, and an arbiter says that the winner's
log-probability is 0: it would convict the truth of the error that is its own.  mpmath is given digits for the
whole spread of the row; Arb gets the sum without the winner, and log1p of it.
"""

from __future__ import annotations

import math
from typing import Any

import flint
import mpmath as mp

PRECISION = 320


def exact(op: str, row: Any, cotangent: Any = None) -> list[Any]:
    """The row's answers as mpf numbers, correct to at least 200 bits: relatively, or in a vjp beside the largest term."""
    spread = mp.mpf(max(row)) - mp.mpf(min(row))
    # exp(-spread) has to be seen beside 1; beyond 2**14 the truth itself stops (see docs/error-bounds.md).
    with mp.workprec(300 + int(min(spread, mp.mpf(2**14)) / mp.ln2) + 2200):
        top = mp.mpf(max(row))
        t = [mp.mpf(float(x)) - top for x in row]
        e = [mp.exp(v) if v > -(2**15) else mp.mpf(0) for v in t]
        total = mp.fsum(e)
        if op == "log_softmax":
            log = mp.log(total)
            return [v - log for v in t]
        p = [v / total for v in e]
        if op == "softmax":
            return p
        g = [mp.mpf(float(v)) for v in cotangent]
        if op == "softmax_vjp":
            mean = mp.fsum(a * b for a, b in zip(p, g, strict=True))
            return [a * (b - mean) for a, b in zip(p, g, strict=True)]
        whole = mp.fsum(g)
        return [b - a * whole for a, b in zip(p, g, strict=True)]


def number(truth: Any, index: Any) -> Any:
    """The number that a truth holds at an index, exactly."""
    with mp.workprec(200):
        return (mp.mpf(truth.high[index]) + mp.mpf(truth.low[index])) * mp.mpf(2) ** int(truth.exponent[index])


def balls(op: str, row: list[float], cotangent: list[float] | None = None) -> list[Any]:
    """The row's answers as balls; an infinity stands for a masked lane.  The row has a finite maximum."""
    # A difference of logits is known to its last bit, however small the smaller one.
    sizes = [math.frexp(x)[1] for x in row if x and math.isfinite(x)]
    flint.ctx.prec = PRECISION + max(sizes, default=0) - min(sizes, default=0)
    highest = max(row)
    winner = row.index(highest)
    top, zero = flint.arb(highest), flint.arb(0)
    t = [flint.arb(x) - top for x in row]
    e = [v.exp() if x > -float("inf") else zero for v, x in zip(t, row, strict=True)]
    others = sum((v for i, v in enumerate(e) if i != winner), zero)
    if op == "log_softmax":
        log = others.log1p()
        return [v - log for v in t]
    whole = 1 + others
    p = [v / whole for v in e]
    if op == "softmax":
        return p
    assert cotangent is not None
    g = [flint.arb(v) for v in cotangent]
    if op == "softmax_vjp":
        # Less a constant, the winner's own: beside p = 1 - exp(-700) its lane would be all radius.
        g = [b - g[winner] for b in g]
        mean = sum((a * b for a, b in zip(p, g, strict=True)), zero)
        return [a * (b - mean) for a, b in zip(p, g, strict=True)]
    total = sum(g, zero)
    return [b - a * total for a, b in zip(p, g, strict=True)]


def ball(high: float, low: float, exponent: int) -> Any:
    """The number that a truth holds, exactly."""
    return (flint.arb(high) + flint.arb(low)) * flint.arb(2) ** exponent
