"""Judge the answers of all targets to one batch: its truth is computed once, and equal bits are judged once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from conformance.judgement import outcomes, policies, unrounded
from conformance.judgement.answer import Answer
from conformance.judgement.lanes import judge_lanes
from conformance.judgement.question import Question
from conformance.values import Answered, Choice, Judgement, Severity
from reference.formats import FORMATS

if TYPE_CHECKING:
    from conformance.values import Batch, Numbers, Observation
    from reference.formats import Format

_FLOAT64 = FORMATS["float64"]

_DEFAULT_AXES = (("last", -1), ("first", 0))
"""Choice of the policy *default-axis* → the axis it means."""


@dataclass(frozen=True)
class _Version:
    """Which of the questions about a batch: along an axis, answered in a format, of the logits before their rounding."""

    axis: int
    format: Format
    unrounded: bool = False


class Judge:
    """Judges answers to one batch.

    A part of a batch is another batch, with a judge of its own.

    Attributes
    ----------
    batch
        What is asked.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._questions: dict[_Version, Question] = {}
        self._judged: dict[tuple[object, ...], tuple[Judgement, ...]] = {}

    @property
    def question(self) -> Question:
        """The batch as it was asked, with its truth and its bounds."""
        return self._question(self._asked)

    @property
    def escalated(self) -> int:
        """How many rows had their truth computed twice, because a verdict hung on it."""
        return sum(question.escalated for question in self._questions.values())

    def judge(self, observation: Observation) -> tuple[Judgement, ...]:
        """What is said of each case of the batch, in order.

        Parameters
        ----------
        observation
            What one target did with the whole batch.
        """
        if not isinstance(observation, Answered):
            return (outcomes.without_answer(self.batch.cases[0], observation),) * len(self.batch.cases)
        judged = self._of(observation)
        if (again := observation.again) is not None:
            alike = (again.dtype, again.shape) == (observation.dtype, observation.shape)
            hashes = _hashes(self.batch, observation), _hashes(self.batch, again)
            judged = tuple(
                one if alike and bits == later_bits else outcomes.of_two_calls(one, later)
                for one, later, bits, later_bits in zip(judged, self._of(again), *hashes, strict=True)
            )
        findings = outcomes.side_effects(observation)
        return tuple(outcomes.with_findings(judgement, findings) for judgement in judged) if findings else judged

    def _of(self, answered: Answered) -> tuple[Judgement, ...]:
        """What is said of the bits of an answer alone; equal bits are judged once."""
        bits = (answered.dtype, answered.shape, _hashes(self.batch, answered))
        if bits not in self._judged:
            self._judged[bits] = self._judge(answered)
        return self._judged[bits]

    def forget_answers(self) -> None:
        """Drop what was judged, and keep the truth and its bounds."""
        self._judged.clear()

    @cached_property
    def _asked(self) -> _Version:
        return _Version(self.batch.call.axis, self.batch.format)

    def _question(self, version: _Version) -> Question:
        """A question about the batch; its truth is computed at most once."""
        if version not in self._questions:
            batch = self.batch
            x = batch.unrounded if version.unrounded else batch.logits
            assert x is not None
            self._questions[version] = Question(batch.op, x, version.axis, version.format, batch.inputs.cotangent)
        return self._questions[version]

    def _judge(self, answered: Answered) -> tuple[Judgement, ...]:
        """What is said of the bits of an answer alone."""
        batch = self.batch
        first = batch.cases[0]
        # Dtype and shape are those of the whole batch, and a case that asks for more than numbers is alone in its batch.
        if (judgement := outcomes.without_numbers(first, answered, batch.logits.shape)) is not None:
            return (judgement,) * len(batch.cases)
        asked = replace(self._asked, format=outcomes.answer_format(first, answered))
        got = asked.format.decode(answered.stored)
        if batch.call.way == "default":
            return (self._with_axis(asked, got),)
        answer = self._answer(asked, got)
        judgements = judge_lanes(answer, batch)
        if batch.unrounded is None or not any(judgement.severity in outcomes.FAULTS for judgement in judgements):
            return judgements
        if 2 * asked.format.precision > _FLOAT64.precision:  # which cannot hold an unrounded product
            return unrounded.explained_by_roundings(judgements, answer)
        wide = self._answer(replace(asked, unrounded=True), got)
        return unrounded.explained_by_wider(judgements, judge_lanes(wide, batch))

    def _with_axis(self, asked: _Version, got: Numbers) -> Judgement:
        """Where no axis is named, the answer says which one was meant: the one along which it is right."""
        for name, axis in _DEFAULT_AXES:
            (judgement,) = judge_lanes(self._answer(replace(asked, axis=axis), got), self.batch)
            if judgement.severity not in outcomes.FAULTS:
                return replace(judgement, severity=Severity.POLICY, choices=(Choice("default-axis", name),))
        return replace(judgement, choices=(Choice("default-axis", policies.UNNAMED),))

    def _answer(self, version: _Version, got: Numbers) -> Answer:
        question = self._question(version)
        return Answer(question, got.reshape(question.x.shape))


def digests(batch: Batch, observation: Observation) -> list[str]:
    """A hash of the bits of the answer to each case, 8 hex digits: equal answers have equal ones.

    Empty where nothing came back; of the whole answer where its shape does not say which part belongs to which case.
    """
    if not isinstance(observation, Answered):
        return [""] * len(batch.cases)
    return [digest.hex()[:8] for digest in _hashes(batch, observation)]


@lru_cache(maxsize=2)  # the judge asks first and the record next; all objects are equal to themselves alone
def _hashes(batch: Batch, answered: Answered) -> tuple[bytes, ...]:
    """A hash of the bits of the answer to each case, 16 bytes each."""
    apart = batch.stacked and answered.stored.shape == batch.logits.shape
    parts = np.ascontiguousarray(answered.stored) if apart else [np.ascontiguousarray(answered.stored)]
    found = tuple(hashlib.blake2b(part.tobytes(), digest_size=16).digest() for part in parts)
    return found if apart else found * len(batch.cases)
