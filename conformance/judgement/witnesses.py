"""The evidence of a finding: one lane with what came and what was due, and its row where that is short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.values import Witness

if TYPE_CHECKING:
    from conformance.judgement.answer import Answer
    from conformance.judgement.question import Numbers
    from conformance.values import Batch

    Numbered = tuple[float, ...]

LIMIT = 64
"""Logits of a row that a witness keeps; a longer row is named by its case instead."""


def witness(answer: Answer, batch: Batch, index: tuple[int, ...]) -> Witness:
    """The witness of one lane.

    Parameters
    ----------
    index
        Into the array of the answer's question.
    """
    question, axis = answer.question, answer.axis % answer.x.ndim
    length = answer.x.shape[axis]
    with np.errstate(all="ignore"):  # a truth beyond float64 has no bound to show
        size = np.abs(np.ldexp(question.truth.high[index], question.truth.exponent[index]))
        bound = question.stable.relative[index] * size + question.stable.absolute[index]
    row: Numbered = ()
    x: Numbered = ()
    operand: Numbered = ()
    if length <= LIMIT:
        row = _row(answer.x, index, axis)
        if batch.call.way != "plain":
            x = _row(batch.inputs.x, index, axis)
            operand = () if batch.inputs.operand is None else _row(batch.inputs.operand, index, axis)
    return Witness(
        index=index[axis],
        got=float(answer.got[index]),
        expected=float(answer.expected[index]),
        bound=float(bound),
        length=length,
        row=row,
        x=x,
        operand=operand,
        dtype=batch.inputs.dtype,
        way=batch.call.way,
    )


def _row(array: Numbers, index: tuple[int, ...], axis: int) -> Numbered:
    """The numbers of an array beside the row of a lane, one number where it has one a row; its axes count from the last."""
    sizes = (1,) * (len(index) - array.ndim) + array.shape
    at = tuple(
        slice(None) if place == axis else min(i, size - 1)
        for place, (i, size) in enumerate(zip(index, sizes, strict=True))
    )
    return tuple(array.reshape(sizes)[at].tolist())
