"""``conformance reproduce`` prints a script that runs anywhere, or says in one line why there is none."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from called import call
from report_rows import CONTROL, EAGER, record, row, violation

from conformance import cases
from conformance import record as records
from conformance.record import Record, findings
from conformance.record.exhibit import exhibit_as_text
from conformance.record.rows import observation_row
from conformance.values import Answered, Exhibit, Grade, Judgement, Severity, Target, Tier
from reference.formats import FORMATS
from reference.ops import SOFTMAX

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = (
    "import numpy as np",
    "np.array({values}, dtype='float64').astype('{dtype}')",
    "def f(x, axis):\n    return x * np.nan",
    "def numbers(y):\n    return y.dtype.name, y.tolist()",
)
NEW = Target("f", "eager", "cpu", version="10.0")


def programs(*targets: Target) -> dict[str, Any]:
    return {f"{target.versioned} softmax plain": PROGRAM for target in targets}


@pytest.fixture
def told(tmp_path: Path) -> tuple[Record, str]:
    """A record of two versions and a control, and the folder it is in."""
    merged = records.merge(
        [
            ("one", record(row(EAGER, case="a", findings=[violation()]), run="one", programs=programs(EAGER))),
            ("two", record(row(NEW, case="a", findings=[violation()]), row(CONTROL, findings=[violation("range")]),
                           row(NEW, case="b", findings=[violation("side_effect", "printed a line")]),
                           run="two", programs=programs(NEW))),
        ]
    )  # fmt: skip
    folder = tmp_path / "report"
    folder.mkdir()
    records.write(merged, folder / "observations.parquet")
    return merged, str(folder)


def id_of(told: Record, kind: str = "nonfinite") -> str:
    found = findings(told)
    return str(found[found["kind"] == kind]["id"].iloc[0])


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    status, out, err = call("reproduce", *arguments, capsys=capsys)
    assert (2, "", 1) == (status, out, len(err.splitlines()))
    return err


def test_a_script_runs_from_any_folder_and_ends_with_one(
    told: tuple[Record, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, folder = told
    status, text, err = call("reproduce", id_of(made), "--record", folder, capsys=capsys)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "fault.py").write_text(text)

    done = subprocess.run(
        [sys.executable, "-I", "fault.py"], cwd=elsewhere, capture_output=True, text=True, check=False
    )

    assert (0, "") == (status, err)
    assert "# f/eager/cpu 10.0: softmax of float32" == text.splitlines()[0]
    assert (1, "answer nan truth 0.5 bound 5.960464477539063e-08\n", "") == (done.returncode, done.stdout, done.stderr)


def test_a_parquet_file_does_as_well_and_a_version_can_be_named(
    told: tuple[Record, str], capsys: pytest.CaptureFixture[str]
) -> None:
    made, folder = told

    _, text, _ = call("reproduce", f"{id_of(made)}@1.0", "--record", f"{folder}/observations.parquet", capsys=capsys)

    assert "# f/eager/cpu 1.0: softmax of float32" == text.splitlines()[0]
    message = refused(f"{id_of(made)}@2.0", "--record", folder, capsys=capsys)
    assert "has the finding" in message
    assert "at 1.0, 10.0, not at '2.0'" in message


def test_an_unknown_id_is_one_line_with_the_nearest(
    told: tuple[Record, str], capsys: pytest.CaptureFixture[str]
) -> None:
    made, folder = told
    right = id_of(made)

    message = refused(f"{right[:-1]}x", "--record", folder, capsys=capsys)

    assert f"has no finding '{right[:-1]}x'; the nearest ids: {right}, " in message


def test_what_has_no_script_is_one_line(told: tuple[Record, str], capsys: pytest.CaptureFixture[str]) -> None:
    made, folder = told

    assert "is of the textbook control definition" in refused(id_of(made, "range"), "--record", folder, capsys=capsys)
    assert "is a side_effect finding" in refused(id_of(made, "side_effect"), "--record", folder, capsys=capsys)
    assert "no such file or directory" in refused("x", "--record", f"{folder}/none", capsys=capsys).lower()


def test_an_issue_says_what_a_maintainer_needs(told: tuple[Record, str], capsys: pytest.CaptureFixture[str]) -> None:
    made, folder = told

    status, text, _ = call("reproduce", id_of(made), "--record", folder, "--issue", capsys=capsys)
    _, script, _ = call("reproduce", id_of(made), "--record", folder, capsys=capsys)

    assert 0 == status
    assert "# softmax of float32, eager: returned nan" == text.splitlines()[0]
    assert "- expected: 0.5 (`0x1.0000000000000p-1`), within 5.960464477539063e-08" in text
    assert "- got: nan (`nan`)" in text
    assert (
        "Why this is wrong: returned nan. The rule is: NaN and ±inf stand exactly where the truth has them.\n" in text
    )
    assert script in text
    for version in ("- f 10.0", "- numpy 2.0.0", "- python 3.12.1", "- cpu, CPU of two (x86_64/avx512), Linux"):
        assert version in text


def too_large(seed: int) -> tuple[Record, Exhibit]:
    """A record that has no room for the array of its one finding, of the seed 3, and that array."""
    case = next(
        case for case in cases.cases(FORMATS["float32"], (SOFTMAX,), families=("random",), tier=Tier.SMOKE, seed=3)
        if case.stacks and case.logits.size > 64
    )  # fmt: skip
    judgement = Judgement(Grade.DIVERGENT, Severity.VIOLATION, (violation(),))
    made = observation_row(EAGER, case, Answered("float32", (), case.logits[:0], 0.0), judgement,
                           exhibit=Exhibit(None, 5, 4))  # fmt: skip
    one = record(made, run="one", programs=programs(EAGER))
    (part,) = one.parts
    plan = dataclasses.replace(part.header.plan, seed=seed, questions="0123456789abcdef")
    header = dataclasses.replace(part.header, plan=plan)
    return dataclasses.replace(one, parts=(dataclasses.replace(part, header=header),)), Exhibit(case.inputs, 5, 4)


def test_an_array_that_the_record_has_no_room_for_is_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, due = too_large(seed=3)
    kept = dataclasses.replace(made, observations=made.observations.assign(inputs=exhibit_as_text(due)))
    texts = []
    for name, one in (("without", made), ("with", kept)):
        records.write(one, tmp_path / f"{name}.parquet")
        texts.append(call("reproduce", id_of(one), "--record", str(tmp_path / f"{name}.parquet"), capsys=capsys)[1])

    assert texts[0] == texts[1]
    assert "numpy.tile(" in texts[0]
    assert "nonfinite" in texts[0]


def test_an_array_is_not_made_again_from_other_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, _ = too_large(seed=4)
    records.write(made, tmp_path / "r.parquet")

    message = refused(id_of(made), "--record", str(tmp_path / "r.parquet"), capsys=capsys)

    assert "is too large for the record, and softmax-conformance 1 with the questions 0123456789abcdef" in message
