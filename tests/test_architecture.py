"""The house is built as the design says: who may import whom, and nobody imports a framework by accident."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Room → prefixes of this project's modules that it may import, besides itself.
MAY_IMPORT = {
    "reference": (),
    "conformance/values.py": ("reference.formats",),
    "conformance/record.py": (),
    "conformance/producers.py": (),
    "conformance/cases": ("conformance.values", "conformance.producers", "reference"),
    "conformance/frameworks": ("conformance.producers", "reference.formats"),
    "conformance/execution": ("conformance.values", "conformance.cases", "conformance.frameworks", "reference.formats"),
    "conformance/judgement": ("conformance.values", "reference"),
    "conformance/ledger": ("conformance.values", "conformance.judgement.checks"),
    "conformance/reporting": ("conformance.record",),
    "conformance/claims.py": (
        "conformance.values",
        "conformance.frameworks",
        "conformance.execution",
        "reference",
    ),
}
FRAMEWORKS = {"torch", "tensorflow", "jax"}
NUMPY_ONLY = {"reference"}


def _modules(room: str) -> list[Path]:
    path = ROOT / room
    return [path] if path.suffix else sorted(path.rglob("*.py"))


def _imports(path: Path) -> set[str]:
    """Every module a file imports, at the top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_only_what_the_design_allows(room: str) -> None:
    own = room.removesuffix(".py").replace("/", ".")
    allowed = (own, *MAY_IMPORT[room], "conformance.__version__")

    modules = _modules(room)
    ours = {
        (path.name, name)
        for path in modules
        for name in _imports(path)
        if name.split(".")[0] in ("conformance", "reference") and not name.startswith(allowed)
    }

    assert modules, f"the room {room} is gone"
    assert set() == ours


def test_reference_needs_numpy_and_nothing_else() -> None:
    foreign = {
        name.split(".")[0]
        for path in _modules("reference")
        for name in _imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names
    }

    assert {"numpy", "reference"} >= foreign


def test_only_its_adapter_imports_a_framework() -> None:
    importers = {
        (path.relative_to(ROOT).as_posix(), name.split(".")[0])
        for package in ("conformance", "reference")
        for path in _modules(package)
        for name in _imports(path)
        if name.split(".")[0] in FRAMEWORKS
    }

    assert {(f"conformance/frameworks/{name}.py", name) for name in FRAMEWORKS} == importers


LISTED = "from conformance import frameworks; [frameworks.adapter(name) for name in frameworks.names()]"


@pytest.mark.parametrize(
    "statement", ["import conformance", "import conformance.cli", "import conformance.run", LISTED]
)
def test_importing_the_suite_imports_no_framework(statement: str) -> None:
    program = f"{statement}\nimport sys\nprint(*sorted({FRAMEWORKS!r} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603

    assert "" == done.stdout.strip()
