"""LiteRT: a model of one operator, run by the interpreter with each of its sets of kernels.

Peculiarities
-------------
- The operators have no axis: they take the last one.
- A model is made for each op, dtype and rank, and its input resized for each shape.
- The reference kernels, the optimised ones and XNNPACK are three implementations; XNNPACK takes part by default and
  hands back what it has no kernel of.
- There is no float64; float16 has a softmax alone.
- Integers are quantised numbers, of a scale that the model says; no such model is made here.
- The optimised kernel ends the process where rows have no elements.
- There are no gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.frameworks.arrays import PROGRAM, NumPy
from conformance.frameworks.base import RAW, Adapter, NotOffered, Program, template

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_KERNELS = {
    "xnnpack": "BUILTIN",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
"""Mode → how the interpreter finds its kernels."""

_OPERATORS = {"softmax": ("SOFTMAX", "SoftmaxOptions"), "log_softmax": ("LOG_SOFTMAX", "LogSoftmaxOptions")}

_DEFINE = """\
interpreters = {{}}


def model(dtype, rank):
    def tensor(name):
        made = schema.TensorT()
        made.name, made.type, made.buffer = name, getattr(schema.TensorType, dtype.upper()), 0
        made.shape, made.shapeSignature = [1] * rank, [-1] * rank
        return made

    operator, code, graph, whole = schema.OperatorT(), schema.OperatorCodeT(), schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.{code}
    code.version = 1
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    operator.builtinOptionsType = schema.BuiltinOptions.{options}
    operator.builtinOptions = schema.{options}T()
    operator.builtinOptions.beta = 1.0  # of softmax alone; the other has no options
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [tensor('x'), tensor('y')], [operator], [0], [1]
    whole.version, whole.operatorCodes, whole.subgraphs, whole.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b'TFL3')
    return bytes(builder.Output())


def f(x, axis):
    key = x.dtype.name, x.ndim
    if key not in interpreters:
        interpreters[key] = interpreter.Interpreter(
            model_content=model(*key), experimental_op_resolver_type=interpreter.OpResolverType.{kernels}
        )
    made = interpreters[key]
    made.resize_tensor_input(0, x.shape)
    made.allocate_tensors()
    made.set_tensor(0, x)
    made.invoke()
    return made.get_tensor(1)
"""


class LiteRT(NumPy, Adapter):
    """LiteRT, on the CPU."""

    name = "litert"
    imports = ("ai_edge_litert", "flatbuffers")
    modes = tuple(_KERNELS)
    layouts = ()
    distributions = ("ai-edge-litert", "ml_dtypes")

    def __init__(self) -> None:
        from importlib import metadata

        import ai_edge_litert.interpreter

        del ai_edge_litert  # the programs import it
        self.version = metadata.version("ai-edge-litert")

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if stored.dtype.kind in "iu" and dtype not in RAW:
            raise NotImplementedError(f"{dtype} stands for quantised numbers, in a model that says how")
        return super().send(stored, dtype, device)

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - on the CPU alone
        define = template(self.name, {"plain": _DEFINE} if op in _OPERATORS else {}, op, way)
        code, options = _OPERATORS[op]
        return Program(
            setup=(
                "import flatbuffers\nimport ml_dtypes\nimport numpy\n"
                "from ai_edge_litert import interpreter\nfrom ai_edge_litert import schema_py_generated as schema\n"
            ),
            array=PROGRAM.array,
            define=define.format(code=code, options=options, kernels=_KERNELS[mode]),
            numbers=PROGRAM.numbers,
        )

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        f = super().function(op, way, mode, device)

        def checked(x: Any, axis: int) -> Any:
            if axis not in (-1, x.ndim - 1):
                raise NotOffered("LiteRT takes the last axis alone")
            return f(x, axis)

        return checked

    def refuses(self, error: BaseException) -> bool:
        return super().refuses(error) or "supported currently, got" in str(error)
