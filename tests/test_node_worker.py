"""The worker in JavaScript of ``examples/node-worker``, where Node and its packages are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance import record
from conformance.asking.connections import Limits, Process
from conformance.asking.protocol import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "node-worker"
COMMAND = ("node", str(FOLDER / "worker.js"))
SUBJECTS = (("tfjs", ""), ("tfjs", "wasm"), ("onnxruntime-node", ""))

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules").is_dir(), reason="its packages are not installed: npm ci in examples/node-worker"
    ),
]

Reply = tuple[dict[str, Any], list[tuple[str, np.ndarray]]]


class Node:
    """A worker of one subject."""

    def __init__(self, framework: str, variant: str) -> None:
        self.process = Process(COMMAND, Limits())
        self.hello, _ = self.exchange("hello", protocol=VERSION, framework=framework, variant=variant)

    def exchange(self, kind: str, *arrays: tuple[str, np.ndarray], **more: Any) -> Reply:
        """A reply and its arrays."""
        said, back, _ = self.process.exchange({"type": kind, "id": 1, **more}, arrays, 60.0)
        return said, back

    def call(self, op: str, *arrays: np.ndarray, axis: int = -1, way: str = "plain") -> Reply:
        """The reply to a call."""
        how = {"mode": self.hello["modes"][0], "device": "cpu", "control": False, "layout": ""}
        return self.exchange("call", *((a.dtype.name, a) for a in arrays), op=op, way=way, axis=axis, **how)


@pytest.fixture(scope="module", params=SUBJECTS, ids=":".join)
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    one = Node(*request.param)
    yield one
    one.process.close()


def test_its_hello_is_the_subject_that_was_asked_for(node: Node, request: pytest.FixtureRequest) -> None:
    framework, variant = request.node.callspec.params["node"]

    assert ("hello", framework, variant) == tuple(node.hello[name] for name in ("type", "framework", "variant"))
    assert node.hello["versions"][{"tfjs": "@tensorflow/tfjs"}.get(framework, framework)] == node.hello["version"]


def test_every_pattern_crosses_unchanged(node: Node) -> None:
    """All of float16, where there is such a tensor; of float32 and float64 one for each upper half, subnormals and NaN among them."""
    high = np.arange(2**16, dtype=np.uint64)
    asked = {
        "float16": high.astype(np.uint16).view(np.float16),
        "float32": (high * 0x10001).astype(np.uint32).view(np.float32),
        "float64": (high * 0x1000100010001).view(np.float64),
    }
    crossed = set()
    for dtype, sent in asked.items():
        said, back = node.exchange("carry", (dtype, sent), device="cpu")
        if said["type"] == "carried":
            crossed.add(dtype)
            [(name, got)] = back
            assert (dtype, sent.tobytes()) == (name, got.tobytes())

    assert {"tfjs": {"float32"}}.get(node.hello["framework"], set(asked)) == crossed


def test_an_array_larger_than_a_pipe_comes_back_whole(node: Node) -> None:
    sent = np.arange(2**21, dtype=np.float32)

    said, back = node.exchange("carry", ("float32", sent), device="cpu")

    assert "carried" == said["type"]
    assert sent.tobytes() == back[0][1].tobytes()


def test_an_axis_other_than_the_last_is_unsupported_by_tfjs_and_one_out_of_range_is_an_error(node: Node) -> None:
    x = np.zeros((2, 3), np.float32)

    first, _ = node.call("softmax", x, axis=0)
    beyond, _ = node.call("softmax", x, axis=2)

    if node.hello["framework"] == "tfjs":
        assert ("raised", True) == (first["type"], first["unsupported"])
        assert "along a non-last dimension is not yet supported" in first["error"]
    else:
        assert "answered" == first["type"]
    assert ("raised", False) == (beyond["type"], beyond["unsupported"])


def test_another_framework_is_absent() -> None:
    one = Node("torch", "")
    one.process.close()

    assert ("absent", False) == (one.hello["type"], one.hello["installed"])


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The observations of a run of all three subjects, in float32."""
    out = tmp_path_factory.mktemp("node") / "report"
    workers = [f"--worker={name}=node {FOLDER / 'worker.js'}" for name in ("tfjs", "onnxruntime-node")]
    chosen = [f"--family={name}" for name in ("all_equal", "arguments", "producers", "vjp_dominance")]
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "conformance", "run", *workers, *chosen, "--dtype", "float32", "--out", str(out)],
        capture_output=True, text=True, timeout=500, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return record.read(out / "observations.parquet").observations


def test_it_is_asked_by_the_command_line_in_every_op_and_way(asked: pd.DataFrame) -> None:
    answered = asked[asked["outcome"] == "answered"]
    calls: dict[str, set[tuple[str, str]]] = {}
    for target, op, way in answered[["target", "op", "way"]].itertuples(index=False, name=None):
        calls.setdefault(target, set()).add((op, way))

    forward = ("softmax", "log_softmax")
    ways = {(op, way) for op in forward for way in ("plain", "default", "multiply", "divide", "add", "fill")}
    tfjs = ways | {("softmax_vjp", "plain"), ("log_softmax_vjp", "plain")}
    node = {(op, way) for op in forward for way in ("plain", "default")}
    assert {"tfjs/eager/cpu": tfjs, "tfjs:wasm/eager/cpu": tfjs, "onnxruntime-node/opset13/cpu": node} == calls


def test_what_it_answers_is_within_the_bounds(asked: pd.DataFrame) -> None:
    """But for an array without an axis, which TensorFlow.js on WebAssembly answers with what its memory holds."""
    wrong = asked[(asked["severity"] == "violation") & ~asked["case"].str.endswith(",0-d")]

    assert [] == wrong[["target", "op", "case", "findings"]].to_dict("records")
    assert not (asked["outcome"] == "crashed").any()
