"""MNN: ``MNN.expr.softmax``, run as soon as it is called.

Peculiarities
-------------
- Its Python has no log_softmax, no gradients, and no floating-point arrays but those of float32.
- An array with no elements cannot be read back.
- No axis is out of range: one that is not there is answered with what the memory held before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import SYMBOLS, Adapter, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SOFTMAX = {
    "plain": "MNN.expr.softmax",
    **{way: f"lambda x, o, axis: MNN.expr.softmax(x {symbol} o, axis)" for way, symbol in SYMBOLS.items()},
    "default": "lambda x, o, axis: MNN.expr.softmax(x)",
}

_KINDS = {"float32": "float", "int32": "int", "uint8": "uint8"}
"""Dtype → MNN's name of it."""


class Mnn(Adapter):
    """MNN, on the CPU."""

    name = "mnn"
    imports = ("MNN",)
    modes = ("eager",)
    ways = tuple(_SOFTMAX)
    distributions = ("mnn",)

    def __init__(self) -> None:
        import MNN
        import MNN.expr

        self.expr = MNN.expr
        self.version = MNN.version()

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:  # noqa: ARG002 - there is one
        if dtype not in _KINDS:
            raise NotImplementedError(f"MNN has no arrays of {dtype} to be had from Python")
        expr = self.expr
        return expr.const(stored.copy(), list(stored.shape), expr.NCHW, getattr(expr, _KINDS[dtype]))

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        stored = array.read().copy()
        return stored.dtype.name, stored

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - one mode, on the CPU
        f = template(self.name, _SOFTMAX if op == "softmax" else {}, op, way)
        return Program(
            setup="import MNN\nimport MNN.expr\nimport numpy\n",
            array=(
                "(lambda a: MNN.expr.const(a, list(a.shape), MNN.expr.NCHW))(numpy.array({values}, dtype='{dtype}'))"
            ),
            define=f"f = {f}\n",
            numbers="numbers = lambda y: (y.read().dtype.name, y.read().tolist())\n",
        )
