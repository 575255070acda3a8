"""What is true?  softmax, log_softmax and their vjps as pairs of float64 with an exponent and an error bound.

One path serves every format: shift, exponential, sum and quotient in pair arithmetic
(:mod:`reference.twofold`, :mod:`reference.elementary`), exponents kept apart so that results below the
range of float64 stay accurate, and the winner's log-probability from log1p of the sum of the others, so
that it is relatively accurate wherever it lies.

Special values, by rule:

- a NaN in a row makes the whole row NaN;
- a logit of -inf beside a finite one has p = 0 and y = -inf;
- a row of nothing but -inf, or with a +inf, has no single right answer: it is *undefined*, a policy;
- an empty axis gives an empty result, and a 0-d array is one row of one element.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from reference.elementary import exp, log1p
from reference.twofold import add, constant, divide, multiply, scale, total, two_sum

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from reference.bounds import Bound
    from reference.formats import Format
    from reference.twofold import Numbers, Pair

OPS = ("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp")

RELATIVE_ERROR = 2.0**-90
"""Bound of the relative error of a forward truth for rows of up to 2**20 logits; see docs/error-bounds.md."""


class FlushesSubnormals(RuntimeError):
    """The thread replaces subnormal numbers by zero, under which no truth is true."""


@dataclass(frozen=True)
class Truth:
    """(high + low)·2**exponent is true to the relative error ``error``; all arrays have the shape of the question.

    Attributes
    ----------
    high, low
        A pair: |low| ≤ ulp(high)/2.
    exponent
        int64.
    error
        Bound of the relative error.
    undefined
        Lanes where no single answer is right.
    """

    high: Numbers
    low: Numbers
    exponent: NDArray[np.int64]
    error: Numbers
    undefined: NDArray[np.bool_]

    @property
    def nearest(self) -> Numbers:
        """The truth as float64; it may overflow or underflow there."""
        with np.errstate(all="ignore"):
            return np.asarray(np.ldexp(self.high, self.exponent))

    def _quantum(self, format: Format) -> NDArray[np.int64]:
        """The exponent of the last place that the format has at the truth."""
        top = np.frexp(self.high)[1].astype(np.int64) - 1 + self.exponent
        return np.clip(np.where(self.high == 0, format.emin, top), format.emin, format.emax) - format.precision + 1

    def _in_quanta(self, format: Format) -> tuple[Numbers, Numbers, NDArray[np.int64]]:
        quantum = self._quantum(format)
        shift = self.exponent - quantum
        return np.ldexp(self.high, shift), np.ldexp(self.low, shift), quantum

    def rounded(self, format: Format) -> Numbers:
        """Correctly rounded to the format: to nearest, ties to even, decided by the low part."""
        with np.errstate(all="ignore"):
            high, low, quantum = self._in_quanta(format)
            whole = np.rint(high)
            # Rounded once by the high part; the low part may say that it was a step too few.
            rest, tail = two_sum(high - whole, low)
            half = np.abs(rest) == 0.5
            beyond = (np.abs(rest) > 0.5) | (half & (np.sign(tail) == np.sign(rest)))
            tie = half & (tail == 0) & (np.fmod(whole, 2) != 0)
            step = np.where(beyond | tie, np.sign(rest), 0.0)
            value = np.ldexp(whole + step, quantum)
            value = np.where(np.abs(value) > format.max, np.copysign(format.overflow, value), value)
        return np.where(np.isfinite(self.high), value, self.high)

    def decided(self, format: Format) -> NDArray[np.bool_]:
        """Where the error bound does not reach across the middle between two numbers of the format."""
        with np.errstate(all="ignore"):
            high, low, _ = self._in_quanta(format)
            rest = np.abs((high - np.rint(high)) + low)
            exact = (self.high == 0) | ~np.isfinite(self.high) | (self.error == 0)
            return np.asarray((np.abs(rest - 0.5) > np.abs(high) * self.error) | exact)

    def error_ulps(self, got: ArrayLike, format: Format) -> Numbers:
        """|got - truth| in units of the format's last place at the truth."""
        with np.errstate(all="ignore"):
            high, low, quantum = self._in_quanta(format)
            got = np.ldexp(np.asarray(got, dtype=np.float64), -quantum)
            return np.abs((got - high) - low)

    def error_over(self, bound: Bound, got: ArrayLike) -> Numbers:
        """|got - truth| as a share of ``bound.relative·|truth| + bound.absolute``; an exact answer has share 0."""
        with np.errstate(all="ignore"):
            top = np.frexp(self.high)[1].astype(np.int64) + self.exponent
            # Scaling up saves subnormals; 2**900 times an absolute bound still is no infinity.
            up = np.minimum(-top, 900)
            high, low = np.ldexp(self.high, self.exponent + up), np.ldexp(self.low, self.exponent + up)
            size = np.abs((np.ldexp(np.asarray(got, dtype=np.float64), up) - high) - low)
            allowed = bound.relative * np.abs(high) + np.ldexp(bound.absolute, up)
            return np.where(size == 0, 0.0, size / allowed)


def truth(
    op: str, x: ArrayLike, axis: int = -1, *, format: Format | None = None, cotangent: ArrayLike | None = None
) -> Truth:
    """What ``op`` of ``x`` along ``axis`` is.

    Parameters
    ----------
    op
        softmax, log_softmax, softmax_vjp or log_softmax_vjp.
    x
        float64 logits of any shape.
    axis
        The axis of the rows.
    format
        The format that will be judged; every format gets the same truth.
    cotangent
        For a vjp, float64 of the shape of ``x``.

    Raises
    ------
    ValueError, TypeError, numpy.exceptions.AxisError
        For an unknown op, a missing cotangent, numbers that are not floating, an axis out of range.
    FlushesSubnormals
        If somebody set the processor to flush on this thread, as ``torch.set_flush_denormal(True)`` does.
    """
    del format
    if not (np.full(1, 2.0**-1070) * np.full(1, 0.5)).any():
        raise FlushesSubnormals("subnormal numbers are flushed on this thread; the truth needs them")
    if op not in OPS:
        raise ValueError(f"op: unknown {op!r}; known: {', '.join(OPS)}")
    x = _floating(x, "x")
    shape = x.shape
    x = x.reshape(1) if x.ndim == 0 else x
    axis = normalize_axis_index(axis, x.ndim)
    with np.errstate(all="ignore"):
        if op.endswith("_vjp"):
            if cotangent is None:
                raise ValueError(f"cotangent: {op} needs one")
            high, low, exponent, error, undefined = _vjp(
                op, x, axis, _floating(cotangent, "cotangent").reshape(x.shape)
            )
        else:
            high, low, exponent, undefined = _forward(op, x, axis)
            error = np.where(np.isfinite(high) & (high != 0), RELATIVE_ERROR, 0.0)
    return Truth(
        high.reshape(shape), low.reshape(shape), exponent.reshape(shape), error.reshape(shape), undefined.reshape(shape)
    )


def _floating(x: ArrayLike, name: str) -> Numbers:
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"{name}: floating numbers are needed, not {x.dtype}")
    return x.astype(np.float64)


def _rows(x: Numbers, axis: int) -> tuple[Pair, Any, NDArray[np.bool_], NDArray[np.bool_]]:
    """T = x - max x as a pair and an exponent; which lanes are -inf beside finite ones; which are undefined."""
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    undefined = np.broadcast_to(np.isinf(top), x.shape)
    masked = (x == -np.inf) & ~undefined
    finite = np.where(np.isfinite(x), x, np.where(undefined, 0.0, top))
    top = np.where(np.isfinite(top), top, 0.0)
    # Near the largest float64 the difference overflows: there the row is shifted at a quarter of its size.
    huge = np.maximum(np.max(np.abs(finite), axis=axis, keepdims=True, initial=0.0), np.abs(top)) > 2.0**1021
    exponent = np.broadcast_to(np.where(huge, 2, 0), x.shape)
    t = two_sum(np.ldexp(finite, -exponent), -np.ldexp(top, np.where(huge, -2, 0)))
    return t, exponent, masked, undefined


def _forward(op: str, x: Numbers, axis: int) -> tuple[Numbers, Numbers, NDArray[np.int64], NDArray[np.bool_]]:
    if x.size == 0:
        return x, x, x.astype(np.int64), x.astype(bool)
    t, t_exponent, masked, undefined = _rows(x, axis)
    e, e_exponent = exp(scale(t, t_exponent))
    zero = np.zeros_like(x)
    e = _where(masked, (zero, zero), e)
    others, others_exponent = _sum_of_the_others(x, e, e_exponent, axis)
    if op == "softmax":
        # Where the others are far below, they are far below the last bit of 1 too.
        s = add(constant(1.0), scale(others, others_exponent))
        value, exponent = divide(e, s), e_exponent
        value = _where(masked, (zero, zero), value)
    else:
        log, log_exponent = log1p(others, others_exponent)
        here = scale(log, log_exponent - t_exponent)
        value = add(t, (-here[0], -here[1]))
        won = t[0] == 0
        value = _where(won, (-log[0], -log[1]), value)
        exponent = np.where(won, log_exponent, t_exponent)
        value = _where(masked, (zero - np.inf, zero), value)
    high = np.where(undefined | np.isnan(x).any(axis=axis, keepdims=True), np.nan, value[0])
    return high, value[1], np.broadcast_to(exponent, x.shape).astype(np.int64), undefined


def _where(lanes: NDArray[np.bool_], x: Pair, y: Pair) -> Pair:
    return np.where(lanes, x[0], y[0]), np.where(lanes, x[1], y[1])


def _sum_of_the_others(x: Numbers, e: Any, exponent: NDArray[np.int64], axis: int) -> tuple[Pair, NDArray[np.int64]]:
    """Σexp(t) without the first winner of each row, as a pair and an exponent (axis kept with length one)."""
    first = np.zeros(x.shape, dtype=bool)
    np.put_along_axis(first, np.expand_dims(np.argmax(x, axis=axis), axis), values=True, axis=axis)
    lost = first | (e[0] == 0)
    least = np.int64(-(2**22))  # below every exponent exp returns
    top = np.max(np.where(lost, least, exponent), axis=axis, keepdims=True)
    shift = np.where(lost, 0, exponent - top)
    terms = scale((np.where(lost, 0.0, e[0]), np.where(lost, 0.0, e[1])), shift)
    return total(terms, axis), np.where(top == least, 0, top)


def _vjp(
    op: str, x: Numbers, axis: int, g: Numbers
) -> tuple[Numbers, Numbers, NDArray[np.int64], Numbers, NDArray[np.bool_]]:
    """p·(g - Σp·g) or g - p·Σg, in pairs; the error bound is absolute in the terms, made relative at the end."""
    high, low, exponent, undefined = _forward("softmax", x, axis)
    p = scale((high, low), exponent)
    zero = np.zeros_like(g)
    if op == "softmax_vjp":
        mean = total(multiply(p, (g, zero)), axis)
        value = multiply(p, add((g, zero), (-mean[0], -mean[1])))
        size = np.abs(p[0]) * (np.abs(g) + np.sum(np.abs(p[0] * g), axis=axis, keepdims=True))
    else:
        product = multiply(p, total((g, zero), axis))
        value = add((g, zero), (-product[0], -product[1]))
        size = np.abs(g) + np.abs(p[0]) * np.sum(np.abs(g), axis=axis, keepdims=True)
    error = np.where(value[0] == 0, 0.0, 2 * RELATIVE_ERROR * size / np.abs(value[0]))
    return value[0], value[1], np.zeros(x.shape, dtype=np.int64), error, undefined
