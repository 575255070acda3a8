"""How is a batch of answers judged?  Whole arrays first, one judgement a case at the end."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.judgement import checks, policies
from conformance.judgement.answer import Answer, Question
from conformance.values import (
    Answered,
    Batch,
    Case,
    Crashed,
    Finding,
    Grade,
    Judgement,
    Observation,
    Raised,
    Severity,
    TimedOut,
    Unsupported,
)
from reference.formats import EVERY_FORMAT, FORMATS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WITNESS_LIMIT = 64
"""Elements of a row that a record keeps; a longer row is named by its case instead."""

_SEVERITIES = tuple(Severity)

FLOAT64 = FORMATS["float64"]

_NEVER = {"row_sum", "range", "input_written"}
"""Findings that no choice of rounding in front of the op explains."""

_FAULTS = (Severity.DEGRADED, Severity.VIOLATION)


class Judge:
    """Judges batches; keeps the truth of every batch it has met, since many targets are asked the same."""

    def __init__(self) -> None:
        self._questions: dict[int, Question] = {}
        self._others: dict[tuple[int, str], tuple[Batch, Batch]] = {}

    def question(self, batch: Batch) -> Question:
        """The batch with its truth; computed at the first call."""
        # The batch object itself is kept alive by its question, so its identity is a safe key.
        return self._questions.setdefault(id(batch), Question(batch))

    @property
    def escalated(self) -> int:
        """Rows whose truth was computed again in double-double arithmetic, because a verdict hung on it."""
        return sum(question.escalated for question in self._questions.values())

    def judge(self, batch: Batch, observation: Observation) -> list[Judgement]:
        """One judgement a case, in the order of the batch."""
        if batch.producer == "default" and isinstance(observation, Answered):
            return self._axis_chosen(batch, observation)
        if isinstance(observation, Answered) and batch.cases[0].known_as != batch.format.name:
            if observation.dtype not in EVERY_FORMAT:
                return _no_floats(batch, observation)
            # Any format is a legal answer to an array of integers; the answer is judged in its own.
            cases = [replace(case, dtype=observation.dtype, sent="") for case in batch.cases]
            batch = self._instead(batch, observation.dtype, cases)
        judgements = self._judge(batch, observation)
        rounds = any(case.produced and case.produced.unrounded is not None for case in batch.cases)
        if rounds and any(judgement.severity in _FAULTS for judgement in judgements):
            return self._excused(batch, observation, judgements)
        return judgements

    def _instead(self, batch: Batch, key: str, cases: list[Case]) -> Batch:
        """The batch to judge by instead; one object for each, since that is what its truth is kept under."""
        return self._others.setdefault((id(batch), key), (batch, Batch(tuple(cases))))[1]

    def _axis_chosen(self, batch: Batch, observation: Answered) -> list[Judgement]:
        """Where no axis is named, the answer says which one was meant."""
        for name, axis in (("last", -1), ("first", 0)):
            case = replace(batch.cases[0], axis=axis, policy="", produced=None)
            judgements = self._judge(self._instead(batch, f"axis {axis}", [case]), observation)
            if judgements[0].severity not in _FAULTS:
                return [replace(judgements[0], severity=Severity.POLICY, policy=f"default-axis={name}")]
        return [replace(judgements[0], policy=f"default-axis={policies.UNNAMED}")]

    def _excused(self, batch: Batch, observation: Observation, judgements: list[Judgement]) -> list[Judgement]:
        """Where there is fault in an answer for the rounded logits, and none for the unrounded ones, that is a choice."""
        if 2 * batch.format.precision > FLOAT64.precision:
            return self._moved(batch, observation, judgements)
        cases = [
            replace(case, values=case.produced.unrounded)
            for case in batch.cases
            if case.produced and case.produced.unrounded is not None
        ]
        unrounded = self._judge(self._instead(batch, "unrounded", cases), observation)
        return [
            replace(exact, severity=Severity.POLICY, policy=f"product=unrounded {exact.policy}".strip())
            if judgement.severity in _FAULTS and exact.severity not in _FAULTS
            else judgement
            for judgement, exact in zip(judgements, unrounded, strict=True)
        ]

    def _moved(self, batch: Batch, observation: Observation, judgements: list[Judgement]) -> list[Judgement]:
        """The same where float64 cannot hold the unrounded logits: each is within d = u|logit| of the rounded one.

        Then log p moves by at most 2d, d for the logit and d for the logarithm of the sum (docs/error-bounds.md).
        """
        if not isinstance(observation, Answered) or any(judgement.grade is None for judgement in judgements):
            return judgements
        answer = Answer(self.question(batch), batch.format.decode(observation.stored))
        sizes = np.abs(np.where(np.isfinite(batch.values), batch.values, 0.0)).max(batch.axis, keepdims=True)
        moved = 2 * batch.format.unit_roundoff * sizes
        if batch.op == "softmax":
            moved = np.expm1(moved) * np.abs(answer.expected)
        bound = answer.question.loose
        allowed = bound.relative * np.abs(answer.expected) + bound.absolute + moved
        legal = (np.abs(answer.got - answer.expected) <= allowed) | (answer.got == answer.expected) | answer.flushed
        legal &= ~answer.nonfinite_wrong
        said = Judgement(None, Severity.POLICY, (), "product=unrounded")
        return [
            said
            if fine and judgement.severity in _FAULTS and not {f.kind for f in judgement.findings} & _NEVER
            else judgement
            for fine, judgement in zip(legal.reshape(len(batch.cases), -1).all(axis=1), judgements, strict=True)
        ]

    def _judge(self, batch: Batch, observation: Observation) -> list[Judgement]:
        found = _outcome(batch, observation)
        if isinstance(observation, Raised) and (question := batch.cases[0].policy):
            return [Judgement(None, Severity.POLICY, (), f"{question}=rejects")]
        if found is not None:
            severity = found.severity if found.kind else Severity.NONE
            findings = (found,) if found.kind else ()
            return [Judgement(None, severity, findings) for _ in batch.cases]
        assert isinstance(observation, Answered)
        if batch.values.size == 0:  # of the right shape and dtype, and there is nothing else to be wrong
            said = f"{batch.cases[0].policy}=returns" if batch.cases[0].policy else ""
            manners = tuple(_manners(observation))
            severity = Severity.POLICY if said else Severity.NONE
            severity = max((f.severity for f in manners), key=_SEVERITIES.index, default=severity)
            return [Judgement(None, severity, manners, said) for _ in batch.cases]
        if batch.values.ndim == 0:  # one row of one logit
            case = replace(batch.cases[0], values=batch.values.reshape(1), axis=-1, alone=True)
            return self._judge(Batch((case,)), replace(observation, shape=(1,), stored=observation.stored.reshape(1)))
        answer = Answer(self.question(batch), batch.format.decode(observation.stored))
        return _judge_lanes(answer, batch, _manners(observation))


def _outcome(batch: Batch, observation: Observation) -> Finding | None:
    """The finding that makes looking at the numbers pointless; an empty kind means nothing was due."""
    violation, nothing = Severity.VIOLATION, Finding("", Severity.NONE, "")
    error_due = batch.cases[0].raises
    match observation:
        case Unsupported():
            return nothing
        case Raised(error=error):
            return nothing if error_due else Finding("raised", violation, f"raised {error}")
        case Crashed(how=how):
            return Finding("crashed", violation, how)
        case TimedOut(seconds=seconds):
            return Finding("timed_out", violation, f"no answer within {seconds:g} s")
        case Answered() if error_due:
            said = f"axis {batch.axis} of shape {batch.values.shape} was answered; an error was due"
            return Finding("no_error", violation, said)
        case Answered(dtype=dtype) if dtype != batch.format.name or dtype not in EVERY_FORMAT:
            return Finding("dtype", violation, f"{batch.format.name} was asked, {dtype} came back")
        case Answered(shape=shape) if shape != batch.values.shape:
            return Finding("shape", violation, f"shape {batch.values.shape} was asked, {shape} came back")
    return None


def _no_floats(batch: Batch, observation: Answered) -> list[Judgement]:
    """Complex numbers have no order and no truth here, and taking them is a choice; no integer is a probability."""
    said, manners = f"{batch.cases[0].policy}=returns", tuple(_manners(observation))
    if observation.dtype.startswith("complex"):
        return [Judgement(None, Severity.POLICY, manners, said) for _ in batch.cases]
    wrong = Finding("dtype", Severity.VIOLATION, f"{batch.sent} was asked and {observation.dtype} came back: no floats")
    return [Judgement(None, Severity.VIOLATION, (wrong, *manners), said) for _ in batch.cases]


def _manners(observation: Answered) -> list[Finding]:
    """What the call did beside returning numbers."""
    found = [Finding("side_effect", Severity.VIOLATION, said) for said in observation.side_effects]
    if observation.wrote_input:
        found.append(Finding("input_written", Severity.VIOLATION, "the input array was changed by the call"))
    if not observation.repeatable:
        found.append(Finding("unrepeatable", Severity.DEGRADED, "a second call on the same bits returned others"))
    return found


def _judge_lanes(answer: Answer, batch: Batch, manners: list[Finding]) -> list[Judgement]:
    shape = batch.values.shape
    # One line a case: stacked rows are the first axis, a lone array is one line.
    lines = (len(batch.cases), -1) if batch.stacked else (1, -1)

    def by_case(lanes: Any) -> NDArray[Any]:
        return np.broadcast_to(lanes, shape).reshape(lines)

    broken = {check: by_case(check.find(answer)) for check in checks.all_checks()}
    grades = _grades(answer, by_case)
    ulps = np.where(by_case(answer.measured), by_case(answer.error_ulps), -1.0)
    ratio = np.where(by_case(answer.measured), by_case(answer.error_over_stable), -1.0)
    sums = by_case(np.abs(answer.excess))
    chosen = _policies(answer, by_case)
    odd_expected, odd_got = by_case(~np.isfinite(answer.expected)), by_case(~np.isfinite(answer.got))
    judgements = []
    for i in range(len(batch.cases)):
        findings = [
            _finding(check, answer, batch, i, lanes[i], ratio) for check, lanes in broken.items() if lanes[i].any()
        ]
        findings += manners
        severity = max((f.severity for f in findings), key=_SEVERITIES.index, default=Severity.NONE)
        if severity is Severity.NONE and chosen[i] not in ("", "subnormals=kept"):
            severity = Severity.POLICY
        graded = bool((ulps[i] >= 0).any())
        judgements.append(
            Judgement(
                grade=grades[i],
                severity=severity,
                findings=tuple(findings),
                policy=chosen[i],
                max_ulp=float(ulps[i].max()) if graded else math.nan,
                max_ulp_at=int(ulps[i].argmax()) if graded else -1,
                error_over_bound=float(ratio[i].max()) if graded else math.nan,
                row_sum_error=float(np.max(sums[i], initial=-np.inf)) if sums[i].size else math.nan,
                nonfinite_expected=int(odd_expected[i].sum()),
                nonfinite_got=int(odd_got[i].sum()),
            )
        )
    return judgements


def _grades(answer: Answer, by_case: Any) -> list[Grade]:
    """The worst grade over the lanes of each case.

    *exact* is equality with the correctly rounded truth; where rounding is undecided even in the widest
    truth it is called *faithful*, never guessed.
    """
    idle = ~answer.measured
    ladder = {
        Grade.EXACT: answer.exact | idle,
        Grade.FAITHFUL: answer.faithful | idle,
        Grade.STABLE: answer.stable | idle,
        Grade.LOOSE: answer.loose | idle,
    }
    wrong = by_case(answer.nonfinite_wrong).any(axis=1)
    steps = [by_case(lanes).all(axis=1) & ~wrong for lanes in ladder.values()]
    best = np.argmax([*steps, np.ones_like(wrong)], axis=0)
    names = [*ladder, Grade.DIVERGENT]
    return [names[i] for i in best]


def _policies(answer: Answer, by_case: Any) -> list[str]:
    """Every choice that each case shows, ``question=choice``, separated by spaces."""
    tiny = answer.question.format.smallest_normal
    subnormal = (np.abs(answer.expected) < tiny) & (answer.expected != 0) & answer.defined
    # A zero within the bound of a truth of one or two η is a rounding and no flush.
    flushed = by_case(answer.flushed & (answer.error_over_stable > 1)).any(axis=1)
    kept = by_case(subnormal & (answer.got != 0)).any(axis=1)
    # A log-probability that small may be lost within its absolute bound, which says nothing of subnormals.
    small = policies.subnormals(flushed, kept) if answer.op == "softmax" else [""] * len(kept)
    if question := answer.question.batch.cases[0].policy:
        return [f"{question}=returns {said}".strip() for said in small]
    if answer.defined.all():
        return small
    rows = [sorted(set(np.unique(row)) - {""}) for row in by_case(policies.choices(answer))]
    if answer.question.batch.producer == "where":  # the mask is the target's own argument, and its answer too
        rows = [[said.replace("all-minus-inf", "masked-row") for said in row] for row in rows]
    return [" ".join([*row, said]).strip() for row, said in zip(rows, small, strict=True)]


def _finding(
    check: checks.Check, answer: Answer, batch: Batch, i: int, lanes: NDArray[np.bool_], ratio: NDArray[np.float64]
) -> Finding:
    """The finding of one check about case ``i``, with its worst lane as witness."""
    worst = int(np.argmax(np.where(lanes, np.nan_to_num(ratio[i], nan=np.inf), -2.0)))
    flat = i * lanes.size + worst
    index = np.unravel_index(flat, batch.values.shape)
    row_at: list[Any] = list(index)
    row_at[batch.axis] = slice(None)
    row = batch.values[tuple(row_at)]
    truth, bound = answer.question.truth, answer.question.stable
    with np.errstate(all="ignore"):  # a truth beyond float64 has no bound to print
        size = np.abs(np.ldexp(truth.high[index], truth.exponent[index]))
        allowed = bound.relative[index] * size + bound.absolute[index]
    witness: dict[str, Any] = {
        "input": _hex(row) if row.size <= _WITNESS_LIMIT else {"omitted": int(row.size)},
        "index": int(index[batch.axis]),
        "expected": float(answer.expected[index]).hex(),
        "got": float(answer.got[index]).hex(),
        "bound": float(allowed).hex(),
    }
    if batch.producer and row.size <= _WITNESS_LIMIT:
        x, operand = (array[tuple(row_at)] for array in batch.handed)
        witness["produced"] = {
            "producer": batch.producer, "x": _hex(x), "operand": _hex(operand), "sent": batch.sent,
        }  # fmt: skip
    return Finding(check.kind, check.severity, check.detail(answer, index), witness)


def _hex(row: NDArray[np.float64]) -> list[str]:
    return [value.hex() for value in row.tolist()]
