"""A probability lies in [0, 1], and a log-probability is not positive beyond its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer, Lanes

SEVERITY = Severity.VIOLATION


def find(answer: Answer) -> Lanes:
    """Finite lanes outside the range."""
    got = answer.got
    if answer.op == "log_softmax":
        return np.asarray(np.isfinite(got) & (got > 0) & ~answer.within_loose)
    return np.asarray(np.isfinite(got) & ((got < 0) | (got > 1)))


def detail(answer: Answer, index: tuple[Any, ...]) -> str:
    """The value outside."""
    return f"returned {answer.got[index]:.17g}"
