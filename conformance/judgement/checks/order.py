"""A larger logit of a row never gets a smaller answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.judgement.witnesses import neighbour
from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes
    from conformance.values import Witness
    from reference.ops import Op

SEVERITY = Severity.DEGRADED


def applies(op: Op) -> bool:
    """To probabilities and log-probabilities, which grow with their logit; a vjp depends on its cotangent as well."""
    return op.is_distribution


def find(answer: Answer) -> Lanes:
    """Lanes whose answer is below that of the next smaller logit."""
    return answer.steps_where(lambda dx, dy: (dx > 0) & (dy < 0))


def detail(answer: Answer, index: Index) -> str:
    """The logit and its answer."""
    return f"the logit {answer.x[index]:.6g} got {answer.got[index]:.17g}, less than a smaller logit of its row"


def evidence(lane: Witness, answer: Answer, index: Index) -> Witness:
    """The lane beside the smaller logit."""
    return replace(lane, beside=neighbour(answer, index, lane.index))
