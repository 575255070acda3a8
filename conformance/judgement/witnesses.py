"""The evidence of a finding: one lane, with what came, what was due, and how far the answer may be from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from conformance.values import Witness

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.question import Question
    from reference.comparison import Bound

    Index = tuple[int, ...]


def witness(answer: Answer, index: Index, lane: int) -> Witness:
    """The witness of one lane, with the loose bound.

    Parameters
    ----------
    index
        Into the array of the answer's question.
    lane
        The flat index of the same lane in the array of its case.
    """
    question, expected = answer.question, float(answer.expected[index])
    truth = question.truth
    with np.errstate(all="ignore"):  # a truth beyond float64 has no rest to show
        high, low = (np.ldexp(part[index], truth.exponent[index]) for part in (truth.high, truth.low))
        rest = float(high - expected + low)
    return Witness(
        index=lane,
        logit=float(answer.x[index]),
        got=float(answer.got[index]),
        expected=expected,
        rest=rest if math.isfinite(rest) else 0.0,
        bound=allowed(question, question.loose, index),
    )


def allowed(question: Question, bound: Bound, index: Index) -> float:
    """The absolute error that a bound allows in one lane; NaN or infinite where the truth is beyond float64."""
    with np.errstate(all="ignore"):
        size = np.abs(np.ldexp(question.truth.high[index], question.truth.exponent[index]))
        return float(bound.relative[index] * size + bound.absolute[index])


def neighbour(answer: Answer, index: Index, lane: int) -> int:
    """The lane, as :func:`witness` counts them, of the next smaller (or equal) logit of the same row.

    Parameters
    ----------
    index, lane
        Of a lane that is not the first in the order of its row's logits.
    """
    axis = answer.axis % answer.x.ndim
    order = np.moveaxis(answer.question.order, axis, -1)[index[:axis] + index[axis + 1 :]].tolist()
    place = order[order.index(index[axis]) - 1]
    return lane + int(place - index[axis]) * math.prod(answer.x.shape[axis + 1 :])
