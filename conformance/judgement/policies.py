"""Which choice did a target make, where no single answer is right?

Each question has named answers, all of them legal; an answer that is none of them is a violation.  A framework
that answers one question in several ways, by op, dtype or mode, is *inconsistent*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conformance.judgement.answer import Answer

UNNAMED = "unnamed"


class Policy(NamedTuple):
    """A question, and the choices that have a name."""

    question: str
    choices: tuple[str, ...]


POLICIES = {
    "all-minus-inf": Policy("a row of nothing but -inf", ("nan", "zeros", "uniform")),
    "plus-inf": Policy("a row with +inf", ("all-nan", "one-hot", "partial")),
    "empty-axis": Policy("an axis of length zero", ("rejects", "returns")),
    "0-d": Policy("an array without an axis", ("rejects", "returns")),
    "default-axis": Policy("the axis where none is named", ("last", "first", "rejects")),
    "masked-row": Policy("a row that the mask argument masks wholly", ("nan", "zeros", "uniform")),
    "integer": Policy("an array of integers", ("rejects", "returns")),
    "bool": Policy("an array of truth values", ("rejects", "returns")),
    "complex": Policy("an array of complex numbers", ("rejects", "returns")),
    "float8": Policy("an array of floats of 8 bits", ("rejects", "returns")),
    "product": Policy("the result of an operation fused in front, where it matters", ("rounded", "unrounded")),
    "subnormals": Policy("a result below the smallest normal number", ("kept", "flushed", "mixed")),
}


def undefined_rows(answer: Answer) -> NDArray[np.bool_]:
    """Rows (the axis kept with length one) to which no single answer is right."""
    return np.asarray(answer.question.truth.undefined.any(axis=answer.axis, keepdims=True))


def choices(answer: Answer) -> NDArray[np.str_]:
    """For each undefined row ``question=choice``, an empty string elsewhere; the axis kept with length one.

    A probability counts as uniform, or as one of several ones, within a unit in the last place.
    """
    rows = undefined_rows(answer)
    said = np.full(rows.shape, "", dtype="<U24")
    if not rows.any():
        return said
    chosen = np.moveaxis(rows, answer.axis, -1)[..., 0]
    x, got = (np.moveaxis(array, answer.axis, -1)[chosen] for array in (answer.x, answer.got))
    log, format = answer.op == "log_softmax", answer.question.format
    nothing = -np.inf if log else 0.0

    def shares(count: NDArray[np.int64]) -> NDArray[np.bool_]:
        due = -np.log(count) if log else 1 / count
        return np.asarray(np.abs(got - due[:, None]) <= format.ulp(due)[:, None])

    infinite = x == np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = np.full(len(x), x.shape[-1])
        candidates = {
            "all-minus-inf=nan": np.isnan(got),
            "all-minus-inf=zeros": got == nothing,
            "all-minus-inf=uniform": shares(whole),
            "plus-inf=all-nan": np.isnan(got),
            "plus-inf=one-hot": np.where(infinite, shares(np.maximum(infinite.sum(-1), 1)), got == nothing),
            "plus-inf=partial": np.where(infinite, np.isnan(got), got == nothing),
        }
    plus = infinite.any(-1)
    found = np.where(plus, f"plus-inf={UNNAMED}", f"all-minus-inf={UNNAMED}").astype(said.dtype)
    for name, lanes in reversed(candidates.items()):
        found = np.where(lanes.all(-1) & (plus == name.startswith("plus")), name, found)
    np.moveaxis(said, answer.axis, -1)[..., 0][chosen] = found
    return said


def subnormals(flushed: NDArray[np.bool_], kept: NDArray[np.bool_]) -> list[str]:
    """What became of subnormal results in each case, given whether some were flushed, and some kept."""
    words = {(True, True): "mixed", (True, False): "flushed", (False, True): "kept"}
    pairs = ((bool(f), bool(k)) for f, k in zip(flushed, kept, strict=True))
    return [f"subnormals={words[pair]}" if any(pair) else "" for pair in pairs]
