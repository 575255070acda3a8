"""TVM: the operators of Relax, compiled for the CPU by LLVM.

Peculiarities
-------------
- A graph is compiled for each op, dtype, axis and rank, with all lengths open but those of one.
- A gradient is a pass over a whole training graph; there is none of an op alone.
- bfloat16 crosses as an extension type of ``ml_dtypes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.frameworks.arrays import NumPy
from conformance.frameworks.base import SYMBOLS, Adapter, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPRESSIONS = {
    "plain": "relax.op.nn.{op}(x, axis)",
    **{way: f"relax.op.nn.{{op}}(relax.op.{way}(x, o), axis)" for way in SYMBOLS},
    "default": "relax.op.nn.{op}(x)",
}

_DEFINE = """\
functions = {{}}


def compiled(axis, *kinds):
    builder = relax.BlockBuilder()
    lengths = [tvm.tirx.Var('n' + str(i), 'int64') for i in range(8)]
    variables = [
        relax.Var(name, relax.TensorType([1 if one else lengths[i] for i, one in enumerate(ones)], dtype))
        for name, (dtype, *ones) in zip('xo', kinds)
    ]
    with builder.function('main', variables):
        {arrays} = variables
        with builder.dataflow():
            y = builder.emit_output({expression})
        builder.emit_func_output(y)
    return relax.VirtualMachine(tvm.compile(builder.get(), target='llvm'), tvm.cpu())['main']


def f({arguments}):
    arrays = [{listed}]
    key = (axis, *((str(a.dtype), *(n == 1 for n in a.shape)) for a in arrays))
    if key not in functions:
        functions[key] = compiled(*key)
    return functions[key](*arrays)
"""


class Tvm(NumPy, Adapter):
    """TVM, on the CPU."""

    name = "tvm"
    modes = ("llvm",)
    ways = tuple(_EXPRESSIONS)
    layouts = ()
    distributions = ("apache-tvm", "ml_dtypes")
    variables = ("TVM_NUM_THREADS",)

    def __init__(self) -> None:
        import tvm
        import tvm.relax

        self.tvm = tvm
        self.version = tvm.__version__

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        return self.tvm.runtime.tensor(super().send(stored, dtype, device), self.tvm.cpu())

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        return super().fetch(array.numpy())

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - one mode, on the CPU
        expression = template(self.name, {} if op.endswith("_vjp") else _EXPRESSIONS, op, way).format(op=op)
        arrays = ["x", *(["o"] if way != "plain" else [])]
        return Program(
            setup="import ml_dtypes\nimport numpy\nimport tvm\nfrom tvm import relax\n",
            array="tvm.runtime.tensor(numpy.array({values}, dtype='{dtype}'))",
            define=_DEFINE.format(
                expression=expression,
                arrays=", ".join(arrays) if arrays[1:] else "[x]",
                listed=", ".join(arrays),
                arguments=", ".join([*arrays, "axis"]),
            ),
            numbers="numbers = lambda y: (str(y.dtype), y.numpy().tolist())\n",
        )
