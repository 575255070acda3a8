"""A row with no single right answer gets one of those that have a name: NaN, nothing, or shares of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.judgement import policies
from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes
    from conformance.values import Witness
    from reference.ops import Op

SEVERITY = Severity.VIOLATION


def applies(op: Op) -> bool:
    """To probabilities and log-probabilities, whose choices have names."""
    return op.is_distribution


def find(answer: Answer) -> Lanes:
    """Every lane of a row whose answer has no name."""
    lanes = np.zeros(answer.got.shape, dtype=bool)
    for choice, rows in answer.row_choices.items():
        if choice.answer == policies.UNNAMED:
            lanes |= rows
    return lanes


def detail(answer: Answer, index: Index) -> str:
    """The first lanes of the row, and the answers that would be legal."""
    row = _row(answer, index)
    policy = policies.POLICIES["plus-inf" if (answer.x[row] == np.inf).any() else "all-minus-inf"]
    start = ", ".join(f"{value:.6g}" for value in answer.got[row][:4])
    return f"returned {start}, … for {policy.question}, which is none of {', '.join(policy.choices)}"


def evidence(lane: Witness, answer: Answer, index: Index) -> Witness:
    """The lane beside its share of a distribution over the infinite logits of its row, and a unit in the last place."""
    x, format = answer.x[_row(answer, index)], answer.question.format
    share = 1 / (np.count_nonzero(x == np.inf) or x.size)
    due = float(np.log(share) if answer.op.log else share)
    return replace(lane, expected=due, rest=0.0, bound=float(format.ulp(due)))


def _row(answer: Answer, index: Index) -> tuple[slice | int, ...]:
    """The index of the row of a lane."""
    axis = answer.axis % answer.x.ndim
    return tuple(slice(None) if at == axis else place for at, place in enumerate(index))
