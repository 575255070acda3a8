"""The hunt climbs, keeps what it finds, and anybody can ask it again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands import SIGNALS, one_line, until

from conformance import hunting
from conformance.asking import plan
from conformance.asking.connections import Limits
from conformance.asking.interpreters import is_kernel
from conformance.asking.pool import Invitation
from conformance.hunting import WRONG, Hunt, cotangents_of, population, rows_of
from reference.formats import FORMATS
from reference.ops import SOFTMAX

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from commands import Bench

KERNELS = """
import ctypes, os, pathlib, time
import numpy as np

def stable(x, axis):
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

def naive(x, axis):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)

def gradient(x, axis, g):
    p = stable(x, axis)
    return p * (g - (p * g).sum(axis=axis, keepdims=True))

def without_mean(x, axis, g):
    return stable(x, axis) * g

def of_saved(y, axis, g):
    return y * (g - (y * g).sum(axis=axis, keepdims=True))

of_saved.softmax_contract = {"op": "softmax_vjp", "saved": True}

def of_saved_without_mean(y, axis, g):
    return y * g

def narrow(x, axis):
    assert x.ndim == 3 and axis == -1 and x.shape[-1] in (4, 8, 16), (x.shape, axis)
    return naive(x, axis)

narrow.softmax_contract = {"rank": 3, "lengths": "multiple-of-4,<=16"}

def crashes(x, axis):
    if np.abs(x).max() > 1e30:
        ctypes.string_at(0)
    return stable(x, axis)

def hangs(x, axis):
    if np.abs(x).max() > 1e30:
        time.sleep(600)
    return stable(x, axis)

def speaks_in_escapes(x, axis):
    raise IndexError("a\\ud800\\x00\\x1b[31m<script>")

def counts(x, axis):
    with open(os.environ["COUNT"], "a") as file:
        file.write("x")
    return stable(x, axis)
"""


def stable(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def lost_far_away(x: Any, axis: int) -> Any:
    """Wrong where a gap lies between 60 and 62, which no list of rows would name."""
    t = x - x.max(axis=axis, keepdims=True)
    e = np.exp(t)
    return np.where((t < -60) & (t > -62), 0, e / e.sum(axis=axis, keepdims=True)).astype(x.dtype)


def hunt(function: Any, dtype: str = "float64", length: int = 4) -> Hunt:
    """A search of a function in this process."""
    asker = Invitation("numpy", kernel=function).asker(Limits())
    [target] = plan.targets(asker.start())
    return Hunt(asker, target, SOFTMAX, dtype, length)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kernels.py"
    path.write_text(KERNELS)
    return path


def test_a_narrow_defect_is_found() -> None:
    found = hunt(lost_far_away).run(seconds=60)

    assert found.violated
    assert found.error_over_bound >= WRONG
    t = found.row - found.row.max()
    assert ((t < -60) & (t > -62)).any()


def test_an_honest_kernel_is_driven_towards_its_bound_and_not_beyond() -> None:
    found = hunt(stable).run(seconds=1)

    assert not found.violated
    assert 0.3 < found.error_over_bound <= 1


def test_the_same_seed_asks_the_same_rows() -> None:
    rows = []
    for seed in (1, 1, 2):
        search = hunt(stable)
        search.run(seconds=0.0, seed=seed)
        assert search.best is not None
        rows.append(search.best[1].tolist())

    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize("dtype", FORMATS)
def test_genes_cover_the_format_and_give_valid_rows(dtype: str) -> None:
    format = FORMATS[dtype]
    rows = rows_of(format, np.random.default_rng(0).random((2000, 5)))

    assert np.array_equal(format.quantise(rows), rows)
    gaps = rows.max(axis=1) - rows.min(axis=1)
    assert (gaps < 1).any()
    assert (gaps > -np.log(format.smallest_subnormal)).any()
    assert (np.abs(rows).max(axis=1) > format.max / 4).any()


@pytest.mark.parametrize("length", [1, 8, 200, 4096])
def test_a_generation_of_long_rows_is_small(length: int) -> None:
    genes = population(length + 1, np.random.default_rng(0))

    assert 16 <= len(genes) <= 256
    assert genes.shape[1] == length + 1
    assert genes.size <= 2**17 or 16 == len(genes)


def test_the_longest_rows_are_searched_in_time(bench: Bench, file: Path) -> None:
    start = time.monotonic()
    done = bench.run("hunt", f"{file}:stable", "--seconds", "0.5", "--length", "4096")

    assert 0 == done.returncode, done.stderr
    assert "rows of 4096 asked" in done.stdout
    assert time.monotonic() - start < 60  # and not the minutes of a population of 20,000 such rows


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("my.py:f", True),
        ("a/b/my.py:f", True),
        ("package.module:f", True),
        ("torch/eager/cpu", False),
        ("torch/eager/cuda:0", False),
        ("keras:numpy", False),
        ("keras:numpy/ops", False),
        ("tensorflow:onednn-off@2.21.0/eager/cpu", False),
        ("torch:softmax", True),
    ],
)
def test_a_kernel_and_a_target_are_told_apart(name: str, kernel: bool) -> None:
    assert kernel == is_kernel(name)


def test_what_was_found_is_kept_and_asked_again(bench: Bench, file: Path) -> None:
    worst = bench.folder / "worst.json"

    found = bench.run("hunt", f"{file}:naive", "--seconds", "20", "--out", str(worst))
    again = bench.run("hunt", "--replay", str(worst))
    good = bench.run("hunt", f"{file}:stable", "--replay", str(worst))

    assert (1, 1, 0) == (found.returncode, again.returncode, good.returncode), found.stderr + again.stderr + good.stderr
    kept = json.loads(worst.read_text())
    assert kept["findings"]
    assert kept["row"] == [value.hex() for value in hunting.read_case(worst)["row"].tolist()]
    assert all(one["kind"] in again.stdout for one in kept["findings"])
    printed = subprocess.run([sys.executable, "-c", kept["script"]], capture_output=True, text=True, check=False)  # noqa: S603
    assert 1 == printed.returncode, printed.stderr
    assert printed.stdout.startswith("answer nan truth ")


def test_a_gradient_is_searched_with_its_cotangent(bench: Bench, file: Path) -> None:
    worst = bench.folder / "worst.json"

    found = bench.run("hunt", f"{file}:without_mean", "--op", "softmax_vjp", "--seconds", "20", "--out", str(worst))
    again = bench.run("hunt", "--replay", str(worst))
    good = bench.run("hunt", f"{file}:gradient", "--replay", str(worst))
    searched = bench.run("hunt", f"{file}:gradient", "--op", "softmax_vjp", "--seconds", "1")

    assert (1, 1, 0, 0) == (found.returncode, again.returncode, good.returncode, searched.returncode), found.stderr
    kept = hunting.read_case(worst)
    assert kept["row"].shape == kept["cotangent"].shape == (8,)
    printed = subprocess.run([sys.executable, "-c", kept["script"]], capture_output=True, text=True, check=False)  # noqa: S603
    assert 1 == printed.returncode, printed.stderr

    for broken in ([], ["0x1p0"]):
        worst.write_text(json.dumps(json.loads(worst.read_text()) | {"cotangent": broken}))
        assert "has a cotangent of" in one_line(bench.run("hunt", "--replay", str(worst)).stderr)


def test_a_backward_pass_of_what_was_saved_is_searched(bench: Bench, file: Path) -> None:
    """The row that is kept is the logits, from which what was saved is made again."""
    worst = bench.folder / "worst.json"

    found = bench.run("hunt", f"{file}:of_saved_without_mean", "--op", "softmax_vjp", "--saved", "--seconds", "20",
                      "--out", str(worst))  # fmt: skip
    again = bench.run("hunt", "--replay", str(worst))
    good = bench.run("hunt", f"{file}:of_saved", "--replay", str(worst))
    searched = bench.run("hunt", f"{file}:of_saved", "--seconds", "1")

    assert (1, 1, 0, 0) == (found.returncode, again.returncode, good.returncode, searched.returncode), found.stderr
    assert searched.stdout.startswith(f"{file}:of_saved softmax_vjp float32: ")
    kept = hunting.read_case(worst)
    assert kept["saved"]
    assert kept["row"].min() < 0 or kept["row"].max() > 1, "these are probabilities"
    printed = subprocess.run([sys.executable, "-c", kept["script"]], capture_output=True, text=True, check=False)  # noqa: S603
    assert 1 == printed.returncode, printed.stderr


def test_a_kernel_is_searched_within_its_contract(bench: Bench, file: Path) -> None:
    worst = bench.folder / "worst.json"

    found = bench.run("hunt", f"{file}:narrow", "--length", "30", "--seconds", "20", "--out", str(worst))
    again = bench.run("hunt", "--replay", str(worst))

    assert (1, 1) == (found.returncode, again.returncode), found.stderr + again.stderr
    kept = hunting.read_case(worst)
    assert kept["row"].shape == (16,)
    assert "raised" not in [one["kind"] for one in kept["findings"]]
    printed = subprocess.run([sys.executable, "-c", kept["script"]], capture_output=True, text=True, check=False)  # noqa: S603
    assert 1 == printed.returncode, printed.stderr


@pytest.mark.parametrize("dtype", FORMATS)
def test_a_cotangent_has_zeros_and_many_binades(dtype: str) -> None:
    format = FORMATS[dtype]

    found = cotangents_of(format, np.random.default_rng(0).random((2000, 8)))

    assert (found == 0).any()
    size = np.abs(found[found != 0])
    assert np.isfinite(found).all()
    assert size.min() < 2.0 ** (0.9 * max(-format.precision, format.emin))
    assert size.max() > 2.0 ** (0.9 * min(format.precision, np.log2(format.max) - 5))


def test_a_framework_is_searched_in_its_worker(bench: Bench) -> None:
    done = bench.run("hunt", "drill/eager/cpu", "--seconds", "0.2")
    log = bench.run("hunt", "drill/eager/cpu", "--op", "log_softmax")

    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith("drill/eager/cpu softmax float32: ")
    assert 2 == log.returncode
    assert "drill/eager/cpu log_softmax float32: no log_softmax" in one_line(log.stderr)


@pytest.mark.parametrize(
    ("name", "options", "kind", "said"),
    [
        ("crashes", (), "crashed", "ended by SIGSEGV"),
        ("hangs", ("--timeout", "1"), "timed_out", "no answer within 1 s"),
        ("speaks_in_escapes", (), "raised", r"IndexError: a\ud800\x00\x1b[31m<script>"),
    ],
)
def test_an_end_of_the_worker_is_the_worst_that_can_be_found(
    name: str, options: tuple[str, ...], kind: str, said: str, bench: Bench, file: Path
) -> None:
    worst = bench.folder / "worst.json"

    done = bench.run("hunt", f"{file}:{name}", "--seconds", "60", "--out", str(worst), *options)

    assert (1, "") == (done.returncode, done.stderr)
    assert f"violation {kind}: " in done.stdout
    assert said in done.stdout
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert [kind] == [finding["kind"] for finding in json.loads(worst.read_text())["findings"]]
    if name != "speaks_in_escapes":
        assert max(abs(float.fromhex(value)) for value in json.loads(worst.read_text())["row"]) > 1e30


@pytest.mark.parametrize("number", SIGNALS)
def test_what_was_found_is_kept_where_the_search_is_interrupted(
    number: signal.Signals, bench: Bench, file: Path
) -> None:
    worst, count = bench.folder / "worst.json", bench.folder / "count"
    search = bench.start("hunt", f"{file}:counts", "--seconds", "600", "--out", str(worst), COUNT=str(count))
    until(lambda: search.poll() is not None or (count.exists() and count.stat().st_size > 12))
    search.send_signal(number)
    out, err = search.communicate(timeout=60)

    assert (0, "") == (search.returncode, err)
    assert "the worst is stable" in out
    assert 8 == len(hunting.read_case(worst)["row"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "what to search?"),
        (("nobody/eager/cpu",), "unknown target"),
        (("drill/eager/cuda:15",), "'drill/eager/cuda:15' is not here"),
        (("nowhere.py:f",), "there is no file"),
        (("drill/eager/cpu", "--replay", "{}/bad.json"), "holds no row"),
        (("drill/eager/cpu", "--replay", "{}/hex.json"), "holds no row"),
        (("drill/eager/cpu", "--replay", "{}/nowhere.json"), "does not exist"),
        (("{}/k.py:f", "--out", "/proc/no/x.json"), "cannot write to /proc/no"),
        (("{}/k.py:f", "--out", "{}"), "is a folder"),
        (("{}/k.py:f", "--length", "0"), "--length"),
        (("{}/k.py:f", "--length", "5000"), "--length"),
    ],
)
def test_bad_usage_is_one_line(arguments: tuple[str, ...], said: str, bench: Bench) -> None:
    (bench.folder / "bad.json").write_text("{")
    (bench.folder / "hex.json").write_text('{"row": ["0xz"]}')

    done = bench.run("hunt", *(argument.format(bench.folder) for argument in arguments))

    assert (2, "") == (done.returncode, done.stdout)
    assert said in one_line(done.stderr)
