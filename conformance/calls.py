"""The ways in which an op is called: as f(x, axis), with an operation in front of it, or with arguments of its own.

A compiler may fuse an operation into the op that follows: it then computes it again for each pass over the row, keeps
it in a wider format, or contracts it with the subtraction of the maximum into one multiply-add.  The truth is taken of
the result rounded once to the format, as the operation alone returns it.

An operation may stand behind the op as well, one that returns the numbers of the op as they are, so that the truth is
the op's own.

The vjp of softmax has ways of its own, functions of x and of the cotangent g, since its Jacobian is symmetric, and is the
Hessian of a cross entropy, that is of -log_softmax of one lane:

- ``forward``: the Jacobian-vector product of softmax along g, in forward mode;
- ``hessian``: the gradient of the cross entropy of each row's first lane, and the vjp of that with g, in reverse mode;
- ``hessian-forward``: the same gradient, and its Jacobian-vector product along g.

Every other way but ``plain`` is a function of x and of one operand, of the shape of x or with a last axis of one:

- ``multiply``, ``divide``, ``add``: an operator of the framework's arrays, in front of the op;
- ``fill``: -inf in front of the op, in each lane whose operand is zero;
- ``where``: the op's own mask; a lane whose operand is zero has no part in the row, whatever stands there;
- ``cast``: ``dtype=``, the format of the operand, or a conversion in front where there is no such argument;
- ``out``: ``out=``, the array that the answer is written to, which is the operand;
- ``in-place``: ``out=``, a copy of x, which is what the op is taken of too;
- ``overlap``: ``out=``, a copy of x with its last row once more behind it, but for the first row; what the op is taken
  of is the same array but for the last row;
- ``axes``: a tuple of two axes, along which the last axis of x is laid out;
- ``flat``: ``axis=None``, over the whole of an array;
- ``default``: no axis is named;
- ``then-scale``: the answer times the operand, which is one number a row, 1;
- ``then-sum``: the answer and its sum along the axis times the operand, which is one number a row, 0;
- ``then-index``: the answer in the order of the operand, which holds each place of a row once;
- ``then-matmul``: the same by a product with the matrix of zeros and ones that puts a row in that order.
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
"""Ways that put an operator of the framework's arrays in front: name → function."""

MASKS = ("fill", "where")
"""Ways whose operand is a mask."""

ARGUMENTS = ("cast", "out", "in-place", "overlap", "axes", "flat", "default")
"""Ways that leave the numbers as they are, but for a cast to another format."""

BEHIND = ("then-scale", "then-sum", "then-index", "then-matmul")
"""Ways that put an operation behind the op, which returns its numbers as they are, or in another order."""

ORDERS = ("then-index", "then-matmul")
"""Those of them whose operand is the order."""

DERIVATIVES = ("forward", "hessian", "hessian-forward")
"""Ways of the vjp of softmax."""

WAYS = ("plain", *ARITHMETIC, *MASKS, *ARGUMENTS, *BEHIND, *DERIVATIVES)
"""All ways."""

SAVED = "saved"
"""A vjp as f(y, axis, g), y being the answer of the forward pass: how a kernel of a user's own may be called."""


def logits(way: str, x: NDArray[np.float64], operand: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """What the op is taken of, in float64 and not yet rounded to the format; behind it, nothing is done.

    Softmax of a row in another order is its softmax in that order, so an order of the answer is taken for one of x.

    A sum, product or quotient of two numbers of a format of p bits, computed in float64 and rounded again, is correctly
    rounded where 2p + 2 <= 53 (S. A. Figueroa, When is double rounding innocuous?, 1995); float64 rounds once.

    Parameters
    ----------
    way
        A name of :data:`WAYS`.
    x
        Of any shape.
    operand
        Of the shape of ``x`` or with a last axis of one; the arithmetic ways, the masks and the orders need it.

    Returns
    -------
    float64 of the shape of ``x``; ``x`` itself where the way leaves the numbers as they are.

    Raises
    ------
    ValueError
        If there is no such way, or it needs an operand and there is none.
    """
    if way not in WAYS:
        raise ValueError(f"unknown way {way!r}; known: {', '.join(WAYS)}")
    if way in ("plain", *ARGUMENTS, *DERIVATIVES) or (way in BEHIND and way not in ORDERS):
        return x
    if operand is None:
        raise ValueError(f"the way {way!r} needs an operand")
    if way in ORDERS:
        return np.take_along_axis(x, operand.astype(np.intp), axis=-1)
    if way in MASKS:
        return np.where(operand != 0, x, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(ARITHMETIC[way](x, operand))
