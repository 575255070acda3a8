"""The picture of a row: truth and bound are those of mpmath and of the record, and what is not known is not drawn."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from report_rows import row

from conformance.reporting.lanes import MOST, lanes
from conformance.values import Inputs, Witness


def softmax(x: list[float]) -> list[float]:
    with mpmath.workdps(50):
        powers = [mpmath.exp(mpmath.mpf(value)) for value in x]
        return [float(power / mpmath.fsum(powers)) for power in powers]


def test_the_truth_is_drawn_lane_by_lane_and_the_answer_where_it_is_known() -> None:
    x = [0.0, 1.0, -2.5, 3.0]
    due = np.float32(softmax(x)).astype(float)
    told = Witness(3, 3.0, 0.75, float(due[3]), 0.0, 2.0**-24)

    drawn = lanes(row(x=x), "inaccurate", Inputs(np.array(x), "float32"), told)

    assert drawn is not None
    assert (4, [0, 1, 2, 3], x) == (drawn["n"], drawn["lane"], drawn["x"])
    assert due == pytest.approx(drawn["truth"], rel=1e-8)
    assert (3, "0.75") == (drawn["at"], drawn["got"])
    assert abs(0.75 - due[3]) == pytest.approx(drawn["error"])
    # A bound of a good algorithm is no smaller than half a unit in the last place, and no larger than a few of a row of four.
    ulps = 2.0 ** (np.floor(np.log2(due)) - 23)
    assert np.all(ulps / 2 <= drawn["bound"])
    assert np.all(drawn["bound"] < 64 * ulps)


def test_the_row_of_the_witness_is_drawn_of_an_array_of_several() -> None:
    x = np.arange(24.0).reshape(2, 3, 4) % 7
    at = np.ravel_multi_index((1, 2, 3), x.shape)
    (due,) = {np.float32(softmax(x[1, :, 3].tolist())[2]).item()}

    drawn = lanes(
        row(axis=1, shape="2×3×4"),
        "inaccurate",
        Inputs(x, "float32"),
        Witness(int(at), x[1, 2, 3], 0.0, due, 0.0, 1e-9),
    )

    assert drawn is not None
    assert (3, x[1, :, 3].tolist(), 2) == (drawn["n"], drawn["x"], drawn["at"])


def test_what_is_not_finite_is_named_and_has_no_size() -> None:
    x = [0.0, -math.inf]
    told = Witness(1, -math.inf, 0.5, -math.inf, 0.0, 0.0)

    drawn = lanes(row(op="log_softmax", x=x), "nonfinite", Inputs(np.array(x), "float32"), told)

    assert drawn is not None
    assert ([0.0, "−∞"], [0.0, None], None) == (drawn["x"], drawn["truth"], drawn["error"])


def test_a_row_without_a_finite_truth_has_no_picture() -> None:
    x = [0.0, -math.inf, math.nan]

    assert lanes(row(), "nonfinite", Inputs(np.array(x), "float32"), Witness(0, 0.0, 0.5, math.nan, 0.0, 0.0)) is None


def test_of_a_long_row_the_witness_and_the_extremes_are_drawn() -> None:
    x = np.zeros(10_000)
    x[4321], x[77] = 5.0, -5.0
    due = float(np.float32(softmax(x.tolist())[5000]))

    drawn = lanes(row(), "inaccurate", Inputs(x, "float32"), Witness(5000, 0.0, 0.0, due, 0.0, 1e-12))

    assert drawn is not None
    assert 10_000 == drawn["n"]
    assert len(drawn["lane"]) <= MOST + 1
    assert {77, 4321, 5000} <= set(drawn["lane"])
    assert drawn["lane"] == sorted(drawn["lane"])


def test_a_sum_is_no_lane() -> None:
    drawn = lanes(row(), "row_sum", Inputs(np.zeros(4), "float32"), Witness(2, 0.0, 1.5, 1.0, 0.0, 1e-6))

    assert drawn is not None
    assert -1 == drawn["at"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({}, Witness(1, 1.0, 0.5, 0.25, 0.0, 1e-9)),  # another truth
        ({}, Witness(7, 1.0, 0.5, 0.5, 0.0, 1e-9)),  # no such lane
        ({"axis": 3}, Witness(1, 1.0, 0.5, 0.5, 0.0, 1e-9)),  # no such axis
        ({"dtype": "complex64"}, Witness(1, 1.0, 0.5, 0.5, 0.0, 1e-9)),
    ],
)
def test_what_does_not_fit_the_record_is_not_drawn(columns: dict[str, object], told: Witness) -> None:
    assert lanes(row(**columns), "inaccurate", Inputs(np.array([0.0, 0.0]), "float32"), told) is None
