"""NaN and ±inf stand exactly where the truth has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes

SEVERITY = Severity.VIOLATION


def find(answer: Answer) -> Lanes:
    """Lanes with a NaN or infinity too many, too few, or of the wrong sign."""
    return answer.nonfinite_wrong


def detail(answer: Answer, index: Index) -> str:
    """What came and what was due."""
    return f"returned {answer.got[index]:g} where the truth rounds to {answer.expected[index]:.6g}"
