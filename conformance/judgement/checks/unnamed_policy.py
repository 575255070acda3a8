"""A row with no single right answer gets one of those that have a name: NaN, nothing, or shares of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.judgement import policies
from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes
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
    axis = answer.axis % answer.x.ndim
    row = tuple(slice(None) if at == axis else place for at, place in enumerate(index))
    policy = policies.POLICIES["plus-inf" if (answer.x[row] == np.inf).any() else "all-minus-inf"]
    start = ", ".join(f"{value:.6g}" for value in answer.got[row][:4])
    return f"returned {start}, … for {policy.question}, which is none of {', '.join(policy.choices)}"
