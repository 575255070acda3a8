"""Which cases are left out because the user has not chosen them, or because a kernel does not promise them.

A row of a length or a rank that is not promised is cut, filled or given further axes, since a kernel for multiples of 128
would otherwise be asked next to nothing: what makes a row hard is seldom its length.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.frameworks.contract import Contract
    from conformance.values import Case, Numbers

NOT_CHOSEN = "not among those chosen"
"""Why most cases are left out where some are named; everybody knows, and it need not be said."""

FITTED = "as they are, but with the row cut or filled to a length of its contract"
"""Said after "not asked: 24 questions": of cases that are asked at another length."""


def names_case(pattern: str, case: Case) -> bool:
    """Whether a glob means a case: its name, its family's, or family/case, which may hold a glob's characters."""
    names = (case.name, case.family, f"{case.family}/{case.name}")
    return any(name == pattern or fnmatchcase(name, pattern) for name in names)


def left_out_by(case: Case, fit: Case, contract: Contract, only: Sequence[str], skip: Sequence[str]) -> str:
    """Why a case is not asked; empty where it is.

    Parameters
    ----------
    fit
        The case as :func:`fitted` has it.
    only, skip
        Globs of :func:`names_case`; where ``only`` is empty every case is chosen.
    """
    if only and not any(names_case(pattern, case) for pattern in only):
        return NOT_CHOSEN
    if (pattern := next((pattern for pattern in skip if names_case(pattern, case)), None)) is not None:
        return f"skipped by {pattern}"
    shape = (1, *fit.logits.shape) if fit.stacks else fit.logits.shape
    masked = bool(contract.masks) and bool((fit.logits == -np.inf).any())
    layout = fit.call.layout or fit.call.cotangent_layout
    why = contract.excludes(shape, fit.call.axis, layout, masked=masked)
    return why and f"{why} (its contract)"


def fitted(case: Case, contract: Contract) -> Case:
    """A case with its rows at the nearest promised length, and a row alone where a stack of rows is of no promised rank.

    A row that is too long loses lanes from its middle; one that is too short gets copies of its smallest logit there, so
    that its winner stays alone.  The other axes of a row that is alone have size one.
    """
    axis, shape = case.call.axis, case.logits.shape
    if contract.lengths and -len(shape) <= axis < len(shape) and shape[axis]:
        length = contract.nearest(shape[axis])
        if length != shape[axis]:
            case = _changed(case, lambda part: _resized(part, axis, length))
    if contract.rank and 2 not in contract.rank and case.stacks:
        axes = (1,) * (contract.rank[0] - 1)
        case = replace(_changed(case, lambda part: part.reshape(axes + part.shape)), alone=True)
    return case


def _changed(case: Case, change: Callable[[Numbers], Numbers]) -> Case:
    """The case with each of its arrays changed alike."""
    unrounded = None if case.unrounded is None else change(case.unrounded)
    return replace(case, inputs=case.inputs.map(change), logits=change(case.logits), unrounded=unrounded)


def _resized(part: Numbers, axis: int, length: int) -> Numbers:
    """An array whose axis is cut or filled in its middle."""
    now = part.shape[axis]
    if length < now:
        return np.delete(part, slice(length // 2, length // 2 + now - length), axis)
    smallest = np.repeat(np.fmin.reduce(part, axis, keepdims=True), length - now, axis)
    head, tail = np.split(part, [now // 2], axis)
    return np.concatenate([head, smallest, tail], axis)
