"""The hunt climbs, keeps what it finds, and anybody can ask it again."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance.execution.kernel import Kernel, KernelRespondent
from conformance.hunting import WRONG, Hunt, describe
from conformance.values import Target
from reference.formats import FORMATS

if TYPE_CHECKING:
    from pathlib import Path


def stable(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def lost_far_away(x: Any, axis: int) -> Any:
    """Wrong where a gap lies between 60 and 62, which no list of rows would name."""
    t = x - x.max(axis=axis, keepdims=True)
    e = np.exp(t)
    return np.where((t < -60) & (t > -62), 0, e / e.sum(axis=axis, keepdims=True)).astype(x.dtype)


def hunt(function: Any, dtype: str = "float64", length: int = 4) -> Hunt:
    kernel = Kernel(function)
    target = Target(kernel.name, "numpy", "cpu")
    return Hunt(KernelRespondent(kernel.load(), target, "softmax", FORMATS[dtype], must=True), "softmax", dtype, length)


def test_a_narrow_defect_is_found() -> None:
    found = hunt(lost_far_away).run(seconds=60)

    assert found.violated
    assert found.height >= WRONG
    t = found.row - found.row.max()
    assert ((t < -60) & (t > -62)).any()


def test_an_honest_kernel_is_driven_towards_its_bound_and_not_beyond() -> None:
    found = hunt(stable).run(seconds=1)

    assert not found.violated
    assert 0.3 < found.height <= 1


@pytest.mark.parametrize("dtype", FORMATS)
def test_genes_cover_the_format_and_give_valid_rows(dtype: str) -> None:
    format = FORMATS[dtype]
    rows = describe(format, np.random.default_rng(0).random((2000, 5)))

    assert np.array_equal(format.quantise(rows), rows)
    gaps = rows.max(axis=1) - rows.min(axis=1)
    assert (gaps < 1).any()
    assert (gaps > -np.log(format.smallest_subnormal)).any()
    assert (np.abs(rows).max(axis=1) > format.max / 4).any()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "conformance.cli", "hunt", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_what_was_found_is_kept_and_asked_again(tmp_path: Path) -> None:
    file, worst = tmp_path / "kernels.py", tmp_path / "worst.json"
    file.write_text(
        "import numpy as np\ndef naive(x, axis):\n    e = np.exp(x)\n    return e / e.sum(axis=axis, keepdims=True)\n"
    )

    found = run(f"{file}:naive", "--seconds", "20", "--out", str(worst))
    again = run("--replay", str(worst))

    assert (1, 1) == (found.returncode, again.returncode), found.stderr + again.stderr
    kept = json.loads(worst.read_text())
    assert kept["findings"]
    assert all(one["kind"] in again.stdout for one in kept["findings"])
    printed = subprocess.run([sys.executable, "-c", kept["script"]], capture_output=True, text=True, check=True)  # noqa: S603
    assert "nan" in printed.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "whom to hunt?"),
        (("nobody/eager/cpu",), "unknown target"),
        (("nowhere.py:f",), "there is no file"),
        (("torch/eager/cpu", "--replay", "{}/bad.json"), "holds no row"),
        (("torch/eager/cpu", "--replay", "{}/hex.json"), "holds no row"),
        (("{}/k.py:f", "--out", "/proc/no/x.json"), "cannot write to /proc/no"),
    ],
)
def test_bad_usage_is_one_line(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "hex.json").write_text('{"row": ["0xz"]}')

    done = run(*(argument.format(tmp_path) for argument in arguments))

    assert 2 == done.returncode
    assert said in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())
