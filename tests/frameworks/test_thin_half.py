"""What runs in a worker needs an old Python, NumPy, and nothing else of this project."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import frameworks

ROOT = Path(frameworks.__file__).parents[2]
FILES = sorted((ROOT / "conformance" / "frameworks").glob("*.py"))
OLDEST = (3, 9)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_python_3_9(file: Path) -> None:
    ast.parse(file.read_text(encoding="utf-8"), feature_version=OLDEST)


def imported(file: Path) -> set[str]:
    """Every module that a file imports at run time."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where they go"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_imports_only_what_it_may(file: Path) -> None:
    own = file.stem if file.stem not in {"__init__", "base", "controls", "kernel"} else ""
    adapter = frameworks.adapter(own) if own in frameworks.own() else None
    needs = {name for variant in (adapter.variants if adapter else ()) for name in variant.needs}
    imports = {module.partition(".")[0] for module in (adapter.imports if adapter else ())}
    modules = {"numpy", own, *imports, *needs}
    may = {*modules, "ml_dtypes" if file.stem == "arrays" else "", *sys.stdlib_module_names}

    for name in imported(file):
        top = name.partition(".")[0]
        assert top in may or name.startswith("conformance.frameworks"), f"{file.name} imports {name}"


CHECK = """
import sys
from conformance import frameworks
from conformance.frameworks import arrays, base, controls, kernel
for name in frameworks.names():
    assert issubclass(frameworks.adapter(name), base.Adapter), name
import numpy as np
border = arrays.NumPy()
limits = controls.Limits(3.4028234663852886e38, 2.0**-126, 2.0**-149, 2.0**-24)
hot = np.array([[1000.0, -1000.0]], dtype="float32")
for name, control in controls.CONTROLS.items():
    for op, formula in control.formulas.items():
        with np.errstate(all="ignore"):
            formula(arrays.PRIMITIVES, hot, -1)
        must, may = controls.expected(name, op, hot.astype(float), -1, limits)
        assert must <= may
assert "nonfinite" in controls.expected("definition", "softmax", hot.astype(float), -1, limits)[0]
mine = kernel.Kernel(lambda x, axis: x).load()
assert mine.fetch(mine.send(hot, "float32", "cpu"))[1].tobytes() == hot.tobytes()
assert not set(sys.modules) & {"reference", "conformance.values", "torch", "jax", "tensorflow", "pandas"}
print("fine", sys.version_info[:2])
"""


def pythons() -> list[str]:
    """Interpreters of the oldest release with NumPy: named by CONFORMANCE_OLDEST_PYTHON, or on the path."""
    names = [os.environ.get("CONFORMANCE_OLDEST_PYTHON", ""), shutil.which("python3.9") or ""]
    return [
        name
        for name in names
        if name and 0 == subprocess.run([name, "-c", "import numpy"], capture_output=True, check=False).returncode  # noqa: S603
    ]


def test_the_oldest_python_runs_it() -> None:
    if not (found := pythons()):
        pytest.skip("no Python 3.9 with NumPy: name one in CONFORMANCE_OLDEST_PYTHON")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    done = subprocess.run(  # noqa: S603 - an interpreter of ours
        [found[0], "-W", "error", "-c", CHECK], capture_output=True, text=True, env=environment, check=False
    )

    assert 0 == done.returncode, done.stderr
    assert "fine (3, 9)" == done.stdout.strip()


def test_this_python_runs_it_without_the_rest_of_the_project(tmp_path: Path) -> None:
    """A copy of the package that has nothing but its thin half."""
    shutil.copytree(ROOT / "conformance" / "frameworks", tmp_path / "conformance" / "frameworks")
    shutil.copy(ROOT / "conformance" / "__init__.py", tmp_path / "conformance" / "__init__.py")
    site = Path(str(importlib.util.find_spec("numpy").origin)).parents[1]  # type: ignore[union-attr]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(site)])}

    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-S", "-W", "error", "-c", CHECK],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
