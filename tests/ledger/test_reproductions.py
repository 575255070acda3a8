"""Every entry about a framework can be seen with the framework alone, by one line."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from conformance import frameworks, ledger
from conformance.ledger.entry import covers_version, framework_of
from conformance.ledger.names import OTHER_WORKERS
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
    """The version that the framework reports, asked in a process of its own; empty where it is not to be had here."""
    program = f"from conformance import frameworks; print(frameworks.load({framework!r}).version)"
    for variant in frameworks.adapter(framework).variants:
        place = {**os.environ, **variant.environment}
        done = subprocess.run([sys.executable, "-c", program], env=place, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0:
            return done.stdout.split()[-1]
    assert re.search("(Import|(Module|Package)NotFound)Error", done.stderr), done.stderr[-2000:]
    return ""


def there(entry: ledger.Entry) -> bool:
    """Whether the modules of the variant that it speaks of are installed."""
    framework, _, variant = entry.target[0].partition("/")[0].partition(":")
    needed = next(one.needs for one in frameworks.adapter(framework).variants if one.name == variant)
    return all(importlib.util.find_spec(module) for module in needed)


def reproduced(lines: list[str], python: str = sys.executable) -> dict[str, str]:
    """Line → what it prints, or the name of its exception, or of the signal that ends its process.

    Lines that set the same environment variables, which a framework reads when it is imported, share a process; one that
    ends its process has it alone.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        groups[line if "  # SIG" in line else "".join(re.findall(r"os\.environ[^;]*;", line))].append(line)
    said: dict[str, str] = {}
    for group in groups.values():
        driver = [python, "-W", "ignore", "-c", DRIVER]
        ran = subprocess.run(driver, input=json.dumps(group), capture_output=True, text=True, check=False)  # noqa: S603
        if ran.returncode < 0:
            said |= dict.fromkeys(group, signal.Signals(-ran.returncode).name)
        else:
            assert ran.returncode == 0, ran.stderr[-2000:]
            said |= dict(zip(group, json.loads(ran.stdout.splitlines()[-1]), strict=True))
    return said


@pytest.mark.parametrize("framework", frameworks.names())
def test_each_line_prints_what_its_comment_says(framework: str) -> None:
    version = installed(framework)
    if not version:
        pytest.skip(f"{framework} is not installed")
    here = this_platform()
    mine = [entry for entry in ledger.load() if framework_of(entry.target[0]) == framework]
    entries = [
        entry
        for entry in mine
        if entry.reproduce and entry.seen_on(here) and covers_version(entry.versions, version) and there(entry)
    ]
    if not entries:
        pytest.skip(f"the ledger says nothing of {framework} on {here}")
    lines = sorted({entry.reproduce for entry in entries})
    # What is only degraded hangs on last bits, which two processors of a platform need not share: it has to run.
    firm = {entry.reproduce for entry in entries if entry.binds_on(here, Tier.STANDARD)}

    said = reproduced(lines)

    assert all(said.values())
    assert {line: line.rpartition("  # ")[2] for line in firm} == {line: said[line] for line in firm}


@pytest.mark.skipif(
    shutil.which("node") is None or not Path("examples", "node-worker", "node_modules").is_dir(),
    reason="node is not installed, or not its packages: npm ci in examples/node-worker",
)
def test_each_line_about_a_framework_of_node_prints_what_its_comment_says() -> None:
    mine = [entry for entry in ledger.load() if framework_of(entry.target[0]) in OTHER_WORKERS]
    lines = sorted({entry.reproduce for entry in mine if entry.seen_on(this_platform())})

    said = reproduced(lines)

    assert {line: line.rpartition("  # ")[2] for line in lines} == said
