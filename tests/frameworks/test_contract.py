"""What a kernel promises: read from its file or from options, and refused in one line where there is a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import conformance
from conformance.frameworks.contract import EVERYTHING, TERMS, BadContract, Contract, promises
from conformance.frameworks.kernel import BadKernel, Kernel

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


@pytest.mark.parametrize(
    ("terms", "contract"),
    [
        ({}, Contract()),
        ({"axis": "last", "contiguous": True, "masks": "none"}, Contract("last", contiguous=True, masks="none")),
        ({"axis": "", "contiguous": False, "rank": (), "lengths": "", "masks": ""}, Contract()),
        ({"rank": 2}, Contract(rank=(2,))),
        ({"op": "softmax_vjp", "saved": True}, Contract(op="softmax_vjp", saved=True)),
        ({"rank": [3, 2, 3]}, Contract(rank=(2, 3))),
        ({"lengths": "power-of-two, <=65536"}, Contract(lengths=("power-of-two", "<=65536"))),
        ({"lengths": ["multiple-of-8"]}, Contract(lengths=("multiple-of-8",))),
    ],
)
def test_what_an_author_may_say(terms: dict[str, Any], contract: Contract) -> None:
    assert contract == Contract.of(terms)
    assert contract == Contract.of(contract.terms())


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"axes": "last"}, "unknown term 'axes'; known: axis, contiguous, rank, lengths, masks, op, saved"),
        ({"op": "relu"}, "op is softmax, log_softmax, softmax_vjp or log_softmax_vjp, not 'relu'"),
        ({"saved": 2}, "saved is True, not 2"),
        (
            {"op": "softmax", "saved": True},
            "saved is for a backward pass, softmax_vjp or log_softmax_vjp, not for softmax",
        ),
        ({"axis": "first"}, "axis is 'last', not 'first'"),
        ({"axis": -1}, "axis is 'last', not -1"),
        ({"contiguous": "yes"}, "contiguous is True, not 'yes'"),
        ({"rank": "2"}, "rank is a number from 0 on, or several, not '2'"),
        ({"rank": [2, -1]}, "rank is a number from 0 on"),
        ({"rank": True}, "rank is a number from 0 on"),
        (
            {"lengths": "odd"},
            "lengths is power-of-two, <=N, multiple-of-N, or several of them joined by commas, not 'odd'",
        ),
        ({"lengths": "power-of-two,"}, "joined by commas, not ''"),
        ({"lengths": "multiple-of-0"}, "not 'multiple-of-0'"),
        ({"lengths": 8}, "joined by commas, not 8"),
        ({"lengths": [8]}, r"joined by commas, not \[8\]"),
        ({"lengths": "multiple-of-8,<=7"}, "no length is promised by multiple-of-8, <=7"),
        ({"lengths": "power-of-two,multiple-of-3"}, "no length is promised by power-of-two, multiple-of-3"),
        ({"masks": "some"}, "masks is 'none', not 'some'"),
        ({"masks": Unprintable()}, "not an object of type Unprintable"),
        ("last", "a contract is a dictionary of axis, contiguous, rank, lengths, masks, op, saved, not 'last'"),
    ],
)
def test_a_mistake_is_one_line_that_names_what_is_allowed(terms: Any, said: str) -> None:
    with pytest.raises(BadContract, match=said) as caught:
        Contract.of(terms)

    assert 1 == len(str(caught.value).splitlines())


def test_two_ops_are_one_too_many() -> None:
    with pytest.raises(BadContract, match="op is softmax_vjp and log_softmax"):
        Contract(op="softmax_vjp").both(Contract(op="log_softmax"))
    assert Contract(op="softmax_vjp", saved=True) == Contract(op="softmax_vjp").both(Contract(saved=True))


def test_softmax_is_meant_where_nobody_says() -> None:
    assert "softmax" == Contract().settled().op
    with pytest.raises(BadContract, match="saved is for a backward pass"):
        Contract(saved=True).settled()


@pytest.mark.parametrize(
    ("contract", "narrows", "arguments"),
    [
        (Contract(), False, ("x", "axis")),
        (Contract(op="softmax_vjp", saved=True), False, ("y", "axis", "g")),
        (Contract(op="log_softmax_vjp", masks="none"), True, ("x", "axis", "g")),
        (Contract(rank=(2,)), True, ("x", "axis")),
    ],
)
def test_an_op_names_the_arguments_and_narrows_nothing(
    contract: Contract, narrows: bool, arguments: tuple[str, ...]
) -> None:
    assert (narrows, arguments) == (contract.narrows, contract.arguments)


def test_every_term_is_a_field() -> None:
    assert set(TERMS) == set(vars(EVERYTHING))


@pytest.mark.parametrize(
    ("contract", "shape", "axis", "layout", "masked", "why"),
    [
        ({}, (3, 0), 5, "step", True, ""),
        ({"axis": "last"}, (2, 3), -1, "", True, ""),
        ({"axis": "last"}, (2, 3), 1, "", True, ""),
        ({"axis": "last"}, (2, 3), -2, "", True, "along another axis than the last"),
        ({"axis": "last"}, (2, 3), 2, "", True, "along another axis than the last"),
        ({"axis": "last"}, (), -1, "", False, ""),
        ({"contiguous": True}, (2, 3), -1, "step", False, "not contiguous in memory"),
        ({"rank": [1, 3]}, (2, 3), -1, "", False, "of another rank than 1 or 3"),
        ({"rank": [1, 3]}, (2, 3, 4), -1, "", False, ""),
        ({"lengths": "power-of-two"}, (3, 16), -1, "", False, ""),
        ({"lengths": "power-of-two"}, (3, 16), 0, "", False, "of a length that is no power of two"),
        ({"lengths": "power-of-two"}, (3, 0), -1, "", False, "of a length that is no power of two"),
        ({"lengths": "power-of-two"}, (), -1, "", False, ""),
        ({"lengths": "power-of-two"}, (3,), 7, "", False, ""),
        ({"lengths": "<=8"}, (8,), -1, "", False, ""),
        ({"lengths": "<=8"}, (9,), -1, "", False, "of more than 8 logits in a row"),
        ({"lengths": "<=8,multiple-of-4"}, (6,), -1, "", False, "of a length that is no multiple of 4"),
        ({"masks": "none"}, (6,), -1, "", True, "with a lane of -inf, as masks make them"),
        ({"masks": "none"}, (6,), -1, "", False, ""),
    ],
)
def test_what_is_not_promised_is_said(
    contract: dict[str, Any], shape: tuple[int, ...], axis: int, layout: str, masked: bool, why: str
) -> None:
    assert why == Contract.of(contract).excludes(shape, axis, layout, masked=masked)


@pytest.mark.parametrize(
    ("lengths", "due"),
    [
        ("power-of-two", {1: 1, 2: 2, 3: 2, 5: 4, 7: 8, 17: 16, 100_000: 131_072}),
        ("power-of-two,<=64", {65: 64, 100_000: 64}),
        ("power-of-two,multiple-of-8", {1: 8, 9: 8, 24: 16, 25: 32}),
        ("multiple-of-8", {1: 8, 8: 8, 12: 8, 13: 16, 257: 256}),
        ("multiple-of-8,multiple-of-12", {1: 24, 37: 48}),
        ("multiple-of-8,<=20", {1000: 16}),
        ("<=20", {3: 3, 1000: 20}),
    ],
)
def test_the_nearest_length_that_is_promised(lengths: str, due: dict[int, int]) -> None:
    contract = Contract.of({"lengths": lengths})

    assert due == {length: contract.nearest(length) for length in due}


@pytest.mark.parametrize(
    ("terms", "shape"),
    [
        ({}, (2, 2)),
        ({"rank": 1}, (2,)),
        ({"rank": [3, 4]}, (1, 1, 2)),
        ({"rank": 0}, ()),
        ({"lengths": "multiple-of-128"}, (2, 128)),
        ({"rank": 3, "lengths": "power-of-two"}, (1, 1, 2)),
    ],
)
def test_a_small_promised_array(terms: dict[str, Any], shape: tuple[int, ...]) -> None:
    assert shape == Contract.of(terms).small


def test_two_contracts_hold_together() -> None:
    one, other = Contract.of({"axis": "last", "rank": [2, 3]}), Contract.of({"rank": [3, 4], "lengths": "<=8"})

    assert Contract.of({"axis": "last", "rank": 3, "lengths": "<=8"}) == one.both(other) == other.both(one)
    assert one == one.both(EVERYTHING) == EVERYTHING.both(one)
    with pytest.raises(BadContract, match="of the ranks 2 or 3 and 1 none is in both"):
        one.both(Contract.of({"rank": 1}))
    with pytest.raises(BadContract, match="no length is promised by <=8, multiple-of-16"):
        other.both(Contract.of({"lengths": "multiple-of-16"}))


def test_a_decorator_sets_the_attribute() -> None:
    @conformance.promises(axis="last", lengths="power-of-two")
    def f(x: np.ndarray, axis: int) -> np.ndarray:
        return x + axis

    assert {"axis": "last", "lengths": "power-of-two"} == f.softmax_contract
    assert Contract("last", lengths=("power-of-two",), op="softmax") == Kernel(f).load().contract
    assert (
        Contract("last", rank=(2,), lengths=("power-of-two",), op="softmax")
        == Kernel(f, contract=Contract(rank=(2,))).load().contract
    )
    with pytest.raises(BadContract, match="axis is 'last', not 'first'"):
        promises(axis="first")


def test_a_mistake_in_a_file_names_the_function(tmp_path: Path) -> None:
    file = tmp_path / "promising.py"
    file.write_text("def f(x, axis):\n    return x\n\n\nf.softmax_contract = {'ranks': 2}\n")
    with pytest.raises(BadKernel, match=r"promising.py:f: contract: unknown term 'ranks'; known: axis"):
        Kernel(f"{file}:f").load()

    file.write_text("import conformance\n\n\n@conformance.promises(rank='two')\ndef f(x, axis):\n    return x\n")
    with pytest.raises(BadKernel, match=r"promising.py:f: contract: rank is a number from 0 on, or several, not 'two'"):
        Kernel(f"{file}:f").load()
