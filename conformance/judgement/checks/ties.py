"""Equal logits of a row get equal answers."""

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
    """To probabilities and log-probabilities; equal logits have different cotangents."""
    return op.is_distribution


def find(answer: Answer) -> Lanes:
    """Lanes whose answer differs from that of the neighbour with the same logit, in sorted order."""
    return answer.steps_where(lambda dx, dy: (dx == 0) & (dy != 0))


def detail(answer: Answer, index: Index) -> str:
    """The logit and its answer."""
    return f"the logit {answer.x[index]:.6g} stands more than once and got {answer.got[index]:.17g} only here"


def evidence(lane: Witness, answer: Answer, index: Index) -> Witness:
    """The lane beside its equal."""
    return replace(lane, beside=neighbour(answer, index, lane.index))
