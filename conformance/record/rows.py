"""The rows of a record's file, made from typed values and read back as such.

Here alone do findings and choices become text: kinds joined by ``;``, choices by spaces, and in the columns ``witness``
and ``inputs`` what :mod:`conformance.record.witness` and :mod:`conformance.record.exhibit` make of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from conformance.record.exhibit import exhibit_as_text, exhibit_from_text
from conformance.record.schema import CLAIM_COLUMNS, COLUMNS
from conformance.record.typed import WrongData, printable, shown
from conformance.record.witness import findings_as_text, findings_from_text
from conformance.values import OUTCOMES, Choice, NotAsked, Unsupported

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from conformance.values import Case, Exhibit, Finding, Judgement, Observation, Target

_ORDER = ["op", "dtype", "family", "case", "target", "version", "case_id", "run_id"]
"""A record's one order of rows: no two rows are equal in all of these."""


def observation_row(
    target: Target,
    case: Case,
    observation: Observation,
    judgement: Judgement,
    *,
    digest: str = "",
    shared: int = 1,
    must: Collection[str] = (),
    may: Collection[str] = (),
    exhibit: Exhibit | None = None,
) -> dict[str, Any]:
    """One row of the record, every column but ``run_id``.

    Parameters
    ----------
    digest
        See :func:`conformance.judgement.digests`.
    shared
        How many cases travelled in the call; each has its share of the seconds, to two digits.
    must, may
        Of a control: the kinds of finding that follow from its arithmetic here, and those that it explains.
    exhibit
        What was handed over, where it is kept.
    """
    finite = case.logits[np.isfinite(case.logits)]
    with np.errstate(over="ignore"):
        gap = float(np.float32(finite.max() - finite.min())) if finite.size else math.nan
    return {
        "target": str(target),
        "framework": target.framework,
        "variant": target.variant,
        "version": target.version,
        "mode": target.mode,
        "device": target.device,
        "control": target.control,
        "op": case.op.name,
        "dtype": case.recorded_dtype,
        "family": case.family,
        "case": case.name,
        "case_id": case.id,
        "tier": case.tier.name.lower(),
        "axis": case.call.axis,
        "shape": "×".join(map(str, case.logits.shape)),
        "layout": case.call.layout,
        "cotangent_layout": case.call.cotangent_layout,
        "way": case.call.way,
        "outcome": OUTCOMES[type(observation)],
        "reason": observation.why if isinstance(observation, Unsupported | NotAsked) else "",
        "seconds": float(f"{observation.seconds / shared:.2g}"),
        "digest": digest,
        "choices": " ".join(map(str, judgement.choices)),
        "grade": judgement.grade or "",
        "severity": judgement.severity,
        "findings": ";".join(finding.kind for finding in judgement.findings),
        "expected": ";".join(
            [*(f"{kind}!" for kind in sorted(must)), *(f"{kind}?" for kind in sorted({*may} - {*must}))]
        ),
        "max_ulp": judgement.max_ulp,
        "max_ulp_at": judgement.max_ulp_at,
        "error_over_bound": judgement.error_over_bound,
        "row_sum_error": judgement.row_sum_error,
        "logit_gap": gap,
        "nonfinite_expected": judgement.nonfinite_expected,
        "nonfinite_got": judgement.nonfinite_got,
        "witness": findings_as_text(judgement.findings),
        "inputs": exhibit_as_text(exhibit) if exhibit is not None else "",
    }


def smallest(judged: Sequence[tuple[Case, Judgement]]) -> frozenset[int]:
    """The places of those of one target's judgements whose arrays are kept.

    Of each (op, way, dtype, family, kind, severity) that is the one with the fewest logits, the first by name of equals.
    """
    found: dict[object, tuple[int, str, int]] = {}
    for i, (case, judgement) in enumerate(judged):
        rank = (case.logits.size, case.name, i)
        for finding in judgement.findings:
            key = _same(case, finding)
            found[key] = min(found.get(key, rank), rank)
    return frozenset(i for _, _, i in found.values())


def _same(case: Case, finding: Finding) -> object:
    return (case.op.name, case.call.way, case.recorded_dtype, case.family, finding.kind, finding.severity)


def frame(rows: Iterable[Mapping[Any, Any]], run_id: str = "") -> pd.DataFrame:
    """Observations as a typed frame in their one order, from mappings that have every column but ``run_id``.

    ``max_ulp`` and ``error_over_bound`` keep seven digits, and every text is :func:`printable`.
    """
    listed = [{"run_id": run_id, **row} for row in rows]
    with np.errstate(over="ignore"):  # a kernel may answer anything
        observations = _typed(listed, COLUMNS)
    for name in ("max_ulp", "error_over_bound"):
        # The exponents of float64 and the digits of float32, rounded down: seven are enough, and zeros take no room.
        significand, exponent = np.frexp(observations[name].to_numpy())
        observations[name] = np.ldexp(np.trunc(significand * 2**24), exponent - 24)
    return in_order(observations)


def claims_frame(rows: Iterable[Mapping[Any, Any]], run_id: str = "") -> pd.DataFrame:
    """Claims as a typed frame, in the order given, from mappings that have every column but ``run_id``."""
    return _typed([{"run_id": run_id, **row} for row in rows], CLAIM_COLUMNS)


def _typed(listed: list[dict[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.Series(
                [printable(str(row[name])) if kind == "string" else row[name] for row in listed], dtype=_wide(kind)
            ).astype(kind)  # type: ignore[call-overload]
            for name, kind in columns.items()
        }
    )


def _wide(kind: str) -> str:
    """The dtype by which a list becomes a column: straight into float32, pandas refuses what overflows it."""
    return "float64" if kind == "float32" else kind


def in_order(observations: pd.DataFrame) -> pd.DataFrame:
    """The same rows in the one order of a record, numbered from zero."""
    return observations.sort_values(_ORDER, ignore_index=True)


# Back to typed values.


def findings_of(row: Mapping[Any, Any]) -> tuple[Finding, ...]:
    """The findings of a row.

    Raises
    ------
    WrongData
        If its witness says something else than findings.
    """
    return findings_from_text(row["witness"])


def exhibit_of(row: Mapping[Any, Any]) -> Exhibit | None:
    """What was handed over for a row; None where it was not kept.

    Raises
    ------
    WrongData
        If the column says something else than arrays.
    """
    return exhibit_from_text(row["inputs"])


def choices_of(row: Mapping[Any, Any]) -> tuple[Choice, ...]:
    """The choices of a row.

    Raises
    ------
    WrongData
        If the column says something else than ``question=answer``, separated by spaces.
    """
    choices = []
    for text in str(row["choices"]).split():
        question, equals, answer = text.partition("=")
        if not (question and equals and answer):
            raise WrongData(f"choices: question=answer is wanted, not {shown(text)}")
        choices.append(Choice(question, answer))
    return tuple(choices)


def expected_of(row: Mapping[Any, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """The kinds of finding that a row of a control must show, and those that it may show; two empty sets for others.

    Raises
    ------
    WrongData
        If the column says something else than ``kind!`` and ``kind?``, joined by ``;``.
    """
    names = row["expected"].split(";") if row["expected"] else []
    if any(len(name) < 2 or name[-1] not in "!?" for name in names):
        raise WrongData(f"expected: kind! or kind? is wanted, not {shown(row['expected'])}")
    must, may = (frozenset(name[:-1] for name in names if name[-1] == mark) for mark in "!?")
    return must, may
