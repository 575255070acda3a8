"""Which questions a contract or a user leaves out, and what becomes of rows whose length or rank is not promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance.asking.narrowing import FITTED, NOT_CHOSEN, fitted, names_case
from conformance.asking.plan import MissingTarget, Selection, Sheet, UnknownName, check_chosen, left_out
from conformance.frameworks.contract import Contract
from conformance.values import Call, Case, Inputs, Tier
from reference.formats import FORMATS
from reference.ops import SOFTMAX, SOFTMAX_VJP

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOAT32 = FORMATS["float32"]


def sheet(terms: dict[str, Any] | None = None, **more: Any) -> Sheet:
    return Sheet(SOFTMAX, FLOAT32, Selection(Tier.SMOKE, contract=Contract.of(terms or {}), **more))


def case(x: Sequence[Any], axis: int = -1, **more: Any) -> Case:
    array = np.array(x, np.float64)
    return Case(SOFTMAX, FLOAT32, "random", "one", Inputs(array, "float32"), Call(axis=axis), array, **more)


CONTRACTS: list[dict[str, Any]] = [
    {"axis": "last"},
    {"contiguous": True},
    {"rank": 1},
    {"rank": 2},
    {"rank": [3, 4]},
    {"lengths": "power-of-two"},
    {"lengths": "multiple-of-128"},
    {"lengths": "<=64"},
    {"masks": "none"},
    {"axis": "last", "contiguous": True, "rank": 2, "lengths": "power-of-two,<=65536", "masks": "none"},
]


@pytest.mark.parametrize("terms", CONTRACTS, ids=str)
def test_nothing_is_asked_that_is_not_promised_and_most_questions_are(terms: dict[str, Any]) -> None:
    narrowed, contract, whole = sheet(terms), Contract.of(terms), sheet()

    for batch in narrowed.batches:
        shape, masked = batch.logits.shape, bool((batch.logits == -np.inf).any())
        assert "" == contract.excludes(shape, batch.call.axis, batch.call.layout, masked=masked)
    # A stack of rows is an array of two axes, and where nothing else is taken the rows have to come alone.
    assert len(narrowed.cases) > 0.5 * len(whole.cases)


def test_a_contiguous_kernel_is_handed_contiguous_cotangents_alone() -> None:
    asked = Sheet(SOFTMAX_VJP, FLOAT32, Selection(Tier.SMOKE, contract=Contract.of({"contiguous": True})))

    assert {("", "")} == {(case.call.layout, case.call.cotangent_layout) for case in asked.cases}
    assert any(case.call.cotangent_layout for case in asked.all)


@pytest.mark.parametrize("terms", CONTRACTS, ids=str)
def test_what_is_left_out_is_counted_once(terms: dict[str, Any]) -> None:
    narrowed, whole = sheet(terms), sheet()
    gone = {why: count for why, count in narrowed.left_out.items() if why != FITTED}

    assert len(whole.cases) - len(narrowed.cases) == sum(gone.values())
    assert all(why.endswith("(its contract)") for why in gone)
    assert gone or narrowed.left_out[FITTED] or terms == {"rank": 1}
    assert len(narrowed.left_out) == len(left_out([narrowed]))


def test_an_empty_contract_changes_no_question() -> None:
    assert not Selection(Tier.SMOKE).narrowed
    assert [one.id for one in sheet().all] == [one.id for one in sheet().cases]
    assert {} == sheet().left_out


@pytest.mark.parametrize(
    ("lengths", "x", "due"),
    [
        ("multiple-of-4", [1, 2, 3], [1, 1, 2, 3]),
        ("multiple-of-4", [9, -np.inf, 3], [9, -np.inf, -np.inf, 3]),
        ("multiple-of-4", [np.nan, 5, 3], [np.nan, 3, 5, 3]),
        ("multiple-of-4", [np.nan] * 3, [np.nan] * 4),
        ("power-of-two", [1, 2, 3, 4, 5], [1, 2, 4, 5]),
        ("<=3", [1, 2, 3, 4, 5, 6], [1, 5, 6]),
        ("<=1", [1, 2], [2]),
        ("power-of-two", [1, 2], [1, 2]),
    ],
)
def test_a_row_is_cut_or_filled_in_its_middle(lengths: str, x: list[float], due: list[float]) -> None:
    fit = fitted(case(x), Contract.of({"lengths": lengths}))

    np.testing.assert_array_equal(due, fit.logits)
    np.testing.assert_array_equal(due, fit.inputs.x)
    assert (fit.id == case(x).id) == (x == due)


def test_rows_of_an_array_are_fitted_along_their_axis() -> None:
    fit = fitted(case([[1, 2], [4, 3], [5, 6]], axis=0), Contract.of({"lengths": "power-of-two"}))

    np.testing.assert_array_equal([[1, 2], [5, 6]], fit.logits)


def test_rows_without_a_length_are_left_as_they_are() -> None:
    rule = Contract.of({"lengths": "multiple-of-4"})

    for one in (case([[]]), case([1, 2, 3], axis=1, raises=True), case(1.0)):  # type: ignore[arg-type]
        assert one is fitted(one, rule)


def test_a_row_alone_has_the_promised_rank() -> None:
    row = case([1, 2, 3])

    assert (1, 1, 3) == fitted(row, Contract.of({"rank": [3, 4]})).logits.shape
    assert (3,) == fitted(row, Contract.of({"rank": 1})).logits.shape
    assert fitted(row, Contract.of({"rank": 1})).alone
    assert row is fitted(row, Contract.of({"rank": [2, 3]}))
    assert (3,) == fitted(case([1, 2, 3], alone=True), Contract.of({"rank": 3})).logits.shape


def test_a_glob_means_a_case_a_family_or_both() -> None:
    one = case([1, 2])

    assert all(names_case(pattern, one) for pattern in ("one", "random", "random/one", "ran*", "*/o?e"))
    assert not any(names_case(pattern, one) for pattern in ("on", "random/", "two"))


def test_who_chooses_cases_is_asked_those_and_who_skips_some_the_others() -> None:
    whole, special, others = sheet(), sheet(only=("special",)), sheet(skip=("special", "sizes"))

    assert {"special"} == {one.family for one in special.cases}
    assert {NOT_CHOSEN} == set(special.left_out)
    assert [] == left_out([special])
    assert {"skipped by special": len(special.cases)}.items() <= others.left_out.items()
    assert not {"special", "sizes"} & {one.family for one in others.cases}
    assert len(whole.cases) == len(others.cases) + sum(others.left_out.values())


def test_a_glob_that_means_nothing_and_a_choice_that_leaves_nothing_are_refused() -> None:
    nothing = sheet(only=("special",), skip=("special",))

    with pytest.raises(UnknownName, match="unknown case or family 'spcial'; did you mean 'special'"):
        check_chosen([sheet()], Selection(Tier.SMOKE, only=("spcial",)))
    with pytest.raises(MissingTarget, match=r"nothing is left to be asked: \d+ questions skipped by special"):
        check_chosen([nothing], nothing.selection)
