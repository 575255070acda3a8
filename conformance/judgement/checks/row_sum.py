"""The probabilities of a row sum to 1 within the bound that their own errors allow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.values import Severity
from reference.model import CAP

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes, Numbers
    from conformance.values import Witness
    from reference.ops import Op

SEVERITY = Severity.VIOLATION


def applies(op: Op) -> bool:
    """To probabilities, and to log-probabilities through their exponentials."""
    return op.is_distribution


def find(answer: Answer) -> Lanes:
    """Every lane of a row whose sum is out of bounds."""
    allowed = answer.question.row_sum_bound + _flushed(answer)
    # A row with a misplaced NaN or infinity has that finding already, and no sum; an undefined one is a policy.
    whole = answer.question.defined & ~answer.nonfinite_wrong.any(axis=answer.axis, keepdims=True)
    off = np.abs(answer.excess) > allowed
    return np.asarray(whole & off)


def detail(answer: Answer, index: Index) -> str:
    """The sum, how far it is from 1, and how far it may be."""
    at = _row(answer, index)
    excess, allowed = answer.excess[at], answer.question.row_sum_bound[at]
    terms = "exponentials of the row sum" if answer.op.log else "row sums"
    return f"the {terms} to {1 + excess:.6g}, off by {abs(excess):.3g} where {allowed:.3g} is allowed"


def evidence(lane: Witness, answer: Answer, index: Index) -> Witness:
    """The sum of the row instead of the answer of its lane."""
    at = _row(answer, index)
    allowed = np.broadcast_to(answer.question.row_sum_bound + _flushed(answer), answer.excess.shape)[at]
    return replace(lane, got=float(1 + answer.excess[at]), expected=1.0, rest=0.0, bound=float(allowed))


def _row(answer: Answer, index: Index) -> Index:
    """The index of the row of a lane, the axis kept with length one."""
    return tuple(0 if axis == answer.axis % answer.x.ndim else place for axis, place in enumerate(index))


def _flushed(answer: Answer) -> Numbers:
    """What flushed lanes lack in the sum of each row; but a row that lost half of itself is no distribution."""
    if answer.op.log or not answer.flushed.any():
        return np.zeros(())
    lost = np.where(answer.flushed, np.abs(answer.expected), 0.0).sum(axis=answer.axis, keepdims=True)
    return np.asarray(np.minimum(lost, CAP))
