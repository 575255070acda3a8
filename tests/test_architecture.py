"""The project is built as docs/architecture.md says: who may import whom, and nobody imports a framework by accident."""

from __future__ import annotations

import ast
import importlib
import io
import os
import pkgutil
import re
import subprocess
import sys
import tokenize
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

import conformance
import reference
from conformance import frameworks

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"

WORKER_HALF = tuple(f"conformance.asking.{name}" for name in ("numbered", "protocol", "state", "worker"))
SUITE_HALF = tuple(
    f"conformance.asking.{name}"
    for name in ("asker", "connections", "interpreters", "narrowing", "plan", "pool", "saved")
)
EVERY_ROOM = (
    "reference", "conformance.values", "conformance.cases", "conformance.frameworks", "conformance.asking",
    "conformance.judgement", "conformance.record", "conformance.sweep", "conformance.ledger", "conformance.reporting",
)  # fmt: skip

# Row of the page → its modules, and what else of this project they may import: modules, and what stands in them.
MAY_IMPORT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "`reference/`": (("reference",), ()),
    "`conformance/values.py`": (("conformance.values",), ("reference",)),
    "`conformance/calls.py`": (("conformance.calls",), ()),
    "`conformance/strategies.py`": (("conformance.strategies",), ("reference",)),
    "`conformance/cases/`": (("conformance.cases",), ("conformance.values", "conformance.calls", "reference")),
    "`conformance/frameworks/`": (("conformance.frameworks",), ()),
    "`conformance/asking/` (worker half)": (WORKER_HALF, ("conformance.frameworks",)),
    "`conformance/asking/` (suite half)": (
        ("conformance.asking", *SUITE_HALF),
        (
            *WORKER_HALF, "conformance.values", "conformance.calls", "conformance.cases", "conformance.frameworks",
            "reference",
        ),
    ),
    "`conformance/judgement/`": (("conformance.judgement",), ("conformance.values", "reference")),
    "`conformance/record/`": (("conformance.record",), ("conformance.values",)),
    "`conformance/sweep/`": (
        ("conformance.sweep",),
        ("conformance.values", "conformance.asking", "conformance.record", "reference"),
    ),
    "`conformance/ledger/`": (
        ("conformance.ledger",),
        (
            "conformance.values", "conformance.record", "conformance.cases", "conformance.frameworks",
            "conformance.judgement.checks", "conformance.judgement.policies", "reference",
        ),
    ),
    "`conformance/reporting/`": (
        ("conformance.reporting",),
        (
            "conformance.values", "conformance.calls", "conformance.record", "conformance.ledger", "conformance.sweep",
            "conformance.frameworks.base", "conformance.judgement.question", "conformance.judgement.policies", "reference",
        ),
    ),
    "`conformance/claims.py`, `tasks.py`, `run.py`, `suite.py`, `hunting.py`, `sweeping.py`, `api.py`, `vectors.py`": (
        tuple(
            f"conformance.{name}"
            for name in ("claims", "tasks", "run", "suite", "hunting", "sweeping", "api", "vectors")
        ),
        (*EVERY_ROOM, *(f"conformance.{name}" for name in ("claims", "tasks", "run"))),
    ),
    "`conformance/cli/`, `pytest_plugin.py`, `test_conformance.py`": (
        (
            "conformance", "conformance.__main__", "conformance.cli", "conformance.pytest_plugin",
            "conformance.test_conformance",
        ),
        (*EVERY_ROOM, *(f"conformance.{name}" for name in ("run", "suite", "hunting", "sweeping", "api", "vectors"))),
    ),
}  # fmt: skip

FRAMEWORKS = tuple(name for name in frameworks.own() if name != "scipy")
"""Those that have an adapter here, but for the one that the suite itself computes with."""


def _modules() -> dict[str, Path]:
    """Every module of this project, by its name."""
    found = {}
    for package in ("conformance", "reference"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _imports(path: Path, *, typing_only: bool = True) -> set[str]:
    """Every name a file imports, at the top or inside a function; without what only a type checker reads, if wished."""
    tree = ast.parse(path.read_text())
    skipped = {
        inner
        for node in ast.walk(tree)
        if not typing_only and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = set()
    for node in set(ast.walk(tree)) - skipped:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides where it goes"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _module_of(name: str) -> str:
    """The module of ours in which an imported name stands; ``conformance.api.check`` → ``conformance.api``."""
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def _ours(path: Path) -> set[str]:
    """The modules of ours that a file imports; the package itself, of which only ``__version__`` is asked, left out."""
    names = {name for name in _imports(path) if name.split(".")[0] in ("conformance", "reference")}
    return {module for name in names - {"conformance", "conformance.__version__"} if (module := _module_of(name))}


def _within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def _row_of(module: str) -> str:
    """The row that speaks of a module: the most special one."""
    rooms = {room: row for row, (mine, _) in MAY_IMPORT.items() for room in mine}
    fitting = [room for room in rooms if module == room or (room != "conformance" and module.startswith(f"{room}."))]
    assert fitting, f"no row of {PAGE.name} speaks of {module}"
    return rooms[max(fitting, key=len)]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_row_and_imports_only_what_it_allows(module: str) -> None:
    mine, others = MAY_IMPORT[_row_of(module)]
    doors = mine if module in ("conformance", "conformance.__main__") else tuple(set(mine) - {"conformance"})

    foreign = {name for name in _ours(MODULES[module]) if not _within(name, (*doors, *others))}

    assert set() == foreign


@pytest.mark.parametrize("row", MAY_IMPORT)
def test_every_row_speaks_of_modules_that_are_there(row: str) -> None:
    rooms, others = MAY_IMPORT[row]

    assert set() == {name for name in (*rooms, *others) if name not in MODULES}
    assert any(_row_of(module) == row for module in MODULES)


@pytest.mark.parametrize("row", [row for row in MAY_IMPORT if not set(EVERY_ROOM) <= set(MAY_IMPORT[row][1])])
def test_no_row_allows_what_nobody_needs(row: str) -> None:
    used = {name for module, path in MODULES.items() if _row_of(module) == row for name in _ours(path)}

    assert [] == [room for room in MAY_IMPORT[row][1] if not any(_within(name, (room,)) for name in used)]


def _table() -> dict[str, str]:
    """The last table of the page, by its first cells."""
    text = PAGE.read_text(encoding="utf-8").rpartition("## Who may import whom")[2]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0].strip(): row[1].strip() for row in cells[1:]}


def _told(row: str) -> str:
    """What the page has to say of a row, in its own words."""
    others = MAY_IMPORT[row][1]
    if set(EVERY_ROOM) <= set(others):
        return "all of the above"
    names = [name.removeprefix("conformance.") for name in others if name not in WORKER_HALF]
    shown = [f"`{name}`" for name in names]
    if WORKER_HALF[0] in others:
        shown.append("the worker half")
    return ", ".join(shown) or "nothing"


def test_the_page_says_the_same() -> None:
    assert {row: _told(row) for row in MAY_IMPORT} == _table()


# Other people's packages.


def _foreign(path: Path) -> set[str]:
    tops = {name.split(".")[0] for name in _imports(path, typing_only=False)}
    return tops - set(sys.stdlib_module_names) - {"conformance", "reference"}


@pytest.mark.parametrize("module", [name for name in MODULES if _within(name, ("reference",))])
def test_reference_needs_numpy_and_nothing_else(module: str) -> None:
    assert {"numpy"} >= _foreign(MODULES[module])


@pytest.mark.parametrize(
    "module", [name for name in MODULES if _within(name, ("conformance.frameworks", *WORKER_HALF))]
)
def test_a_worker_needs_numpy_and_its_framework(module: str) -> None:
    own = {"ml_dtypes"} if module == "conformance.frameworks.arrays" else _needed(module.rpartition(".")[2])

    assert {"numpy"} | own >= _foreign(MODULES[module])


def _needed(name: str) -> set[str]:
    """The modules that an adapter says it imports; none where there is no such adapter."""
    if name not in frameworks.own():
        return set()
    adapter = frameworks.adapter(name)
    modules = (*(adapter.imports or (name,)), *(one for variant in adapter.variants for one in variant.needs))
    return {module.partition(".")[0] for module in modules}


def test_only_its_adapter_imports_a_framework() -> None:
    for module, path in MODULES.items():
        imported = {name.split(".")[0] for name in _imports(path)} & set(FRAMEWORKS)
        name = module.rpartition(".")[2] if module.startswith("conformance.frameworks.") else ""
        assert imported <= _needed(name), module


def _names_a_framework(text: str) -> list[str]:
    """Lines of code that treat a framework by name: an identifier, or a whole string that is nothing but its name.

    Prose, help texts and examples may speak of them: comments, docstrings, and strings of several words.
    """
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            named = token.string.lower() in FRAMEWORKS
        elif token.type == tokenize.STRING:
            literal = re.sub(r"^\w*", "", token.string).strip("'\"").lower()
            named = re.fullmatch(r"(\w+[./])?(" + "|".join(FRAMEWORKS) + r")([./:@]\S*)?", literal) is not None
        else:
            named = False
        if named:
            found.append(f"{token.start[0]}: {token.line.strip()}")
    return found


def test_adding_a_framework_names_nothing_else() -> None:
    """Whatever treats torch specially would have to be told of the next framework as well."""
    own = {f"conformance.frameworks.{name}" for name in frameworks.own()}

    assert {} == {
        module: lines
        for module, path in MODULES.items()
        if module not in own and (lines := _names_a_framework(path.read_text(encoding="utf-8")))
    }
    assert all(_names_a_framework(MODULES[f"conformance.frameworks.{name}"].read_text("utf-8")) for name in FRAMEWORKS)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("if framework == 'torch': pass", True),
        ("DEVICES = {'torch': 16}", True),
        ("path = 'jax/jit/cpu'", True),
        ("import torch.nn", True),
        ("from tensorflow import nn", True),
        ('"""Of torch and jax."""', False),
        ("help = 'whose arrays: numpy, torch, jax'", False),
        ("x = 1  # torch has none", False),
    ],
)
def test_a_name_in_code_is_seen_and_one_in_prose_is_not(text: str, named: bool) -> None:
    assert named == bool(_names_a_framework(text))


# What is imported when something is done.

PLUGIN = """
import os, sys
from conformance.frameworks.base import Adapter
{statement}
"""


TELL = f"print('imported', *sorted({{*{FRAMEWORKS!r}, 'plugged_in'}} & set(sys.modules)), file=sys.stderr)"


def _python(program: str, *, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(path or ""), str(ROOT)]))}
    return subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=240, env=environment
    )


def _plugged(folder: Path, statement: str) -> Path:
    """A folder with another package whose adapter's module does this when it is imported."""
    (folder / "plugged_in.py").write_text(PLUGIN.format(statement=statement))
    metadata = folder / "plugged_in-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged_in\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[conformance.frameworks]\nplugged = plugged_in:Plugged\n")
    return folder


def _command(*arguments: str) -> str:
    """A program that runs a command line, and then tells which modules were imported on the way."""
    return (
        "import sys\nfrom conformance import cli\ntry:\n"
        f"    cli.main({list(arguments)!r})\nexcept SystemExit as ended:\n    print('status', ended.code, file=sys.stderr)\n"
        f"{TELL}"
    )


def _imported(program: str, path: Path) -> str:
    done = _python(program, path=path)
    assert 0 == done.returncode, done.stderr
    return done.stderr.strip().splitlines()[-1].removeprefix("imported").strip()


@pytest.mark.parametrize(
    "module",
    [
        "conformance",
        "conformance.cli",
        "conformance.run",
        "conformance.api",
        "conformance.suite",
        "conformance.hunting",
    ],
)
def test_importing_the_suite_imports_no_framework_and_no_plugin(module: str, tmp_path: Path) -> None:
    assert "" == _imported(f"import {module}, sys\n{TELL}", _plugged(tmp_path, "os._exit(3)"))


@pytest.mark.parametrize("what", ["families", "ledger", "targets"])
def test_listing_imports_no_framework_and_no_plugin(what: str, tmp_path: Path) -> None:
    assert "" == _imported(_command("list", what), _plugged(tmp_path, "os._exit(3)"))


def test_its_own_adapters_are_listed_without_their_frameworks(tmp_path: Path) -> None:
    program = f"import sys\nfrom conformance import frameworks\nfor name in {FRAMEWORKS!r}:\n    frameworks.adapter(name)\n{TELL}"

    assert "" == _imported(program, _plugged(tmp_path, "os._exit(3)"))


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("os._exit(3)", "exit status 3"),
        ("raise RuntimeError('broken\\nin two lines')", "RuntimeError"),
        ("sys.exit('gone')", "gone"),
        ("os.abort()", "SIGABRT"),
        ("Plugged = print", "no subclass of Adapter"),
    ],
)
def test_a_plugin_that_breaks_at_import_is_one_line_about_itself(statement: str, why: str, tmp_path: Path) -> None:
    folder = _plugged(tmp_path, statement)

    alone = _python(_command("list", "families"), path=folder)
    asked = _python(_command("run", "--target", "plugged", "--out", str(tmp_path / "report")), path=folder)

    assert "status 0" in alone.stderr
    lines = asked.stderr.strip().splitlines()
    assert ["status 2", "imported"] == lines[1:], asked.stderr
    assert "'plugged' is not here" in lines[0]
    assert why in lines[0]
    assert not (tmp_path / "report").exists()
    assert not (tmp_path / "report.journal").exists()


def values() -> list[type]:
    """Every dataclass of the project."""
    names = [
        module.name
        for package in (conformance, reference)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.endswith(("__main__", "test_conformance"))
    ]
    found = [one for name in names for one in vars(importlib.import_module(name)).values()]
    return sorted(
        {one for one in found if isinstance(one, type) and is_dataclass(one)}, key=lambda one: one.__qualname__
    )


def test_values_cannot_be_changed() -> None:
    mutable = {one.__name__ for one in values() if not one.__dataclass_params__.frozen}  # type: ignore[attr-defined]

    assert {"Asker", "Introductions", "Pool"} == mutable  # which hold processes


def test_values_that_hold_arrays_are_not_compared_by_them() -> None:
    """An array has no truth value: such a comparison would be an exception, and their hash too."""
    arrays = re.compile("Numbers|NDArray|DataFrame")
    compared = [
        one.__name__
        for one in values()
        if one.__dataclass_params__.eq  # type: ignore[attr-defined]
        and any(arrays.search(str(field.type)) and "Callable" not in str(field.type) for field in fields(one))
    ]

    assert [] == compared


def test_values_that_compute_something_once_are_the_same_as_themselves_alone() -> None:
    """So that whoever looks one up does not compare all its cases."""
    alone = {one.__name__ for one in values() if not one.__dataclass_params__.eq}  # type: ignore[attr-defined]

    assert {"Batch", "Known", "Reading", "Sheet"} <= alone


BARE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tomlkit", "watchfiles", "hypothesis", "pydantic", "pebble"}:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Blocked())
import conformance.hunting, conformance.ledger, conformance.reporting, conformance.run
from conformance.cli import main
assert 0 == main(["list", "families"])
assert 0 == main(["list", "ledger"])
"""


def test_what_a_run_needs_is_there_on_a_machine_with_few_packages() -> None:
    """One with a GPU has what its framework needs, and pandas, pyarrow, click, rich and jinja2 besides (docs/gpu.md)."""
    done = _python(BARE)

    assert 0 == done.returncode, done.stderr
