"""One's own kernel: the verdict, the exit status, and every way in which a kernel can misbehave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands import ROOT, SIGNALS, ledger, one_line, until
from first_minutes import AFTER, BEFORE, CHECK

import conformance as package
from conformance import record as records
from conformance.api import Violations
from conformance.asking.plan import UnknownName
from conformance.cli import status
from conformance.cli.reproduce import exhibit_for
from conformance.frameworks.kernel import BadKernel
from conformance.record import exhibit_of
from conformance.record.exhibit import exhibit_as_text
from conformance.values import Exhibit

if TYPE_CHECKING:
    from pathlib import Path

    from commands import Bench

KERNELS = """
import ctypes, os, tempfile, time
import numpy as np

def good(x, axis):
    wide = x.astype(np.float64 if x.dtype == np.float64 else np.float32)
    with np.errstate(all="ignore"):
        e = np.exp(wide - wide.max(axis=axis, keepdims=True))
        return (e / e.sum(axis=axis, keepdims=True)).astype(x.dtype)

def zeros(x, axis):
    return good(x, axis) * 0

def raises(x, axis):
    raise RuntimeError("out of luck\\nsecond line")

def refuses(x, axis):
    raise TypeError("not for you")

def alone(x):
    return x

def leaves(x, axis):
    raise SystemExit(3)

def yields(x, axis):
    yield x

def listed(x, axis):
    return good(x, axis).tolist()

def lazy(x, axis):
    return memoryview(good(x, axis).view(np.uint8))

def widens(x, axis):
    return good(x, axis).astype(np.float64)

def squeezes(x, axis):
    return good(x, axis)[..., :1]

def writes(x, axis):
    answer = good(x, axis)
    x[...] = answer
    return answer

def odd(x, axis):
    raise BaseException("odd")

def closes(x, axis):
    import sys
    sys.stdout.close()
    return good(x, axis)

buffers = {}

def reuses(x, axis):
    buffer = buffers.setdefault((x.shape, x.dtype), np.empty_like(x))
    buffer[...] = good(x, axis)
    return buffer

def upsets(x, axis):
    answer = good(x, axis)
    np.seterr(all="raise")
    return answer

class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no")

def mute(x, axis):
    raise Mute

def swaps(x, axis):
    return good(x, axis).astype(x.dtype.newbyteorder("S"))

def vanishes(x, axis):
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    return good(x, axis)

def forks(x, axis):
    os.fork()
    return good(x, axis)

def prints(x, axis):
    print("hello")
    return good(x, axis)

def moves(x, axis):
    os.chdir("/")
    return good(x, axis)

calls = 0

def moody(x, axis):
    global calls
    calls += 1
    return good(x, axis) * (1 if calls % 2 else 1 - 2.0**-52)

def only_float32(x, axis):
    if x.dtype != np.float32:
        raise TypeError("float32 alone")
    return good(x, axis)

def picky(x, axis):
    n = x.shape[-1]
    if x.ndim != 2 or axis not in (-1, 1) or not x.flags.c_contiguous or n & (n - 1):
        raise ValueError("promised to nobody")
    return good(x, axis)

def promising(x, axis):
    return picky(x, axis)

promising.softmax_contract = {"axis": "last", "contiguous": True, "rank": 2, "lengths": "power-of-two"}

def crashes(x, axis):
    os._exit(4)

def hangs(x, axis):
    time.sleep(60)

def crashes_on_nan(x, axis):
    if x.ndim and x.size and np.isnan(x[..., 0]).any():
        ctypes.string_at(0)
    return good(x, axis)

def writes_to_the_descriptor(x, axis):
    os.write(1, b"hello from below\\n")
    return good(x, axis)

def speaks_in_escapes(x, axis):
    raise ValueError("a\\ud800\\x00\\x1b[31m<script>")

def misspelt(x, axis):
    return good(x, axis) if x.dtype != np.float16 else gooood(x, axis)

value = 3
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kernels") / "my_kernels.py"
    path.write_text(KERNELS)
    return path


@pytest.fixture(scope="module")
def kernels(file: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)  # noqa: S102 - the text above
    return namespace


def check(kernels: dict[str, Any], name: str, **options: Any) -> Any:
    return package.check(kernels[name], dtypes=["float64"], families=["random", "single"], **options)


def softmax_of(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_a_backward_pass_of_what_was_saved_is_judged_by_the_truth_of_its_logits(dtype: str) -> None:
    """Rounding the saved answer is granted; taking it for logits, or log p for p, is not."""

    def through_softmax(y: Any, axis: int, g: Any) -> Any:
        wide, g = y.astype(np.float64), g.astype(np.float64)
        return (wide * (g - (wide * g).sum(axis=axis, keepdims=True))).astype(y.dtype)

    def through_log(y: Any, axis: int, g: Any) -> Any:
        wide = g.astype(np.float64)
        return (wide - np.exp(y.astype(np.float64)) * wide.sum(axis=axis, keepdims=True)).astype(y.dtype)

    def of_logits(y: Any, axis: int, g: Any) -> Any:
        return through_softmax(softmax_of(y.astype(np.float64), axis).astype(y.dtype), axis, g)

    def judged(function: Any, op: str) -> Any:
        return package.check(function, op=op, saved=True, dtypes=[dtype])

    for function, op in ((through_softmax, "softmax_vjp"), (through_log, "log_softmax_vjp")):
        result = judged(function, op)
        assert result.passed, result.failures
        assert {"saved"} == set(result.record.observations["way"])
    assert not judged(of_logits, "softmax_vjp").passed
    assert not judged(through_softmax, "log_softmax_vjp").passed


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_file_says_once_what_is_computed_of_what() -> None:
    @package.promises(op="softmax_vjp", saved=True)
    def backward(y: Any, axis: int, g: Any) -> Any:
        return y * (g - (y * g).sum(axis=axis, keepdims=True))

    result = package.check(backward, families=["vjp_cotangents"])

    assert result.passed, result.failures
    assert {"softmax_vjp"} == set(result.record.observations["op"])
    assert {"saved"} == set(result.record.observations["way"])
    assert not result.verdict.not_asked
    with pytest.raises(BadKernel, match="backward: contract: op is softmax_vjp and softmax"):
        package.check(backward, op="softmax")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_contract_has_cut_is_made_again_as_it_was() -> None:
    """A record without room for an array leads to the very array that was handed over."""

    def backward(y: Any, axis: int, g: Any) -> Any:
        return y * g + 0 * axis

    result = package.check(
        backward, op="softmax_vjp", saved=True, lengths="multiple-of-8", rank=3, families=["vjp_dominance"]
    )
    rows = result.record.observations
    rows = rows[rows["inputs"] != ""]

    assert len(rows)
    for _, row in rows.iterrows():
        kept = exhibit_of(row)
        assert kept is not None
        assert kept.inputs is not None
        bare = exhibit_as_text(Exhibit(None, kept.rows, kept.place))
        made = exhibit_for(result.record, {**row, "inputs": bare})
        assert made is not None
        assert made.inputs is not None
        assert 0 == made.inputs.x.shape[-1] % 8
        assert exhibit_as_text(kept) == exhibit_as_text(made)


def test_only_a_backward_pass_has_something_saved(kernels: dict[str, Any]) -> None:
    with pytest.raises(BadKernel, match="saved is for a backward pass, softmax_vjp or log_softmax_vjp"):
        package.check(kernels["good"], saved=True)


def test_an_honest_kernel_passes(kernels: dict[str, Any]) -> None:
    result = package.check(kernels["good"], dtypes="all")

    assert result.passed
    assert {"float64", "float32", "float16", "bfloat16"} == set(result.grades)
    result.raise_for_violations()


def test_float32_alone_is_asked_where_no_dtype_is_named(kernels: dict[str, Any], file: Path) -> None:
    result = package.check(kernels["only_float32"], families=["single"])
    told, everything = (run(f"{file}:good", "--family", "single", *more) for more in ((), ("--dtype", "all")))

    assert result.passed
    assert {"float32"} == set(result.grades)
    assert "good: softmax in float32 alone (--dtype all asks every one it takes)" == told.stdout.splitlines()[0]
    assert "good: softmax in float64, float32, float16, bfloat16" == everything.stdout.splitlines()[0]


def test_what_a_kernel_does_not_promise_is_not_asked_and_counted(file: Path) -> None:
    wrong = run(f"{file}:picky")
    said = run(f"{file}:picky", "--axis", "last", "--contiguous", "--rank", "2", "--lengths", "power-of-two")
    attribute = run(f"{file}:promising")
    python = package.check(
        f"{file}:picky",
        axis="last",
        contiguous=True,
        rank=2,
        lengths="power-of-two",
        families=["axes", "layout", "random"],
    )

    assert (1, 0, 0) == (wrong.returncode, said.returncode, attribute.returncode), said.stdout
    assert python.passed
    for done in (said, attribute):
        assert "questions along another axis than the last (its contract)" in " ".join(done.stdout.split("\n"))
        assert "questions not contiguous in memory (its contract)" in " ".join(done.stdout.split("\n"))


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("zeros", "row_sum", ""),
        ("raises", "raised", "raised RuntimeError: out of luck"),
        ("leaves", "raised", "raised SystemExit: 3"),
        ("yields", "dtype", "an object of type generator came back"),
        ("listed", "dtype", "an object of type list came back"),
        ("lazy", "dtype", "an object of type memoryview came back"),
        ("squeezes", "shape", "came back"),
        ("writes", "input_written", "the input array was changed by the call"),
        ("odd", "raised", "raised BaseException: odd"),
        ("reuses", "side_effect", "overwrote the answer of an earlier call"),
        ("upsets", "side_effect", "changed numpy's error state"),
        ("mute", "raised", "raised Mute: its message cannot be read"),
        ("swaps", "dtype", ">f8 came back"),
        ("vanishes", "side_effect", "changed the working directory"),
        ("prints", "side_effect", "printed 'hello'"),
        ("writes_to_the_descriptor", "side_effect", "printed 'hello from below'"),
        ("closes", "side_effect", "closed the standard output"),
        ("moves", "side_effect", "changed the working directory"),
    ],
)
def test_misbehaviour_is_a_finding_in_one_line(kernels: dict[str, Any], name: str, kind: str, said: str) -> None:
    result = check(kernels, name)

    assert not result.passed
    details = result.failures.set_index("kind")["detail"]
    assert any(said in line and "\n" not in line for line in np.atleast_1d(details.loc[kind]))
    with pytest.raises(Violations, match=kind):
        result.raise_for_violations()


def test_a_module_of_the_current_folder_is_found_and_its_violations_name_the_command(file: Path) -> None:
    here = subprocess.run(
        [sys.executable, "-m", "conformance", "check", "my_kernels:good", "--family", "single"],
        capture_output=True, text=True, timeout=120, check=False, cwd=file.parent,
    )  # fmt: skip
    wrong = package.check(f"{file}:zeros", dtypes=["float32"], families=["random"])

    assert 0 == here.returncode, here.stderr
    with pytest.raises(
        Violations, match=r"float32 random/[^:]+: .*\n(.*\n)*conformance check .*zeros --dtype float32 --case "
    ):
        wrong.raise_for_violations()


def test_a_process_that_the_kernel_forks_ends_with_the_call(file: Path) -> None:
    """Without an end to it, each call doubles the number of processes that go on with the check."""
    done = run(f"{file}:forks", "--family", "single", "--dtype", "float32")

    assert 0 == done.returncode
    assert 1 == done.stdout.count("\npassed\n")


def test_another_dtype_is_a_finding(kernels: dict[str, Any]) -> None:
    result = package.check(kernels["widens"], dtypes=["float32"], families=["random"])

    assert {"dtype"} == set(result.failures["kind"])


def test_a_moody_kernel_is_degraded_and_fails_where_that_is_asked_for(kernels: dict[str, Any], tmp_path: Path) -> None:
    known = ledger(tmp_path / "known.toml", {"kind": "unrepeatable", "target": ["moody/numpy/cpu"]})

    assert "unrepeatable" in set(check(kernels, "moody").findings["kind"])
    assert check(kernels, "moody").passed
    assert ["unrepeatable"] == list(check(kernels, "moody", fail_on="degraded").failures["kind"].unique())
    assert check(kernels, "moody", fail_on="degraded", ledger=known).passed
    with pytest.raises(UnknownName, match="unknown fail_on 'policy'; known: violation, degraded"):
        check(kernels, "moody", fail_on="policy")


def test_an_answer_to_a_policy_question_that_changes_is_degraded(kernels: dict[str, Any], tmp_path: Path) -> None:
    """It answers a row of nothing but -inf by zeros in float32 and by NaN in float64."""
    two = {"dtypes": ["float32", "float64"], "families": ["special"]}

    def changes(x: Any, axis: int) -> Any:
        y = kernels["good"](x, axis)
        masked = np.isneginf(x).all(axis=axis, keepdims=True) & (x.dtype == np.float32)
        return np.where(masked, 0, y).astype(x.dtype)

    lax, strict = package.check(changes, **two), package.check(changes, fail_on="degraded", **two)
    entry = {"kind": "all-minus-inf", "target": ["changes/numpy"], "dtype": ["float32"]}

    assert lax.passed
    assert not strict.passed
    assert strict.failures.empty
    with pytest.raises(Violations, match="inconsistent changes: all-minus-inf is"):
        strict.raise_for_violations()
    assert package.check(changes, fail_on="degraded", ledger=ledger(tmp_path / "known.toml", entry), **two).passed


def test_known_findings_do_not_reject_a_kernel_and_others_do(kernels: dict[str, Any], tmp_path: Path) -> None:
    kinds = sorted(set(check(kernels, "zeros").failures["kind"]))
    entries = [{"kind": kind, "target": ["zeros/numpy/cpu"]} for kind in kinds]

    known = check(kernels, "zeros", ledger=[ledger(tmp_path / "known.toml", *entries)])
    half = check(kernels, "zeros", ledger=[ledger(tmp_path / "half.toml", *entries[1:])])

    assert 2 <= len(kinds)
    assert known.passed
    assert known.failures.empty
    assert set(kinds) <= set(known.findings["kind"])
    assert kinds[:1] == list(half.failures["kind"].unique())
    assert not half.passed


def test_a_stale_entry_of_ones_own_ledger_rejects_a_kernel(kernels: dict[str, Any], tmp_path: Path) -> None:
    entry = {"kind": "range", "target": ["good/numpy"], "op": ["softmax"], "dtype": ["float64"], "family": ["random"]}
    known = ledger(tmp_path / "known.toml", entry)

    done = check(kernels, "good", ledger=known)

    assert not done.passed
    assert done.failures.empty
    with pytest.raises(Violations, match=r"stale ledger entry range: no range in \d+ answers of good/numpy/cpu"):
        done.raise_for_violations()


def test_the_command_line_says_what_is_known_what_is_stale_and_what_is_about_others(file: Path, tmp_path: Path) -> None:
    region = {"op": ["softmax"], "dtype": ["float32"], "family": ["random"]}
    mine = [{"kind": kind, "target": ["zeros/numpy/cpu"], **region} for kind in ("row_sum", "lost_normal", "range")]
    other = {"kind": "row_sum", "target": ["zeroes/numpy/cpu"], "id": "other"}
    asked = (f"{file}:zeros", "--family", "random", "--dtype", "float32")

    passed = run(*asked, "--ledger", str(ledger(tmp_path / "a.toml", *mine[:2])), "--no-builtin-ledger")
    failed = run(*asked, "--ledger", str(ledger(tmp_path / "b.toml", *mine, other)))

    assert (0, 1) == (passed.returncode, failed.returncode), passed.stdout
    assert "[ledger: row_sum]" in passed.stdout
    assert "\npassed\n" in passed.stdout
    assert "stale ledger entry range: no range in " in failed.stdout
    assert "\nfailed: a stale entry\n" in failed.stdout
    assert "ledger: 1 entries speak of other targets: zeroes/numpy/cpu\n" in failed.stdout
    assert "other targets" not in passed.stdout


def test_a_dtype_may_be_refused_but_not_one_that_was_asked_for(kernels: dict[str, Any]) -> None:
    free = package.check(kernels["only_float32"], dtypes="all", families=["random"])
    bound = package.check(kernels["only_float32"], dtypes=["float16"], families=["random"])

    assert free.passed
    assert {"float64", "float16", "bfloat16"} == set(free.unsupported)
    assert not bound.passed
    assert {"raised"} == set(bound.failures["kind"])


def test_a_mistake_in_one_dtype_is_no_lack_of_support(kernels: dict[str, Any]) -> None:
    result = package.check(kernels["misspelt"], dtypes="all", families=["single"])

    assert not result.passed
    assert {} == result.unsupported
    assert {("float16", "raised")} == set(zip(result.failures["dtype"], result.failures["kind"], strict=True))


def test_a_function_is_called_in_this_process_and_its_name_in_another(tmp_path: Path) -> None:
    text = (
        KERNELS
        + f"\ndef tells(x, axis):\n    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n    return good(x, axis)\n"
    )
    (tmp_path / "telling.py").write_text(text)
    namespace: dict[str, Any] = {}
    exec(compile(text, "telling.py", "exec"), namespace)  # noqa: S102 - the text above

    for function, here in ((namespace["tells"], True), (f"{tmp_path / 'telling.py'}:tells", False)):
        assert package.check(function, dtypes=["float32"], families=["single"]).passed
        assert here == (os.getpid() == int((tmp_path / "pid").read_text()))


def test_a_kernel_that_refuses_everything_does_not_pass(kernels: dict[str, Any]) -> None:
    result = package.check(kernels["refuses"], families=["random"])

    assert not result.passed
    assert {"float32": "TypeError: not for you"} == result.unsupported
    with pytest.raises(Violations, match=r"nothing was answered.*not for you"):
        result.raise_for_violations()


def test_a_kernel_that_always_fails_does_not_pass(kernels: dict[str, Any]) -> None:
    result = package.check(kernels["raises"], families=["random"])

    assert not result.passed
    assert {"raised"} == set(result.failures["kind"])
    with pytest.raises(Violations, match=r"raised RuntimeError: out of luck(.*\n)*.*File .*in raises"):
        result.raise_for_violations()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "conformance", "check", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_command_line_says_it_in_a_few_lines_and_exits_with_the_verdict(file: Path, tmp_path: Path) -> None:
    passed = run(f"{file}:good", "--family", "random", "--out", str(tmp_path))
    failed = run(f"{file}:zeros", "--family", "random", "--dtype", "float32")

    assert (0, 1) == (passed.returncode, failed.returncode)
    assert passed.stdout.splitlines()[0].startswith("good: softmax in float32 alone")
    assert "\npassed\n" in passed.stdout
    assert "failed: " in failed.stdout
    assert ", got 0, true 0." in failed.stdout  # the witness
    assert failed.stderr.startswith("first finding: ")
    assert "" == passed.stderr
    assert {"good/numpy/cpu"} == set(records.read(tmp_path / "observations.parquet").observations["target"])
    assert (tmp_path / "index.html").exists()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [("crashes", (), "exit status 4"), ("hangs", ("--timeout", "2"), "no answer within 2 s")],
)
def test_a_worker_that_dies_or_hangs_is_a_finding(file: Path, name: str, options: tuple[str, ...], said: str) -> None:
    done = run(f"{file}:{name}", "--family", "single", "--dtype", "float32", *options)

    assert 1 == done.returncode
    assert said in done.stdout


def test_the_row_that_crashes_is_found_and_the_others_are_answered(file: Path) -> None:
    done = package.check(f"{file}:crashes_on_nan", dtypes=["float32"], families=["special"])

    rows = done.record.observations
    crashed = rows[rows["outcome"] == "crashed"]
    assert not done.passed
    assert {"crashed"} == set(done.failures["kind"])
    assert "SIGSEGV" in done.failures["detail"].iloc[0]
    assert 1 <= len(crashed) < len(rows) / 2
    assert crashed["case"].str.contains("nan").all()
    assert {"answered"} == set(rows["outcome"]) - {"crashed"}


def test_what_a_kernel_says_is_shown_escaped(file: Path, bench: Bench) -> None:
    done = bench.run(
        "check", f"{file}:speaks_in_escapes", "--dtype", "float32", "--family", "single", "--out", "report"
    )

    assert 1 == done.returncode
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert r"raised ValueError: a\ud800\x00\x1b[31m<script>" in done.stdout
    assert "\x1b" not in (bench.out / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_check_that_is_interrupted_says_so(number: signal.Signals, file: Path, bench: Bench) -> None:
    """That its worker is gone too, the bench looks after."""
    waiting = file.parent / f"waiting_{number.name}.py"
    note = bench.folder / "called"
    waiting.write_text(
        f"import pathlib, time\n\ndef f(x, axis):\n    pathlib.Path({str(note)!r}).touch()\n    time.sleep(600)\n"
    )
    process = bench.start("check", f"{waiting}:f", "--family", "single", "--dtype", "float32")
    until(lambda: note.exists() or process.poll() is not None)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert (status.INCOMPLETE, "") == (process.returncode, out)  # half a check is no verdict
    assert "interrupted; nothing was written" in one_line(err.lstrip())  # behind the ^C of a terminal


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("{}:nothing",), "nothing is not there; {} has "),
        (("{}:value",), "value is no function"),
        (("nowhere.py:f",), "there is no file nowhere.py"),
        (("no_such_package.ops:f",), "importing no_such_package.ops failed: ModuleNotFoundError"),
        (("{}:good", "--lengths", "odd"), "contract: lengths is power-of-two, <=N, multiple-of-N, or several of them"),
        (("{}:good", "--axis", "first"), "contract: axis is 'last', not 'first'"),
        (("{}:promising", "--rank", "3"), "{}:promising: contract: of the ranks 2 and 3 none is in both"),
        (("{}:alone",), "{}:alone takes (x), but a kernel is called as alone(x, axis)"),
        (("{}:good", "--case", "nothing/*"), "unknown case or family 'nothing/*'; known: accumulators"),
        (("{}:good", "--skip", "row_summ"), "unknown case or family 'row_summ'"),
        (
            ("{}:good", "--case", "single", "--skip", "single"),
            "nothing is left to be asked: 8 questions skipped by single",
        ),
        (("f",), "a kernel is path/to/file.py:function or package.module:function"),
        (
            ("{}:good", "--dtype", "float8"),
            "unknown dtype 'float8'; did you mean 'float64'? known: float64, float32, float16, bfloat16, all",
        ),
        (
            ("{}:good", "--framework", "numby"),
            "unknown framework 'numby'; did you mean 'numpy'? known: numpy, executorch, iree, jax",
        ),
        (
            ("{}:good", "--device", "cuda:0"),
            f"there is no target to ask (good {np.__version__} has good/numpy/cpu)",
        ),
    ],
)
def test_bad_usage_is_one_line_and_status_2(file: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(*(argument.format(file) for argument in arguments))

    assert 2 == done.returncode
    assert said.format(file) in one_line(done.stderr)
    assert "" == done.stdout


def test_the_verdict_on_a_kernel_with_few_findings_fits_one_screen(file: Path, bench: Bench) -> None:
    done = bench.run("check", f"{file}:zeros", COLUMNS="80")

    assert 1 == done.returncode
    assert sum(-(-len(line) // 80) for line in done.stdout.splitlines()) <= 24, done.stdout


def test_json_is_all_that_is_written(file: Path, tmp_path: Path) -> None:
    done = run(f"{file}:zeros", "--family", "single", "--json", "--out", str(tmp_path))
    said = json.loads(done.stdout)

    assert 1 == done.returncode
    assert (False, "zeros", ["float32"]) == (said["passed"], said["kernel"], list(said["dtypes"]))
    assert {"lost_normal", "row_sum"} == {finding["kind"] for finding in said["findings"]}


def test_every_key_of_the_json_is_documented(kernels: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "kernel-authors.md").read_text(encoding="utf-8")
    said = check(kernels, "zeros").verdict.as_json()

    parts = [said, next(iter(said["dtypes"].values())), said["findings"][0], said["findings"][0]["lane"]]
    assert [] == [key for part in parts for key in part if f"`{key}`" not in page]


def test_a_case_that_is_named_is_asked_alone(file: Path) -> None:
    done = run(f"{file}:zeros", "--case", "single/[+0]")

    assert "1 questions" in done.stdout
    assert "single/[+0]: index 0, got 0, true 1" in done.stdout


def test_what_is_skipped_is_counted_and_rejects_nobody(file: Path, kernels: dict[str, Any]) -> None:
    done = run(f"{file}:zeros", "--family", "single", "--skip", "row_*", "--skip", "lost_normal", "--skip", "*max]")
    python = package.check(kernels["zeros"], families="single", skip=["row_sum", "lost_normal"])

    assert 0 == done.returncode
    assert "skipped: row_sum, which 6 cases break\n" in done.stdout
    assert "not asked: 2 questions skipped by *max]\n" in done.stdout
    assert python.passed


def test_a_finding_is_asked_again_by_what_is_printed(file: Path) -> None:
    result = package.check(f"{file}:zeros", families=["single", "axes"], lengths="<=64")
    lines = {finding.case: finding.command for finding in result.verdict.findings}

    asked = result.asked_by.of(dtypes="float32", case="single/[+0]")
    assert f"conformance check {file}:zeros --lengths '<=64' --dtype float32 --case 'single/[+0]'" == asked
    for line in lines.values():
        done = subprocess.run(  # noqa: S602 - the line that a user would copy
            line.replace("python ", f"{sys.executable} ", 1),
            shell=True,
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
        )
        assert "0.0" in done.stdout


def test_the_first_violation_is_told_before_the_end(kernels: dict[str, Any]) -> None:
    told: list[str] = []
    tasks: list[tuple[int, int]] = []

    def first(line: str) -> None:
        told.append(line)
        assert (0, 1) == tasks[-1]

    check(kernels, "zeros", watch=lambda done, known, _: tasks.append((done, known)), first=first)
    check(kernels, "good", first=told.append)

    [line] = told
    assert line.startswith("lost_normal in float64 ")


def test_bfloat16_needs_a_package_where_it_is_named_and_is_left_out_where_everything_is_asked(
    kernels: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    why = "NumPy has no bfloat16 without ml_dtypes: pip install ml_dtypes"

    with pytest.raises(BadKernel) as caught:
        package.check(kernels["good"], dtypes=["float32", "bfloat16"])
    result = package.check(kernels["good"], dtypes="all", families=["single"])

    assert why == str(caught.value)
    assert result.passed
    assert {"bfloat16": f"transport: ImportError: {why}"} == result.unsupported


def test_a_kernel_is_checked_again_at_each_save(file: Path, bench: Bench) -> None:
    pytest.importorskip("watchfiles", reason="watchfiles is not installed")
    mine = bench.folder / "mine" / "saved.py"
    mine.parent.mkdir()
    mine.write_text(file.read_text() + "\nf = zeros\n")
    log = bench.folder / "log"

    def lines() -> list[str]:
        return log.read_text().splitlines()

    def until_said(outcome: str) -> None:
        until(
            lambda: lines()[-1:] and lines()[-1].startswith("waiting for a save") and outcome in " ".join(lines()[-5:])
        )

    with log.open("w") as written:
        process = bench.start("check", f"{mine}:f", "--family", "single", "--watch", stdout=written)
        until_said("failed: lost_normal, row_sum")
        mine.write_text("f = 1 +\n")
        until_said("SyntaxError")
        mine.write_text(file.read_text() + "\nf = good\n")
        until_said("passed")
        process.send_signal(signal.SIGINT)
        assert status.OK == process.wait(timeout=60)


def test_the_recorded_session_is_of_a_wrong_kernel_and_of_a_right_one() -> None:
    page = (ROOT / "docs" / "kernel-authors.md").read_text(encoding="utf-8")
    for text, passes in ((BEFORE, False), (AFTER, True)):
        names: dict[str, Any] = {}
        exec(text, names)  # noqa: S102 - our own text
        assert passes == package.check(names["softmax"], families=["single", "random"]).passed
        assert text.splitlines()[5] in page
    assert f"$ {CHECK}\n" in page


@pytest.mark.parametrize(("more", "said"), [(("--json",), "--json or --watch, not both")])
def test_what_cannot_be_watched_is_one_line(file: Path, more: tuple[str, ...], said: str) -> None:
    done = run(f"{file}:good", "--watch", *more)

    assert 2 == done.returncode
    assert said in one_line(done.stderr)


def test_the_exceptions_are_public(kernels: dict[str, Any]) -> None:
    assert (Violations, BadKernel) == (package.Violations, package.BadKernel)
    assert all(hasattr(package, name) for name in package.__all__)
    with pytest.raises(package.BadContract):
        package.check(kernels["good"], lengths="odd")
    with pytest.raises(AttributeError, match="has no attribute 'chekc'"):
        package.chekc  # type: ignore[attr-defined]  # noqa: B018


def test_bad_arguments_in_python_are_named(kernels: dict[str, Any]) -> None:
    with pytest.raises(BadKernel, match=r"<lambda> takes \(x\), but a kernel is called as <lambda>\(x, axis\)"):
        package.check(lambda x: x)
    with pytest.raises(UnknownName, match="unknown op 'softmin'"):
        package.check(kernels["good"], op="softmin")
    with pytest.raises(BadKernel, match="not None"):
        package.check(None)  # type: ignore[arg-type]
    assert package.check(kernels["good"], dtypes="float32", families="single").passed
    with pytest.raises(BadKernel, match="there is no file"):
        package.check("nowhere.py:f")


def test_torch_kernels_get_tensors() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")

    assert package.check(torch.softmax, framework="torch", dtypes=["float32"], families=["random", "axes"]).passed


def test_jax_kernels_get_jax_arrays() -> None:
    jax = pytest.importorskip("jax", reason="jax is not installed")

    assert package.check(jax.nn.log_softmax, op="log_softmax", framework="jax", families=["single"]).passed


@pytest.mark.parametrize(("framework", "where"), [("torch", "torch:softmax"), ("jax", "jax.nn:softmax")])
def test_a_layout_that_a_framework_lacks_is_no_dtype_that_it_lacks(framework: str, where: str) -> None:
    pytest.importorskip(framework, reason=f"{framework} is not installed")

    done = run(where, "--framework", framework, "--dtype", "float64")

    assert "\npassed\n" in done.stdout
    assert "unsupported" not in done.stdout
    assert 0 == done.returncode


def test_tensorflow_kernels_get_tensors() -> None:
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")

    assert package.check(tf.nn.softmax, framework="tensorflow", dtypes=["float64"], families=["single"]).passed


def test_the_fixture_fails_the_test_of_a_wrong_kernel(tmp_path: Path, file: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        f"""
import sys
sys.path.insert(0, {str(file.parent)!r})
import my_kernels

def test_good(conformance):
    assert conformance(my_kernels.good, families=["random"]).passed

def test_zeros(conformance):
    conformance(my_kernels.zeros, families=["random"])
"""
    )

    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip

    assert "1 failed, 1 passed" in done.stdout
    assert "of its cases diverge; worst first" in done.stdout
