"""How is softmax called, other than as f(x, axis)?  With something in front of it, or with arguments of its own.

A compiler may fuse an operation into the op that follows: it then computes it again for each pass over the row, keeps
it in a wider format, or contracts it with the subtraction of the maximum into one multiply-add.  The truth is taken
of the result rounded once to the format, as the operation alone returns it.

Each is a function of the logits and of one operand, of their shape or with a last axis of one.  ``fill`` and ``where``
take the operand for a mask: a lane where it is zero has no part in the row, whatever stands there.  ``fill`` replaces
its logit by -inf in front of the op; ``where`` is the op's own argument, of frameworks that have one.  Further
arguments of its own: ``cast`` is ``dtype=``, the format of the operand, or a conversion in front where there is no such
argument; ``out`` is the array that the answer is written to, which is the operand; ``axes`` is a tuple of two axes,
along which the last one is laid out; ``flat`` is ``axis=None``, over the whole of an array; ``default`` names no axis.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "multiply": operator.mul,
    "divide": operator.truediv,
    "add": operator.add,
}
"""Those that are an operator of any framework's arrays."""

SYMBOLS = {"multiply": "*", "divide": "/", "add": "+"}
"""How they are written."""

MASKS = ("fill", "where")
"""Those whose operand is a mask."""

ARGUMENTS = ("cast", "out", "axes", "flat", "default")
"""Those that leave the numbers as they are, but for a cast to another format."""

PRODUCERS = (*ARITHMETIC, *MASKS, *ARGUMENTS)
"""All, by name."""


def logits(producer: str, x: NDArray[np.float64], operand: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the op is taken of, in float64: still to be rounded to the format.

    A sum, product or quotient of two numbers of a format of p bits, computed in float64 and rounded again, is correctly
    rounded where 2p + 2 <= 53 (S. A. Figueroa, When is double rounding innocuous?, 1995); float64 rounds once.

    Raises
    ------
    ValueError
        If there is no such producer.
    """
    if producer not in PRODUCERS:
        raise ValueError(f"unknown producer {producer!r}; known: {', '.join(PRODUCERS)}")
    if producer in ARGUMENTS:
        return x
    if producer in MASKS:
        return np.where(operand != 0, x, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(ARITHMETIC[producer](x, operand))
