"""The gradient of a row sums to 0 within the bound that its own errors allow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes, Numbers
    from conformance.values import Witness
    from reference.comparison import Bound
    from reference.ops import Op

SEVERITY = Severity.VIOLATION


def applies(op: Op) -> bool:
    """To vjps: a constant more in every logit changes nothing, so that all a row's gradients together are nothing."""
    return op.takes_cotangent


def find(answer: Answer) -> Lanes:
    """Every lane of a row whose sum is out of bounds."""
    question, off = answer.question, np.abs(answer.row_sum)
    # A row with a misplaced NaN or infinity has that finding already, and no sum; what was flushed is missing in it.
    whole = question.defined & np.isfinite(off) & ~answer.flushed.any(axis=answer.axis, keepdims=True)
    if not (whole & (off > _allowed(answer, question.stable))).any():
        return np.zeros(answer.got.shape, dtype=bool)
    return np.asarray(whole & (off > _allowed(answer, question.loose)))


def detail(answer: Answer, index: Index) -> str:
    """The sum, and how far from 0 it may be."""
    at = _row(answer, index)
    allowed = _allowed(answer, answer.question.loose)[at]
    return f"the gradient of the row sums to {answer.row_sum[at]:.6g}, where 0 is due and {allowed:.3g} is allowed"


def evidence(lane: Witness, answer: Answer, index: Index) -> Witness:
    """The sum of the row instead of the answer of its lane."""
    at = _row(answer, index)
    allowed = float(_allowed(answer, answer.question.loose)[at])
    return replace(lane, got=float(answer.row_sum[at]), expected=0.0, rest=0.0, bound=allowed)


def _row(answer: Answer, index: Index) -> Index:
    """The index of the row of a lane, the axis kept with length one."""
    return tuple(0 if axis == answer.axis % answer.x.ndim else place for axis, place in enumerate(index))


def _allowed(answer: Answer, bound: Bound) -> Numbers:
    """The errors that a bound allows each lane, together, and that of the truth's own rounding; the axis kept."""
    expected = np.where(answer.question.finite, np.abs(answer.expected), 0.0)
    with np.errstate(over="ignore"):
        lanes = bound.relative * expected + bound.absolute
        return np.asarray(lanes.sum(axis=answer.axis, keepdims=True) * (1 + 2.0**-40))
