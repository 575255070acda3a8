"""Zero is returned only where the truth is, within its bound, subnormal or zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes
    from reference.ops import Op

SEVERITY = Severity.VIOLATION


def applies(op: Op) -> bool:
    """Not to log-probabilities: their zero means p = 1, and is as accurate as its error is small."""
    return op.highest != 0


def find(answer: Answer) -> Lanes:
    """Zeros where a normal number was due."""
    return answer.lost_normal


def detail(answer: Answer, index: Index) -> str:
    """The number that was lost."""
    expected = answer.expected[index]
    return f"returned 0 for {expected:.6g}, a normal number of {answer.question.format.name}"
