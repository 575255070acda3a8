"""What is legal behind an operation that a compiler may fuse, and for an array that is not of floats."""

from __future__ import annotations

import numpy as np
import pytest
from questions import DTYPES, FORWARD_OPS, answered, batch_of, choices_of, judge, kinds_of

from conformance.calls import MASKS, ORDERS
from conformance.cases import batches, cases
from conformance.judgement import Judge
from conformance.values import Answered, Batch, Call, Case, Choice, Inputs, Raised, Severity, Tier
from reference.formats import EVERY_FORMAT, FORMATS
from reference.ops import FORWARD, LOG_SOFTMAX_VJP, SOFTMAX, Op

UNROUNDED = Choice("product", "unrounded")


def asked(dtype: str, op: Op, family: str = "producers") -> list[Batch]:
    return batches(cases(FORMATS[dtype], (op,), families=[family], tier=Tier.STANDARD, seed=0))


def answer(batch: Batch, logits: np.ndarray, axis: int = -1) -> np.ndarray:
    return batch.op.truth(logits, axis, format=batch.format).rounded(batch.format)


def softmax(logits: np.ndarray, shift: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(logits - shift)
        return np.asarray(e / e.sum(-1, keepdims=True))


@DTYPES
@FORWARD_OPS
def test_the_truth_of_the_rounded_logits_has_no_finding(op: Op, dtype: str) -> None:
    for batch in asked(dtype, op):
        for case, judged in zip(batch.cases, judge(batch, answer(batch, batch.logits)), strict=True):
            assert not judged.findings, case.name
            assert UNROUNDED not in judged.choices


@FORWARD_OPS
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_unrounded_logits_are_a_choice_where_they_matter(op: Op, dtype: str) -> None:
    chosen = []
    for batch in asked(dtype, op):
        assert (batch.unrounded is None) == (batch.call.way in MASKS)
        exact = batch.logits if batch.unrounded is None else batch.unrounded
        judged = judge(batch, answer(batch, exact))
        assert {Severity.NONE, Severity.POLICY} >= {one.severity for one in judged}
        chosen += [one for one in judged if UNROUNDED in one.choices]

    assert chosen
    assert {Severity.POLICY} == {one.severity for one in chosen}
    assert all(one.choices[0] == UNROUNDED and one.grade is not None and one.max_ulp <= 0.5 for one in chosen)


@FORWARD_OPS
def test_a_row_that_is_right_is_not_called_unrounded_because_another_is(op: Op) -> None:
    (batch,) = (b for b in asked("bfloat16", op) if b.call.way == "multiply" and b.stacked)
    assert batch.unrounded is not None
    got, wide = answer(batch, batch.logits), answer(batch, batch.unrounded)
    chosen = np.array([UNROUNDED in one.choices for one in judge(batch, wide)])
    first = int(np.argmax(chosen))
    got[first] = wide[first]

    judged = judge(batch, got)

    assert chosen.any()
    assert [first] == [i for i, one in enumerate(judged) if UNROUNDED in one.choices]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_maximum_of_the_rounded_and_a_difference_of_the_unrounded_is_wrong(dtype: str) -> None:
    """The contraction that returns NaN, computed with exact products."""
    kinds: set[str] = set()  # float64 overflows only beyond 1e18
    for batch in asked(dtype, SOFTMAX):
        if batch.call.way != "multiply" or not batch.stacked:
            continue
        assert batch.inputs.operand is not None
        wide = np.longdouble(batch.inputs.x) * np.longdouble(batch.inputs.operand)
        got = softmax(wide, np.longdouble(batch.logits).max(-1, keepdims=True)).astype(float)
        for case, judged in zip(batch.cases, judge(batch, batch.format.quantise(got)), strict=True):
            if case.name == "multiply,+1e+14":
                kinds |= kinds_of(judged)
                assert Severity.VIOLATION is judged.severity

    assert kinds & {"nonfinite", "row_sum"}


def test_a_rounding_of_each_logit_explains_a_float64_answer_but_no_lost_sum() -> None:
    for batch in asked("float64", SOFTMAX):
        if batch.call.way != "multiply" or not batch.stacked:
            continue
        sign = np.where(np.arange(batch.logits.shape[-1]) % 2, 1, -1)
        # float64 itself would round that away again.
        moved = np.longdouble(batch.logits) * (1 + sign * np.longdouble(0.9 * 2.0**-53))
        for factor, legal in ((1.0, True), (1 + 2.0**-30, False)):
            got = softmax(moved, moved.max(-1, keepdims=True)).astype(float) * factor
            judged = judge(batch, got)
            if not legal:
                assert {Severity.VIOLATION} == {one.severity for one in judged}
            else:
                assert Severity.VIOLATION not in {one.severity for one in judged}
                explained = [one for one in judged if one.choices == (UNROUNDED,)]
                assert explained
                assert {(None, Severity.POLICY, ())} == {(one.grade, one.severity, one.findings) for one in explained}


@FORWARD_OPS
@pytest.mark.parametrize(
    ("axis", "name", "severity"),
    [(-1, "last", Severity.POLICY), (0, "first", Severity.POLICY), (1, "unnamed", Severity.VIOLATION)],
)
def test_where_no_axis_is_named_the_answer_says_which_was_meant(
    op: Op, axis: int, name: str, severity: Severity
) -> None:
    (batch,) = (b for b in asked("float32", op, "arguments") if b.call.way == "default" and b.logits.ndim == 3)

    (judged,) = judge(batch, answer(batch, batch.logits, axis))
    (wrote,) = judge(batch, answer(batch, batch.logits, axis), wrote_input=True)

    assert (Choice("default-axis", name),) == judged.choices == wrote.choices
    assert severity is judged.severity
    assert "input_written" in kinds_of(wrote)


@FORWARD_OPS
def test_an_axis_that_must_be_named_is_a_choice_too(op: Op) -> None:
    (batch,) = (b for b in asked("float32", op, "arguments") if b.call.way == "default" and b.logits.ndim == 3)

    (judged,) = Judge(batch).judge(Raised("TypeError: axis is missing"))

    assert ((Choice("default-axis", "rejects"),), Severity.POLICY) == (judged.choices, judged.severity)


@FORWARD_OPS
@pytest.mark.parametrize(("way", "question"), [("where", "masked-row"), ("fill", "all-minus-inf")])
def test_a_row_that_a_mask_argument_masks_as_a_whole_is_a_question_of_its_own(op: Op, way: str, question: str) -> None:
    (batch,) = (b for b in asked("float32", op) if b.call.way == way and b.stacked)
    got = answer(batch, batch.logits)

    judged = {case.name: one for case, one in zip(batch.cases, judge(batch, got), strict=True)}

    assert [f"{question}=nan"] == choices_of(judged[f"{way},all"])
    assert not any(question in str(one.choices) for name, one in judged.items() if name != f"{way},all")


@FORWARD_OPS
def test_an_array_without_an_axis_behind_an_operation_is_one_logit_or_refused(op: Op) -> None:
    scalars = [b for b in asked("float32", op) if not b.logits.ndim]
    assert {b.call.way for b in scalars} == {"multiply", "divide", "add", "fill"}
    one = 0.0 if op.log else 1.0
    for batch in scalars:
        (right,), (wrong,) = judge(batch, np.array(one)), judge(batch, np.array(one - 0.5))
        (refused,) = Judge(batch).judge(Raised("IndexError: no axis"))

        assert (Severity.POLICY, ["0-d=returns"]) == (right.severity, choices_of(right))
        assert Severity.VIOLATION is wrong.severity
        assert (Severity.POLICY, ["0-d=rejects"]) == (refused.severity, choices_of(refused))


@FORWARD_OPS
@pytest.mark.parametrize("way", ["in-place", "overlap"])
def test_an_out_that_overlaps_the_input_is_right_or_refused_and_never_wrong(op: Op, way: str) -> None:
    for batch in (b for b in asked("float32", op, "arguments") if b.call.way == way):
        right = answer(batch, batch.logits, batch.call.axis)
        # What a loop over the rows answers that reads the second one where it has written the first.
        overwritten = right.copy()
        overwritten[1:] = answer(batch, np.stack([right[0]] * (len(right) - 1)))

        (answered_right,), (answered_wrong,) = judge(batch, right), judge(batch, overwritten)
        (refused,) = Judge(batch).judge(Raised("RuntimeError: some elements of the input and out= share memory"))

        assert (Severity.POLICY, "aliased-out=returns") == (answered_right.severity, choices_of(answered_right)[0])
        assert Severity.VIOLATION is answered_wrong.severity
        assert (Severity.POLICY, ["aliased-out=rejects"]) == (refused.severity, choices_of(refused))


@DTYPES
@FORWARD_OPS
def test_the_answer_of_an_operation_behind_the_op_is_judged_as_that_of_the_op(op: Op, dtype: str) -> None:
    for batch in asked(dtype, op, "consumers"):
        way, operand = batch.call.way, batch.inputs.operand
        assert operand is not None
        plain = answer(batch, batch.inputs.x)
        done = {
            "then-scale": lambda y, o: y * o,
            "then-sum": lambda y, o: y + o * y.sum(-1, keepdims=True),
            "then-index": lambda y, o: np.take_along_axis(y, o.astype(int), -1),
            "then-matmul": lambda y, o: (y[:, None, :] @ (o[:, None, :] == np.arange(o.shape[-1])[:, None]))[:, 0],
        }[way](plain, operand)
        assert {Severity.NONE, Severity.POLICY} >= {one.severity for one in judge(batch, done)}
        assert not any(one.findings for one in judge(batch, done))
        if way in ORDERS:
            unordered = {c.name: one for c, one in zip(batch.cases, judge(batch, plain), strict=True)}
            assert Severity.VIOLATION is unordered[f"{way},normal"].severity


@pytest.mark.parametrize("sent", ["float16", "bfloat16"])
def test_an_answer_converted_behind_the_op_is_not_one_converted_in_front(sent: str) -> None:
    (batch,) = (b for b in asked("float32", SOFTMAX, "arguments") if b.cases[0].name == f"dtype=,from={sent},spread")
    narrow = answer(batch, batch.logits)

    (in_front,) = judge(batch, narrow)
    (behind,) = judge(batch, FORMATS[sent].quantise(narrow))
    (unconverted,) = Judge(batch).judge(answered(batch, FORMATS[sent].quantise(narrow), sent))

    assert Severity.NONE is in_front.severity
    assert Severity.VIOLATION is behind.severity
    assert {"dtype"} == kinds_of(unconverted)


def case(sent: str, *values: float) -> Batch:
    return batch_of([values], sent=sent, alone=True, policy="integer")


@pytest.mark.parametrize("dtype", EVERY_FORMAT)
def test_integers_may_come_back_in_any_format_and_are_judged_in_it(dtype: str) -> None:
    format, asked = EVERY_FORMAT[dtype], case("int32", 0, 1, -2)
    right = SOFTMAX.truth(asked.logits, -1, format=format).rounded(format)
    judge = Judge(asked)

    for got, severity in ((right, Severity.POLICY), (right[::-1], Severity.VIOLATION)):
        (judged,) = judge.judge(Answered(dtype, (3,), format.encode(got), 0.0))
        assert (severity, "integer=returns") == (judged.severity, choices_of(judged)[0])


def test_an_integer_is_no_probability() -> None:
    (judged,) = Judge(case("int8", 0, 1, -2)).judge(Answered("int8", (3,), np.zeros(3, "int8"), 0.0))

    assert (Severity.VIOLATION, {"dtype"}) == (judged.severity, kinds_of(judged))


def test_to_reject_integers_is_a_choice_and_to_take_complex_numbers_another() -> None:
    (rejected,) = Judge(case("int8", 0, 1)).judge(Raised("TypeError: no kernel"))
    (taken,) = Judge(case("complex64", 0, 1)).judge(Answered("complex64", (2,), np.zeros(2, "complex64"), 0.0))

    assert (Severity.POLICY, ["integer=rejects"]) == (rejected.severity, choices_of(rejected))
    assert (Severity.POLICY, ["integer=returns"]) == (taken.severity, choices_of(taken))


@pytest.mark.parametrize("op", FORWARD, ids=str)
def test_the_witness_of_a_product_holds_the_logit(op: Op) -> None:
    (batch,) = (b for b in asked("float32", op) if b.call.way == "multiply" and b.stacked)
    judged = judge(batch, np.zeros_like(batch.logits))

    for i, one in enumerate(judged):
        witness = next(finding.witness for finding in one.findings if finding.witness)
        assert batch.logits[i, witness.index] == witness.logit


def test_no_rounding_of_the_logits_is_derived_for_a_vjp() -> None:
    """In float64, where the unrounded product is not known, a wrong vjp stays wrong."""
    x, g = np.array([1e15, 1e15 - 1, 0.0]), np.array([1.0, -1.0, 0.5])
    inputs = Inputs(x, "float64", operand=np.ones(1), cotangent=g)
    one = Case(LOG_SOFTMAX_VJP, FORMATS["float64"], "f", "n", inputs, Call("multiply"), x, unrounded=x)
    asked = Batch((one,))

    (judged,) = judge(asked, Judge(asked).question.expected * 1.001)

    assert (Severity.VIOLATION, ()) == (judged.severity, judged.choices)


def test_a_masked_logit_has_no_rounding_that_could_explain_an_answer() -> None:
    """Two logits of zero have none either: an answer just beyond the loose bound stays wrong."""
    x, half = np.array([0.0, 0.0, -np.inf]), 2.0**-53  # the unit in the last place of what is at least 1/2
    inputs = Inputs(x, "float64", operand=np.ones(1))
    asked = Batch((Case(SOFTMAX, FORMATS["float64"], "f", "n", inputs, Call("multiply"), x, unrounded=x),))
    loose = Judge(asked).question.loose
    allowed = float(np.max(loose.relative * 0.5 + loose.absolute))
    off = (allowed // half + 1) * half

    (judged,) = judge(asked, [[0.5 + off, 0.5 - off, 0.0]])

    assert (Severity.VIOLATION, ()) == (judged.severity, judged.choices)
    assert {"accuracy", "ties"} == kinds_of(judged)
