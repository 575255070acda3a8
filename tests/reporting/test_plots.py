"""The figure has a point where the record has its worst error, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from report_rows import CONTROL, EAGER, HOSTILE, JIT, record, row

from conformance.reporting.plots import error_against_gap, figure
from conformance.values import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from conformance.record import Record


def panel(made: Record, op: str, dtype: str) -> Axes:
    (found,) = [axes for axes in figure(made).axes if f"{op}, {dtype}" == axes.get_title(loc="left")]
    return found


def points(made: Record, op: str = "softmax", dtype: str = "float32") -> dict[str, list[tuple[float, float]]]:
    """Target → its points in one panel."""
    lines = [line for line in panel(made, op, dtype).lines if not str(line.get_label()).startswith("_child")]
    return {str(line.get_label()): list(zip(*map(np.ndarray.tolist, line.get_data()), strict=True)) for line in lines}


def test_a_point_is_the_worst_error_of_its_bin() -> None:
    made = record(
        row(logit_gap=4.0, error_over_bound=0.25),
        row(logit_gap=5.0, error_over_bound=0.75),  # nearer to 4 than to 16
        row(logit_gap=16.0, error_over_bound=3.0),
        row(logit_gap=16.0, error_over_bound=2.0),
        row(logit_gap=1.0, error_over_bound=float("nan")),  # no answer
    )

    assert {"f/eager/cpu": [(4.0, 0.75), (16.0, 3.0)]} == points(made)


def test_gaps_and_errors_beyond_the_axes_are_kept_at_their_ends() -> None:
    made = record(
        row(logit_gap=0.0, error_over_bound=0.0),
        row(logit_gap=1e30, error_over_bound=float("inf")),
    )

    assert {"f/eager/cpu": [(2.0**-10, 2.0**-8), (2.0**12, 2.0**60)]} == points(made)


def test_each_op_and_dtype_has_a_panel_of_its_own() -> None:
    made = record(
        row(EAGER, error_over_bound=0.5),
        row(JIT, error_over_bound=0.125, op="log_softmax"),
        row(JIT, error_over_bound=2.0, dtype="float16"),
    )

    assert {"f/eager/cpu": [(1.0, 0.5)], "f/jit/cpu": []} == points(made)
    assert {"f/eager/cpu": [], "f/jit/cpu": [(1.0, 0.125)]} == points(made, op="log_softmax")
    assert {"f/eager/cpu": [], "f/jit/cpu": [(1.0, 2.0)]} == points(made, dtype="float16")
    assert 4 == len(figure(made).axes)


def test_controls_are_left_out_and_the_bound_is_drawn() -> None:
    made = record(row(EAGER), row(CONTROL, error_over_bound=1e9))
    bound = [line for line in panel(made, "softmax", "float32").lines if list(line.get_ydata()) == [1.0, 1.0]]

    assert {"f/eager/cpu"} == set(points(made))
    assert 1 == len(bound)


def test_modes_of_a_framework_share_its_colour_and_nothing_else() -> None:
    other = Target("g", "eager", "cpu", version="1")
    made = record(row(EAGER), row(JIT), row(other))
    lines = {str(line.get_label()): line for line in panel(made, "softmax", "float32").lines}
    eager, jit, apart = (lines[str(target)] for target in (EAGER, JIT, other))

    assert eager.get_color() == jit.get_color() != apart.get_color()
    assert (eager.get_linestyle(), eager.get_marker()) != (jit.get_linestyle(), jit.get_marker())
    assert ["f/eager/cpu", "f/jit/cpu", "g/eager/cpu"] == [
        text.get_text() for text in figure(made).legends[0].get_texts()
    ]


@pytest.mark.parametrize("device", [HOSTILE, "_cpu$", "$\\frac{1}$", "\u4e2d:0"])
def test_a_name_is_text(device: str) -> None:
    made = record(row(Target("_f", "eager", device, version="1")))

    svg = error_against_gap(made)

    assert "<script" not in svg
    assert "_f/eager/" in svg
    assert "\x1b" not in svg


def test_the_svg_is_the_same_every_time_and_follows_the_page() -> None:
    made = record(row(), row(JIT))

    assert error_against_gap(made) == error_against_gap(made)
    assert "currentColor" in error_against_gap(made)
    assert "#010203" not in error_against_gap(made)
