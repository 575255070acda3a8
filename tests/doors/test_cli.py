"""What a user can get wrong is one line that names the choices; exit statuses are what a script expects."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from conformance import cases, cli, engine, frameworks
from conformance.record import frame, read
from conformance.values import Crashed, Target, Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def call(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--target", "troch/eager"], ["unknown target 'troch/eager'", "torch/eager/cpu", "jax/jit/cpu"]),
        (["run", "--dtype", "float8"], ["unknown dtype 'float8'", *FORMATS]),
        (["run", "--family", "nasty"], ["unknown family 'nasty'", "underflow", "all_equal"]),
        (["run", "--tier", "exhausting"], ["unknown tier 'exhausting'", "smoke", "standard"]),
        (["run", "--op", "softplus"], ["unknown op 'softplus'", "log_softmax"]),
        (["list", "things"], ["unknown list 'things'", "targets", "families"]),
        (["run", "--out", "/proc/report"], ["cannot write to /proc/report"]),
        (["run", "--jobs", "0"], ["--jobs"]),
        (["walk"], ["walk"]),
        (["report", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    arguments: Sequence[str], named: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = call(*arguments, capsys=capsys)

    assert (2, "") == (status, out)
    assert 1 == err.count("\n")
    assert [] == [name for name in named if name not in err]


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call("--help", capsys=capsys)

    assert 0 == status
    assert "conformance run --tier smoke --target torch" in out


@pytest.mark.parametrize("what", ["targets", "families", "checks", "ledger", "dtypes"])
def test_everything_can_be_listed(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call("list", what, capsys=capsys)

    assert 0 == status
    assert out or what == "ledger"


def _installed(name: str) -> str:
    try:
        frameworks.load(name)
    except ImportError as error:
        pytest.skip(f"{name} is not installed: {error}")
    return name


@pytest.mark.parametrize("name", frameworks.names())
def test_a_run_leaves_a_whole_report(name: str, tmp_path: Path) -> None:
    """The real command, in a process of its own, as a user runs it."""
    target = f"{_installed(name)}/eager/cpu"
    command = [sys.executable, "-m", "conformance", "run", "--tier", "smoke", "--target", target, "--dtype", "float32"]

    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)  # noqa: S603

    record = read(tmp_path / "observations.parquet")
    files = {"index.html", "summary.md", "divergences.csv", "observations.parquet", "environment.json"}
    assert done.returncode in (0, 1), done.stderr
    assert files == {path.name for path in tmp_path.iterdir()}
    assert record.footer["complete"]
    assert {target} == set(record.observations["target"])
    assert "" == done.stderr  # no progress bar where stderr is not a terminal, no noise of the framework
    assert target in done.stdout


def _has(name: str) -> bool:
    try:
        frameworks.load(name)
    except ImportError:
        return False
    return True


def test_ctrl_c_leaves_a_report_of_what_was_done(tmp_path: Path) -> None:
    name = next(filter(_has, frameworks.names()), None)
    if name is None:
        pytest.skip("no framework is installed")
    command = [sys.executable, "-m", "conformance", "run", "--target", name, "--out", str(tmp_path)]
    # A shell's background job is started with the signal ignored, and so would be what it starts.
    given = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    finally:
        signal.signal(signal.SIGINT, given)
    time.sleep(8)
    run.send_signal(signal.SIGINT)

    out, err = run.communicate(timeout=120)

    assert cli.INCOMPLETE == run.returncode, err
    assert not read(tmp_path / "observations.parquet").footer["complete"]
    assert "incomplete: the run was interrupted" in out
    assert 'id="incomplete"' in (tmp_path / "index.html").read_text()


def test_a_crash_is_recorded_for_every_case_it_cost() -> None:
    task = engine.Task(Target("torch", "eager", "cpu"), "softmax", "float32", engine.Selection(Tier.SMOKE, 0))

    rows = frame(engine.lost(task, "1.0", Crashed("the process ended with exit status -11; last words: boom")))

    asked = cases.cases(FORMATS["float32"], ("softmax",), tier=Tier.SMOKE, seed=0)
    assert sorted(case.id for case in asked) == sorted(rows["case_id"])
    assert {("crashed", "violation")} == set(zip(rows["outcome"], rows["severity"], strict=True))
    assert {"crashed"} == set(rows["findings"])
    assert all("last words: boom" in text for text in rows["witness"])


def test_nothing_to_ask_is_an_error_and_not_an_empty_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, err = call("run", "--device", "abacus", "--out", str(tmp_path), capsys=capsys)

    assert 2 == status
    assert err.startswith("conformance: there is no target to ask (")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", frameworks.names())
def test_a_named_target_that_is_not_here_is_an_error(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An H100's worth of devices is more than any machine of ours has: cuda:15 is never there."""
    try:
        known = frameworks.load(name).devices()
    except ImportError:
        known = ()
    assert "cuda:15" not in known

    status, _, err = call("run", "--target", f"{name}/*/cuda:15", "--out", str(tmp_path), capsys=capsys)

    assert 2 == status
    assert 1 == err.count("\n")
    assert f"'{name}/*/cuda:15' is not here" in err
