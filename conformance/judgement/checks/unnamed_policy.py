"""A row with no single right answer gets one of those that have a name: NaN, nothing, or shares of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.judgement import policies
from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer, Lanes

SEVERITY = Severity.VIOLATION


def find(answer: Answer) -> Lanes:
    """Every lane of a row whose answer has no name."""
    unnamed = np.char.endswith(policies.choices(answer), f"={policies.UNNAMED}")
    return np.asarray(unnamed & policies.undefined_rows(answer) & np.ones(answer.got.shape, dtype=bool))


def detail(answer: Answer, index: tuple[Any, ...]) -> str:
    """The first lanes of the row, and the answers that would be legal."""
    at: list[Any] = list(index)
    at[answer.axis] = slice(0, 4)
    question = "plus-inf" if (np.moveaxis(answer.x, answer.axis, 0) == np.inf).any() else "all-minus-inf"
    policy = policies.POLICIES[question]
    start = ", ".join(f"{value:.6g}" for value in answer.got[tuple(at)].reshape(-1))
    return f"returned {start}, … for {policy.question}, which is none of {', '.join(policy.choices)}"
