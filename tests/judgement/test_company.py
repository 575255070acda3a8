"""The claims about company hold of a function of its row alone, and fail of one that looks aside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance.claims import CLAIMS, FAILS, HOLDS, Witness
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

COMPANY = {claim.slug: claim for claim in CLAIMS if claim.slug in ("batch", "split", "permutation", "repeat")}


class Own(Witness):
    """A function on float64 matrices in a target's place."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.format = function, FORMATS["float64"]

    def own(self, op: str, x: Any) -> Any:
        p = self.function(np.asarray(x))
        return p if op == "softmax" else np.log(p)

    def along(self, op: str, x: Any, axis: int) -> Any:
        return np.moveaxis(self.own(op, np.moveaxis(x, axis, -1)), -1, axis)


def alone(x: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Row by row, with a sum that is rounded once: no order and no company changes it."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / np.array([[math.fsum(row)] for row in e]) * scale)


def test_a_function_of_its_row_alone_holds() -> None:
    assert dict.fromkeys(COMPANY, HOLDS) == {name: claim.ask(Own(alone))[0] for name, claim in COMPANY.items()}


def large_batches_differ(x: np.ndarray) -> np.ndarray:
    return alone(x, 1 + 2.0**-52 if len(x) >= 64 else 1.0)


def places_differ(x: np.ndarray) -> np.ndarray:
    return np.asarray(alone(x) * (1 + 2.0**-52 * (np.arange(len(x)) == 4))[:, None])


def running_sum(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / np.cumsum(e, -1)[:, -1:])


@pytest.mark.parametrize(
    ("function", "failing"),
    [
        (large_batches_differ, {"batch"}),
        (places_differ, {"batch", "split"}),
        (running_sum, {"permutation"}),
    ],
)
def test_one_that_looks_aside_fails(function: Callable[[Any], Any], failing: set[str]) -> None:
    said = {name: claim.ask(Own(function)) for name, claim in COMPANY.items()}

    assert failing == {name for name, (verdict, _) in said.items() if verdict == FAILS}
    assert all("ulp" in evidence for verdict, evidence in said.values() if verdict == FAILS)


def test_one_that_forgets_fails() -> None:
    calls = iter(range(1_000_000))

    assert FAILS == COMPANY["repeat"].ask(Own(lambda x: alone(x, 1 + 2.0**-52 * (next(calls) % 2))))[0]
