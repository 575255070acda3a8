"""Policy questions, where no single answer is right, and which choice an answer makes.

Each question has named choices, all of them legal; an answer that is none of them is a violation.  A framework that
answers one question in several ways, by op, dtype or mode, is *inconsistent*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conformance.values import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from conformance.judgement.answer import Answer
    from conformance.judgement.question import Lanes

UNNAMED = "unnamed"
"""The choice of an answer that is none of the named ones."""


class Policy(NamedTuple):
    """A question in words, and the choices that have a name."""

    question: str
    choices: tuple[str, ...]


POLICIES = {
    "all-minus-inf": Policy("a row of nothing but -inf", ("nan", "zeros", "uniform")),
    "plus-inf": Policy("a row with +inf", ("all-nan", "one-hot", "partial")),
    "empty-axis": Policy("an axis of length zero", ("rejects", "returns")),
    "0-d": Policy("an array without an axis", ("rejects", "returns")),
    "aliased-out": Policy("an out= that is the input or overlaps it", ("rejects", "returns")),
    "default-axis": Policy("the axis where none is named", ("last", "first", "rejects")),
    "masked-row": Policy("a row that the mask argument masks wholly", ("nan", "zeros", "uniform")),
    "integer": Policy("an array of integers", ("rejects", "returns")),
    "bool": Policy("an array of truth values", ("rejects", "returns")),
    "complex": Policy("an array of complex numbers", ("rejects", "returns")),
    "float8": Policy("an array of floats of 8 bits", ("rejects", "returns")),
    "product": Policy("the result of an operation fused in front, where it matters", ("rounded", "unrounded")),
    "subnormals": Policy("a result below the smallest normal number", ("kept", "flushed", "mixed")),
}
"""By the name that a choice gives."""

KEPT = Choice("subnormals", "kept")
"""The one choice that is what IEEE 754 asks for, and so is recorded and no policy."""


def row_choices(answer: Answer) -> Mapping[Choice, Lanes]:
    """Which rows make which choice, of those to which no single answer is right.

    A probability counts as uniform, or as one of several ones, within a unit in the last place.

    Returns
    -------
    Choice → rows, the axis kept with length one.  Each undefined row makes one choice; choices that no row makes are left
    out, and for a vjp, whose choices have no names, the mapping is empty.
    """
    rows = answer.question.undefined_rows
    if not answer.op.is_distribution or not rows.any():
        return {}
    chosen = np.moveaxis(rows, answer.axis, -1)[..., 0]
    x, got = (np.moveaxis(array, answer.axis, -1)[chosen] for array in (answer.x, answer.got))
    log, format = answer.op.log, answer.question.format
    nothing = -np.inf if log else 0.0

    def shares(count: NDArray[np.int64]) -> Lanes:
        due = -np.log(count) if log else 1 / count
        return np.asarray(np.abs(got - due[:, None]) <= format.ulp(due)[:, None])

    infinite = x == np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        candidates = {
            Choice("all-minus-inf", "nan"): np.isnan(got),
            Choice("all-minus-inf", "zeros"): got == nothing,
            Choice("all-minus-inf", "uniform"): shares(np.full(len(x), x.shape[-1])),
            Choice("plus-inf", "all-nan"): np.isnan(got),
            Choice("plus-inf", "one-hot"): np.where(infinite, shares(np.maximum(infinite.sum(-1), 1)), got == nothing),
            Choice("plus-inf", "partial"): np.where(infinite, np.isnan(got), got == nothing),
        }
    plus = infinite.any(-1)
    of = {"all-minus-inf": ~plus, "plus-inf": plus}
    found: dict[Choice, Lanes] = {}

    def keep(choice: Choice, which: Lanes) -> None:
        if which.any():
            found[choice] = np.zeros(rows.shape, dtype=bool)
            np.moveaxis(found[choice], answer.axis, -1)[..., 0][chosen] = which

    for choice, lanes in candidates.items():
        which = of[choice.question] & lanes.all(-1)
        keep(choice, which)
        of[choice.question] = of[choice.question] & ~which  # the first name that fits is the row's
    for question, rest in of.items():
        keep(Choice(question, UNNAMED), rest)
    return found


def subnormals(answer: Answer, cases: int) -> list[Choice | None]:
    """What became of the subnormal results of each case; None where it has none, or the op has no such question.

    That is a question to probabilities, and of a vjp only where something was flushed for certain: a log-probability or
    a gradient that small may be lost within its absolute bound, which says nothing of subnormals, kept or not.

    Parameters
    ----------
    cases
        How many cases the answer holds, along its first axis.
    """
    if answer.op.log and answer.op.is_distribution:
        return [None] * cases
    if answer.op.takes_cotangent:
        return [Choice("subnormals", "flushed") if case.any() else None for case in answer.flushed.reshape(cases, -1)]
    kept = answer.question.subnormal & (answer.got != 0)
    some = [np.asarray(lanes.reshape(cases, -1).any(axis=1)).tolist() for lanes in (answer.flushed, kept)]
    words = {(True, True): Choice("subnormals", "mixed"), (True, False): Choice("subnormals", "flushed")}
    words[False, True] = KEPT
    return [words.get(pair) for pair in zip(*some, strict=True)]
