"""A larger logit of a row never gets a smaller answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer, Lanes

SEVERITY = Severity.DEGRADED


def find(answer: Answer) -> Lanes:
    """Lanes whose answer is below that of the next smaller logit."""
    return answer.steps_where(lambda dx, dy: (dx > 0) & (dy < 0))


def detail(answer: Answer, index: tuple[Any, ...]) -> str:
    """The lane that fell behind."""
    return f"the logit {answer.x[index]:.6g} got {answer.got[index]:.17g}, less than a smaller logit of its row"
