"""Which cases travel together as one array, and which of them ask the same question."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from conformance.values import Batch, Case

if TYPE_CHECKING:
    from collections.abc import Iterable


def batches(cases: Iterable[Case]) -> list[Batch]:
    """Group cases into the fewest arrays, each question once.

    Parameters
    ----------
    cases
        Of any ops, formats and families.

    Returns
    -------
    In order of first appearance.  No id occurs twice, in one batch or in two: of cases with an equal id the first is in
    a batch, and :func:`twins` names the others.
    """
    groups: dict[object, list[Case]] = defaultdict(list)
    for case, *_ in twins(cases).values():
        groups[_key(case)].append(case)
    return [Batch(tuple(group)) for group in groups.values()]


def twins(cases: Iterable[Case]) -> dict[str, tuple[Case, ...]]:
    """The cases of each id, in their order; more than one where several families ask the same question."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        found[case.id].append(case)
    return {id_: tuple(group) for id_, group in found.items()}


def _key(case: Case) -> object:
    """Equal for cases that may be one array."""
    if not case.stacks:
        return case.id
    operand = None if case.inputs.operand is None else case.inputs.operand.shape
    return case.op, case.format, case.inputs.dtype, case.call, case.inputs.x.shape, operand
