"""The examples' CI files do what they say: each command in them is run, in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = {"framework-ci": "conformance run --target lattice", "kernel-package": "python -m pytest"}
"""Folder → how the command begins that asks."""


@dataclass(frozen=True)
class Place:
    """A copy of an example, and an environment in which nothing is installed but what this one has."""

    folder: Path
    variables: dict[str, str]

    @property
    def commands(self) -> list[str]:
        """The commands of its CI file, one a line."""
        text = (self.folder / ".github" / "workflows" / "conformance.yml").read_text()
        found = re.findall(r"^ *- run: (\S.*)$", text, re.MULTILINE)
        assert len(found) == text.count("run:"), "a command of several lines would not be run here"
        return found

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run one as CI does."""
        return subprocess.run(  # noqa: S603 - our own example's commands
            ["/bin/bash", "-c", command], cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=240,
            check=False,
        )  # fmt: skip


@pytest.fixture(params=EXAMPLES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    folder = tmp_path / request.param
    shutil.copytree(ROOT / "examples" / request.param, folder)
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    site = next(environment.glob("lib/python*/site-packages"))
    # What this interpreter has installed, the suite among it.
    (site / "here.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    program = environment / "bin" / "conformance"
    program.write_text(f"#!{environment}/bin/python\nfrom conformance.cli import main\n\nmain()\n")
    program.chmod(0o755)
    variables = os.environ | {
        "PATH": os.pathsep.join([str(program.parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        # Nothing is fetched: what is needed is here.
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    assert sys.version_info[:2] == tuple(map(int, site.parent.name.removeprefix("python").split(".")))
    return Place(folder, variables)


def test_each_command_of_an_examples_ci_passes_and_fails_where_it_must(place: Place) -> None:
    begins = EXAMPLES[place.folder.name]
    for command in place.commands:
        done = place.run(command)
        assert 0 == done.returncode, f"{command}\n{done.stdout}{done.stderr}"

    if place.folder.name == "framework-ci":
        assert (place.folder.parent / "summary.md").read_text().startswith("# softmax conformance\n")
    [asks] = [command for command in place.commands if command.startswith(begins)]
    ledger = place.folder / "known.toml"
    known = ledger.read_text()
    ledger.write_text("")
    unknown = place.run(asks)
    gone = next(entry for entry in known.split("\n\n") if 'kind = "nonfinite"' in entry)
    ledger.write_text(f"{known}\n{gone.replace('nonfinite', 'crashed')}\n")
    stale = place.run(asks)

    assert (1, 1) == (unknown.returncode, stale.returncode), unknown.stdout + stale.stdout
    assert "nonfinite" in unknown.stdout
    assert "stale" not in unknown.stdout
    assert "no crashed in " in stale.stdout
    assert "unexpected" not in stale.stdout
    assert "cases diverge" not in stale.stdout


def test_an_examples_ledger_says_why() -> None:
    texts = [(ROOT / "examples" / name / "known.toml").read_text() for name in EXAMPLES]

    assert all(text.count("[[entry]]") == text.count("\nnote = ") for text in texts)
    assert "unexplained" not in "".join(texts)
