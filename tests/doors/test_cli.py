"""What a user can get wrong is one line that names the choices; exit statuses are what a script expects."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from called import call
from commands import CULPRIT, SIGNALS, SMALL, ledger, one_line, until

from conformance import frameworks
from conformance.cli import options, status
from conformance.cli.progress import remaining
from conformance.record import read
from conformance.record.rows import findings_of
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from commands import Bench

FILES = {"index.html", "summary.md", "divergences.csv", "observations.parquet", "environment.json"}
HONEST = ("run", "--target", "honest", *SMALL, "--out", "report")


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line in which a command line is refused."""
    status, out, err = call(*arguments, capsys=capsys)
    assert (2, "") == (status, out)
    return one_line(err)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--target", "pytorch/eager"], ["did you mean 'torch'?", "jax", "tensorflow"]),
        (["run", "--target", "jnp"], ["did you mean 'jax'?"]),
        (["run", "--dtype", "bf16"], ["did you mean 'bfloat16'?", *FORMATS]),
        (["run", "--dtype", "float"], ["did you mean 'float32'?", *FORMATS]),
        (["run", "--target", "troch/eager"], ["unknown target 'troch/eager'", "torch", "jax", "tensorflow"]),
        (["run", "--dtype", "float8"], ["unknown dtype 'float8'", *FORMATS]),
        (["run", "--family", "nasty"], ["unknown family 'nasty'", "underflow", "all_equal"]),
        (["run", "--tier", "exhausting"], ["unknown tier 'exhausting'", "smoke", "standard", "exhaustive"]),
        (["run", "--op", "softplus"], ["unknown op 'softplus'", "log_softmax"]),
        (["list", "things"], ["unknown list 'things'", "targets", "families"]),
        (["run", "--out", "/proc/report"], ["cannot write to /proc/report"]),
        (["run", "--out", "/dev/null"], ["/dev/null is no folder"]),
        (["run", "--jobs", "0"], ["--jobs"]),
        (["run", "--seed", "-1"], ["--seed"]),
        (["run", "--resume", "--restart"], ["--resume or --restart"]),
        (["run", "--python", "/no/such/python"], ["--python /no/such/python", "no such program", "`here`"]),
        (["run", "--python", "/bin/true"], ["--python /bin/true", "Python 3.9", "exit status 0"]),
        (["run", "--python", "/bin/cat"], ["--python /bin/cat", "Python 3.9", "NumPy 1.22"]),
        (["walk"], ["walk"]),
        (["report", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    arguments: Sequence[str], named: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(*arguments, capsys=capsys)

    assert [] == [name for name in named if name not in line]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "", "0", "-1", "8X", "1e999"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("run",), "--timeout"),
        (("run",), "--memory"),
        (("check", "k.py:f"), "--timeout"),
        (("check", "k.py:f"), "--memory"),
        (("hunt", "k.py:f"), "--timeout"),
        (("hunt", "k.py:f"), "--seconds"),
    ],
)
def test_what_is_no_amount_is_one_line(
    command: tuple[str, ...], option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(*command, option, value, capsys=capsys)

    assert f"Invalid value for '{option}': {value!r} is no" in line


@pytest.mark.parametrize("name", ["", " "])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("run",), "--out"),
        (("check", "k.py:f"), "--out"),
        (("hunt", "k.py:f"), "--out"),
        (("report", "nowhere"), "--out"),
        (("report", "nowhere"), "--claims"),
    ],
)
def test_a_place_without_a_name_is_one_line(
    command: tuple[str, ...], option: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"Invalid value for '{option}': a f" in refused(*command, option, name, capsys=capsys)


@pytest.mark.parametrize(
    ("given", "size"), [("8G", 2**33), ("512M", 2**29), ("1.5gib", 3 * 2**29), (str(2**26), 2**26)]
)
def test_an_amount_of_memory(given: str, size: int) -> None:
    assert size == options.Size().convert(given, None, None)


def test_a_python_without_numpy_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # -S leaves out site-packages
    bare.chmod(0o755)

    line = refused("run", "--python", str(bare), "--out", str(tmp_path / "report"), capsys=capsys)

    assert f"--python {bare}: " in line
    assert "No module named 'numpy'" in line
    assert [bare] == list(tmp_path.iterdir())


def test_a_folder_of_somebody_elses_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").touch()

    for command in (("run", "--target", "torch"), ("check", "k.py:f"), ("report", "nowhere")):
        assert "thesis.tex" in refused(*command, "--out", str(tmp_path), capsys=capsys)
    assert ["thesis.tex"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ((), "conformance run --tier smoke --target torch"),
        (("report",), "conformance report reports/latest --ledger known.toml"),
        (("ledger",), "conformance ledger update known.toml reports/latest"),
        (("ledger", "check"), "conformance ledger check known.toml"),
        (("ledger", "update"), "conformance ledger update known.toml reports/mine"),
    ],
)
def test_help_has_examples(command: tuple[str, ...], example: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(*command, "--help", capsys=capsys)

    assert 0 == status
    assert example in out


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("families", "underflow "),
        ("checks", "accuracy "),
        ("policies", "masked-row "),
        ("dtypes", "bfloat16"),
        ("ledger", "torch-"),
    ],
)
def test_everything_can_be_listed(what: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call("list", what, capsys=capsys)

    assert 0 == status
    assert any(listed.startswith(line) for listed in out.splitlines())


def test_targets_are_listed_and_those_that_are_absent_say_why(bench: Bench) -> None:
    done = bench.run("list", "targets", DRILL="raises at import")

    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert 0 == done.returncode
    assert ["honest/eager/cpu", "1"] in lines
    assert ["drill", "absent: ImportError: its library is broken"] in lines
    assert all(line.isprintable() for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", frameworks.names())
def test_a_run_leaves_a_whole_report(name: str, bench: Bench) -> None:
    """The real command, in a process of its own, as a user runs it."""
    pytest.importorskip(name, reason=f"{name} is not installed")
    mode = frameworks.adapter(name).modes[0]

    done = bench.run(
        "run", "--tier", "smoke", "--target", f"{name}/{mode}/cpu", "--dtype", "float32", "--out", "report", seconds=600
    )

    record = read(bench.out / "observations.parquet")
    assert done.returncode in (0, 1), done.stderr
    assert (0 if "unexpected" not in done.stdout and "stale" not in done.stdout else 1) == done.returncode
    assert FILES == {path.name for path in bench.out.iterdir()}
    assert record.complete
    found = set(record.observations["target"])
    assert {f"{mode}/cpu"} == {one.partition("/")[2] for one in found}
    assert {name} == {one.partition("/")[0].partition(":")[0] for one in found}  # of its variants too
    assert [] == [line for line in done.stderr.splitlines() if "tasks done" not in line]  # no bar, no framework's noise
    assert any(one in done.stdout for one in found)


def test_the_status_is_that_of_what_was_found(bench: Bench) -> None:
    clean = bench.run(*HONEST)
    found = bench.run("run", "--target", "drill", *SMALL, "--out", "report", DRILL="returns NaN")

    assert (0, "") == (clean.returncode, clean.stderr)
    assert (1, "") == (found.returncode, found.stderr)
    assert "unexpected drill/eager/cpu softmax float32 all_equal nonfinite" in found.stdout
    assert not bench.journal.exists()


def test_a_ledger_of_ones_own_is_heard_by_run_and_report(bench: Bench) -> None:
    entry = {"kind": "nonfinite", "target": ["drill/eager"], "op": ["softmax"], "dtype": ["float32"]}
    ledger(bench.folder / "known.toml", entry | {"family": ["all_equal"]})
    ledger(bench.folder / "gone.toml", entry | {"kind": "raised", "family": ["all_equal"]})
    own = ("--ledger", "known.toml", "--no-builtin-ledger")

    known = bench.run("run", "--target", "drill", *SMALL, "--out", "report", *own, DRILL="returns NaN")
    again = bench.run("report", "report", "--out", "again", *own)
    without = bench.run("report", "report", "--out", "again")
    stale = bench.run("report", "report", "--out", "again", *own, "--ledger", "gone.toml")

    assert (0, 0, 1, 1) == tuple(done.returncode for done in (known, again, without, stale))
    assert "unexpected drill/eager/cpu softmax float32 all_equal nonfinite" in without.stdout
    assert "unexpected" not in stale.stdout
    assert "stale ledger entry raised: no raised in " in stale.stdout
    assert ",nonfinite\n" in (bench.out / "divergences.csv").read_text()


def test_what_a_run_fails_on_is_the_users_choice(bench: Bench) -> None:
    asked = ("run", "--target", "coarse", *SMALL, "--out", "report")

    lax = bench.run(*asked)
    strict = bench.run(*asked, "--fail-on", "degraded")
    again = bench.run("report", "report", "--out", "again", "--fail-on", "degraded")
    ledger(bench.folder / "known.toml", {"kind": "loose", "target": ["coarse/eager/cpu"]})
    known = bench.run("report", "report", "--out", "again", "--fail-on", "degraded", "--ledger", "known.toml")

    assert (0, 1, 1, 0) == tuple(done.returncode for done in (lax, strict, again, known)), strict.stdout
    assert "unexpected" not in lax.stdout
    assert "unexpected coarse/eager/cpu softmax float32 all_equal loose: " in strict.stdout


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"target": ["drlil"]}, "entry x: target: no framework is called 'drlil'; the nearest is 'drill'"),
        ({"target": ["drill/eager/cqu"]}, "entry x: target: no device is called 'cqu'; the nearest is 'cpu'"),
        (
            {"target": ["drill"], "family": ["axis"]},
            "entry x: family: no family is called 'axis'; the nearest is 'axes'",
        ),
        ({"target": ["drill"], "versions": ""}, "entry x: versions: a PEP 440 specifier such as '>=2.13,<3' is wanted"),
        ({"target": "drill"}, "entry x: target: a list is wanted, not 'drill'"),
        (
            {"target": ["drill"], "id": "torch-sums-loose"},
            "entry torch-sums-loose: stands twice, in conformance/ledger/t",
        ),
    ],
)
def test_a_bad_entry_is_one_line_in_every_door(entry: dict[str, Any], said: str, bench: Bench) -> None:
    ledger(bench.folder / "known.toml", {"kind": "nonfinite", "id": "x"} | entry)

    for command in (("run",), ("report", "nowhere"), ("check", "k.py:f")):
        done = bench.run(*command, "--ledger", "known.toml")
        assert 2 == done.returncode
        assert one_line(done.stderr).startswith(f"conformance: known.toml: {said}"), done.stderr


def test_a_ledger_follows_what_runs_find(bench: Bench) -> None:
    """New findings are written, and known then; once they are gone they are stale, and dropped."""
    asked = ("run", "--target", "drill", *SMALL, "--out", "report", "--ledger", "known.toml")
    known = bench.folder / "known.toml"
    known.write_text("# Ours.\n")

    new = bench.run(*asked, DRILL="returns NaN")
    written = bench.run("ledger", "update", "known.toml", "report")
    checked = bench.run("ledger", "check", "known.toml")
    quiet = bench.run("report", "report", "--out", "again", "--ledger", "known.toml")
    gone = bench.run(*asked, DRILL="")
    dropped = bench.run("ledger", "update", "known.toml", "report")

    assert (1, 0, 0, 0, 1, 0) == tuple(done.returncode for done in (new, written, checked, quiet, gone, dropped)), (
        dropped.stderr
    )
    assert written.stdout.startswith("written drill-nonfinite-")
    assert "known.toml: 1 written, 0 narrowed, 0 dropped\n" in written.stdout
    assert checked.stdout.startswith("known.toml: 1 entries; unexplained: drill-nonfinite-")
    assert "stale ledger entry drill-nonfinite-" in gone.stdout
    assert "known.toml: 0 written, 0 narrowed, 1 dropped\n" in dropped.stdout
    assert "# Ours." == known.read_text().strip()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "{}/bad.toml"), "{}/bad.toml: entry x: target: no framework is called 'drlil'"),
        (("update", "{}/bad.toml", "nowhere"), "{}/bad.toml: entry x: target: no framework is called 'drlil'"),
        (("update", "{}/new.toml", "nowhere"), "nowhere"),
        (("check", "{}/new.toml"), "{}/new.toml: No such file or directory"),
        (("check",), "Missing argument 'FILE...'"),
        (("forget",), "No such command 'forget'"),
    ],
)
def test_a_bad_use_of_ledger_is_one_line_and_writes_nothing(
    arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ledger(tmp_path / "bad.toml", {"id": "x", "kind": "nonfinite", "target": ["drlil"]})
    before = bad.read_bytes()

    line = refused("ledger", *(argument.format(tmp_path) for argument in arguments), capsys=capsys)

    assert said.format(tmp_path) in line
    assert {"bad.toml": before} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("command", [("run",), ("report", "nowhere"), ("check", "k.py:f")])
def test_a_ledger_that_is_not_there_is_one_line(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.toml: No such file or directory" in refused(*command, "--ledger", "nowhere.toml", capsys=capsys)
    assert "--fail-on" in refused(*command, "--fail-on", "policy", capsys=capsys)


def test_what_a_framework_says_is_shown_escaped(bench: Bench) -> None:
    done = bench.run("run", "--target", "drill", *SMALL, "--out", "report", DRILL="raises hostile text")

    assert 1 == done.returncode
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert r"raised ValueError: a\ud800\x00\x1b[31m<script>" in done.stdout
    texts = {path.name: path.read_text(encoding="utf-8") for path in bench.out.iterdir() if path.suffix != ".parquet"}
    assert [] == [name for name, text in texts.items() if "\x1b" in text or "\0" in text]
    assert {"divergences.csv", "index.html", "summary.md"} == {n for n, text in texts.items() if r"\ud800" in text}
    assert "<script>" not in texts["summary.md"]
    rows = read(bench.out / "observations.parquet").observations
    [culprit] = rows[rows["case"] == CULPRIT].to_dict("records")
    assert r"a\ud800\x00\x1b[31m" in findings_of(culprit)[0].detail


def test_off_a_terminal_there_is_a_line_of_progress_now_and_then(bench: Bench) -> None:
    program = "import sys\nfrom conformance import cli\nfrom conformance.cli import progress\nprogress._NOW_AND_THEN = 0.0\ncli.main(sys.argv[1:])"

    done = bench.python(program, "run", "--target", "several", *SMALL, "--out", "report")

    lines = done.stderr.splitlines()
    assert all(line.isprintable() for line in lines)
    assert "0 of 0 tasks done, now starting the workers" in lines[0]
    assert "6 of 6 tasks done, now several/" in lines[-1]
    assert [] == [line for line in lines if " s: " not in line]
    assert any(", array 1" in line for line in lines)
    assert not any("left" in line for line in lines if "0 of" in line)
    assert all(" s left, now " in line for line in lines if "3 of 6" in line)


def test_what_is_left_takes_as_long_as_what_was_done() -> None:
    assert ["about 90 s left, ", "about 10 min left, ", "", ""] == [
        remaining(30.0, 1, 3), remaining(100.0, 2, 12), remaining(30.0, 0, 4), remaining(30.0, 4, 0)
    ]  # fmt: skip


def test_nothing_to_ask_is_an_error_and_not_an_empty_report(bench: Bench) -> None:
    done = bench.run(*HONEST, "--device", "abacus")

    assert 2 == done.returncode
    assert "there is no target to ask (honest 1 has honest/eager/cpu)" in one_line(done.stderr)
    assert not bench.out.exists()
    assert not bench.journal.exists()


def test_a_named_target_that_is_not_here_is_an_error(bench: Bench) -> None:
    done = bench.run("run", "--target", "honest", "--target", "drill/*/cuda:15", *SMALL, "--out", "report")

    assert 2 == done.returncode
    assert "target 'drill/*/cuda:15' is not here (drill 1 has drill/eager/cpu)" in one_line(done.stderr)
    assert not bench.journal.exists()


# Two interpreters, resuming, and two at once.


def test_the_frameworks_of_another_interpreter_are_asked(bench: Bench) -> None:
    other = bench.folder / "other-python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)

    done = bench.run(*HONEST, "--python", str(other))

    assert 0 == done.returncode, done.stderr
    assert {"honest/eager/cpu"} == set(read(bench.out / "observations.parquet").observations["target"])


def test_there_may_be_nothing_to_resume(bench: Bench) -> None:
    done = bench.run(*HONEST, "--resume")

    assert 2 == done.returncode
    assert f"there is no journal to resume at {bench.journal}" in one_line(done.stderr)
    assert not bench.journal.exists()


@pytest.fixture
def hanging(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """A run of one adapter that answers and one that sleeps, at the moment when the first one is done."""
    run = bench.start("run", "--target", "honest", "--target", "drill", *SMALL, "--out", "report", DRILL="sleeps")
    until(lambda: len(bench.finished) >= 2 or run.poll() is not None)  # what it is asked, and the claims
    assert run.poll() is None, run.communicate()
    yield run
    if run.poll() is None:
        run.kill()


AGAIN = ("run", "--target", "honest", "--target", "drill", *SMALL, "--out", "report")


def test_a_second_run_into_one_folder_is_refused(bench: Bench, hanging: subprocess.Popen[str]) -> None:
    second = bench.run(*HONEST)
    third = bench.run(*HONEST, "--restart")

    assert (2, 2) == (second.returncode, third.returncode)
    assert f"{bench.journal} is written by process {hanging.pid}" in one_line(second.stderr)
    assert f"{bench.journal} is written by process {hanging.pid}" in one_line(third.stderr)
    assert hanging.poll() is None
    assert len(bench.finished) >= 2


def test_a_run_that_was_killed_can_be_resumed_or_discarded_and_neither_happens_by_itself(
    bench: Bench, hanging: subprocess.Popen[str]
) -> None:
    hanging.kill()
    hanging.wait()
    kept = bench.finished

    plain = bench.run(*AGAIN)
    other = bench.run(*HONEST, "--resume", "--seed", "7")
    resumed = bench.run(*AGAIN, "--resume")

    assert (2, 2, 0) == (plain.returncode, other.returncode, resumed.returncode), resumed.stderr
    assert "was interrupted after" in one_line(plain.stderr)
    assert "was begun with another plan" in one_line(other.stderr)
    assert 2 <= len(kept)
    record = read(bench.out / "observations.parquet")
    assert record.complete
    assert {"honest/eager/cpu", "drill/eager/cpu"} == set(record.observations["target"])
    assert not bench.journal.exists()


def test_a_run_that_was_killed_can_be_begun_anew(bench: Bench, hanging: subprocess.Popen[str]) -> None:
    hanging.kill()
    hanging.wait()

    done = bench.run(*HONEST, "--restart")

    assert 0 == done.returncode, done.stderr
    assert {"honest/eager/cpu"} == set(read(bench.out / "observations.parquet").observations["target"])
    assert not bench.journal.exists()


# Signals.


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_a_report_of_what_was_done(
    number: signal.Signals, bench: Bench, hanging: subprocess.Popen[str]
) -> None:
    """That no process and no temporary file is left, the bench looks after."""
    hanging.send_signal(number)
    out, err = hanging.communicate(timeout=60)

    assert (status.INCOMPLETE, "") == (hanging.returncode, err)
    record = read(bench.out / "observations.parquet")
    assert not record.complete
    assert {"honest/eager/cpu"} == set(record.observations["target"])
    assert 72 == len(record.observations)
    assert "incomplete: the run was interrupted" in out
    assert 'id="incomplete"' in (bench.out / "index.html").read_text()
    assert FILES == {path.name for path in bench.out.iterdir()}
    assert [] == bench.left()

    resumed = bench.run(*AGAIN, "--resume")

    assert 0 == resumed.returncode, resumed.stderr
    assert read(bench.out / "observations.parquet").complete


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_anything_was_asked_leaves_nothing(number: signal.Signals, bench: Bench) -> None:
    run = bench.start("run", "--target", "drill", *SMALL, "--out", "report", DRILL="sleeps at import")
    until(bench.journal.exists)
    time.sleep(0.5)
    run.send_signal(number)
    out, err = run.communicate(timeout=60)

    assert (status.INCOMPLETE, "") == (run.returncode, out)
    assert "interrupted; nothing was written" in one_line(err.lstrip())  # behind the ^C of a terminal
    assert not bench.out.exists()
    assert not bench.journal.exists()


def test_a_signal_while_the_report_is_written_loses_nothing(bench: Bench) -> None:
    run = bench.start(*HONEST)
    until(lambda: run.poll() is not None or any(bench.folder.glob(".report.*.unfinished")), pause=0.001)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)

    assert status.INCOMPLETE == run.returncode, err
    assert "interrupted while the report was written" in one_line(err)
    assert not bench.out.exists()
    assert [] == bench.left()

    assert 0 == bench.run(*HONEST, "--resume").returncode
    assert read(bench.out / "observations.parquet").complete


# A full disk.


@pytest.fixture
def small_disk(bench: Bench) -> Iterator[Path]:
    """A disk of a few pages."""
    disk = bench.folder / "disk"
    disk.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() or not mount or not unmount:
        pytest.skip("mounting a small disk is for root alone")
    command = [mount, "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run([unmount, "-l", str(disk)], check=True)  # noqa: S603


def test_a_full_disk_is_one_line_and_what_was_finished_is_there(bench: Bench, small_disk: Path) -> None:
    several = ("run", "--target", "several", *SMALL, "--jobs", "1", "--out", str(small_disk / "report"))

    full = bench.run(*several)

    finished = list((small_disk / "report.journal" / "tasks").glob("[!.]*"))
    assert 2 == full.returncode, full.stderr
    assert "No space left on device" in one_line(full.stderr)
    assert f"cannot write {small_disk}" in full.stderr
    assert 1 <= len(finished) < 6

    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)  # noqa: S603, S607
    resumed = bench.run(*several, "--resume")

    assert 1 == resumed.returncode, resumed.stderr
    assert read(small_disk / "report" / "observations.parquet").complete
    assert {"report"} == {path.name for path in small_disk.iterdir()}


def test_a_full_disk_of_a_report_is_one_line(bench: Bench, small_disk: Path) -> None:
    (bench.folder / "mine.py").write_text(GOOD)
    (small_disk / "filling").write_bytes(b"x" * 44 * 1024)

    checked = bench.run(
        "check", "mine.py:good", "--dtype", "float32", "--family", "single", "--out", f"{small_disk}/report"
    )
    hunted = bench.run(
        "hunt", "mine.py:good", "--seconds", "0.5", "--length", "1000", "--out", f"{small_disk}/worst.json"
    )

    for done in (checked, hunted):
        assert 2 == done.returncode, done.stderr
        assert "No space left on device" in one_line(done.stderr)
    assert ["filling"] == [path.name for path in small_disk.iterdir()]


GOOD = """
import numpy as np

def good(x, axis):
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)
"""
