"""The program of a finding asks its row, bit for bit, and needs nothing of this suite."""

from __future__ import annotations

import dataclasses
import math
import struct
import subprocess
import sys

import pytest
from report_rows import CONTROL, EAGER, JIT, record, row, violation

from conformance.reporting import Reading, terminal
from conformance.reporting.scripts import literal, script, script_of
from conformance.values import Witness

PROGRAM = (
    "import numpy as np",
    "np.array({values}, dtype='float64').astype('{dtype}')  # on {device}",
    "f = lambda x, axis: x\ng = lambda x, o, axis: x * o",
    "print(f({arguments}, {axis}).tolist())",
)
FUSED = (*PROGRAM[:2], "f = lambda x, o, axis: x * o", PROGRAM[3])


def run(text: str) -> str:
    done = subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip()


def witness(*values: float, **fields: object) -> Witness:
    return Witness(0, 0.0, 0.0, 0.0, len(values), values, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        [0.0, -0.0, math.inf, -math.inf, math.nan],
        [1e-45, 0.1, -1e300],
        [0.0] * 1000,
        [-0.0] * 3 + [0.0] * 3,
        [1.0, *[-math.inf] * 50, 2.0, 3.0, *[math.nan] * 9],
        [],
    ],
)
def test_a_literal_is_the_same_bits(values: list[float]) -> None:
    back = eval(literal(values))  # noqa: S307 - our own text

    assert [struct.pack("d", value) for value in values] == [struct.pack("d", value) for value in back]


def test_a_long_row_of_few_numbers_is_a_short_text() -> None:
    assert "[1.0] + [0.0] * 99999" == literal([1.0] + [0.0] * 99_999)
    assert "[1.0, 2.0, 2.0, 3.0]" == literal([1, 2, 2, 3])


def test_a_program_asks_the_row_along_its_axis() -> None:
    text = script(witness(1.0, -2.5), PROGRAM, EAGER, "float16")

    assert "conformance" not in text
    assert "np.array([1.0, -2.5], dtype='float64').astype('float16')  # on cpu" in text
    assert "print(f(x, -1).tolist())" in text
    assert "[1.0, -2.5]" == run(text)


def test_an_operation_in_front_gets_what_was_handed_over() -> None:
    told = witness(6.0, 8.0, x=(3.0, 4.0), operand=(2.0,), dtype="int8", way="multiply")

    text = script(told, FUSED, EAGER, "float32")

    assert "x = np.array([3.0, 4.0], dtype='float64').astype('int8')" in text
    assert "o = np.array([2.0], dtype='float64').astype('float32')" in text
    assert "[6.0, 8.0]" == run(text)


def test_without_a_row_or_a_program_there_is_none() -> None:
    lost = dataclasses.replace(witness(1.0, 2.0), row=())

    assert "" == script(lost, PROGRAM, EAGER, "float32")
    assert "" == script(witness(1.0), (), EAGER, "float32")


def test_a_program_is_that_of_its_target_op_and_way() -> None:
    programs = {f"{EAGER.versioned} softmax plain": PROGRAM, f"{EAGER.versioned} softmax multiply": FUSED}
    made = record(
        row(EAGER, findings=[violation()], case="plain"),
        row(EAGER, findings=[violation()], case="fused", way="multiply"),
        row(EAGER, findings=[violation()], case="other op", op="log_softmax"),
        row(JIT, findings=[violation()], case="other target"),
        row(CONTROL, findings=[violation()], case="control"),
        programs=programs,
    )
    found = violation().witness
    texts = {r["case"]: script_of(made, r, found) for r in made.observations.to_dict("records")}

    assert {"plain", "fused"} == {case for case, text in texts.items() if text}
    assert "lambda x, axis" in texts["plain"]
    assert "lambda x, o, axis: x * o" in texts["fused"]


def test_a_failing_test_prints_the_program_of_its_shortest_row() -> None:
    made = record(
        row(findings=[violation(row=[0.0, 1.0, 2.0])], error_over_bound=9.0),
        row(findings=[violation(row=[5.0])], error_over_bound=2.0),
        programs={f"{EAGER.versioned} softmax plain": PROGRAM},
    )

    text = terminal.explain(Reading(made), made.observations)

    assert "x = np.array([5.0]" in text.split("reproduce the shortest of them with:")[1]
