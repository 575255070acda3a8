"""The error is within the loose bound: beyond it no honest algorithm in any reading lands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.checks import Index
    from conformance.judgement.question import Lanes

SEVERITY = Severity.VIOLATION


def find(answer: Answer) -> Lanes:
    """Measured lanes beyond every bound; a normal number lost to zero is a finding of its own kind."""
    return np.asarray(answer.measured & ~answer.loose & ~answer.lost_normal)


def detail(answer: Answer, index: Index) -> str:
    """The error in ulps and as a multiple of both bounds."""
    return (
        f"off by {answer.error_ulps[index]:.3g} ulp, {answer.error_over_stable[index]:.3g} × the stable bound, "
        f"{answer.error_over_loose[index]:.3g} × the loose one"
    )
