"""softmax and log_softmax by mpmath, at a precision that grows with the row's spread.

At a fixed precision of d digits 1 + exp(-g) is 1 for g > d·log 10, and the arbiter says that the
winner's log-probability is 0: it would convict the truth of the error that is its own.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp


def exact(op: str, row: Any) -> list[Any]:
    """The row's answers as mpf numbers, correct to at least 200 bits, relatively."""
    spread = mp.mpf(max(row)) - mp.mpf(min(row))
    # exp(-spread) has to be seen beside 1; beyond 2**20 the truth itself stops (see docs/error-bounds.md).
    with mp.workprec(300 + int(min(spread, mp.mpf(2**14)) / mp.ln2) + 2200):
        top = mp.mpf(max(row))
        t = [mp.mpf(float(x)) - top for x in row]
        e = [mp.exp(v) for v in t]
        total = mp.fsum(e)
        return [v / total for v in e] if op == "softmax" else [v - mp.log(total) for v in t]


def number(truth: Any, index: Any) -> Any:
    """The number that a truth holds at an index, exactly."""
    with mp.workprec(200):
        return (mp.mpf(truth.high[index]) + mp.mpf(truth.low[index])) * mp.mpf(2) ** int(truth.exponent[index])
