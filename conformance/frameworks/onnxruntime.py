"""ONNX Runtime: a graph of one node, in each opset that says something else of it.

Peculiarities
-------------
- Before opset 13 the node takes the softmax of all axes from the given one on; it is the softmax of that axis alone where
  no further one is longer than one.
- There is no kernel of bfloat16 on the CPU.
- A graph is built for each op, dtype, axis and rank, with all lengths left open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import Adapter, NotOffered, Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

OPSETS = {"opset13": 13, "opset12": 12, "opset11": 11}
"""Mode → opset of the graph."""

NODES = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}
"""Op → the operator."""

_BFLOAT16 = 16  # onnx.TensorProto.BFLOAT16

MODEL = """\
def model(kind, rank, axis):
    node = onnx.helper.make_node('{node}', ['x'], ['y'], axis=axis)
    x, y = (onnx.helper.make_tensor_value_info(name, kind, [f'd{{i}}' for i in range(rank)]) for name in 'xy')
    graph = onnx.helper.make_graph([node], 'softmax', [x], [y])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', {opset})], ir_version=8)
"""

_DEFINE = f"""\
{MODEL}

sessions = {{{{}}}}


def f(x, axis):
    key = x.element_type(), len(x.shape()), axis
    if key not in sessions:
        text = model(*key).SerializeToString()
        sessions[key] = onnxruntime.InferenceSession(text, providers=['{{provider}}'])
    return sessions[key].run_with_ort_values(None, {{{{'x': x}}}})[0]
"""


def check_axis(opset: int, shape: tuple[int, ...], axis: int) -> None:
    """Raise :class:`NotOffered` where an opset means another softmax than that of one axis."""
    after = shape[axis:][1:] if -len(shape) <= axis < len(shape) else ()
    if opset < 13 and any(n != 1 for n in after):
        raise NotOffered(f"opset {opset} takes the softmax of all axes from axis {axis} on")


class OnnxRuntime(Adapter):
    """ONNX Runtime, on the CPU and on CUDA where it was built for it."""

    name = "onnxruntime"
    imports = ("onnxruntime", "onnx")
    modes = tuple(OPSETS)
    distributions = ("onnxruntime", "onnxruntime-gpu", "onnx")
    also = ("ort",)
    variables = ("OMP_NUM_THREADS", "ORT_DISABLE_ALL_OPTIMIZATION")

    def __init__(self) -> None:
        import onnx
        import onnxruntime

        del onnx  # the programs import it
        self.runtime = onnxruntime
        self.version = onnxruntime.__version__
        onnxruntime.set_default_logger_severity(4)

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(("cuda:0",) if "CUDAExecutionProvider" in self.runtime.get_available_providers() else ()))

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        values = self.runtime.OrtValue
        if dtype == "bfloat16":
            return values.ortvalue_from_numpy_with_onnx_type(stored.copy(), _BFLOAT16)
        if dtype.startswith("float8"):
            raise NotImplementedError(f"ONNX Runtime has no arrays of {dtype} to be had from Python")
        kind, _, index = device.partition(":")
        return values.ortvalue_from_numpy(stored.copy(), kind, int(index or 0))

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        stored = array.numpy()
        return stored.dtype.name, stored

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        if op not in NODES or way not in self.ways:
            raise NotOffered(f"ONNX Runtime has no {op} called in the way {way}")
        provider = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
        return Program(
            setup="import numpy\nimport onnx\nimport onnxruntime\n",
            array="onnxruntime.OrtValue.ortvalue_from_numpy(numpy.array({values}, dtype='{dtype}'))",
            define=_DEFINE.format(node=NODES[op], opset=OPSETS[mode], provider=provider),
            numbers="numbers = lambda y: (y.numpy().dtype.name, y.numpy().tolist())\n",
        )

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        f = super().function(op, way, mode, device)

        def checked(x: Any, axis: int) -> Any:
            check_axis(OPSETS[mode], tuple(x.shape()), axis)
            return f(x, axis)

        return checked

    def refuses(self, error: BaseException) -> bool:
        return (
            super().refuses(error)
            or "NOT_IMPLEMENTED" in str(error)
            or "Could not find an implementation" in str(error)
        )
