"""``--worker NAME=COMMAND``: a program that speaks the protocol is asked as a framework is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commands import SMALL, one_line

from conformance import cli
from conformance.cli.options import WorkerProgram
from conformance.record import read

if TYPE_CHECKING:
    from commands import Bench

    from conformance.record import Record

TINY = shlex.join([sys.executable, str(Path(__file__).with_name("tiny_worker.py")), "tiny"])
WORKER = ("--worker", f"tiny={TINY}")
FEW = (*SMALL, "--tier", "smoke")


def asked(bench: Bench, *arguments: str, out: str = "report") -> Record:
    """The record of a run that finds nothing."""
    done = bench.run("run", *arguments, "--out", out)
    assert 0 == done.returncode, done.stderr
    return read(bench.folder / out / "observations.parquet")


def test_a_command_line_is_split_as_a_shell_splits_it() -> None:
    given = WorkerProgram().convert("my-js.9=sh -c 'a b' x=y", None, None)

    assert ("my-js.9", ("sh", "-c", "a b", "x=y")) == given


def test_a_worker_program_is_asked_and_nothing_else(bench: Bench) -> None:
    record = asked(bench, *WORKER, *FEW, "--op", "log_softmax")

    rows = record.observations
    assert {"tiny/eager/cpu"} == set(rows["target"])
    assert {
        ("softmax", "answered", ""),
        ("log_softmax", "unsupported", "softmax of float32 alone"),
    } == set(rows[["op", "outcome", "reason"]].itertuples(index=False, name=None))
    assert f"--worker {shlex.quote(WORKER[1])}" in record.parts[0].header.command
    assert {} == record.parts[0].programs


def test_the_frameworks_of_interpreters_are_asked_too_where_one_is_named(bench: Bench) -> None:
    record = asked(bench, *WORKER, "--python", "here", "--target", "tiny", "--target", "honest", *FEW)

    assert {"tiny/eager/cpu", "honest/eager/cpu"} == set(record.observations["target"])


def test_its_answers_merge_with_those_of_frameworks(bench: Bench) -> None:
    asked(bench, *WORKER, *FEW, out="one")
    asked(bench, "--target", "honest", *FEW, out="two")

    done = bench.run("report", "one", "two", "--out", "report")

    assert 0 == done.returncode, done.stderr
    rows = read(bench.out / "observations.parquet").observations
    assert {"tiny/eager/cpu", "honest/eager/cpu"} == set(rows["target"])


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        ("tiny", "'tiny' is no NAME=COMMAND; for example 'tfjs=node worker.js'"),
        ("tiny=", "'tiny=' is no NAME=COMMAND"),
        ("=cat", "'=cat' is no NAME=COMMAND"),
        ("a/b=cat", "'a/b=cat' is no NAME=COMMAND"),
        ("tiny='", '"\'" is no command line: No closing quotation'),
        ("tiny=''", "tiny: there is no such program: \"''\""),
        ("tiny=/no/such/program x", "tiny: there is no such program: '/no/such/program x'"),
        ("tiny=true", "the worker of 'tiny' cannot be asked: its import failed: the process ended with exit status 0"),
        ("tiny=echo hello", "the worker of 'tiny' cannot be asked: its import failed: broke the protocol: no line of JSON"),
        ("tiny=cat", "the worker of 'tiny' cannot be asked: its worker's hello is incomplete"),
        (f"other={TINY}", "the worker of 'other' cannot be asked: its worker calls its framework 'tiny'"),
    ],
    ids=["bare", "empty", "no name", "slash", "open quote", "empty word", "no program", "ends", "chatty", "echo", "other name"],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_line(
    tmp_path: Path, worker: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the other worker can be asked."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "--worker", worker, *WORKER, *FEW, "--out", str(tmp_path / "report")])

    assert 2 == ended.value.code
    assert said in one_line(capsys.readouterr().err.splitlines()[-1])
    assert [] == list(tmp_path.iterdir())
