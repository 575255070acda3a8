"""The script of a finding asks what was asked, bit for bit, sees its fault, and needs nothing of this suite."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from report_rows import CONTROL, EAGER, JIT, handed, record, row, violation

from conformance.frameworks.base import LAYOUTS, Program
from conformance.judgement.checks import kinds
from conformance.record.exhibit import exhibit_as_text
from conformance.reporting import Reading, terminal
from conformance.reporting.scripts import literal, script, script_of
from conformance.reporting.symptoms import SYMPTOMS
from conformance.values import Exhibit, Finding, Inputs, Severity, Witness

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NUMBERS = "def numbers(y):\n    y = np.asarray(y)\n    return y.dtype.name, y.tolist()"
PROGRAM = (
    "import numpy as np",
    "np.array({values}, dtype='float64').astype('{dtype}')  # on {device}",
    "f = lambda x, axis: x",
    NUMBERS,
)
FUSED = (*PROGRAM[:2], "f = lambda x, o, axis: x * o", NUMBERS)

PLAIN = {"op": "softmax", "dtype": "float32", "way": "plain", "axis": -1, "layout": "", "cotangent_layout": ""}


def run(text: str, folder: Path) -> tuple[int, str]:
    """Status and output of a script: in this process, or of one that forks in its own."""
    assert "conformance" not in text.partition("import")[2]
    if "os.fork" in text:
        (folder / "script.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-I", "script.py"], capture_output=True, text=True, check=False, cwd=folder
        )
        return done.returncode, done.stdout.strip()
    said, status = io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(said), np.errstate(all="ignore"):
            exec(text, {})  # noqa: S102 - our own text
    except SystemExit as end:
        status = int(end.code or 0)
    return status, said.getvalue().strip()


def finding(kind: str = "accuracy", **witness: Any) -> Finding:
    """A finding about the last of two lanes, whose truth is a quarter."""
    lane = {"index": 1, "logit": 0.0, "got": 0.0, "expected": 0.25, "rest": 0.0, "bound": 2.0**-20} | witness
    return Finding(kind, Severity.VIOLATION, "so", Witness(**lane))


def seen(text: str, exhibit: Exhibit, found: Finding | None, folder: Path, **columns: Any) -> tuple[int, str]:
    """What a script says whose function is ``text``."""
    program = Program(*PROGRAM[:2], f"def f(x, axis):\n    {text}", NUMBERS)
    return run(script(PLAIN | columns, found, exhibit, program, "cpu", seconds=2.5, memory=4.0), folder)


@pytest.mark.parametrize(
    "runs",
    [
        [(0.0, 1), (-0.0, 1), (math.inf, 1), (-math.inf, 1), (math.nan, 1)],
        [(1e-45, 1), (0.1, 1), (-1e300, 1)],
        [(0.0, 1000)],
        [(-0.0, 3), (0.0, 3)],
        [(1.0, 1), (-math.inf, 50), (2.0, 1), (3.0, 1), (math.nan, 9)],
        [],
    ],
)
def test_a_literal_is_the_same_bits(runs: list[tuple[float, int]]) -> None:
    back = eval(literal(runs))  # noqa: S307 - our own text

    assert [struct.pack("d", value) for value, count in runs for _ in range(count)] == [
        struct.pack("d", value) for value in back
    ]


def test_a_long_row_of_few_numbers_is_a_short_text() -> None:
    assert "[1.0] + [0.0] * 99999" == literal([(1.0, 1), (0.0, 99_999)])
    assert "[1.0, 2.0, 2.0, 3.0]" == literal([(1, 1), (2, 2), (3, 1)])


@pytest.mark.parametrize("x", [[1.0, -2.5], [[0.5, -0.0], [math.inf, 7.0]], 3.0, np.zeros((0, 3)), np.zeros(100_000)])
def test_a_script_without_a_finding_prints_the_answer(x: Any, tmp_path: Path) -> None:
    handed_over = Exhibit(Inputs(np.array(x), "float16"))

    status, said = seen("return x", handed_over, None, tmp_path)

    assert 0 == status
    assert repr(np.array(x, np.float16).tolist()) == said


@pytest.mark.parametrize("count", [300, 70_000])
def test_a_row_of_many_numbers_is_handed_over_bit_for_bit(count: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=count).astype(np.float32).astype(float)

    status, said = seen(
        "return [math.fsum(x.tolist()), len(x)]\nimport math", Exhibit(Inputs(x, "float32")), None, tmp_path
    )

    assert (0, repr([math.fsum(x), float(count)])) == (status, said)


def test_rows_that_travelled_together_are_asked_in_an_array_of_that_shape(tmp_path: Path) -> None:
    """A fault that only the fourth of five rows has is seen."""
    asked = Exhibit(Inputs(np.array([0.0, 0.0]), "float32"), rows=5, place=3)
    faulty = "return np.where(np.arange(len(x))[:, None] == 3, 0.5, 0.25) * np.ones_like(x)"

    assert (1, "answer 0.5 truth 0.25 bound 9.5367431640625e-07") == seen(faulty, asked, finding(), tmp_path)
    assert (0, "[5, 2]") == seen("return x.shape", asked, None, tmp_path)


def test_operand_and_cotangent_are_handed_over(tmp_path: Path) -> None:
    parts = Inputs(np.array([3.0, 4.0]), "int8", np.array([2.0]), np.array([1.0, 0.5]))
    program = Program(
        *PROGRAM[:2], "f = lambda x, o, axis, g: [str(x.dtype), str(g.dtype), *(x * o * g).tolist()]", NUMBERS
    )

    text = script(PLAIN | {"way": "multiply"}, None, Exhibit(parts), program, "cpu", seconds=1, memory=1)

    assert (0, "['int8', 'float32', '6.0', '4.0']") == run(text, tmp_path)
    assert "# on cpu" in text


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_array_lies_in_memory_as_it_was_asked(layout: str, tmp_path: Path) -> None:
    equal = {"broadcast": np.ones(1), "broadcast-axis": np.arange(3.0)[:, None]}
    x = np.broadcast_to(equal.get(layout, np.arange(2.0)), (3, 2))
    due = {
        "transposed": (4, 12), "heads": (4, 12), "step": (16, 8), "reversed": (8, -4), "offset": (8, 4),
        "broadcast": (0, 0), "broadcast-row": (0, 4), "broadcast-axis": (4, 0),
    }  # fmt: skip

    told = seen(
        "return [*x.strides, *x.ravel().tolist()]", Exhibit(Inputs(x, "float32")), None, tmp_path, layout=layout
    )

    assert (0, repr([*map(float, due[layout]), *x.ravel().tolist()])) == told


def test_a_cotangent_lies_in_memory_as_it_was_asked(tmp_path: Path) -> None:
    asked = Exhibit(Inputs(np.zeros((3, 2)), "float32", cotangent=np.full((3, 2), 2.0)))
    program = Program(*PROGRAM[:2], "f = lambda x, axis, g: [*x.strides, *g.strides, *g.ravel().tolist()]", NUMBERS)

    text = script(PLAIN | {"cotangent_layout": "broadcast"}, None, asked, program, "cpu", seconds=1, memory=1)

    assert (0, repr([8.0, 4.0, 0.0, 0.0, *[2.0] * 6])) == run(text, tmp_path)


ROW = handed(0.0, 0.0)
LANES: list[tuple[Finding, str, str]] = [
    (finding("accuracy"), "[0.5, 0.26]", "[0.5, 0.25]"),
    (finding("accuracy"), "[0.5, float('nan')]", "[0.5, 0.25 + 2**-20]"),
    (finding("accuracy", rest=2.0**-21), "[0.5, 0.25 - 2**-20]", "[0.5, 0.25 + 2**-20]"),
    (finding("loose"), "[0.5, 0.25 + 2**-19]", "[0.5, 0.25 - 2**-20]"),
    (finding("lost_normal"), "[1.0, 0.0]", "[0.5, 0.25]"),
    (finding("nonfinite"), "[0.0, float('inf')]", "[0.5, 0.25]"),
    (finding("nonfinite", expected=math.nan), "[0.0, 0.25]", "[0.0, float('nan')]"),
    (finding("nonfinite", expected=-math.inf, bound=math.nan), "[0.0, -3.0]", "[0.0, -float('inf')]"),
    (finding("range"), "[0.5, 1.0000001]", "[0.5, 1.0]"),
    (finding("order", beside=0), "[0.5, 0.4]", "[0.5, 0.5]"),
    (finding("ties", beside=0), "[0.5, 0.6]", "[0.5, 0.5]"),
    (finding("row_sum"), "[0.5, 0.6]", "[0.5, 0.5 + 2**-21]"),
    (finding("zero_sum", expected=0.0), "[0.5, -0.6]", "[0.5, -0.5 + 2**-21]"),
    (finding("unnamed_policy", expected=0.5), "[0.5, float('nan')]", "[0.5, 0.5]"),
    (finding("unnamed_policy", expected=0.5), "[0.0, 0.7]", "[0.0, 0.0]"),
    (finding("raised"), "x.nothing", "x"),
    (finding("no_error"), "x", "x.nothing"),
    (finding("dtype"), "x.astype('float64')", "x"),
    (finding("shape"), "x[:1]", "x"),
    (finding("input_written"), "x.__setitem__(0, 5.0) or x", "x"),
    (finding("unrepeatable"), "[float(__import__('time').perf_counter_ns())]", "x"),
    (finding("crashed"), "__import__('os').abort()", "x"),
    (finding("timed_out"), "__import__('time').sleep(60)", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "wrong", "right"), LANES, ids=lambda value: getattr(value, "kind", None))
def test_a_script_ends_with_one_while_the_fault_is_there_and_with_zero_once_it_is_gone(
    found: Finding, wrong: str, right: str, tmp_path: Path
) -> None:
    faulty, healed = (seen(f"return {text}", ROW, found, tmp_path) for text in (wrong, right))

    assert (1, 0) == (faulty[0], healed[0])
    for _, said in (faulty, healed):
        assert ["answer", "truth", "bound"] == [word for word in said.split() if word in ("answer", "truth", "bound")]


def test_a_log_probability_may_be_as_far_beyond_zero_as_its_bound(tmp_path: Path) -> None:
    found = finding("range", expected=-(2.0**-30), bound=2.0**-20)

    told = [seen(f"return [-3.0, {got}]", ROW, found, tmp_path, op="log_softmax")[0] for got in ("2**-19", "2**-21")]

    assert [1, 0] == told


@pytest.mark.parametrize(
    ("got", "status"), [("[0.0, nan]", 0), ("[0.0, 1.0]", 0), ("[nan, nan]", 0), ("[0.5, 0.5]", 1), ("[nan, 1.0]", 1)]
)
def test_a_row_with_an_infinity_has_three_names(got: str, status: int, tmp_path: Path) -> None:
    found = finding("unnamed_policy", expected=1.0)

    assert status == seen(f"nan = np.nan\n    return {got}", handed(0.0, math.inf), found, tmp_path)[0]


def test_a_process_that_takes_too_much_memory_is_seen(tmp_path: Path) -> None:
    program = Program(*PROGRAM[:2], "f = lambda x, axis: np.ones(2**26)[:2]", NUMBERS)
    texts = [
        script(PLAIN, finding("out_of_memory"), ROW, program, "cpu", seconds=60, memory=memory)
        for memory in (0.25, 8.0)
    ]

    assert [1, 0] == [run(text, tmp_path)[0] for text in texts]


def test_every_kind_of_finding_has_a_script_but_a_side_effect() -> None:
    assert set(kinds()) - {"side_effect"} == set(SYMPTOMS)


def test_a_script_is_that_of_its_target_op_and_way() -> None:
    programs = {f"{EAGER.versioned} softmax plain": PROGRAM, f"{EAGER.versioned} softmax multiply": FUSED}
    made = record(
        row(EAGER, findings=[violation()], case="plain"),
        row(EAGER, findings=[violation()], case="fused", way="multiply",
            inputs=exhibit_as_text(handed(1.0, 2.0, operand=[2.0]))),
        row(EAGER, findings=[violation()], case="other op", op="log_softmax"),
        row(EAGER, findings=[violation()], case="not kept", inputs=""),
        row(EAGER, findings=[violation("side_effect")], case="side effect"),
        row(JIT, findings=[violation()], case="other target"),
        row(CONTROL, findings=[violation()], case="control"),
        programs=programs,
    )  # fmt: skip
    texts = {
        r["case"]: script_of(made, r, violation("side_effect" if r["case"] == "side effect" else "nonfinite"))
        for r in made.observations.to_dict("records")
    }

    assert {"plain", "fused"} == {case for case, text in texts.items() if text}
    assert "lambda x, axis" in texts["plain"]
    assert "lambda x, o, axis: x * o" in texts["fused"]
    heading = texts["plain"].splitlines()[:3]
    assert ["# f/eager/cpu 1.0: softmax of float32", "# violation nonfinite: returned nan"] == heading[:2]
    assert "# Case random/plain, seen on x86_64/avx512." == heading[2]


@pytest.mark.parametrize(
    ("found", "columns"),
    [
        (finding(index=2), {}),
        (finding(index=-1), {}),
        (finding("ties"), {}),
        (finding("order", beside=2), {}),
        (Finding("accuracy", Severity.VIOLATION, "no lane"), {}),
        (Finding("no such kind", Severity.VIOLATION, "so"), {}),
        (finding(), {"layout": "no such layout"}),
    ],
)
def test_a_damaged_record_has_no_script_there(found: Finding, columns: dict[str, Any]) -> None:
    made = record(row(findings=[found], **columns), programs={f"{EAGER.versioned} softmax plain": PROGRAM})

    assert "" == script_of(made, made.observations.loc[0].to_dict(), found)


def test_what_a_framework_says_cannot_leave_the_comment() -> None:
    made = record(row(findings=[violation()]), programs={f"{EAGER.versioned} softmax plain": PROGRAM})
    hostile = Finding("raised", Severity.VIOLATION, "raised E: \nimport os\x1b[31m")

    text = script_of(made, made.observations.loc[0].to_dict(), hostile)

    assert r"# violation raised: raised E: \nimport os\x1b[31m" in text.splitlines()


def test_a_failing_test_prints_the_script_of_its_smallest_array() -> None:
    def made(x: Sequence[float], error: float) -> dict[str, Any]:
        return row(findings=[violation()], error_over_bound=error, x=x)

    both = record(
        made([0.0, 1.0, 2.0], 9.0), made([5.0, 6.0], 2.0), programs={f"{EAGER.versioned} softmax plain": PROGRAM}
    )

    text = terminal.explain(Reading(both), both.observations)

    assert "x = numpy.array([5.0, 6.0])" in text.split("reproduce the smallest of them with:")[1]
