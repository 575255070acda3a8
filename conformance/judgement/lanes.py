"""One judgement a case from the lanes of a whole batch: reductions over all cases at once, findings where there are any."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.judgement import policies
from conformance.judgement.checks import checks_of
from conformance.judgement.outcomes import worst
from conformance.judgement.witnesses import witness
from conformance.values import Choice, Finding, Grade, Judgement, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conformance.judgement.answer import Answer
    from conformance.judgement.question import Numbers
    from conformance.values import Batch

_GRADES = tuple(Grade)


def judge_lanes(answer: Answer, batch: Batch) -> tuple[Judgement, ...]:
    """What is said of each case of a batch, in order.

    Parameters
    ----------
    answer
        To the whole batch: its first axis counts the cases, or all of it is the one case.
    """
    count = len(batch.cases)
    measured = answer.measured.reshape(count, -1)
    told = measured & ~answer.question.cancelled.reshape(count, -1)
    ulps = np.where(told, answer.error_ulps.reshape(count, -1), -1.0)
    ratios = np.where(measured, answer.error_over_stable.reshape(count, -1), -1.0)
    graded = measured.any(axis=1)
    findings, choices = _findings(answer, count, ratios), _choices(answer, batch)
    columns = zip(
        _grades(answer, count),
        choices,
        np.where(told.any(axis=1), ulps.max(axis=1), math.nan).tolist(),
        np.where(told.any(axis=1), ulps.argmax(axis=1), -1).tolist(),
        np.where(graded, ratios.max(axis=1), math.nan).tolist(),
        _row_sum_errors(answer, count),
        _counts(~answer.question.finite, count),
        _counts(~answer.finite, count),
        strict=True,
    )
    return tuple(
        Judgement(grade, _severity(found, chosen), found, chosen, *figures)
        for i, (grade, chosen, *figures) in enumerate(columns)
        for found in [tuple(findings.get(i, ()))]
    )


def _severity(findings: tuple[Finding, ...], choices: tuple[Choice, ...]) -> Severity:
    if findings:
        return worst(finding.severity for finding in findings)
    return Severity.POLICY if any(choice != policies.KEPT for choice in choices) else Severity.NONE


def _counts(lanes: NDArray[np.bool_], count: int) -> list[int]:
    return [int(number) for number in np.count_nonzero(lanes.reshape(count, -1), axis=1)]


def _row_sum_errors(answer: Answer, count: int) -> list[float]:
    """The largest error of a row's sum in each case; NaN for a vjp."""
    if not answer.op.is_distribution:
        return [math.nan] * count
    errors: list[float] = np.abs(answer.excess).reshape(count, -1).max(axis=1).tolist()
    return errors


def _grades(answer: Answer, count: int) -> list[Grade]:
    """The worst grade over the lanes of each case.

    *exact* is equality with the correctly rounded truth; where rounding is undecided even in the widest truth it is
    called *faithful*, never guessed.
    """
    idle, best = ~answer.measured, np.full(count, len(_GRADES) - 1)
    wrong = answer.nonfinite_wrong.reshape(count, -1).any(axis=1)
    # From the worst grade upwards, each better one takes its place where it holds.
    for grade, lanes in (
        (Grade.LOOSE, answer.loose),
        (Grade.STABLE, answer.stable),
        (Grade.FAITHFUL, answer.faithful),
        (Grade.EXACT, answer.exact),
    ):
        best[(lanes | idle).reshape(count, -1).all(axis=1) & ~wrong] = _GRADES.index(grade)
    return [_GRADES[i] for i in best]


def _choices(answer: Answer, batch: Batch) -> list[tuple[Choice, ...]]:
    """The choices that each case shows."""
    count = len(batch.cases)
    chosen: list[list[Choice]] = [[] for _ in range(count)]
    if question := batch.cases[0].policy:  # such a case is alone
        chosen[0].append(Choice(question, "returns"))
    else:
        for choice, rows in sorted(answer.row_choices.items()):
            asked = _asked_by_mask(choice) if batch.call.way == "where" else choice
            for i in np.flatnonzero(rows.reshape(count, -1).any(axis=1)):
                chosen[i].append(asked)
    for mine, small in zip(chosen, policies.subnormals(answer, count), strict=True):
        if small is not None:
            mine.append(small)
    return [tuple(mine) for mine in chosen]


def _asked_by_mask(choice: Choice) -> Choice:
    """The same choice where the mask is the target's own argument, and so is its answer to a row masked as a whole."""
    return replace(choice, question="masked-row") if choice.question == "all-minus-inf" else choice


def _findings(answer: Answer, count: int, ratios: Numbers) -> dict[int, list[Finding]]:
    """Place of a case → the findings of the checks, each with its worst lane as witness; only cases that have some.

    Parameters
    ----------
    count
        How many cases the answer holds.
    ratios
        Errors over the stable bound, a case a row; negative where a lane is not measured.
    """
    found: dict[int, list[Finding]] = defaultdict(list)
    for check in checks_of(answer.op):
        lanes = check.find(answer).reshape(count, -1)
        for i in np.flatnonzero(lanes.any(axis=1)).tolist():
            lane = int(np.argmax(np.where(lanes[i], np.nan_to_num(ratios[i], nan=np.inf), -2.0)))
            index = tuple(int(place) for place in np.unravel_index(i * lanes.shape[1] + lane, answer.got.shape))
            evidence = check.evidence(witness(answer, index, lane), answer, index)
            found[i].append(Finding(check.kind, check.severity, check.detail(answer, index), evidence))
    return found
