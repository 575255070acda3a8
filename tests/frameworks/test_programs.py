"""Each program, run by an interpreter of its own, prints what asking returns."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from installed import load

from conformance import calls, frameworks
from conformance.frameworks.base import NotOffered
from conformance.frameworks.kernel import Kernel
from reference.formats import FORMATS

X = "[[0.0, 1.5, -2.0, 0.25, 3.0], [-87.0, 0.0, 1e-40, -103.5, float('-inf')]]"
OTHER = "[[1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 0.5, 2.0, 1.0, 0.25]]"


def numbers(text: str) -> list[Any]:
    return json.loads(text.replace("nan", "NaN").replace("inf", "Infinity"))


def printed(text: str) -> list[Any]:
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, timeout=300, check=False
    )
    assert 0 == done.returncode, done.stderr
    return numbers(done.stdout.strip().splitlines()[-1])


def asked(framework: frameworks.Adapter, op: str, way: str, mode: str) -> list[Any]:
    names = {"x": X, **({"g": OTHER} if op.endswith("_vjp") else {"o": OTHER} if way != "plain" else {})}
    arrays = {
        name: framework.send(FORMATS["float32"].encode(FORMATS["float32"].quantise(eval(text))), "float32", "cpu")  # noqa: S307
        for name, text in names.items()
    }
    others = [arrays["o"]] if "o" in arrays else []
    cotangent = [arrays["g"]] if "g" in arrays else []
    answer = framework.function(op, way, mode, "cpu")(arrays["x"], *others, -1, *cotangent)
    return framework.fetch(answer)[1].astype(float).tolist()


def program(framework: frameworks.Adapter, op: str, way: str, mode: str) -> str:
    rounded = np.array(eval(X)).astype(np.float32).astype(float).tolist()  # noqa: S307 - our own text
    names = [("x", repr(rounded).replace("-inf", "float('-inf')"), "float32")]
    if op.endswith("_vjp"):
        names.append(("g", OTHER, "float32"))
    elif way != "plain":
        names.append(("o", OTHER, "float32"))
    return framework.program(op, way, mode, "cpu").text(names, -1, "cpu")


@pytest.mark.parametrize(
    ("name", "op", "way", "mode"),
    [
        ("torch", "softmax", "plain", "eager"),
        ("torch", "log_softmax_vjp", "plain", "eager"),
        ("torch", "softmax_vjp", "hessian", "eager"),
        ("torch", "log_softmax", "multiply", "compile"),
        ("jax", "softmax", "plain", "jit"),
        ("jax", "log_softmax", "where", "eager"),
        ("jax", "softmax_vjp", "plain", "jit"),
        ("jax", "softmax_vjp", "hessian-forward", "jit"),
        ("jax", "log_softmax", "where", "vmap"),
        ("jax", "softmax_vjp", "plain", "vmap"),
        ("jax", "log_softmax", "plain", "special"),
        ("torch", "softmax_vjp", "plain", "vmap"),
        ("torch", "log_softmax_vjp", "plain", "autocast"),
        ("torch", "softmax", "where", "masked"),
        ("torch", "softmax_vjp", "plain", "safe"),
        ("tensorflow", "log_softmax", "plain", "xla"),
        ("tensorflow", "softmax", "divide", "function"),
        ("tensorflow", "softmax_vjp", "plain", "eager"),
        ("tensorflow", "softmax_vjp", "forward", "xla"),
    ],
)
def test_a_program_prints_what_asking_returns(name: str, op: str, way: str, mode: str) -> None:
    framework = load(name)

    due, got = asked(framework, op, way, mode), printed(program(framework, op, way, mode))

    np.testing.assert_array_equal(np.array(due), np.array(got))


@pytest.mark.filterwarnings("ignore:Implicit dimension")  # PyTorch, where no axis is named
@pytest.mark.parametrize("name", frameworks.names())
def test_the_program_of_every_way_and_op_runs(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In this process: the numbers are those of one call, whatever the way."""
    framework = load(name)
    for mode in framework.modes:
        for way in (way for way in framework.ways if way not in calls.DERIVATIVES):
            dtype = "float64" if way == "cast" else "float32"
            operand = "[[0.0] * 5]" if way == "then-sum" else "[[1.0] * 5]"
            arrays = [("x", "[[0.0] * 5]", dtype), ("o", operand, "float32")][: 1 if way == "plain" else 2]
            try:
                program = framework.program("softmax", way, mode, "cpu")
            except NotOffered:
                continue
            exec(program.text(arrays, -1, "cpu"), {})  # noqa: S102 - our own text
            shown = json.loads(capfd.readouterr().out.strip().splitlines()[-1])
            assert [[0.2] * 5] == [[round(p, 6) for p in row] for row in shown], (way, mode)


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_the_program_of_a_kernel_imports_its_file(name: str, tmp_path: Any) -> None:
    if name != "numpy":
        load(name)
    (tmp_path / "neighbour.py").write_text("half = 0.5\n")
    file = tmp_path / "mine.py"
    file.write_text("from neighbour import half\n\n\ndef f(x, axis):\n    return x * half + axis\n")
    kernel = Kernel(f"{file}:f", name).load()

    text = kernel.program("softmax", "plain", name, "cpu").text([("x", "[1.0, 2.0]", "float32")], 0, "cpu")

    assert [0.5, 1.0] == printed(text)
    assert text.index("from mine import f as f") < text.index(f"import {name}\n")
