"""The row of a finding lane by lane, for a picture: its logits, its truth, and the error that a good algorithm may make.

A record keeps what was handed over and the answer of one lane; truth and bound are computed again when a report is written.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import calls
from conformance.judgement.question import Question
from reference.formats import EVERY_FORMAT
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from conformance.values import Inputs, Witness

MOST = 400
"""Lanes that are drawn; of a longer row the largest and the smallest logit of equal stretches, and the witness."""

_NAMES = {"nan": "NaN", "inf": "∞", "-inf": "−∞"}

SUMS = ("row_sum", "zero_sum")
"""Kinds whose witness is the sum of a row and no lane of it."""


def lanes(observation: Mapping[Any, Any], kind: str, inputs: Inputs, told: Witness) -> dict[str, Any] | None:
    """What a picture of one row shows; None where the truth that is computed here is not that of the record, or nowhere finite.

    Returns
    -------
    ``n``, the length of the row; of each lane that is drawn ``lane``, its place in the row, ``x``, ``truth`` and ``bound``,
    the error that the stable bound allows; ``at``, the place of the witness, -1 for a sum, with ``got`` and ``error``.  A
    number is None where it is not finite, but for a logit, which is then a text; ``got`` is a text.
    """
    if observation["dtype"] not in EVERY_FORMAT:
        return None
    op, format = OPS[observation["op"]], EVERY_FORMAT[observation["dtype"]]
    x = format.quantise(calls.logits(observation["way"], inputs.x, inputs.operand))
    cotangent = inputs.cotangent
    if not x.ndim or not -x.ndim <= observation["axis"] < x.ndim or not 0 <= told.index < x.size:
        return None
    place = list(np.unravel_index(told.index, x.shape))
    at = int(place[observation["axis"]])
    place[observation["axis"]] = slice(None)  # type: ignore[call-overload]
    row = x[tuple(place)]
    question = Question(op, row, -1, format, None if cotangent is None else cotangent[tuple(place)])
    truth = question.expected
    lane = kind not in SUMS
    if not np.isfinite(truth).any():
        return None
    if lane and not np.array_equal(truth[at], told.expected, equal_nan=True):
        return None
    with np.errstate(all="ignore"):
        bound = question.stable.relative * np.abs(truth) + question.stable.absolute
        error = abs(told.got - told.expected - told.rest)
    drawn = _drawn(row, at)
    return {
        "n": len(row), "lane": drawn.tolist(), "x": [number if math.isfinite(number) else _NAMES[str(number)] for number in row[drawn].tolist()],
        "truth": _finite(truth[drawn]),
        "bound": _finite(np.broadcast_to(bound, row.shape)[drawn]),
        "at": at if lane else -1, "got": f"{told.got:.6g}", "error": error if math.isfinite(error) else None,
    }  # fmt: skip


def _drawn(row: NDArray[np.float64], at: int) -> NDArray[np.intp]:
    """The places that are drawn, in order."""
    if len(row) <= MOST:
        return np.arange(len(row))
    stretches = np.array_split(np.arange(len(row)), MOST // 2)
    ends = [stretch[end(row[stretch])] for stretch in stretches for end in (np.argmin, np.argmax)]
    return np.unique([*ends, at])


def _finite(numbers: NDArray[np.float64]) -> list[float | None]:
    return [float(f"{number:.9g}") if math.isfinite(number) else None for number in numbers.tolist()]
