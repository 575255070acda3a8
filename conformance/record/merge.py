"""One record of several runs: every part keeps its header, its machine, its versions, its timing and its programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from conformance.record.errors import (
    DifferentCases,
    DifferentSelection,
    DifferentSuiteVersion,
    DuplicateTarget,
    RecordError,
)
from conformance.record.rows import in_order
from conformance.record.schema import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.values import Target


def merge(parts: Sequence[tuple[str, Record]]) -> Record:
    """One record from several that fit, each given with its name.

    The same target may be there at several versions.  It may not be there twice at one, on another platform neither: a
    reader of the merged record could not tell the two apart.

    Raises
    ------
    DifferentSuiteVersion, DifferentSelection, DifferentCases, DuplicateTarget
        Naming both records.
    """
    if not parts:
        raise RecordError("there is no record to merge")
    name, first = parts[0]
    for other_name, other in parts[1:]:
        names = (name, other_name)
        _refuse_if_different(DifferentSuiteVersion, "suite version", names, first.suite_version, other.suite_version)
        _refuse_if_different(DifferentSelection, "tier", names, first.tier.name.lower(), other.tier.name.lower())
        _refuse_if_different(DifferentSelection, "seed", names, first.seed, other.seed)
    _refuse_duplicate_targets(parts)
    _refuse_different_cases(parts)
    records = [record for _, record in parts]
    return Record(
        tuple(part for record in records for part in record.parts),
        in_order(pd.concat([record.observations for record in records])),
        pd.concat([record.claims for record in records], ignore_index=True),
    )


def _refuse_if_different(
    error: type[RecordError], what: str, names: tuple[str, str], mine: object, others: object
) -> None:
    if mine != others:
        raise error(f"{names[0]} has {what} {mine}, {names[1]} has {others}")


def _refuse_duplicate_targets(parts: Sequence[tuple[str, Record]]) -> None:
    owner: dict[tuple[str, str], str] = {}
    for name, record in parts:
        for target in record.targets:
            other = owner.setdefault(_key(target), name)
            if other != name:
                raise DuplicateTarget(f"{other} and {name} both hold {target.versioned}")


def _key(target: Target) -> tuple[str, str]:
    return str(target), target.version


def _refuse_different_cases(parts: Sequence[tuple[str, Record]]) -> None:
    """Every part must have been made from the same families, and a case of one name must be the same question in all.

    Not every target is asked every case: a part that holds fewer of them is no other part.
    """
    made: dict[str, tuple[str, object]] = {}
    asked: dict[Any, tuple[str, str]] = {}
    for name, record in parts:
        for part in record.parts:
            of = (part.header.plan.questions, tuple(sorted(part.header.plan.families)))
            other_name, other = made.setdefault("families", (name, of))
            if other != of:
                raise DifferentCases(
                    f"{other_name} and {name} were made from other families, or from other sources of them"
                )
        cases = record.observations[[*_CASE, "case_id"]].drop_duplicates()
        for op, dtype, family, case, case_id in cases.itertuples(index=False):
            other_name, other_id = asked.setdefault((op, dtype, family, case), (name, case_id))
            if other_id != case_id:
                raise DifferentCases(f"{other_name} and {name} asked another {family}/{case} of {op} in {dtype}")


_CASE = ["op", "dtype", "family", "case"]
