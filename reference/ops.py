"""The four ops: what an answer of each may be, and where its truth and its bounds come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference.bounds import bounds, flushed_vjp, row_sum_bound
from reference.truth import truth

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from reference.bounds import BoundedGrade
    from reference.comparison import Bound
    from reference.formats import Format
    from reference.truth import Truth
    from reference.twofold import Numbers

_INFINITY = float("inf")


@dataclass(frozen=True)
class Op:
    """A function of logits along an axis, and of a cotangent where it is a vector-Jacobian product (vjp).

    Attributes
    ----------
    name
        softmax, log_softmax, softmax_vjp or log_softmax_vjp.
    log
        Whether the function, or the one it is the vjp of, returns logarithms.
    takes_cotangent
        Whether it is a vjp: of x and g, both of one shape, along an axis.
    lowest, highest
        The range of an answer: [0, 1] for softmax, [-inf, 0] for log_softmax, everything for a vjp.
    """

    name: str
    log: bool
    takes_cotangent: bool
    lowest: float
    highest: float

    def __str__(self) -> str:
        return self.name

    @property
    def is_distribution(self) -> bool:
        """Whether a row of answers, or of their exponentials, sums to 1."""
        return not self.takes_cotangent

    def truth(self, x: ArrayLike, axis: int, *, format: Format, cotangent: ArrayLike | None = None) -> Truth:
        """See :func:`reference.truth.truth`."""
        return truth(self.name, x, axis, format=format, cotangent=cotangent)

    def bounds(
        self, x: ArrayLike, axis: int, *, format: Format, grade: BoundedGrade, cotangent: ArrayLike | None = None
    ) -> Bound:
        """See :func:`reference.bounds.bounds`."""
        return bounds(self.name, x, axis, format=format, grade=grade, cotangent=cotangent)

    def flushed_vjp(self, x: ArrayLike, axis: int, *, format: Format, cotangent: ArrayLike) -> Numbers:
        """See :func:`reference.bounds.flushed_vjp`; only where the op :attr:`takes_cotangent`."""
        return flushed_vjp(x, axis, op=self.name, format=format, cotangent=cotangent)

    def row_sum_bound(self, x: ArrayLike, axis: int, *, format: Format) -> Numbers:
        """See :func:`reference.bounds.row_sum_bound`; only where the op :attr:`is_distribution`."""
        return row_sum_bound(self.name, x, axis, format=format)


SOFTMAX = Op("softmax", log=False, takes_cotangent=False, lowest=0.0, highest=1.0)
LOG_SOFTMAX = Op("log_softmax", log=True, takes_cotangent=False, lowest=-_INFINITY, highest=0.0)
SOFTMAX_VJP = Op("softmax_vjp", log=False, takes_cotangent=True, lowest=-_INFINITY, highest=_INFINITY)
LOG_SOFTMAX_VJP = Op("log_softmax_vjp", log=True, takes_cotangent=True, lowest=-_INFINITY, highest=_INFINITY)

OPS: dict[str, Op] = {op.name: op for op in (SOFTMAX, LOG_SOFTMAX, SOFTMAX_VJP, LOG_SOFTMAX_VJP)}
"""By name."""

FORWARD = (SOFTMAX, LOG_SOFTMAX)
"""The ops that every framework has."""
