"""Whatever a framework does when it is asked is an observation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance import producers
from conformance.execution.ask import Respondent
from conformance.execution.batches import batches
from conformance.frameworks.base import Behind, Framework, Primitives
from conformance.values import Answered, Batch, Case, Produced, Raised, Target, Unsupported
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

FLOAT32 = FORMATS["float32"]
TARGET = Target("numpy", "eager", "cpu")


class Numpy(Framework):
    """A framework whose softmax is whatever the test says; everything else is honest."""

    name, modes, version = "numpy", ("eager",), np.__version__

    def __init__(self, softmax: Callable[[Any, int], Any]) -> None:
        self.softmax = softmax

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: Any, dtype: str, device: str) -> Any:
        del dtype, device
        return stored.copy()

    def fetch(self, array: Any) -> tuple[str, Any]:
        return str(array.dtype), array.copy()

    def function(self, op: str, mode: str, device: str) -> Callable[..., Any]:
        del op, mode, device
        return self.softmax

    def primitives(self, device: str) -> Primitives:
        raise NotImplementedError(device)

    def script(
        self, op: str, mode: str, device: str, dtype: str, axis: int, values: str, behind: Behind | None = None
    ) -> str:
        raise NotImplementedError(op, mode, device, dtype, axis, values, behind)


def honest(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def case(*values: float, **more: Any) -> Case:
    return Case("family", str(values), "softmax", "float32", np.array(values), **more)


def ask(softmax: Callable[[Any, int], Any], *cases: Case) -> list[tuple[Batch, Any]]:
    respondent = Respondent(Numpy(softmax), TARGET, "softmax", FLOAT32)
    return [answer for batch in batches(cases) for answer in respondent.ask(batch)]


def test_rows_of_equal_length_travel_as_one_array() -> None:
    grouped = batches([case(1, 2), case(1, 2, 3), case(3, 4), case(5, 6, alone=True), case(7, 8, axis=0)])

    assert [(2, 2), (1, 3), (2,), (2,)] == [batch.values.shape for batch in grouped]


def test_an_answer_is_observed() -> None:
    [(batch, seen)] = ask(honest, case(0, 0), case(1, 1))

    assert isinstance(seen, Answered)
    assert ("float32", (2, 2), False) == (seen.dtype, seen.shape, seen.wrote_input)
    assert 2 == len(batch.cases)


def test_a_target_that_cannot_do_two_zeros_is_unsupported() -> None:
    def absent(x: Any, axis: int) -> Any:
        raise NotImplementedError("no kernel\nfor this dtype")

    [(_, seen)] = ask(absent, case(0, 0))

    assert Unsupported("NotImplementedError: no kernel") == seen


@pytest.mark.parametrize("error", [ValueError("too large"), SystemExit(3), MemoryError(), RecursionError()])
def test_an_exception_belongs_to_the_row_that_causes_it(error: BaseException) -> None:
    def touchy(x: Any, axis: int) -> Any:
        if (x == 1000).any():
            raise error
        return honest(x, axis)

    answers = ask(touchy, case(0, 0), case(1, 1), case(1000, 0), case(2, 2))

    raised = [batch.cases[0].name for batch, seen in answers if isinstance(seen, Raised)]
    assert [str((1000, 0))] == raised
    assert 4 == sum(len(batch.cases) for batch, _ in answers)


def test_ctrl_c_is_not_an_observation() -> None:
    def interrupted(x: Any, axis: int) -> Any:
        if x.any():
            raise KeyboardInterrupt
        return honest(x, axis)

    with pytest.raises(KeyboardInterrupt):
        ask(interrupted, case(1, 2))


def test_writing_to_the_input_is_seen() -> None:
    def greedy(x: Any, axis: int) -> Any:
        x[...] = honest(x, axis)
        return x

    [(_, seen)] = ask(greedy, case(1, 2))

    assert seen.wrote_input


@pytest.mark.parametrize("thing", [None, 3, "text", [0.5, 0.5], object()])
def test_an_answer_that_is_no_array_is_raised_not_a_traceback(thing: Any) -> None:
    def strange(x: Any, axis: int) -> Any:
        return thing if x.any() else honest(x, axis)

    [(_, seen)] = ask(strange, case(1, 2))

    assert isinstance(seen, Raised)
    assert "\n" not in seen.error


def test_this_module_needs_no_framework() -> None:
    assert "torch" not in vars(sys.modules[__name__])


def produced(x: list[float], operand: list[float], producer: str = "multiply") -> Case:
    arrays = np.array(x), np.array(operand)
    logits = producers.logits(producer, *arrays)
    return case(*logits, produced=Produced(producer, *arrays, logits))


def test_a_producer_is_asked_in_one_function_with_the_op() -> None:
    class Fusing(Numpy):
        calls = {"multiply": "softmax(x * o, axis)"}  # noqa: RUF012 - nobody writes to it

        def produced(self, op: str, producer: str, mode: str, device: str) -> Callable[..., Any]:
            del mode, device
            return eval(self.written(op, producer), {"softmax": honest})  # noqa: S307 - the text above

    respondent = Respondent(Fusing(honest), TARGET, "softmax", FLOAT32)
    asked = [produced([1, 2], [3]), produced([2, 4], [0.5]), produced([1, 2], [1, 0], "fill")]

    seen = [answer for batch in batches(asked) for _, answer in respondent.ask(batch)]

    assert isinstance(seen[0], Answered)
    np.testing.assert_array_equal(honest(np.array([[3, 6], [1, 2]], "float32"), -1), seen[0].stored)
    assert Unsupported("numpy has no fill for its softmax") == seen[1]


def test_an_array_of_integers_is_handed_over_as_such() -> None:
    sent = case(1, 2, sent="int16", alone=True, policy="integer")
    dtypes = []

    def watching(x: Any, axis: int) -> Any:
        dtypes.append(str(x.dtype))
        return honest(x, axis)

    [(_, seen)] = ask(watching, sent)

    assert isinstance(seen, Answered)
    assert ["float32", "int16"] == dtypes
