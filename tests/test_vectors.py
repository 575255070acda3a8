"""Questions go to a machine that has NumPy and nothing else, and its answers come back and are judged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from called import call

from conformance import vectors
from conformance.record import read
from conformance.values import Tier

PAGE = Path(__file__).parents[1] / "docs" / "vectors.md"
SOFTMAX = ("softmax",)
FAMILIES = ("all_equal", "offset", "special", "underflow")


def script() -> str:
    """The program that the page shows."""
    [found] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return str(found)


def answer(folder: Path, program: str) -> None:
    """Run a program beside the questions, in a process that cannot see this project."""
    program += (
        "\nimport sys; assert not [name for name in sys.modules if name.startswith(('conformance', 'reference'))]\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    assert 0 == ended.returncode, ended.stderr


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    vectors.export(tmp_path / "vectors", SOFTMAX, ("float32",), FAMILIES, Tier.SMOKE)
    return tmp_path


def test_a_good_answer_passes_and_the_report_holds_every_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = [part for name in FAMILIES for part in ("--family", name)]

    exported, out, _ = call("export", "vectors", "--op", "softmax", "--dtype", "float32", *chosen, capsys=capsys)
    answer(tmp_path, script())
    judged, _, _ = call("judge", "answers", "--vectors", "vectors", "--out", "report", capsys=capsys)

    assert (0, 0) == (exported, judged)
    rows = read(tmp_path / "report" / "observations.parquet").observations
    assert {"answered"} == set(rows["outcome"])
    assert {"answers/answers/elsewhere"} == set(rows["target"])
    assert f"{rows['case_id'].nunique():,} questions" in out
    assert set(FAMILIES) == set(rows["family"])


def test_a_textbook_answer_is_rejected(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(exported, script().replace(' - x.max(axis=entry["axis"], keepdims=True)', ""))

    status, out, _ = call("judge", str(exported / "answers"), "--vectors", str(exported / "vectors"), capsys=capsys)

    assert 1 == status
    assert "nonfinite" in out


def test_what_has_no_answer_is_said_and_is_status_3(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(exported, script())
    file = exported / "answers" / "softmax-float32.npz"
    with np.load(file) as arrays:
        kept = {name: arrays[name] for name in arrays.files[1:]}
    np.savez(file, **kept)

    status, out, _ = call("judge", str(exported / "answers"), "--vectors", str(exported / "vectors"), capsys=capsys)

    assert 3 == status
    assert "not asked" in out


@pytest.mark.parametrize(
    ("change", "kind"), [(lambda y: y.astype("float64"), "dtype"), (lambda y: y[..., :-1], "shape")]
)
def test_another_dtype_or_shape_is_a_finding(exported: Path, change: object, kind: str) -> None:
    assert callable(change)
    answer(exported, script())
    file = exported / "answers" / "softmax-float32.npz"
    with np.load(file) as arrays:
        np.savez(file, **{name: change(arrays[name]) for name in arrays.files})

    found = vectors.judge(exported / "answers", exported / "vectors", "mine").observations

    assert {kind} == set(found["findings"])


def test_truth_and_bounds_are_those_of_the_rows(exported: Path) -> None:
    index = vectors.read(exported / "vectors")
    with np.load(exported / "vectors" / "softmax-float32.npz") as arrays:
        for entry in index.entries:
            x, truth, rest, stable, loose = (
                arrays[f"{entry.key}.{n}"] for n in ("x", "truth", "rest", "stable", "loose")
            )
            assert {x.shape} == {truth.shape, rest.shape, stable.shape, loose.shape}
            assert "float32" == x.dtype
            finite = np.isfinite(truth) & np.isfinite(stable)
            assert (stable[finite] <= loose[finite]).all()
            with np.errstate(all="ignore"):
                e = np.exp(x.astype("float64") - x.max(entry.axis, keepdims=True))
                error = np.abs(e / e.sum(entry.axis, keepdims=True) - truth - rest)
            assert (error[finite] <= stable[finite]).all()


def test_raw_bits_and_cotangents_come_back_as_the_questions_they_were(tmp_path: Path) -> None:
    index = vectors.export(tmp_path / "v", ("softmax_vjp",), ("bfloat16",), (), Tier.SMOKE)
    np.savez(tmp_path / "softmax_vjp-bfloat16.npz", none=np.zeros(1))

    found = vectors.judge(tmp_path, tmp_path / "v", "mine").observations

    assert {"bfloat16": "uint16"} == index.storage
    assert {"not_asked"} == set(found["outcome"])
    assert {one.id for entry in index.entries for same in entry.cases for one in same} == set(found["case_id"])


def spoil(folder: Path) -> None:
    """Change one bit of one question."""
    file = folder / "vectors" / "softmax-float32.npz"
    with np.load(file) as arrays:
        kept = {name: arrays[name].copy() for name in arrays.files}
    first = next(array for name, array in kept.items() if name.endswith(".x"))
    first.view("uint32").flat[0] ^= 1
    np.savez(file, **kept)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (spoil, "is not the question"),
        (
            lambda folder: (folder / "vectors" / "softmax-float32.npz").write_bytes(b"no zip"),
            "vectors/softmax-float32.npz: it is no",
        ),
        (lambda folder: (folder / "vectors" / "vectors.json").write_text("{"), "vectors.json: "),
        (
            lambda folder: (folder / "vectors" / "vectors.json").write_text(json.dumps({"version": 1})),
            "the field is missing",
        ),
        (lambda folder: (folder / "vectors" / "vectors.json").unlink(), "`conformance export"),
        (
            lambda folder: (folder / "answers" / "softmax-float32.npz").unlink(),
            "holds no answers; wanted are softmax-float32",
        ),
        (
            lambda folder: (folder / "answers" / "softmax-float32.npz").write_bytes(b""),
            "answers/softmax-float32.npz: it is no",
        ),
    ],
)
def test_damage_is_one_line(exported: Path, damage: object, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(damage)
    (exported / "answers").mkdir()
    np.savez(exported / "answers" / "softmax-float32.npz", none=np.zeros(1))
    damage(exported)

    status, _, err = call("judge", str(exported / "answers"), "--vectors", str(exported / "vectors"), capsys=capsys)

    assert (2, 1) == (status, len(err.splitlines())), err
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "v", "--op", "softmx"), "did you mean 'softmax'"),
        (("export", "v", "--tier", "smok"), "did you mean 'smoke'"),
        (("export", "v", "--family", "dtypes"), "nothing to export"),
        (("export", "."), "holds other files"),
        (("judge", "a"), "Missing option '--vectors'"),
        (("judge", "a", "--vectors", "v", "--name", "a/b"), "a name without"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").touch()

    status, _, err = call(*arguments, capsys=capsys)

    assert (2, 1) == (status, len(err.splitlines())), err
    assert message in err
