"""ONNX's reference evaluator, which says in NumPy what each operator means; in each opset that says something else.

The graphs are those of :mod:`conformance.frameworks.onnxruntime`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.frameworks.arrays import PROGRAM, NumPy
from conformance.frameworks.base import Adapter, NotOffered, Program
from conformance.frameworks.onnxruntime import MODEL, NODES, OPSETS, check_axis

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFINE = f"""\
{MODEL}

evaluators = {{{{}}}}


def f(x, axis):
    key = onnx.helper.np_dtype_to_tensor_dtype(x.dtype), x.ndim, axis
    if key not in evaluators:
        evaluators[key] = onnx.reference.ReferenceEvaluator(model(*key))
    return evaluators[key].run(None, {{{{'x': x}}}})[0]
"""


class Onnx(NumPy, Adapter):
    """ONNX's own evaluator, on NumPy's arrays."""

    name = "onnx"
    modes = tuple(OPSETS)
    distributions = ("onnx", "ml_dtypes")

    def __init__(self) -> None:
        import onnx.reference

        self.version = onnx.__version__

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - on the CPU alone
        if op not in NODES or way not in self.ways:
            raise NotOffered(f"ONNX's reference has no {op} called in the way {way}")
        return Program(
            setup="import ml_dtypes\nimport numpy\nimport onnx\nimport onnx.reference\n",
            array=PROGRAM.array,
            define=_DEFINE.format(node=NODES[op], opset=OPSETS[mode]),
            numbers=PROGRAM.numbers,
        )

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        f = super().function(op, way, mode, device)

        def checked(x: Any, axis: int) -> Any:
            check_axis(OPSETS[mode], x.shape, axis)
            return f(x, axis)

        return checked
