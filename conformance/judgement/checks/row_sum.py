"""The probabilities of a row sum to 1 within the bound that their own errors allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from reference.bounds import row_sum_bound

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer, Lanes, Numbers

SEVERITY = Severity.VIOLATION


def excess(answer: Answer) -> Numbers:
    """Σp - 1 along each row, kept as an axis of length one; NaN where a lane is not finite."""
    p = np.exp(answer.got) if answer.op == "log_softmax" else answer.got
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.sum(p, axis=answer.axis, keepdims=True) - 1.0)


def find(answer: Answer) -> Lanes:
    """Every lane of a row whose sum is out of bounds."""
    batch = answer.question.batch
    allowed = row_sum_bound(batch.op, batch.values, batch.axis, format=batch.format, grade="loose")
    # A flushed lane may be missing from the sum: each is below the smallest normal number.
    flushed = answer.flushed.sum(axis=answer.axis, keepdims=True) * batch.format.smallest_normal
    off = np.abs(excess(answer)) > np.asarray(allowed).reshape(flushed.shape) + flushed
    return np.broadcast_to(off, answer.got.shape)


def detail(answer: Answer, index: tuple[Any, ...]) -> str:
    """By how much the sum is off."""
    at = list(index)
    at[answer.axis] = 0
    return f"the row sums to 1 {excess(answer)[tuple(at)]:+.3g}"
