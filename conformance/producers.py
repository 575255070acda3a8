"""What may stand in front of softmax, in one function with it?

A compiler may fuse an operation into the op that follows: it then computes it again for each pass over the row, keeps
it in a wider format, or contracts it with the subtraction of the maximum into one multiply-add.  The truth is taken
of the result rounded once to the format, as the operation alone returns it.

Each is a function of the logits and of one operand, of their shape or with a last axis of one.  ``fill`` and ``where`` take the operand for a mask:
a lane where it is zero has no part in the row, whatever stands there.  ``fill`` replaces its logit by -inf in front of
the op; ``where`` is the op's own argument, of frameworks that have one.
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

PRODUCERS = (*ARITHMETIC, *MASKS)
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
    if producer in MASKS:
        return np.where(operand != 0, x, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(ARITHMETIC[producer](x, operand))
