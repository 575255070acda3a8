"""What a family writes down: one row, flat, before it becomes a case for each op."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.values import Tier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Row:
    """One question of a family: of softmax and log_softmax, or of their vjps where it has a cotangent.

    Attributes
    ----------
    name
        Unique in the family for each format; without a space or a semicolon.
    values
        float64 of any shape, each number representable in the format of the case, or in ``dtype``: the logits, or what
        they are computed from where the way has an operation in front.
    axis
        The axis of the rows, as it is handed over: it may be negative, and out of range.
    tier
        The lowest tier that asks it.
    raises
        True where the only right answer is an error (an axis out of range).
    alone
        True where the array is asked as it is, because its rank, layout or batch is the question; otherwise rows of
        equal length travel as one array.  A row with ``raises``, ``policy``, ``layout`` or a ``dtype`` of its own is
        alone in any case.
    policy
        The policy question to which an error is one legal answer; empty where an error is wrong.
    layout
        How the array, or the one of ``out=``, lies in memory: a name of
        :data:`conformance.frameworks.base.LAYOUTS`; empty for C order.
    way
        How the op is called: a name of :data:`conformance.calls.WAYS`.
    operand
        The second array of a way that is not plain, in the format of the case: of the shape of ``values`` or with a
        last axis of one; zeros where None.
    dtype
        Of ``values``, where that is not the format of the case: ``int32``, ``bool``, ``float8_e5m2``, ….  In a plain
        row the values are representable in both, and the answer may be in any format; in a row of the way ``cast`` it
        is the format that is converted from, and the answer is due in the format of the case.
    cotangent
        float64 of the shape of ``values``, in the format of the case; the row is then a question of the vjps alone, in
        the plain way, or of that of softmax in a way of :data:`conformance.calls.DERIVATIVES`.
    cotangent_layout
        How the cotangent lies in memory, as ``layout`` says it of the first array; such a row is alone in any case.
    """

    name: str
    values: NDArray[np.float64]
    axis: int = -1
    tier: Tier = Tier.STANDARD
    raises: bool = False
    alone: bool = False
    policy: str = ""
    layout: str = ""
    way: str = "plain"
    operand: NDArray[np.float64] | None = None
    dtype: str = ""
    cotangent: NDArray[np.float64] | None = None
    cotangent_layout: str = ""
