"""What is said of one kernel: a value, as JSON and on a screen, and the command that shows a finding again."""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from report_rows import degraded, record, row, violation
from test_terminal import printed

from conformance.frameworks.contract import Contract
from conformance.frameworks.kernel import Kernel
from conformance.reporting import Reading
from conformance.reporting.verdict import Verdict, command, show, verdict
from conformance.values import Choice, Finding, Severity, Target

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.frameworks.base import Program

KERNEL = Target("mine", "numpy", "cpu", version="2.0")


def said(*rows: dict[str, Any], unsupported: dict[str, str] | None = None, **kwargs: Any) -> Verdict:
    skipped = kwargs.pop("skipped", ())
    reading = Reading(record(*rows, targets=[KERNEL], **kwargs))
    found = reading.findings
    kinds = list(found[(found["severity"] == "violation") & ~found["kind"].isin(skipped)]["kind"])
    return verdict(
        reading,
        passed=reading.record.complete and not kinds and not unsupported,
        rejecting=kinds,
        unsupported=unsupported or {},
        skipped=skipped,
        again=lambda finding: f"ask {finding['dtype']} {finding['case']}",
    )


def shown(one: Verdict, width: int = 100) -> str:
    return printed(lambda console: show(one, console), width)


def test_a_kernel_that_passes() -> None:
    text = shown(said(row(KERNEL, grade="stable"), row(KERNEL, dtype="float16", findings=[degraded()], grade="loose")))

    assert "mine: softmax, log_softmax in float32, float16\n" in text
    assert "numpy 2.0 on cpu, tier smoke, 2 questions, 1.0 s" in text
    assert ["float32", "stable", "·", "·", "·", "0.5", "0.25"] in [line.split() for line in text.splitlines()]
    assert ["float16", "loose", "·", "1", "·", "0.5", "0.25"] in [line.split() for line in text.splitlines()]
    assert "\npassed\n" in text
    assert "not proved by the tier smoke: much" in text


def test_each_finding_of_a_dtype_is_told_once_by_its_smallest_case() -> None:
    made = said(
        row(KERNEL, case="long", shape="9", findings=[violation(detail="far")]),
        row(KERNEL, case="short", shape="2", findings=[violation(detail="near")]),
        row(KERNEL, case="narrow", shape="2", findings=[violation(detail="half")], dtype="float16"),
        row(
            KERNEL,
            case="x",
            shape="0",
            findings=[Finding("raised", Severity.VIOLATION, "ValueError", trace=("  File k.py",))],
        ),
        row(KERNEL, case="y", findings=[degraded()]),
        unsupported={"bfloat16": "no such dtype"},
    )
    text = shown(made)

    assert [("float32", "nonfinite", 2, "short"), ("float32", "raised", 1, "x"), ("float16", "nonfinite", 1, "narrow"),
            ("float32", "loose", 1, "y")] == [(f.dtype, f.kind, f.cases, f.case) for f in made.findings]  # fmt: skip
    assert "violation nonfinite in float32, 2 cases: near\n  random/short: index 1, got nan, true 0.5" in text
    assert "\n  ask float32 short\n" in text
    assert "violation raised in float32, 1 case: ValueError\n  random/x\n    File k.py\n  ask float32 x\n" in text
    assert "far" not in text
    assert "failed: nonfinite, raised" in text
    assert "not proved" not in text


def test_other_ends_of_a_check() -> None:
    nowhere = {"float32": "no", "float16": "no"}

    assert "failed: it answered in no dtype" in shown(said(row(KERNEL, outcome="unsupported"), unsupported=nowhere))
    assert "unsupported: no\n" in shown(said(row(KERNEL, outcome="unsupported"), unsupported=nowhere))
    assert "incomplete: the check was interrupted" in shown(said(row(KERNEL), complete=False))
    assert "mine/numpy/cpu: 1 questions not asked" in shown(said(row(KERNEL, outcome="not_asked")))
    inconsistent = said(row(KERNEL, choices=[Choice("q", "a")]), row(KERNEL, choices=[Choice("q", "b")]))
    assert "inconsistent mine: q is a in case" in shown(inconsistent)


def test_a_skipped_check_is_counted_and_shown_nowhere_else() -> None:
    made = said(row(KERNEL, findings=[violation()]), row(KERNEL, findings=[violation()]), skipped=("nonfinite",))

    assert () == made.findings
    assert {"nonfinite": 2} == made.skipped
    assert "skipped: nonfinite, which 2 cases break\npassed\n" in shown(made)


def test_many_kinds_are_cut_short_at_a_terminal_and_not_in_json() -> None:
    made = said(*(row(KERNEL, findings=[violation(f"kind{i}")]) for i in range(15)))

    assert "… and 3 more kinds of finding; --json has them all" in shown(made)
    assert 15 == len(made.as_json()["findings"])


def test_json_holds_everything_and_no_number_that_json_has_not() -> None:
    plain = json.loads(json.dumps(said(row(KERNEL, findings=[violation()], max_ulp=np.inf)).as_json(), allow_nan=False))

    assert "inf" == plain["dtypes"]["float32"]["worst_ulp"]
    [finding] = plain["findings"]
    assert {"index": 1, "got": "nan", "true": 0.5, "bound": 2.0**-24} == finding["lane"]
    assert set(vars(said(row(KERNEL)))) == set(plain)


FILE = """
import numpy
import beside_it

class Kernels:
    @staticmethod
    def first(x, axis):
        return x[:1]

def f(x, axis):
    return x + beside_it.one * axis
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "beside_it.py").write_text("one = 1\n")
    (tmp_path / "my_own.py").write_text(FILE)
    return tmp_path / "my_own.py"


def texts(program: Program) -> tuple[str, str, str, str]:
    return program.setup, program.array, program.define, program.numbers


def run(line: str) -> str:
    """What a command prints in another folder, where nothing of the suite can be imported."""
    python, option, text = shlex.split(line)
    assert ("python", "-c") == (python, option)
    told = f"{text}\nimport sys; print('conformance' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-W", "error", "-c", told], capture_output=True, text=True, check=False, cwd="/"
    )
    assert 0 == done.returncode, done.stderr
    answer, suite = done.stdout.splitlines()
    assert "False" == suite
    return answer


@pytest.mark.parametrize(
    ("x", "dtype", "answer"),
    [
        (2.5, "float64", "1.5"),
        ([0.0, -0.0, 1e300], "float64", "[-1.0, -1.0, 1e+300]"),
        ([[1.0, 2.0], [3.0, np.inf]], "float32", "[[0.0, 1.0], [2.0, inf]]"),
        ([1.0] * 1000, "float16", str([0.0] * 1000)),
        ([np.nan, -np.inf], "bfloat16", "[nan, -inf]"),
        ([], "float32", "[]"),
    ],
)
def test_a_command_shows_an_answer_with_the_kernel_and_numpy_alone(file: Path, x: Any, dtype: str, answer: str) -> None:
    program = Kernel(f"{file}:f").load().program("softmax", "plain", "numpy", "cpu")

    line = command(texts(program), np.array(x, float), dtype=dtype, axis=-1, device="cpu")

    assert "\n" not in line
    assert answer == run(line)


def test_a_command_hands_a_vjp_its_cotangent(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(x, axis, g):\n    return x * g + axis\n")
    kernel = Kernel(f"{tmp_path / 'mine.py'}:f", contract=Contract(op="softmax_vjp"))
    program = texts(kernel.load().program("softmax_vjp", "plain", "numpy", "cpu"))
    x, g = np.array([1.0, 2.0]), np.array([0.5, -3.0])

    line = command(program, x, g, dtype="float32", axis=-1, device="cpu")

    assert "[-0.5, -7.0]" == run(line)
    assert "" == command(program, np.arange(100.0), np.arange(100.0) / 7, dtype="float64", axis=-1, device="cpu")


@pytest.mark.parametrize("name", ["it's.py", "my-kernels.py", "my kernels.py"])
def test_a_file_of_any_name_is_imported(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("def f(x, axis):\n    return x\n")
    program = Kernel(f"{tmp_path / name}:f").load().program("softmax", "plain", "numpy", "cpu")

    assert "[0.5]" == run(command(texts(program), np.array([0.5]), dtype="float32", axis=-1, device="cpu"))


def test_a_command_is_as_long_as_the_place_of_its_file(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a folder with a long name"] * 40)
    deep.mkdir(parents=True)
    file = deep / "it's mine.py"
    file.write_text("def f(x, axis):\n    return x\n")
    program = Kernel(f"{file}:f").load().program("softmax", "plain", "numpy", "cpu")

    assert "[0.5]" == run(command(texts(program), np.array([0.5]), dtype="float32", axis=-1, device="cpu"))


@pytest.mark.parametrize("name", ["f", "Kernels.first"])
def test_a_function_object_is_imported_by_its_module_and_its_name(
    file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(file.parent)
    function: Any = importlib.import_module("my_own")
    for part in name.split("."):
        function = getattr(function, part)
    program = Kernel(function).load().program("softmax", "plain", "numpy", "cpu")
    line = command(texts(program), np.array([0.5, 0.5]), dtype="float32", axis=-1, device="cpu")
    sys.modules.pop("my_own")

    assert {"f": "[-0.5, -0.5]", "Kernels.first": "[0.5]"}[name] == run(line)


def test_what_no_other_program_can_import_says_so() -> None:
    def inner(x: Any, axis: int) -> Any:
        return x + axis

    for function in (inner, lambda x, axis: x + axis):
        program = Kernel(function).load().program("softmax", "plain", "numpy", "cpu")
        assert program.setup.startswith("# f is ")
        assert __file__ in program.setup
        assert "which no other program can import: define it here.\n" in program.setup
        assert "" == command(texts(program), np.array([0.5]), dtype="float32", axis=-1, device="cpu")


def test_an_array_that_nobody_would_copy_has_no_command(file: Path) -> None:
    program = texts(Kernel(f"{file}:f").load().program("softmax", "plain", "numpy", "cpu"))

    rng = np.random.default_rng(0)
    assert "" == command(program, rng.normal(size=400), dtype="float64", axis=-1, device="cpu")
    assert "" == command((), np.array([0.5]), dtype="float64", axis=-1, device="cpu")


def test_decimals_are_as_few_as_the_dtype_needs(file: Path) -> None:
    program = texts(Kernel(f"{file}:f").load().program("softmax", "plain", "numpy", "cpu"))
    tenth = float(np.float32(0.1))

    assert "[0.1, 3.4028235e+38]" in command(
        program, np.array([tenth, float(np.finfo(np.float32).max)]), dtype="float32", axis=-1, device="cpu"
    )
    assert "[0.10000000149011612]" in command(program, np.array([tenth]), dtype="float64", axis=-1, device="cpu")
