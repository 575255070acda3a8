"""A place to run commands in: its own folder for temporary files, its own plugins, and a mark on every process."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
DRILL = ROOT / "tests" / "asking" / "drill" / "misbehaving.py"
PLUGINS = Path(__file__).parent / "plugins"

CULPRIT = "all=+1000,n=17"
"""The case of the family all_equal on which the adapter ``drill`` does what the variable DRILL says."""

SMALL = ("--op", "softmax", "--dtype", "float32", "--family", "all_equal")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a command from outside, and lets it say so."""

_MARK = "CONFORMANCE_DOORS"


def marked(mark: str) -> list[int]:
    """Every process that has inherited a mark, zombies left out."""
    found = []
    wanted = f"{_MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def until(there: Callable[[], object], seconds: float = 60.0, pause: float = 0.01) -> None:
    """Wait for something.

    Raises
    ------
    TimeoutError
        If it does not come.
    """
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise TimeoutError(there)
        time.sleep(pause)


@dataclass
class Bench:
    """One place.

    Attributes
    ----------
    folder
        For reports and kernels.
    environment
        Of every command.
    """

    folder: Path
    environment: dict[str, str]
    mark: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path) -> Bench:
        """A place in a folder, with the adapters of the fault drill and of this folder's plugins."""
        plugins, temporary = folder / "plugins", folder / "temporary"
        plugins.mkdir()
        temporary.mkdir()
        for source in (DRILL, *PLUGINS.glob("*.py")):
            shutil.copy(source, plugins)
        metadata = plugins / "misbehaving-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(
            "[conformance.frameworks]\n"
            "drill = misbehaving:Misbehaving\nhonest = misbehaving:Honest\nseveral = several:Several\ncoarse = coarse:Coarse\n"
        )
        mark = secrets.token_hex(16)
        environment = os.environ | {
            _MARK: mark,
            "TMPDIR": str(temporary),
            "PYTHONPATH": os.pathsep.join([str(plugins), os.environ.get("PYTHONPATH", "")]),
            "COLUMNS": "200",
        }
        return cls(folder, environment, mark)

    @property
    def out(self) -> Path:
        """Where reports go by default."""
        return self.folder / "report"

    @property
    def journal(self) -> Path:
        """The journal of a run into that folder."""
        return self.folder / "report.journal"

    @property
    def finished(self) -> list[Path]:
        """The finished tasks of that journal."""
        return sorted((self.journal / "tasks").glob("[!.]*"))

    def start(
        self,
        *arguments: str,
        program: tuple[str, ...] = ("-m", "conformance"),
        stdout: IO[str] | None = None,
        **more: str,
    ) -> subprocess.Popen[str]:
        """Start a command; ``more`` are variables of its environment, ``stdout`` a file for all that it writes."""
        with _default_signals():
            process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, *program, *arguments],
                stdout=stdout or subprocess.PIPE,
                stderr=subprocess.STDOUT if stdout else subprocess.PIPE,
                text=True,
                cwd=self.folder,
                env=self.environment | more,
            )
        self.started.append(process)
        return process

    def run(self, *arguments: str, seconds: float = 240.0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def python(
        self, program: str, *arguments: str, seconds: float = 240.0, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this test to its end."""
        process = self.start(*arguments, program=("-c", program), **more)
        out, err = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def left(self) -> list[str]:
        """Processes and temporary files that ended commands have left, once they have had time to go."""
        running = {process.pid for process in self.started if process.poll() is None}
        end = time.monotonic() + 10
        while (processes := set(marked(self.mark)) - running) and time.monotonic() < end:
            time.sleep(0.05)
        names = [f"process {pid}" for pid in processes]
        # A compiler's cache is its framework's, and meant to stay.
        temporary = [
            path for path in (self.folder / "temporary").iterdir() if not path.name.startswith("torchinductor_")
        ]
        names += map(str, temporary)
        return names + [str(path) for path in self.folder.iterdir() if path.name.startswith(".")]

    def end(self) -> None:
        """End what is still running."""
        for pid in marked(self.mark):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.started:
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()


@contextlib.contextmanager
def _default_signals() -> Iterator[None]:
    """Let a process that starts meanwhile not inherit that signals are ignored, as they are behind nohup or &."""
    ignored = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def ledger(path: Path, *entries: dict[str, Any]) -> Path:
    """Write a ledger of these entries; fields that they do not have are filled in."""
    more = {"versions": ">=0", "platform": ["any"], "reason": "by-design", "note": "so"}
    tables = [
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in ({"id": entry["kind"]} | more | entry).items())
        for entry in entries
    ]
    path.write_text("".join(f"[[entry]]\nseen = 2026-11-26\n{table}\n" for table in tables))
    return path


def one_line(text: str) -> str:
    """The one line that a user's mistake is told in.

    Raises
    ------
    AssertionError
        If it is none.
    """
    lines = text.splitlines()
    assert 1 == len(lines), text
    assert lines[0].startswith("conformance: "), text
    assert lines[0].isprintable(), text
    return lines[0]
