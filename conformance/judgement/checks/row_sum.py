"""The probabilities of a row sum to 1 within the bound that their own errors allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.values import Severity
from reference.model import CAP

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer, Lanes

SEVERITY = Severity.VIOLATION


def find(answer: Answer) -> Lanes:
    """Every lane of a row whose sum is out of bounds."""
    allowed = answer.question.row_sum_bound
    # Flushed lanes are missing from the sum; but a row that lost half of itself is no distribution.
    p = np.abs(answer.expected) if answer.op == "softmax" else np.zeros_like(answer.got)
    flushed = np.where(answer.flushed, p, 0.0).sum(axis=answer.axis, keepdims=True)
    # A row with a misplaced NaN or infinity has that finding already, and no sum; an undefined one is a policy.
    finite = answer.defined & ~answer.nonfinite_wrong.any(axis=answer.axis, keepdims=True)
    off = finite & (np.abs(answer.excess) > allowed + np.minimum(flushed, CAP))
    return np.broadcast_to(off, answer.got.shape)


def detail(answer: Answer, index: tuple[Any, ...]) -> str:
    """By how much the sum is off."""
    at = list(index)
    at[answer.axis] = 0
    return f"the row sums to 1 {answer.excess[tuple(at)]:+.3g}"
