"""The module of the page that reads addresses and queries has tests in its own language; Node runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from report_rows import CONTROL, EAGER, JIT, degraded, record, row, violation

from conformance.reporting.questions import packed

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
        row(JIT, case="a", digest="22222222", findings=[violation()], error_over_bound=float("nan"),
            logit_gap=3.5, shape="7×3", axis=0, max_ulp=1.0001),
        row(CONTROL, case="a", digest="33333333", findings=[violation("range")]),
        row(JIT, case="b", family="magnitude", digest="22222222", findings=[degraded()], error_over_bound=1e9),
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
        "ulp": ["0.5", "0.5", "0.5", "1.0009765625"],  # rounded up: what is above 1 stays above 1
        "gap": ["1", "3.5"],
        "n": ["2", "7"],
    }

    run(PACKED={"data": packed(made), "due": due})
    with pytest.raises(AssertionError):
        run(PACKED={"data": packed(made), "due": due | {"over": ["NaN", "0.5", "1", "NaN"]}})
