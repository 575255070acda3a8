"""Another package's framework and family are found by their entry points: the example is installed and used."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance import record
from conformance.frameworks import Adapter
from reference.formats import FORMATS
from reference.ops import OPS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example package is importable, with its metadata."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    source = tmp_path_factory.mktemp("source") / "example"
    subprocess.run(["cp", "-r", str(ROOT / "examples" / "plain-python"), str(source)], check=True)  # noqa: S603, S607
    subprocess.run([*command, "--target", str(site), str(source)], check=True, timeout=120)  # noqa: S603
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "conformance", *arguments],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip


def test_the_examples_framework_is_asked_its_family_and_ours(installed: dict[str, str], tmp_path: Path) -> None:
    done = run(installed, "run", "--target", "plain/loop", "--tier", "smoke", "--out", str(tmp_path))

    assert 0 == done.returncode, done.stderr + done.stdout
    rows = record.read(tmp_path / "observations.parquet").observations
    assert {"plain/loop/cpu"} == set(rows["target"])
    assert {"alternating", "random", "underflow"} <= set(rows["family"])
    answered = rows[rows["outcome"] == "answered"]
    assert {"float64"} == set(answered["dtype"])
    assert rows["reason"].str.contains("Python's float is float64").any()
    assert "plain/definition/cpu" not in set(rows["target"])


def test_the_lists_name_them(installed: dict[str, str]) -> None:
    assert "alternating" in run(installed, "list", "families").stdout
    assert "unknown target 'plain'" in run({**installed, "PYTHONPATH": ""}, "run", "--target", "plain").stderr


def test_its_methods_have_the_signatures_of_the_base_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, order and kinds of parameters, annotations included: what contributors copy."""
    monkeypatch.syspath_prepend(ROOT / "examples" / "plain-python")
    own = importlib.import_module("plain_python.adapter").PlainPython
    methods = {name for name, value in vars(own).items() if inspect.isfunction(value)} - {"__init__"}

    assert {"devices", "send", "fetch", "program", "primitives"} == methods
    for name in methods:
        due, got = (inspect.signature(getattr(owner, name)).parameters for owner in (Adapter, own))
        assert list(due.values()) == list(got.values()), name


def test_what_it_computes_is_right_and_its_program_shows_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples" / "plain-python")
    plain = importlib.import_module("plain_python.adapter").PlainPython()
    x, g = np.array([[0.0, 1.0], [3.0, 2.0], [-1.0, 5.0]]), np.array([[1.0, 0.0], [0.5, 2.0], [-1.0, 1.0]])
    for op in OPS.values():
        cotangent = g if op.takes_cotangent else None
        got = plain.function(op.name, "plain", "loop", "cpu")(x, 0, *([g] if op.takes_cotangent else []))
        due, bound = (part(x, 0, format=FORMATS["float64"], cotangent=cotangent, **more) for part, more in (
            (op.truth, {}), (op.bounds, {"grade": "stable"})
        ))  # fmt: skip
        assert (due.error_over(bound, got) <= 1).all()

        arrays = [
            ("x", repr(x.tolist()), "float64"),
            *([("g", repr(g.tolist()), "float64")] if op.takes_cotangent else []),
        ]
        exec(plain.program(op.name, "plain", "loop", "cpu").text(arrays, 0, "cpu"), {})  # noqa: S102 - our own text
        assert got.tolist() == json.loads(capsys.readouterr().out)


def test_a_broken_entry_point_is_one_line(tmp_path: Path) -> None:
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[conformance.families]\nnothing = no_such_module\n")

    done = run({**os.environ, "PYTHONPATH": str(tmp_path)}, "list", "families")

    assert 2 == done.returncode
    assert "entry point nothing = no_such_module (conformance.families)" in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())
