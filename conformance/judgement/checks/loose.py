"""The error is within the stable bound: blocked sums and at least float32 inside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.judgement.witnesses import allowed
from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes
    from conformance.values import Witness

SEVERITY = Severity.DEGRADED


def find(answer: Answer) -> Lanes:
    """Measured lanes beyond the stable bound and within the loose one."""
    return np.asarray(answer.loose & ~answer.stable)


def detail(answer: Answer, index: Index) -> str:
    """The error in ulps and as a multiple of the stable bound."""
    return f"off by {answer.error_ulps[index]:.3g} ulp, {answer.error_over_stable[index]:.3g} × the stable bound"


def evidence(lane: Witness, answer: Answer, index: Index) -> Witness:
    """The lane with the stable bound."""
    return replace(lane, bound=allowed(answer.question, answer.question.stable, index))
