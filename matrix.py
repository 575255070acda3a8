"""Ask every release in releases.toml, and write one report: `tox run -e matrix`.

python matrix.py                      all of them, standard tier
python matrix.py --smoke              the newest release of each, smoke tier
python matrix.py --only jax --tier smoke
python matrix.py --only jax -- --op softmax --dtype float32    what stands behind -- goes to conformance run
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
PARTS = Path("reports", "partial", "matrix")
"""The records that the report is made of: one folder a subject, or a release of one that is asked alone."""


def subjects() -> dict[str, dict[str, Any]]:
    """What ``releases.toml`` says of each."""
    return tomllib.loads((ROOT / "releases.toml").read_text())


def environments() -> dict[str, list[str]]:
    """Name of an environment → what it holds."""
    return {
        f"{name}-{one['release']}": [
            *subject["package"].format(release=one["release"]).split(), *one.get("with", "").split()
        ]
        for name, subject in subjects().items()
        for one in subject["releases"]
    }  # fmt: skip


def main() -> int:
    """The exit status of the report: 0, 1 for something unexpected, 2 or 3 for a failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="the newest release of each in the smoke tier")
    parser.add_argument("--tier", default="standard", help="smoke or standard")
    parser.add_argument("--only", action="append", default=[], metavar="SUBJECT", help="this subject; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("reports", "matrix"), help="folder of the report")
    parser.add_argument("--workdir", type=Path, default=Path(".tox"), help="where tox keeps its environments")
    parser.add_argument("--no-build", action="store_true", help="ask the environments that there are")
    parser.add_argument("--history", type=Path, help="also write what changed between releases here, as Markdown")
    parser.add_argument("options", nargs="*", help="after --: further options of conformance run")
    given = parser.parse_args()
    tier = "smoke" if given.smoke else given.tier
    unknown = sorted(set(given.only) - set(subjects()))
    if unknown:
        parser.error(f"unknown subject {unknown[0]!r}; known: {', '.join(subjects())}")
    parts, missing = [], []
    for subject, table in subjects().items():
        if given.only and subject not in given.only:
            continue
        names = [name for name in environments() if name.rpartition("-")[0] == subject]
        names = names[-1:] if given.smoke else names
        if table.get("alone") and not given.smoke:  # each is too large to stay beside the others
            for name in names:
                parts += _ask(given, subject, [name], PARTS / name, tier, missing)
                if not given.no_build:
                    shutil.rmtree(ROOT / given.workdir / name, ignore_errors=True)
        elif not table.get("alone"):
            parts += _ask(given, subject, names, PARTS / subject, tier, missing)
    for name in missing:
        sys.stderr.write(f"matrix: {name} is not there: tox run -e {name}\n")
    if not parts:
        sys.stderr.write("matrix: there is no environment to ask\n")
        return 2
    history = ["--history", str(given.history)] if given.history else []
    return _run("-m", "conformance", "report", *map(str, parts), "--out", str(given.out), *history)


def _ask(
    given: argparse.Namespace, subject: str, names: list[str], out: Path, tier: str, missing: list[str]
) -> list[Path]:
    """Make the environments, ask them in one run, and return the folder of its record; none where none is there."""
    if not given.no_build:
        for name in names:
            _run("-m", "tox", "run", "-q", "--workdir", str(given.workdir), "-e", name)
    pythons = {name: given.workdir / name / "bin" / "python" for name in names}
    missing += [name for name, python in pythons.items() if not (ROOT / python).exists()]
    there = [python for python in pythons.values() if (ROOT / python).exists()]
    if not there:
        return []
    options = [text for python in there for text in ("--python", str(python))]
    asked = ("--tier", tier, "--target", subject, *options, "--out", str(out), "--restart", *given.options)
    status = _run("-m", "conformance", "run", *asked)
    return [out] if status in (0, 1, 3) else []  # 3: crashes kept some questions from being asked, as the report says


def _run(*arguments: str) -> int:
    return subprocess.run([sys.executable, *arguments], check=False, cwd=ROOT).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
