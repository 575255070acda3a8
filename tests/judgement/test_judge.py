"""One judge for one batch: its truth is computed once, equal bits are judged once, and parts are judged as the whole."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from questions import FORWARD_OPS, answered, batch_of, due, kinds_of

from conformance.judgement import Judge, Question, digests
from conformance.judgement import judge as module
from conformance.judgement.answer import Answer
from conformance.values import Answered, Batch, Call, Case, Crashed, Inputs, Judgement, Severity
from reference.formats import FORMATS
from reference.ops import SOFTMAX, Op

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [[0.0, 1.0, -2.0], [10.0, -10.0, 9.0], [3.0, 3.0, 3.0], [0.0, -95.0, 0.0]]


class Counter:
    """Counts the calls of what it stands for."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        self.calls += 1
        return self.function(*arguments, **more)


@pytest.fixture
def lanes_judged(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter(module.judge_lanes)
    monkeypatch.setattr(module, "judge_lanes", counter)
    return counter


def off_by_an_ulp(asked: Batch) -> np.ndarray:
    got = due(asked)
    got[0, 0] += FORMATS["float32"].ulp(got[0, 0])
    return got


def test_equal_bits_are_judged_once(lanes_judged: Counter) -> None:
    asked = batch_of(ROWS)
    judge, right = Judge(asked), due(asked)

    first, again = judge.judge(answered(asked, right)), judge.judge(answered(asked, right.copy()))
    other = judge.judge(answered(asked, off_by_an_ulp(asked)))

    assert lanes_judged.calls == 2
    assert first == again
    assert first[1:] == other[1:]
    assert first[0] != other[0]


def test_what_a_call_did_besides_is_said_of_that_call_alone(lanes_judged: Counter) -> None:
    asked = batch_of(ROWS)
    judge, right = Judge(asked), due(asked)

    wrote = judge.judge(answered(asked, right, wrote_input=True))
    plain = judge.judge(answered(asked, right))
    printed = judge.judge(answered(asked, right, side_effects=("printed a line",)))

    assert lanes_judged.calls == 1
    assert [{"input_written"}, set(), {"side_effect"}] == [kinds_of(judged[0]) for judged in (wrote, plain, printed)]
    assert [Severity.VIOLATION, Severity.NONE, Severity.VIOLATION] == [
        judged[0].severity for judged in (wrote, plain, printed)
    ]
    assert {len(ROWS)} == {len(judged) for judged in (wrote, plain, printed)}


def test_of_two_answers_to_one_question_the_worse_is_judged() -> None:
    asked = batch_of(ROWS)
    right, near = due(asked), off_by_an_ulp(asked)
    nan, short = np.full_like(right, np.nan), right[:, :-1]

    def both(first: np.ndarray, later: np.ndarray, dtype: str = "") -> tuple[Judgement, ...]:
        return Judge(asked).judge(answered(asked, first, again=answered(asked, later, dtype)))

    plain, alone = Judge(asked).judge(answered(asked, right)), Judge(asked).judge(answered(asked, near))
    found = both(right, near)

    # The first row alone has other bits, which are no violation.
    assert plain[1:] == found[1:]
    assert (Severity.DEGRADED, alone[0].grade) == (found[0].severity, found[0].grade)
    assert kinds_of(alone[0]) | {"unrepeatable"} == kinds_of(found[0])
    for wrong, dtype, kind in ((nan, "", "nonfinite"), (short, "", "shape"), (right, "float64", "dtype")):
        for judged in both(right, wrong, dtype):
            assert Severity.VIOLATION is judged.severity
            assert {kind, "unrepeatable"} <= kinds_of(judged)
            assert judged.findings[0].detail.startswith("asked again: ")
    for judged in both(nan, right):
        assert {"nonfinite", "unrepeatable"} == kinds_of(judged)
        assert not judged.findings[0].detail.startswith("asked again: ")


def test_equal_bytes_of_another_shape_are_another_answer() -> None:
    asked = batch_of([[0.0, 0.0]])
    first = due(asked)

    [judged] = Judge(asked).judge(answered(asked, first, again=answered(asked, first.reshape(-1))))

    assert {"shape", "unrepeatable"} == kinds_of(judged)


def test_equal_bytes_of_another_dtype_are_other_bits() -> None:
    x = np.array([0.0, 1.0, -2.0])
    case = Case(SOFTMAX, FORMATS["float32"], "f", "n", Inputs(x, "int32"), Call(), x, alone=True, policy="integer")
    judge = Judge(Batch((case,)))
    stored = FORMATS["bfloat16"].encode(
        FORMATS["bfloat16"].quantise(Question(SOFTMAX, x, -1, FORMATS["bfloat16"]).expected)
    )

    (right,) = judge.judge(Answered("bfloat16", (3,), stored, 0.0))
    (wrong,) = judge.judge(Answered("float16", (3,), stored.view("float16"), 0.0))

    assert Severity.POLICY is right.severity
    assert Severity.VIOLATION is wrong.severity


def test_equal_bytes_of_another_shape_are_other_bits() -> None:
    asked = batch_of(ROWS)
    judge, right = Judge(asked), answered(asked, due(asked))
    flat = Answered("float32", (12,), right.stored.reshape(12), 0.0)

    assert [set(), {"shape"}] == [kinds_of(judge.judge(observation)[0]) for observation in (right, flat)]


def test_a_transposed_answer_is_not_the_answer() -> None:
    """Its bytes are the same where all numbers are equal."""
    asked = batch_of([np.zeros((2, 3)).tolist()], alone=True)
    judge, right = Judge(asked), answered(asked, due(asked))
    turned = Answered("float32", (3, 2), right.stored.reshape(3, 2), 0.0)

    assert [set(), {"shape"}] == [kinds_of(judge.judge(observation)[0]) for observation in (right, turned)]


def test_truth_and_bounds_are_computed_once_whoever_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    truths, bounds = Counter(Op.truth), Counter(Op.bounds)
    monkeypatch.setattr(Op, "truth", lambda *a, **k: truths(*a, **k))  # noqa: PLW0108 - a function binds
    monkeypatch.setattr(Op, "bounds", lambda *a, **k: bounds(*a, **k))  # noqa: PLW0108 - a function binds
    asked = batch_of(ROWS)
    judge, right = Judge(asked), due(asked)
    truths.calls = bounds.calls = 0

    judge.judge(Crashed("signal 11"))
    assert (0, 0) == (truths.calls, bounds.calls)

    for factor in (1.0, 1.5, 2.0, 3.0):
        judge.judge(answered(asked, np.asarray(right * factor, dtype="float32")))

    assert (1, 2) == (truths.calls, bounds.calls)


def test_rows_whose_truth_was_computed_twice_are_counted() -> None:
    """2**-8 is a power of two, where a unit in the last place hangs on the last bit of the truth."""
    asked = batch_of([np.zeros(256), np.linspace(0.0, 1.0, 256)])
    judge = Judge(asked)

    assert judge.escalated == 0
    judge.judge(answered(asked, due(asked)))
    assert judge.escalated == 1


@FORWARD_OPS
def test_a_part_of_a_batch_is_judged_as_in_the_whole(op: Op) -> None:
    asked = batch_of([*ROWS, [-np.inf] * 3], op)
    got = due(asked)
    got[1, 2], got[3] = 0.25, got[3, ::-1]
    whole, parts = Judge(asked).judge(answered(asked, got)), []
    for part, rows in zip(asked.halves(), (got[:2], got[2:]), strict=True):
        parts += Judge(part).judge(answered(part, rows))

    assert any(judged.findings for judged in whole[:2])
    assert any(judged.choices for judged in whole[2:])
    assert [repr(one) for one in whole] == [repr(one) for one in parts]


def test_questions_and_answers_are_frozen() -> None:
    question = Question(SOFTMAX, np.zeros(3), -1, FORMATS["float32"])
    answer = Answer(question, np.zeros(3))

    for value, name in ((question, "axis"), (question, "truth"), (answer, "got"), (answer, "exact")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)


def test_judging_changes_neither_the_question_nor_the_answer() -> None:
    asked = batch_of(ROWS)
    observation = answered(asked, off_by_an_ulp(asked))
    observation.stored.setflags(write=False)
    asked.logits.setflags(write=False)
    judge = Judge(asked)
    before = judge.question.expected.copy(), judge.question.truth.high.copy()

    judge.judge(observation)

    assert np.array_equal(before[0], judge.question.expected)
    assert judge.question is judge.question
    assert not judge.question.truth.high.flags.writeable


def test_a_digest_is_that_of_the_bits_of_each_case() -> None:
    asked = batch_of(ROWS)
    right, other = answered(asked, due(asked)), answered(asked, off_by_an_ulp(asked))

    first, again, moved = digests(asked, right), digests(asked, answered(asked, due(asked))), digests(asked, other)

    assert first == again
    assert len(set(first)) == len(ROWS)
    assert first[1:] == moved[1:]
    assert first[0] != moved[0]
    assert all(len(digest) == 8 and int(digest, 16) >= 0 for digest in first)
    part = asked.halves()[1]
    assert first[2:] == digests(part, answered(part, due(part)))


def test_a_digest_tells_signs_of_zero_apart() -> None:
    asked = batch_of([[0.0, -1000.0]])

    assert digests(asked, answered(asked, [[1.0, 0.0]])) != digests(asked, answered(asked, [[1.0, -0.0]]))


def test_an_answer_of_another_shape_has_one_digest_and_none_none() -> None:
    asked = batch_of(ROWS)

    assert len(set(digests(asked, answered(asked, np.zeros(12))))) == 1
    assert [""] * len(ROWS) == digests(asked, Crashed("signal 11"))
    alone = batch_of([np.zeros((2, 3)).tolist()], alone=True)
    assert len(digests(alone, answered(alone, np.zeros((2, 3))))) == 1
