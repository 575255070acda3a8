"""Zero is returned only where the truth is, within its bound, subnormal or zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer, Lanes

SEVERITY = Severity.VIOLATION


def find(answer: Answer) -> Lanes:
    """Zeros where a normal number was due."""
    return answer.lost_normal


def detail(answer: Answer, index: tuple[Any, ...]) -> str:
    """The number that was lost."""
    expected = answer.expected[index]
    return f"returned 0 for {expected:.6g}, a normal number of {answer.question.format.name}"
