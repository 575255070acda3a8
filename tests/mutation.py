"""Do the tests notice when a line of the judge, the record, the ledger or the asking half is changed?

    python tests/mutation.py sample --count 420 --seed 11
    python tests/mutation.py run
    python tests/mutation.py run --survivors
    python tests/mutation.py page --write docs/mutation.md

Makes a seeded sample of mutants with Cosmic Ray, runs the tests that execute the changed line on each, and lists those that
survived.  ``run`` goes on where it was ended; ``--survivors`` are run once more, against the tests as they are now.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from difflib import ndiff
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

import click
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import TestOutcome
from coverage import CoverageData
from coverage.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

ROOT = Path(__file__).parents[1]

TESTS = {
    "conformance/judgement": ("tests/judgement", "tests/doors/test_check.py"),
    "conformance/record": ("tests/record", "tests/doors/test_run.py", "tests/doors/test_cli.py"),
    "conformance/ledger": ("tests/ledger/test_known.py", "tests/ledger/test_ledger.py", "tests/reporting"),
    "conformance/asking": (
        "tests/asking",
        "tests/doors/test_run.py",
        "tests/doors/test_cli.py",
        "tests/doors/test_check.py",
    ),
}
"""Package → the tests of its mutants; of these, the ones that execute the mutated line."""

COVERAGE = """\
[run]
source = conformance
context = ${PYTEST_CURRENT_TEST-}
parallel = true
patch =
    subprocess
    _exit
data_file = %s/coverage
disable_warnings = no-data-collected, module-not-imported, module-not-measured
"""
"""Workers are measured too, and say which test has started them."""

EVERYWHERE = "tests/test_architecture.py"
"""The tests of what holds for every module."""

SECONDS = 30.0
"""How long the tests of one mutant take together without it: the shortest of those that execute its line, so that a
mutant is called a survivor too early and never too late."""

TIMEOUT = 400
"""Seconds after which the tests of a mutant have stopped; it counts as killed, as whoever runs the tests would notice."""


@dataclass
class Mutant:
    """One changed place.

    Attributes
    ----------
    before, after
        The changed lines, without the spaces around them.
    outcome
        ``killed``, ``stopped`` (its tests came to no end), ``survived``, ``gone`` (the line is not there any more), or empty
        before it is run.
    """

    module: str
    operator: str
    line: int
    before: str
    after: str
    outcome: str = ""

    @property
    def id(self) -> str:
        """Stable while the changed line stays as it is."""
        key = repr((self.module, self.operator, self.before, self.after))
        return hashlib.blake2b(key.encode(), digest_size=4).hexdigest()


class _Bare(ast.NodeTransformer):
    """Strip annotations, and imports for type checkers alone: no test can see them."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(0)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        if "TYPE_CHECKING" in ast.dump(node.test):
            return ast.Pass()
        return self.generic_visit(node)


def _meaning(code: str) -> str:
    return ast.dump(_Bare().visit(ast.parse(code)))


def _changed(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, joined."""
    lines = list(ndiff(before.splitlines(), after.splitlines()))
    return tuple(" ".join(line[2:].strip() for line in lines if line.startswith(sign)) for sign in ("- ", "+ "))


def places(module: str) -> list[tuple[int, str, int]]:
    """Every place that an operator can change: line, operator, and which of its occurrences."""
    tree = get_ast((ROOT / module).read_text())
    found = []
    for name in operator_names():
        kind = get_operator(name)
        if not kind.arguments():
            spots = [spot for node in ast_nodes(tree) for spot in kind().mutation_positions(node)]
            found += [(line, name, occurrence) for occurrence, ((line, _), _) in enumerate(spots)]
    return found


def mutant(module: str, line: int, operator: str, occurrence: int) -> tuple[Mutant, str] | None:
    """One mutant with its source; None where it means the same, or where Cosmic Ray cannot make it."""
    code = (ROOT / module).read_text()
    try:
        mutated = mutate_code(code, get_operator(operator)(), occurrence)
        if mutated is None or _meaning(mutated) == _meaning(code):
            return None
    except (AttributeError, SyntaxError):  # `except a.b` cannot be replaced
        return None
    return Mutant(module, operator.removeprefix("core/"), line, *_changed(code, mutated)), mutated


def sample(package: str, count: int, seed: int) -> list[tuple[Mutant, str]]:
    """A sample of lines without repetition, and one mutant of each."""
    chance = random.Random(f"{seed} {package}")  # noqa: S311 - a sample
    by_line: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for path in sorted((ROOT / package).glob("*.py")):
        module = f"{package}/{path.name}"
        for line, operator, occurrence in places(module):
            by_line[module, line].append((operator, occurrence))
    found: list[tuple[Mutant, str]] = []
    for module, line in chance.sample(sorted(by_line), len(by_line)):
        tried = (mutant(module, line, *one) for one in chance.sample(by_line[module, line], len(by_line[module, line])))
        found += [one for one in (next((one for one in tried if one), None),) if one]
        if len(found) == count:
            break
    return found


def _copy(folder: Path) -> Path:
    """The project as it is, without what it ignores."""
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in files.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def command(copy: Path, *arguments: object) -> str:
    """A run of pytest on a copy of the project, and on nothing else that is installed."""
    return f"env -C {copy} PYTHONPATH={copy} {sys.executable} -m pytest -q -p no:cacheprovider -p no:xdist " + " ".join(
        str(argument) for argument in arguments
    )


@dataclass(frozen=True)
class Coverage:
    """What one run of all tests says.

    Attributes
    ----------
    tests
        Module → line → the tests that execute it.
    seconds
        Test → how long it takes.
    """

    tests: dict[str, dict[int, set[str]]]
    seconds: dict[str, float]

    def of(self, module: str, code: str, line: int) -> list[str]:
        """The tests that execute a line, the shortest first, up to :data:`SECONDS`; files, where no test is known to."""
        files = tuple(file for test in TESTS[str(Path(module).parent)] for file in _files(test))
        found = {test for one in _lines(code, line) for test in self.tests[module][one] if test.startswith(files)}
        # What runs when the module is imported no test has for itself.
        found = found or {test for test in self.seconds if test.startswith((*files, EVERYWHERE))}
        chosen, left = [], SECONDS
        for test in sorted(found, key=lambda test: self.seconds.get(test, 0.0)):
            left -= self.seconds.get(test, 0.0)
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen


def covering(copies: Sequence[Path]) -> Coverage:
    """One run of all tests of the packages, shared out among copies of the project."""
    seconds: dict[str, float] = defaultdict(float)

    def measured(copy: Path, tests: Sequence[str]) -> None:
        (copy / "coverage.ini").write_text(COVERAGE % copy)
        text = command(
            copy, f"--cov --cov-config={copy}/coverage.ini --cov-context=test --cov-report= --durations=0 -vv", *tests
        )
        done = subprocess.run(shlex.split(text), capture_output=True, text=True, check=False)  # noqa: S603
        for spent, test in re.findall(r"^([0-9.]+)s (?:call|setup|teardown) +(\S.*)$", done.stdout, re.MULTILINE):
            seconds[test] += float(spent)
        click.echo(done.stdout.splitlines()[-1], err=True)
        if done.returncode:
            raise click.ClickException("the tests fail without any mutant")

    every = sorted({EVERYWHERE} | {file for tests in TESTS.values() for test in tests for file in _files(test)})
    with ThreadPoolExecutor(len(copies)) as threads:
        list(threads.map(measured, copies, [every[i :: len(copies)] for i in range(len(copies))]))
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for copy in copies:
        for file in copy.glob("coverage*"):
            if file.suffix != ".ini" and not file.name.endswith("-journal"):
                data = CoverageData(basename=str(file))
                try:
                    data.read()
                except DataError:
                    continue  # of a worker that was killed while it wrote
                for path in data.measured_files():
                    module = found[str(Path(path).relative_to(copy))]
                    for line, contexts in data.contexts_by_lineno(path).items():
                        names = (part.split(" (")[0].partition("|") for name in contexts for part in name.split("|"))
                        module[line] |= {name for name, _, _ in names if "::" in name}
    return Coverage(found, seconds)


def _files(test: str) -> list[str]:
    path = ROOT / test
    return [str(file.relative_to(ROOT)) for file in path.glob("test_*.py")] if path.is_dir() else [test]


def _lines(code: str, line: int) -> range:
    """The lines of the smallest statement, or head of one, that a line stands in."""
    best = range(line, line + 1)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or line):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno
            if line <= end:
                best = range(node.lineno, end + 1)
    return best


def outcome(copy: Path, changed: Mutant, code: str, coverage: Coverage) -> str:
    """Run the tests that execute the line of a mutant, in a copy of the project."""
    path = copy / changed.module
    kept = path.read_text()
    listed = copy / "chosen.txt"
    listed.write_text("\n".join(coverage.of(changed.module, kept, changed.line)))
    path.write_text(code)
    try:
        found, printed = run_tests(command(copy, "-x", f"@{listed}"), TIMEOUT)
    finally:
        path.write_text(kept)
    if printed == "timeout":
        return "stopped"
    return "survived" if found is TestOutcome.SURVIVED else "killed"


def execute(mutants: list[Mutant], wanted: Collection[str], jobs: int, file: Path) -> None:
    """Run the tests on each mutant with one of the wanted outcomes, and write all that is known after every one."""
    waiting = [one for one in mutants if one.outcome in wanted]
    with tempfile.TemporaryDirectory() as folder:
        copies: Queue[Path] = Queue()
        for i in range(jobs):
            copies.put(_copy(Path(folder) / str(i)))
        coverage = covering(list(copies.queue))

        def one(changed: Mutant) -> Mutant:
            copy = copies.get()
            try:
                code = source(changed)
                changed.outcome = outcome(copy, changed, code, coverage) if code else "gone"
            finally:
                copies.put(copy)
            return changed

        with ThreadPoolExecutor(jobs) as threads:
            for i, future in enumerate(as_completed([threads.submit(one, changed) for changed in waiting]), 1):
                last = future.result()
                write(mutants, file)
                click.echo(f"{i} of {len(waiting)}: {last.outcome} {last.module}:{last.line} {last.after}", err=True)


def source(changed: Mutant) -> str | None:
    """The module with this change, wherever its line stands now; None where it is gone."""
    same = (place for place in places(changed.module) if place[1] == f"core/{changed.operator}")
    made = (mutant(changed.module, *place) for place in sorted(same, key=lambda place: abs(place[0] - changed.line)))
    for again in made:
        if again and again[0].id == changed.id:
            changed.line = again[0].line
            return again[1]
    return None


def write(mutants: Sequence[Mutant], file: Path) -> None:
    """A line of JSON each."""
    file.write_text("".join(json.dumps(asdict(one)) + "\n" for one in mutants))


def read(file: Path) -> list[Mutant]:
    """What :func:`write` has written."""
    return [Mutant(**json.loads(line)) for line in file.read_text().splitlines()]


def tables(mutants: Sequence[Mutant], explained: dict[str, str]) -> str:
    """The score by package and the survivors with why they are let live, as Markdown."""
    rows = ["| package | mutants | killed | stopped | survived | score |", "|---|--:|--:|--:|--:|--:|"]
    by_package: dict[str, Counter[str]] = defaultdict(Counter)
    for one in mutants:
        by_package[str(Path(one.module).parent)][one.outcome] += 1
    total = sum(by_package.values(), Counter())
    for name, found in [*sorted(by_package.items()), ("all", total)]:
        count = found["killed"] + found["stopped"] + found["survived"]
        cells = [name, count, *(found[what] for what in ("killed", "stopped", "survived"))]
        rows.append(f"| {' | '.join(map(str, cells))} | {1 - found['survived'] / max(count, 1):.1%} |")
    left = total[""], total["gone"]
    rows += ["", "{} are not run yet; the lines of {} are gone.".format(*left)] if any(left) else []
    rows += ["", "| survivor | changed into | why no test should notice |", "|---|---|---|"]
    for one in mutants:
        if one.outcome == "survived":
            before, after = (text.replace("|", "\\|") for text in (one.before, one.after))
            why = explained.get(one.id, f"**not explained** ({one.id})")
            rows.append(f"| {one.module}:{one.line} `{before}` | `{after}` | {why} |")
    return "\n".join(rows)


@click.group(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
def main() -> None:
    """Choose what to do."""


_FILE = click.option("--file", type=click.Path(path_type=Path), default=ROOT / "tests" / "mutants.jsonl")


@main.command("sample")
@click.option("--count", default=420, show_default=True, help="How many mutants, shared out by lines.")
@click.option("--seed", default=0, show_default=True)
@_FILE
def choose(count: int, seed: int, file: Path) -> None:
    """Choose the mutants of a run, in place of those of the last one."""
    lines = {name: sum(len(path.read_text().splitlines()) for path in (ROOT / name).glob("*.py")) for name in TESTS}
    chosen = [one for name in TESTS for one, _ in sample(name, round(count * lines[name] / sum(lines.values())), seed)]
    random.Random(seed).shuffle(chosen)  # noqa: S311
    write(chosen, file)


@main.command()
@click.option("--survivors", is_flag=True, help="Run those again that have survived.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="How many at once, each in a copy.")
@_FILE
def run(survivors: bool, jobs: int, file: Path) -> None:
    """Run the tests on each mutant that has no outcome yet."""
    execute(read(file), {"survived"} if survivors else {""}, jobs, file)


@main.command("page")
@click.option("--write", "page", type=click.Path(path_type=Path), required=True, help="What the tables are put into.")
@_FILE
def write_page(page: Path, file: Path) -> None:
    """Write the score and the survivors between the marks of a page."""
    explained = tomllib.loads((Path(__file__).parent / "survivors.toml").read_text())
    text = page.read_text()
    mark = "<!-- mutation -->", "<!-- /mutation -->"
    body = f"{mark[0]}\n\n{tables(read(file), explained)}\n\n{mark[1]}"
    page.write_text(re.sub(f"{mark[0]}.*{mark[1]}", lambda _: body, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
