"""Every entry about a framework can be seen with the framework alone, by one line."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from conformance import frameworks, ledger
from conformance.ledger.entry import covers_version
from conformance.record.machine import this_platform
from conformance.values import Tier

DRIVER = """
import contextlib, io, json, os, sys, warnings
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
said = []
for line in json.load(sys.stdin):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(line, {})
        said.append(" ".join(out.getvalue().split()))
    except Exception as error:
        said.append(type(error).__name__)
print(json.dumps(said))
"""


def installed(framework: str) -> str:
    """The version that the framework reports, asked in a process of its own."""
    program = f"import {framework}; print({framework}.__version__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.split()[-1]


@pytest.mark.parametrize("framework", frameworks.names())
def test_each_line_prints_what_its_comment_says(framework: str) -> None:
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    here = this_platform()
    mine = [entry for entry in ledger.load() if entry.target[0].partition("/")[0] == framework]
    version = installed(framework)
    entries = [
        entry
        for entry in mine
        if entry.reproduce and here in entry.platform and covers_version(entry.versions, version)
    ]
    if not entries:
        pytest.skip(f"the ledger says nothing of {framework} on {here}")
    lines = sorted({entry.reproduce for entry in entries})
    # What is only degraded hangs on last bits, which two processors of a platform need not share: it has to run.
    firm = {entry.reproduce for entry in entries if entry.binds_on(here, Tier.STANDARD)}

    driver = [sys.executable, "-c", DRIVER]
    ran = subprocess.run(driver, input=json.dumps(lines), capture_output=True, text=True, check=True)  # noqa: S603

    said = dict(zip(lines, json.loads(ran.stdout.splitlines()[-1]), strict=True))
    assert all(said.values())
    assert {line: line.rpartition("  # ")[2] for line in firm} == {line: said[line] for line in firm}
