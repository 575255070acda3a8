"""Zero is returned only where the truth is, within its bound, subnormal or zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.values import Severity
from reference.bounds import flush_allowed

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer, Lanes

SEVERITY = Severity.VIOLATION


def find(answer: Answer) -> Lanes:
    """Zeros where a normal number was due; a log-probability near zero may be lost within its bound."""
    if answer.op == "log_softmax":
        return np.zeros(answer.got.shape, dtype=bool)
    question = answer.question
    normal = ~flush_allowed(question.truth, question.stable, question.format)
    return np.asarray(
        (answer.got == 0) & normal & (answer.expected != 0) & answer.defined & np.isfinite(answer.expected)
    )


def detail(answer: Answer, index: tuple[Any, ...]) -> str:
    """The number that was lost."""
    expected = answer.expected[index]
    return f"returned 0 for {expected:.6g}, a normal number of {answer.question.format.name}"
