"""The error is within the stable bound: blocked sums and at least float32 inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer, Lanes

SEVERITY = Severity.DEGRADED


def find(answer: Answer) -> Lanes:
    """Measured lanes beyond the stable bound and within the loose one."""
    return np.asarray(answer.measured & answer.loose & ~answer.stable)


def detail(answer: Answer, index: tuple[Any, ...]) -> str:
    """The size of the error by two rulers."""
    return f"off by {answer.error_ulps[index]:.3g} ulp, {answer.error_over_stable[index]:.3g} × the stable bound"
