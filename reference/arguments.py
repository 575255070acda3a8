"""Checks of arguments: arrays, axes, names and formats.  Every refusal names the argument."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from reference.formats import Format

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from reference.twofold import Numbers


def floating(x: ArrayLike, name: str) -> Numbers:
    """Floating numbers as float64, without a copy where they are that already.

    Raises
    ------
    TypeError
        For numbers that are not floating or wider than float64, for what NumPy cannot read, such as a tensor that
        requires a gradient or is in bfloat16, and for a masked array, whose mask would be lost.
    ValueError
        For lists of unequal lengths.
    """
    if _masked(x):
        raise TypeError(f"{name}: a masked array has no meaning here; put -inf where a logit is masked")
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name}: not an array: {error}") from None
    except (TypeError, RuntimeError) as error:  # of somebody else's __array__
        raise TypeError(f"{name}: not an array: {error}") from None
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"{name}: floating numbers are needed, not {x.dtype}")
    if x.dtype.itemsize > 8:
        raise TypeError(f"{name}: {x.dtype} holds more than float64, in which the logits are taken")
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return x.astype(np.float64, copy=False)


def _masked(x: object) -> bool:
    return isinstance(x, np.ma.MaskedArray) or (isinstance(x, list | tuple) and any(map(_masked, x)))


def place(axis: int, ndim: int) -> int:
    """The axis counted from the first; a 0-d array has one.

    Raises
    ------
    TypeError
        For what is no integer.
    numpy.exceptions.AxisError
        For an axis out of range.
    """
    try:
        axis = operator.index(None if isinstance(axis, bool) else axis)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"axis: an integer is needed, not {axis!r}") from None
    ndim = max(ndim, 1)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim, "axis")
    return axis % ndim


def one_of(names: tuple[str, ...], value: object, argument: str) -> None:
    """Refuse what is none of the names.

    Raises
    ------
    ValueError
        Naming the argument and the choices.
    """
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"{argument}: unknown {value!r}; known: {', '.join(names)}")


def known(format: object) -> Format:
    """The format, if it is one.

    Raises
    ------
    TypeError
        For anything else, such as its name.
    """
    if not isinstance(format, Format):
        raise TypeError(f"format: a reference.Format is needed, not {format!r}; reference.FORMATS has them by name")
    return format


def cotangent_for(op: str, x: Numbers, cotangent: ArrayLike | None) -> Numbers | None:
    """The cotangent of a vjp; None for another op.

    Raises
    ------
    ValueError
        If it is missing, has another shape than ``x``, or is given to an op that takes none.
    TypeError
        For numbers that are not floating.
    """
    if not op.endswith("_vjp"):
        if cotangent is not None:
            raise ValueError(f"cotangent: {op} takes none")
        return None
    if cotangent is None:
        raise ValueError(f"cotangent: {op} needs one")
    g = floating(cotangent, "cotangent")
    if g.shape != x.shape:
        raise ValueError(f"cotangent: its shape {g.shape} is not that of x, {x.shape}")
    return g
