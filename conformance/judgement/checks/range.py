"""A probability lies in [0, 1], and a log-probability is not positive beyond its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes
    from reference.ops import Op

SEVERITY = Severity.VIOLATION


def applies(op: Op) -> bool:
    """To probabilities and log-probabilities; a vjp has every number in its range."""
    return op.is_distribution


def find(answer: Answer) -> Lanes:
    """Finite lanes outside the range."""
    got, op = answer.got, answer.op
    outside = answer.finite & ((got < op.lowest) | (got > op.highest))
    # The bound of a log-probability is absolute and reaches beyond zero; that of a probability is relative.
    if op.log and outside.any():
        outside &= ~answer.within_loose
    return np.asarray(outside)


def detail(answer: Answer, index: Index) -> str:
    """The value outside."""
    return f"returned {answer.got[index]:.17g}"
