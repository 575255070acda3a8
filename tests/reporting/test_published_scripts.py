"""Every script of the published record runs, and sees its fault where the record was made.

The scripts of a framework run one after the other in one interpreter, those that set environment variables for its import
in one of their own.  Each of a mode that compiles is a compilation or
two: of those the usual run takes the first of each target, op and kind of finding, which is the worst, and the nightly
one all (``pytest -m nightly``).  A script that ends with a traceback is broken, whatever the machine.  One that ends with
status 0 says that the fault is not here: that is wrong on the platform of the record, but for findings that the ledger
calls flaky, and for degraded ones, which hang on last bits that two processors of a platform need not share.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from conformance import frameworks, ledger
from conformance.cases import fingerprint
from conformance.cli.reproduce import exhibit_for
from conformance.record import read
from conformance.record.machine import this_machine
from conformance.reporting import Reading
from conformance.reporting.scripts import part_of, script_of
from conformance.values import Finding, Severity

if TYPE_CHECKING:
    import pandas as pd

LATEST = Path(__file__).parents[2] / "reports" / "latest"

DRIVER = """
import contextlib, io, json, os, sys, traceback, warnings
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.simplefilter("ignore")
said = []
for name, text in json.load(sys.stdin):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(text, name, "exec"), {"__name__": "__main__"})
        status = "it did not exit"
    except SystemExit as end:
        status = end.code
    except BaseException:
        status = traceback.format_exc()
    # Dynamo runs the ninth function of one shape eagerly, and says nothing; each script is to find it as a process does.
    if "torch._dynamo" in sys.modules:
        sys.modules["torch"]._dynamo.reset()
    said.append([name, status, out.getvalue()])
json.dump(said, sys.stdout)
"""


@pytest.fixture(scope="module")
def published() -> Reading:
    return Reading(read(LATEST / "observations.parquet"), ledger.load())


def scripts(reading: Reading, found: pd.DataFrame) -> dict[str, str]:
    """Name of a finding → its script; of an array that the record is too small for, where this suite asks the same still."""
    texts = {}
    for one in found.to_dict("records"):
        row = reading.record.observations.loc[one["rows"][0]].to_dict()
        if not remade(reading, row):
            continue
        said = Finding(one["kind"], Severity(one["severity"]), one["detail"], one["witness"])
        name = " ".join(str(one[column]) for column in ("id", "name", "op", "way", "dtype", "family", "kind", "case"))
        texts[name] = script_of(reading.record, row, said, exhibit_for(reading.record, row))
    return texts


def remade(reading: Reading, row: dict[str, Any]) -> bool:
    """Whether the array of a row is at hand: a record of other questions has those alone that it is large enough for."""
    try:
        exhibit_for(reading.record, row)
    except click.UsageError as error:
        assert "is too large for the record" in str(error)  # noqa: PT017 - of some rows
        part, _ = part_of(reading.record, row)
        assert part.header.plan.questions != fingerprint()
        return False
    return True


def statuses(texts: dict[str, str], folder: Path) -> dict[str, int]:
    """What each script ends with, in one interpreter for all that set the same environment variables.

    Raises
    ------
    AssertionError
        If one ends with anything else than 0 or 1, or prints no answer, truth and bound.
    """
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, text in texts.items():
        groups["".join(re.findall(r"^os\.environ.*\n", text, re.MULTILINE))].append((name, text))
    said: list[Any] = []
    for group in groups.values():
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", DRIVER], input=json.dumps(group), capture_output=True, text=True, check=False,
            cwd=folder,
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr[-2000:]
        said += json.loads(done.stdout.splitlines()[-1])
    assert {} == {name: (status, out) for name, status, out in said if status not in (0, 1)}
    assert [] == [name for name, _, out in said if not all(word in out for word in ("answer", "truth", "bound"))]
    return {name: status for name, status, _ in said}


def version(framework: str) -> str:
    """The version of a framework that is installed here, without its local part; empty where none is."""
    for name in frameworks.adapter(framework).distributions[:2]:
        try:
            return importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def of_this_machine(reading: Reading, framework: str) -> pd.DataFrame:
    """The findings about the version of a framework that is installed here."""
    own = reading.own
    return own[(own["framework"] == framework) & (own["version"].str.partition("+")[0] == version(framework))]


def firm(reading: Reading, one: dict[Any, Any]) -> bool:
    """Whether the finding has to show here."""
    row = reading.record.observations.loc[one["rows"][0]].to_dict()
    made, here = part_of(reading.record, row)[0].header.machine, this_machine()
    flaky = {entry.id for entry in reading.entries if entry.flaky}
    if made.platform != here.platform or not flaky.isdisjoint(str(one["ledger"]).split()):
        return False
    # Which lanes of an overlapping out= are read after they were written hangs on how a loop is cut, by the threads too.
    if row["way"] == "overlap":
        return False
    # A script compiles its one shape as it is, where a run may have compiled it for any length: last bits differ.
    compiled = one["mode"] in frameworks.adapter(one["framework"]).compiled
    return bool(one["severity"] == Severity.VIOLATION) or (made.cpu == here.cpu and not compiled)


def check(reading: Reading, found: pd.DataFrame, folder: Path) -> None:
    texts = scripts(reading, found)
    assert [] == [name for name, text in texts.items() if not text]

    ended = statuses(texts, folder)

    rows = reading.record.observations
    asked = [one for one in found.to_dict("records") if remade(reading, rows.loc[one["rows"][0]].to_dict())]
    due = {name for name, one in zip(texts, asked, strict=True) if firm(reading, one)}
    assert [] == sorted(name for name in due if ended[name] != 1)


@pytest.mark.parametrize("framework", frameworks.own())
def test_the_scripts_of_the_published_record_show_their_faults(
    framework: str, published: Reading, tmp_path: Path
) -> None:
    if not version(framework):
        pytest.skip(f"{framework} is not installed")
    mine = of_this_machine(published, framework)
    compiled = mine["mode"].isin(frameworks.adapter(framework).compiled)
    first = mine[compiled].drop_duplicates(["target", "op", "kind"])

    check(published, mine[~compiled | mine.index.isin(first.index)], tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("framework", frameworks.own())
def test_every_script_of_a_compiled_mode_shows_its_fault(framework: str, published: Reading, tmp_path: Path) -> None:
    if not version(framework):
        pytest.skip(f"{framework} is not installed")
    mine = of_this_machine(published, framework)

    check(published, mine[mine["mode"].isin(frameworks.adapter(framework).compiled)], tmp_path)


def test_every_finding_of_the_published_record_has_a_script(published: Reading) -> None:
    """Also those about releases that are not installed here."""
    texts = scripts(published, published.own)

    rows = (published.record.observations.loc[found[0]].to_dict() for found in published.own["rows"])
    assert len(texts) == sum(remade(published, row) for row in rows) > 0.9 * len(published.own)
    assert [] == [name for name, text in texts.items() if not text]
    for name, text in texts.items():
        compile(text, name, "exec")


def test_a_script_that_is_broken_is_told_from_a_fault_that_is_gone(tmp_path: Path) -> None:
    shown = 'import sys\nprint("answer", 1, "truth", 1, "bound", 0)\n'
    fine = {"there": f"{shown}sys.exit(1)\n", "gone": f"{shown}sys.exit(0)\n"}

    assert {"there": 1, "gone": 0} == statuses(fine, tmp_path)
    for broken in ("1 / 0\n", "sys.exit(2)\n", "", "sys.exit('no')\n"):
        with pytest.raises(AssertionError, match="broken"):
            statuses({**fine, "broken": shown + broken}, tmp_path)
    with pytest.raises(AssertionError, match="silent"):
        statuses({**fine, "silent": "import sys\nsys.exit(0)\n"}, tmp_path)
