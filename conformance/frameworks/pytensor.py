"""PyTensor: ``pytensor.tensor.special``, its graphs run by Python, by C and by Numba.

Peculiarities
-------------
- Without an axis they take the softmax of the whole array.
- An op is a graph of elementary ones; the mode decides what of it is rewritten and what runs it.
- The graph inside of softmax, where it is not taken apart, is run by the mode of the configuration, which is Numba's
  unless it is told otherwise, whatever mode is named for the function.  So the mode is set there.
- A graph is built for each op, dtype, axis and rank, with all lengths left open.
- There is no bfloat16, and float16 can be held but not computed with.
- A first graph that C runs is compiled for 1 to 4 s; it is kept on disk (``base_compiledir``) after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.frameworks.arrays import PROGRAM, NumPy
from conformance.frameworks.base import RAW, SYMBOLS, Adapter, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MODES = {"py": "FAST_COMPILE", "cvm": "CVM", "numba": "NUMBA"}
"""Mode → PyTensor's name of it."""

_EXPRESSIONS = {
    "plain": "pytensor.tensor.special.{op}(x, axis=axis)",
    **{way: f"pytensor.tensor.special.{{op}}(x {symbol} o, axis=axis)" for way, symbol in SYMBOLS.items()},
    "fill": (
        "pytensor.tensor.special.{op}(pytensor.tensor.switch(pytensor.tensor.neq(o, 0), x, "
        "numpy.array(-numpy.inf, x.dtype)), axis=axis)"
    ),
    "default": "pytensor.tensor.special.{op}(x)",
}

_DEFINE = """\
functions = {{}}


def variable(array):
    # An axis of length one may be broadcast, which a graph has to know.
    return pytensor.tensor.tensor(dtype=array.dtype.name, shape=[1 if n == 1 else None for n in array.shape])


def f({arguments}):
    arrays = ({arrays},)
    key = (axis, *((a.dtype.name, *(n == 1 for n in a.shape)) for a in arrays))
    with pytensor.config.change_flags(mode='{mode}'):
        if key not in functions:
            {arrays}{comma} = variables = [variable(a) for a in arrays]
            functions[key] = pytensor.function(variables, {expression}, on_unused_input='ignore')
        return functions[key](*arrays)
"""

_VJP = "pytensor.grad(None, x, known_grads={{{expression}: g}})"


class PyTensor(NumPy, Adapter):
    """PyTensor, on the CPU."""

    name = "pytensor"
    modes = tuple(_MODES)
    compiled = ("cvm", "numba")
    ways = tuple(_EXPRESSIONS)
    distributions = ("pytensor", "numba", "scipy")
    variables = ("PYTENSOR_FLAGS",)

    def __init__(self) -> None:
        import pytensor.tensor.special

        self.version = pytensor.__version__

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if dtype in RAW:
            raise NotImplementedError(f"PyTensor has no {dtype}")
        return super().send(stored, dtype, device)

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - on the CPU alone
        vjp = op.endswith("_vjp")
        expression = template(self.name, {"plain": _EXPRESSIONS["plain"]} if vjp else _EXPRESSIONS, op, way)
        expression = expression.format(op=op.removesuffix("_vjp"))
        arrays = ["x", *(["g"] if vjp else ["o"] if way != "plain" else [])]
        return Program(
            setup="import numpy\nimport pytensor\nimport pytensor.tensor.special\n",
            array=PROGRAM.array,
            define=_DEFINE.format(
                arguments=", ".join(["x", *(["axis", "g"] if vjp else [*arrays[1:], "axis"])]),
                arrays=", ".join(arrays),
                comma="" if arrays[1:] else ",",
                expression=_VJP.format(expression=expression) if vjp else expression,
                mode=_MODES[mode],
            ),
            numbers=PROGRAM.numbers,
        )
