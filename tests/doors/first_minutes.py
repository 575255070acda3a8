"""Record a kernel author's first five minutes: run each command in a new environment, and write down what it prints.

python tests/doors/first_minutes.py --write docs/kernel-authors.md
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(tempfile.gettempdir()) / "kernels"
"""Where the author works; it is made anew, and removed at the end."""

BEFORE = """\
import numpy as np


def softmax(x, axis):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)
"""

AFTER = BEFORE.replace("np.exp(x)", "np.exp(x - x.max(axis=axis, keepdims=True))")

CHECK = "conformance check my_softmax.py:softmax"


class Recording:
    """A session in one folder, with the commands of a new environment."""

    def __init__(self, environment: Path) -> None:
        self.lines: list[str] = []
        path = os.pathsep.join([str(environment / "bin"), os.environ["PATH"]])
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {
            "PATH": path,
            "COLUMNS": "80",
        }

    def run(self, command: str, shown: str = "") -> str:
        """Run a command line; what it prints, which is recorded behind it, or behind the line that is ``shown``."""
        done = subprocess.run(  # noqa: S602 - a line of a shell is what is recorded
            command, shell=True, cwd=FOLDER, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        self.lines += [f"$ {shown or command}", *done.stdout.rstrip().splitlines(), ""]
        return done.stdout


def record() -> str:
    """The session, as text."""
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        session = Recording(Path(place))
        session.run(
            f"pip install -qq {shlex.quote(str(ROOT))}",
            "pip install -qq softmax-conformance",
        )
        (FOLDER / "my_softmax.py").write_text(BEFORE)
        session.run("cat my_softmax.py")
        verdict = session.run(CHECK)
        again = next(line.strip() for line in verdict.splitlines() if line.startswith("  python -c "))
        session.run(again)
        (FOLDER / "before.py").write_text(BEFORE)
        (FOLDER / "my_softmax.py").write_text(AFTER)
        session.run("diff before.py my_softmax.py")
        session.run(again)
        session.run(CHECK)
    return "\n".join(session.lines).rstrip()


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="page to put it in")
def main(write: Path | None) -> None:
    FOLDER.mkdir()
    try:
        text = record()
    finally:
        shutil.rmtree(FOLDER)
    click.echo(text)
    if "\npassed\n" not in text:
        sys.exit(1)
    if write:
        section = f"<!-- recording -->\n\n```console\n{text}\n```\n\n<!-- /recording -->"
        page = re.sub(r"<!-- recording -->.*<!-- /recording -->", lambda _: section, write.read_text(), flags=re.DOTALL)
        write.write_text(page)


if __name__ == "__main__":
    main()
