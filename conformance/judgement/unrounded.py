"""Whether an answer is right for the logits as they were before an operation in front of the op rounded them.

A compiler that fuses the operation with the op may keep its result in a wider format, which is a choice: the policy
*product* is then *unrounded*.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.judgement.outcomes import FAULTS
from conformance.values import Choice, Judgement, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.judgement.answer import Answer
    from conformance.judgement.question import Lanes

UNROUNDED = Choice("product", "unrounded")

_UNEXPLAINED = {"row_sum", "range"}
"""Findings that no error of the logits explains."""


def explained_by_wider(judgements: Sequence[Judgement], unrounded: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """Replace each faulty judgement by that of the unrounded logits, where it has no fault.

    Parameters
    ----------
    judgements, unrounded
        Of one answer to each case: by the rounded logits, and by the unrounded ones.
    """
    return tuple(
        replace(wide, severity=Severity.POLICY, choices=(UNROUNDED, *wide.choices))
        if judgement.severity in FAULTS and wide.severity not in FAULTS
        else judgement
        for judgement, wide in zip(judgements, unrounded, strict=True)
    )


def explained_by_roundings(judgements: Sequence[Judgement], answer: Answer) -> tuple[Judgement, ...]:
    """Replace each faulty judgement that a rounding of each logit explains; for float64, which holds no wider product.

    Such a judgement has no grade: how accurate the answer is cannot be said.

    Parameters
    ----------
    judgements
        Of the answer to each case, by the rounded logits.
    """
    if not answer.op.is_distribution:  # how far a vjp moves is not derived
        return tuple(judgements)
    within = np.asarray(_within_a_rounding(answer).reshape(len(judgements), -1).all(axis=1))
    return tuple(
        Judgement(None, Severity.POLICY, choices=(UNROUNDED,))
        if explained
        and judgement.severity in FAULTS
        and _UNEXPLAINED.isdisjoint(finding.kind for finding in judgement.findings)
        else judgement
        for explained, judgement in zip(within.tolist(), judgements, strict=True)
    )


def _within_a_rounding(answer: Answer) -> Lanes:
    """Lanes within the loose bound of what logits d = u·|logit| from the rounded ones can have for a truth.

    Then log p moves by at most 2d, d for the logit and d for the logarithm of the sum (docs/error-bounds.md).
    """
    question, expected = answer.question, answer.expected
    sizes = np.abs(np.where(np.isfinite(answer.x), answer.x, 0.0)).max(answer.axis, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        moved = 2 * question.format.unit_roundoff * sizes
        if not answer.op.log:
            moved = np.expm1(moved) * np.abs(expected)
        allowed = question.loose.relative * np.abs(expected) + question.loose.absolute + moved
        near = np.abs(answer.got - expected) <= allowed
    return np.asarray((near | (answer.got == expected) | answer.flushed) & ~answer.nonfinite_wrong)
