"""What is said of an observation without a look at its numbers: of exceptions, crashes, wrong shapes, side effects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.judgement.checks import OUTCOME_KINDS
from conformance.values import (
    Answered,
    Choice,
    Crashed,
    Finding,
    Grade,
    Judgement,
    NotAsked,
    OutOfMemory,
    Raised,
    Severity,
    TimedOut,
    Unsupported,
)
from reference.formats import EVERY_FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.values import Case, Observation
    from reference.formats import Format

_SEVERITIES = tuple(Severity)
_GRADES = tuple(Grade)

FAULTS = (Severity.DEGRADED, Severity.VIOLATION)
"""What a user would not want."""


def worst(severities: Iterable[Severity]) -> Severity:
    """The worst of some severities; none of none."""
    return max(severities, key=_SEVERITIES.index, default=Severity.NONE)


def without_answer(case: Case, observation: Observation) -> Judgement:
    """What is said of a case to which no array came back.

    Parameters
    ----------
    observation
        Anything but :class:`Answered`.
    """
    match observation:
        case Unsupported() | NotAsked():
            return Judgement(None, Severity.NONE)
        case Raised() if case.policy:
            return Judgement(None, Severity.POLICY, choices=(Choice(case.policy, "rejects"),))
        case Raised() if case.raises:
            return Judgement(None, Severity.NONE)
        case Raised(error=error, trace=trace):
            return _judgement(replace(_finding("raised", f"raised {error}"), trace=trace))
        case Crashed(how=how, trace=trace):
            return _judgement(replace(_finding("crashed", how), trace=trace))
        case TimedOut(limit=limit):
            return _judgement(_finding("timed_out", f"no answer within {limit:g} s"))
        case OutOfMemory(limit=limit):
            return _judgement(_finding("out_of_memory", f"the process took more than {limit / 2**30:.3g} GiB"))
    raise TypeError(f"an answer has numbers to look at: {type(observation).__name__}")


def answer_format(case: Case, answered: Answered) -> Format:
    """The format an answer is judged in: the one that is due, or its own where no array of floats was handed over."""
    own = case.recorded_dtype != case.format.name and answered.dtype in EVERY_FORMAT
    return EVERY_FORMAT[answered.dtype] if own else case.format


def without_numbers(case: Case, answered: Answered, shape: tuple[int, ...]) -> Judgement | None:
    """What is said of a case whose answer has no numbers that could be right; None where it has.

    Parameters
    ----------
    shape
        The shape of the logits that the whole batch is asked of.
    """
    returned = (Choice(case.policy, "returns"),) if case.policy else ()
    format = answer_format(case, answered)
    if case.raises:
        detail = f"axis {case.call.axis} of shape {shape} was answered; an error was due"
        return _judgement(_finding("no_error", detail))
    if answered.dtype != format.name and case.recorded_dtype != case.format.name:
        # Complex numbers have no order and no truth here, and taking them is a choice; no integer is a probability.
        if answered.dtype.startswith("complex"):
            return Judgement(None, Severity.POLICY, choices=returned)
        detail = f"{case.inputs.dtype} was asked and {answered.dtype} came back: no floats"
        return _judgement(_finding("dtype", detail), choices=returned)
    if answered.dtype != format.name:
        return _judgement(_finding("dtype", f"{format.name} was asked, {answered.dtype} came back"))
    if answered.shape != shape:
        return _judgement(_finding("shape", f"shape {shape} was asked, {answered.shape} came back"))
    if 0 in shape:  # of the right shape and dtype, and there is nothing else to be wrong
        return Judgement(None, Severity.POLICY if returned else Severity.NONE, choices=returned)
    return None


def side_effects(answered: Answered) -> tuple[Finding, ...]:
    """A finding for everything that the call did besides returning an array."""
    found = [_finding("side_effect", effect) for effect in answered.side_effects]
    if answered.wrote_input:
        found.append(_finding("input_written", "the input array was changed by the call"))
    return tuple(found)


def of_two_calls(first: Judgement, later: Judgement) -> Judgement:
    """What is said of a case to which two calls on the same bits gave two answers: what the worse one deserves, and that.

    Parameters
    ----------
    first, later
        What is said of each answer by itself.
    """
    worse = first
    if _badness(later) > _badness(first):
        again = (replace(finding, detail=f"asked again: {finding.detail}") for finding in later.findings)
        worse = replace(later, findings=tuple(again))
    return with_findings(worse, [_finding("unrepeatable", "a later call on the same bits returned others")])


def _badness(judgement: Judgement) -> tuple[int, int]:
    grade = -1 if judgement.grade is None else _GRADES.index(judgement.grade)
    return _SEVERITIES.index(judgement.severity), grade


def with_findings(judgement: Judgement, findings: Sequence[Finding]) -> Judgement:
    """The same judgement with further findings behind its own."""
    severity = worst([judgement.severity, *(finding.severity for finding in findings)])
    return replace(judgement, severity=severity, findings=(*judgement.findings, *findings))


def _finding(kind: str, detail: str) -> Finding:
    severity, _ = OUTCOME_KINDS[kind]
    return Finding(kind, severity, detail)


def _judgement(finding: Finding, choices: tuple[Choice, ...] = ()) -> Judgement:
    return Judgement(None, finding.severity, (finding,), choices)
