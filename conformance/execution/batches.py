"""Which questions travel together?

Rows of equal length, dtype and op go to a framework as one array.  Cases about rank, layout or
position go as they are.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from conformance.values import Batch, Case

if TYPE_CHECKING:
    from collections.abc import Iterable


def batches(cases: Iterable[Case]) -> list[Batch]:
    """Group cases into the fewest arrays, in order of first appearance."""
    groups: dict[object, list[Case]] = defaultdict(list)
    for case in cases:
        alone = not Batch((case,)).stacked
        key = (case.op, case.dtype, _producer(case), id(case) if alone else case.values.shape[0])
        groups[key].append(case)
    return [Batch(tuple(group)) for group in groups.values()]


def _producer(case: Case) -> object:
    return case.produced and (case.producer, case.produced.operand.shape)
