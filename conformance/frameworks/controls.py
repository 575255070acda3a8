"""Textbook formulas on a framework's own exp, log, sum and max, and what each must get wrong.

Controls keep the suite honest: the definition must be caught on logits of ±1000, and a report that
shows a framework beside its own textbook forms says what the framework's function is worth.  A
control is an ordinary target, ``torch/definition/cpu``, always run eagerly.

The names and forms follow Blanchard, Higham and Higham (IMA J. Numer. Anal. 41(4), 2021): with
m = max x,

==============  =============================  ================================
control         softmax                        log_softmax
==============  =============================  ================================
definition      exp(x) / Σexp(x)               x - log Σexp(x)
shifted         exp(x - m) / Σexp(x - m)       (x - m) - log Σexp(x - m)
logsumexp       exp(x - (m + log Σexp(x-m)))   x - (m + log Σexp(x - m))
log-of-softmax  —                              log(exp(x - m) / Σexp(x - m))
==============  =============================  ================================

What a formula gets wrong follows from its arithmetic, so it stands here, beside it, and in no ledger: for the rows of
one case, the kinds of finding that *must* show and those that *may*; any other is news.  Every step is taken to be
rounded to the format, by functions that are good to a few units in the last place, and that may flush subnormals.
Between must and may lie margins that no last bit of a framework crosses.  M is the largest finite number of the format,
N its smallest normal, η its smallest subnormal, u its unit roundoff; l = log Σexp(x); S = Σexp(x - m) = exp(l - m).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from conformance.frameworks.base import Adapter, Primitives

    Numbers = NDArray[np.float64]
    Lanes = NDArray[np.bool_]
    Wrong = tuple[Mapping[str, Any], Mapping[str, Any]]
    """Kind of finding → the rows that must show it, and the rows that may."""


class Limits(NamedTuple):
    """A floating format in four numbers, each named as in :class:`reference.formats.Format`."""

    max: float
    smallest_normal: float
    smallest_subnormal: float
    unit_roundoff: float

    @classmethod
    def of(cls, format: Any) -> Limits:
        """Those of a :class:`reference.formats.Format`."""
        return cls(*(getattr(format, name) for name in cls._fields))


# The formulas.


def softmax_definition(f: Primitives, x: Any, axis: int) -> Any:
    """exp(x) / Σexp(x)."""
    e = f.exp(x)
    return e / f.sum(e, axis)


def log_softmax_definition(f: Primitives, x: Any, axis: int) -> Any:
    """x - log Σexp(x)."""
    return x - f.log(f.sum(f.exp(x), axis))


def softmax_shifted(f: Primitives, x: Any, axis: int) -> Any:
    """exp(x - m) / Σexp(x - m)."""
    e = f.exp(x - f.max(x, axis))
    return e / f.sum(e, axis)


def log_softmax_shifted(f: Primitives, x: Any, axis: int) -> Any:
    """(x - m) - log Σexp(x - m)."""
    t = x - f.max(x, axis)
    return t - f.log(f.sum(f.exp(t), axis))


def logsumexp(f: Primitives, x: Any, axis: int) -> Any:
    """m + log Σexp(x - m)."""
    m = f.max(x, axis)
    return m + f.log(f.sum(f.exp(x - m), axis))


def softmax_logsumexp(f: Primitives, x: Any, axis: int) -> Any:
    """exp(x - logsumexp(x))."""
    return f.exp(x - logsumexp(f, x, axis))


def log_softmax_logsumexp(f: Primitives, x: Any, axis: int) -> Any:
    """x - logsumexp(x)."""
    return x - logsumexp(f, x, axis)


def log_of_softmax(f: Primitives, x: Any, axis: int) -> Any:
    """log(softmax(x)), the composition people write first."""
    return f.log(softmax_shifted(f, x, axis))


# What each gets wrong.


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that have an answer, along the last axis, and what the predicates ask of them.

    A row with a NaN, with +inf, or of -inf alone has none.
    """

    x: Numbers
    limits: Limits

    @property
    def m(self) -> Numbers:
        """max x of each row."""
        return np.asarray(self.x.max(axis=-1))

    @property
    def log_sum(self) -> Numbers:
        """log S of each row, between 0 and log n."""
        return np.asarray(np.log(np.exp(self.x - self.m[..., None]).sum(axis=-1)))

    @property
    def lse(self) -> Numbers:
        """l = log Σexp(x) of each row."""
        return self.m + self.log_sum

    @property
    def vanishes(self) -> float:
        """log(η/2): exp of anything less is rounded to 0."""
        return float(np.log(self.limits.smallest_subnormal) - np.log(2))

    @property
    def narrow(self) -> bool:
        """Whether the format is narrower than float32: the bound *stable* then forbids rounding each step to it."""
        return bool(self.limits.unit_roundoff > 2.0**-24)

    @property
    def loop(self) -> bool:
        """Whether a sum one after the other can be worse than a blocked one, 2·log₂n + 10 units: its bound is *loose*."""
        return bool(self.x.shape[-1] > 16)

    def sum_lost(self) -> Lanes:
        """Where such a sum in a narrow format, whose terms stop counting at 1/u, is worse than any bound grants."""
        return np.asarray((self.log_sum > np.log1p(16 * self.limits.unit_roundoff)) & self.loop & self.narrow)


SLACK = 1 / 64
"""The margin of a logarithm at a threshold: 1.6 % of its exponential, four roundings of bfloat16."""


def definition(op: str, rows: Rows) -> Wrong:
    """exp(x) leaves the range of the format.

    - m > log M: exp is inf, the quotient inf/inf is NaN, and x - log Σ is -inf.  For the logarithm l > log M is enough,
      unless the sum stands still on the way.
    - m < log(η/2): every exp is 0, the quotient 0/0 is NaN, and x - log 0 is inf.  Up to log N that hangs on flushing.
    - An exp(x) below N is rounded to a multiple of η, or flushed: in the sum that weighs more than the roundings which
      the bound grants where Σexp(x) < n·N/u, and in the lane's own quotient where Σexp(x) < 1.
    - Where Σexp(x) > 1/N, a quotient that is taken as exp(x)·(1/Σ) has a subnormal factor, or zero; and exp(x)/inf is 0.
    - The logarithm is off by u·|l|, where the shifted formula's is by u·log S: more than two roundings where
      |l| > 1 + log S.
    """
    limits, m, lse, n = rows.limits, rows.m, rows.lse, rows.x.shape[-1]
    top, smallest, u = np.log(limits.max), np.log(limits.smallest_normal), limits.unit_roundoff
    below = (np.isfinite(rows.x) & (rows.x < smallest + SLACK)).any(axis=-1)
    lost = rows.sum_lost() | (below & (lse < max(0.0, np.log(n) + smallest - np.log(u)) + SLACK))
    logarithm = op == "log_softmax"
    rough = lost | (np.abs(lse) > 1 + rows.log_sum if logarithm else lse > -smallest - SLACK)
    beyond = lse if logarithm else m
    return {"nonfinite": (m > top + SLACK) | (m < rows.vanishes - SLACK)}, {
        "nonfinite": (beyond > top - SLACK) | (m < smallest + SLACK),
        "lost_normal": rough & ~np.asarray(logarithm),
        **dict.fromkeys(("accuracy", "row_sum", "range"), rough),
        "loose": rough | rows.narrow | rows.loop,
    }


def shifted(op: str, rows: Rows) -> Wrong:
    """No exponent is positive, and the formula is what the bounds grant, but for a sum that a narrow format loses.

    Where that overflows, every quotient is 0 and every logarithm -inf.
    """
    overflows = rows.sum_lost() & (rows.log_sum > np.log(rows.limits.max) - SLACK)
    return {}, {
        **dict.fromkeys(("accuracy", "row_sum"), rows.sum_lost()),
        "loose": rows.narrow | rows.loop,
        ("nonfinite" if op == "log_softmax" else "lost_normal"): overflows,
    }


def by_logsumexp(op: str, rows: Rows) -> Wrong:
    """m + log S is rounded to u·|l|, which is an absolute error in a log-probability, and a relative one in softmax.

    That is more than the roundings of the shifted formula where |l| > 1 + log S.  Where u·|m| > 2·log S, m + log S is
    m, and y = 0 stands where -log S was due: for log S > 0.6 more than any bound grants.
    """
    absorbed = (rows.limits.unit_roundoff * np.abs(rows.m) > 2 * rows.log_sum) & (rows.log_sum > 0.6)
    may = shifted(op, rows)[1]
    rough = np.abs(rows.lse) > 1 + rows.log_sum
    return {"accuracy": absorbed}, {**may, **{kind: rough | may[kind] for kind in ("accuracy", "row_sum", "loose")}}


def by_log_of_softmax(op: str, rows: Rows) -> Wrong:
    """A probability that underflows has the logarithm -inf, where its log-probability is a moderate number.

    y < log(η/2): p is 0.  Up to log N it is subnormal, and may be flushed; as a multiple of η it has lost digits, which
    the logarithm makes an absolute error.  (Elsewhere the rounding of p is one more of those that are granted.)
    """
    may = shifted(op, rows)[1]
    y = np.where(np.isfinite(rows.x), rows.x - rows.lse[..., None], 0.0)
    # A log-probability near the end of the range may be -inf itself.
    nothing = ((y < rows.vanishes - SLACK) & (y > -rows.limits.max / 2)).any(axis=-1)
    below = (y < np.log(rows.limits.smallest_normal) + SLACK).any(axis=-1)
    kinds = ("nonfinite", "accuracy", "row_sum", "loose")
    return {"nonfinite": nothing}, {**may, **{kind: below | may[kind] for kind in kinds}}


@dataclass(frozen=True)
class Control:
    """A formula for each op that has one, what it gets wrong, and what it is asked.

    Attributes
    ----------
    formulas
        Op → formula of primitives, an array and an axis.
    wrong
        Op and rows → the kinds that must show and those that may, in each row.
    families
        The families of cases it is asked: those that it is there to show, and an easy one.
    must
        Those in which at least one answer has to be caught, or the suite sees nothing.
    """

    formulas: Mapping[str, Callable[[Primitives, Any, int], Any]]
    wrong: Callable[[str, Rows], Wrong]
    families: tuple[str, ...]
    must: tuple[str, ...]


CONTROLS: dict[str, Control] = {
    "definition": Control(
        {"softmax": softmax_definition, "log_softmax": log_softmax_definition},
        definition, ("huge_range", "magnitude", "offset"), ("huge_range", "magnitude", "offset"),
    ),
    "shifted": Control(
        {"softmax": softmax_shifted, "log_softmax": log_softmax_shifted},
        shifted, ("accumulators", "random"), (),
    ),
    "logsumexp": Control(
        {"softmax": softmax_logsumexp, "log_softmax": log_softmax_logsumexp},
        by_logsumexp, ("accumulators", "magnitude"), ("magnitude",),
    ),
    "log-of-softmax": Control(
        {"log_softmax": log_of_softmax}, by_log_of_softmax, ("magnitude", "underflow"), ("magnitude", "underflow")
    ),
}  # fmt: skip
"""By name, which is the mode of the target."""


def function(adapter: Adapter, control: str, op: str, device: str) -> Callable[[Any, int], Any] | None:
    """The textbook formula as ``f(x, axis)`` on this framework, or None where it has no such op or no primitives."""
    formula, primitives = CONTROLS[control].formulas.get(op), adapter.primitives(device)
    if formula is None or primitives is None:
        return None
    return lambda x, axis: formula(primitives, x, axis)


def expected(control: str, op: str, x: Numbers, axis: int, limits: Limits) -> tuple[frozenset[str], frozenset[str]]:
    """The kinds of finding that an answer of a control must show, and all that it may show.

    Parameters
    ----------
    control, op
        A name of :data:`CONTROLS`, and an op that it has a formula for.
    x
        float64 of any shape: the logits of one case, rounded to the format.
    axis
        The axis of the rows.
    limits
        The format in which every step is rounded.
    """
    if not x.size:
        return frozenset(), frozenset()
    lanes = np.moveaxis(np.atleast_1d(x), axis, -1)
    lanes = lanes.reshape(-1, lanes.shape[-1])
    top = lanes.max(axis=-1)
    may = {"ties"}
    # With +inf in a row the denominator is inf: 0 stands beside the NaN of inf/inf, which is no answer with a name.
    if control == "definition" and op == "softmax" and (top == np.inf).any():
        may.add("unnamed_policy")
    rows = Rows(lanes[np.isfinite(top)], limits)
    if not rows.x.size:
        return frozenset(), frozenset(may)
    with np.errstate(over="ignore", under="ignore"):  # a difference of huge logits
        wrong = CONTROLS[control].wrong(op, rows)
    must, more = ({kind for kind, where in kinds.items() if np.any(where)} for kinds in wrong)
    return frozenset(must), frozenset(may | must | more)
