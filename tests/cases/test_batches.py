"""Cases travel together where nothing but their numbers differs, and a question of two families is asked once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.cases import batches, cases, twins
from conformance.values import Call, Case, Inputs, Tier
from reference.formats import FORMATS
from reference.ops import FORWARD, LOG_SOFTMAX, SOFTMAX

FLOAT32 = FORMATS["float32"]


def question(*x: float, family: str = "family", name: str = "name", call: Call | None = None, **options: Any) -> Case:
    operand = options.pop("operand", None)
    array = np.array(x)
    inputs = Inputs(array, options.pop("dtype", "float32"), None if operand is None else np.array(operand))
    return Case(SOFTMAX, FLOAT32, family, name, inputs, call or Call(), array, **options)


def asked(format: str, tier: Tier = Tier.STANDARD) -> list[Case]:
    return cases(FORMATS[format], FORWARD, tier=tier, seed=0)


def test_rows_of_a_length_are_one_array_in_their_order() -> None:
    one, longer, other = question(0, 1), question(0, 1, 2), question(2, 3)
    first, second = batches([one, longer, other])
    assert first.cases == (one, other)
    assert second.cases == (longer,)
    np.testing.assert_array_equal(first.inputs.x, [[0, 1], [2, 3]])
    np.testing.assert_array_equal(first.logits, [[0, 1], [2, 3]])


BESIDE = question(0, 1)
APART = {
    "op": replace(BESIDE, op=LOG_SOFTMAX),
    "format": replace(BESIDE, format=FORMATS["float64"], inputs=Inputs(BESIDE.inputs.x, "float64")),
    "length": question(0, 1, 2),
    "alone": replace(BESIDE, alone=True),
    "raises": replace(BESIDE, raises=True, call=Call(axis=2)),
    "policy": replace(BESIDE, policy="integer"),
    "layout": replace(BESIDE, call=Call(layout="step")),
    "axis": replace(BESIDE, call=Call(axis=0)),
    "dtype": question(0, 1, dtype="int32"),
    "way": question(0, 1, call=Call("add"), operand=[1.0]),
}


@pytest.mark.parametrize("apart", APART)
def test_what_is_asked_in_another_way_is_another_array(apart: str) -> None:
    found = batches([BESIDE, APART[apart], question(4, 5)])
    assert [len(batch.cases) for batch in found] == [2, 1]
    assert found[1].cases == (APART[apart],)


def test_cases_that_are_alone_are_never_one_array() -> None:
    found = batches([question(0, 1, alone=True), question(2, 3, alone=True)])
    assert [batch.stacked for batch in found] == [False, False]
    assert [batch.inputs.x.shape for batch in found] == [(2,), (2,)]


def test_operands_of_a_shape_are_one_array_and_others_are_not() -> None:
    add = Call("add")
    number, other, row = (
        question(0, 1, call=add, operand=[1.0]),
        question(2, 3, call=add, operand=[2.0]),
        question(4, 5, call=add, operand=[1.0, 2.0]),
    )
    first, second = batches([number, row, other])
    assert (first.cases, second.cases) == ((number, other), (row,))
    np.testing.assert_array_equal(first.inputs.operand, [[1.0], [2.0]])


def test_a_question_of_two_families_is_asked_once_and_answers_both() -> None:
    here, there = question(0, 1, family="here"), question(0, 1, family="there", name="again")
    lone = replace(here, alone=True), replace(there, alone=True)
    given = [here, question(2, 3), there, *lone]

    stacked, alone = batches(given)

    assert stacked.cases == (here, given[1])
    assert alone.cases == (lone[0],)
    assert twins(given) == {here.id: (here, there), given[1].id: (given[1],), lone[0].id: lone}


@pytest.mark.parametrize("format", FORMATS)
def test_every_question_of_the_suite_is_asked_exactly_once(format: str) -> None:
    given = asked(format)
    ids = [case.id for batch in batches(given) for case in batch.cases]
    assert len(ids) == len(set(ids))
    assert set(ids) == {case.id for case in given} == twins(given).keys()
    assert len(ids) < len(given), "some families share a question"
    assert sorted(map(id, given)) == sorted(id(case) for group in twins(given).values() for case in group)


@pytest.mark.parametrize("format", FORMATS)
def test_twins_are_judged_alike(format: str) -> None:
    for first, *others in twins(asked(format)).values():
        for other in others:
            assert other.family != first.family
            assert (other.op, other.raises, other.policy) == (first.op, first.raises, first.policy)
            np.testing.assert_array_equal(other.logits, first.logits)
            assert (other.unrounded is None) == (first.unrounded is None)


def test_a_batch_does_not_depend_on_the_tier_of_its_cases() -> None:
    assert len(batches([question(0, 1), question(2, 3, tier=Tier.SMOKE)])) == 1
