"""The module of the page that reads addresses and queries has tests in its own language; Node runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_rows import CONTROL, EAGER, JIT, degraded, record, row, violation

from conformance.reporting.questions import INFINITE, NONE, code, packed
from conformance.values import Choice

node = pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs JavaScript, is not installed")


def run(name: str = "query", **more: Any) -> str:
    file = Path(__file__).with_name(f"{name}.test.mjs")
    environment = os.environ | {name: json.dumps(value) for name, value in more.items()}
    done = subprocess.run(["node", "--test", str(file)], capture_output=True, text=True, check=False, env=environment)  # noqa: S603, S607
    assert 0 == done.returncode, done.stdout
    return done.stdout


@node
def test_what_an_address_and_a_query_mean() -> None:
    assert "# fail 0" in run()


@node
def test_the_page_reads_what_the_report_has_packed() -> None:
    """Two questions of which each target has its state, its bits and its error; a control is no target."""
    made = record(
        row(EAGER, case="a", digest="11111111", error_over_bound=0.5, logit_gap=3.5, shape="7×3", axis=0),
        row(JIT, case="a", digest="22222222", findings=[violation("row_sum")], error_over_bound=float("nan"),
            logit_gap=3.5, shape="7×3", axis=0, max_ulp=1.0001),
        row(CONTROL, case="a", digest="33333333", findings=[violation("range")]),
        row(JIT, case="b", family="magnitude", digest="22222222", findings=[degraded()], error_over_bound=1e30),
        row(EAGER, case="b", family="magnitude", outcome="unsupported", reason="no", grade="", digest="",
            error_over_bound=float("nan")),
    )  # fmt: skip
    due = {
        "targets": ["f/eager/cpu", "f/jit/cpu"],
        "rows": [
            ["softmax", "float32", "magnitude", "plain", "b", "unsupported", "degraded", 0, 1],
            ["softmax", "float32", "random", "plain", "a", "fine", "violation", 1, 2],
        ],
        "over": ["NaN", "0.5", "Infinity", "NaN"],
        "ulp": ["0.5", "0.5", "0.5", "1.001953125"],  # rounded up: what is above 1 stays above 1
        "gap": ["1", "3.5"],
        "n": ["2", "7"],
    }

    run(PACKED={"data": packed(made), "due": due})
    with pytest.raises(AssertionError):
        run(PACKED={"data": packed(made), "due": due | {"over": ["NaN", "0.5", "1", "NaN"]}})


@node
def test_a_rejection_an_error_that_is_due_and_an_answer_that_is_not_finite() -> None:
    made = record(
        row(EAGER, case="a", outcome="raised", grade="", digest="", choices=[Choice("integer", "rejects")], max_ulp=float("nan"), error_over_bound=float("nan")),
        row(JIT, case="a", findings=[violation("nonfinite")], error_over_bound=0.25, max_ulp=0.25),
        row(EAGER, case="b", outcome="raised", grade="", digest="", family="axes", max_ulp=float("nan"), error_over_bound=float("nan")),
        row(JIT, case="b", family="axes", findings=[violation("no_error")], max_ulp=float("nan"), error_over_bound=float("nan")),
    )  # fmt: skip
    due = {
        "targets": ["f/eager/cpu", "f/jit/cpu"],
        "rows": [
            ["softmax", "float32", "axes", "plain", "b", "fine", "violation", 0, 1],
            ["softmax", "float32", "random", "plain", "a", "rejected", "violation", 0, 1],
        ],
        "over": ["NaN", "NaN", "NaN", "NaN"],
        "ulp": ["NaN", "NaN", "NaN", "NaN"],
        "gap": ["1", "1"],
        "n": ["2", "2"],
    }

    run(PACKED={"data": packed(made), "due": due})


def test_a_code_is_the_smallest_number_of_its_kind_that_is_not_below_the_error() -> None:
    rng = np.random.default_rng(1)
    errors = np.concatenate(
        [np.ldexp(rng.uniform(0.5, 1.0, 20_000), rng.integers(-62, 64, 20_000)), 2.0 ** np.arange(-62, 64)]
    )
    made = code(errors).astype(np.int64)
    meant = np.ldexp(1 + made % 512 / 512, made // 512 - 63)

    assert (meant >= errors).all()
    assert (np.ldexp(1 + (made - 1) % 512 / 512, (made - 1) // 512 - 63) < errors).all()
    assert [0, 1, 1, INFINITE, INFINITE, NONE] == code(
        np.array([0.0, 1e-300, 2.0**-63, 1e300, np.inf, np.nan])
    ).tolist()
