"""MLX on the CPU: as its functions are, inside ``mx.compile``, and with ``precise=True``.

Peculiarities
-------------
- ``mlx.nn.log_softmax`` is a Python function that is compiled inside, for any shape; ``mx.softmax`` is one op.  *eager*
  means what a user gets by just calling them.
- ``precise`` is an argument of ``mx.softmax`` alone: a format of 16 bits is then computed in float32.
- ``mx.softmax`` without an axis takes the softmax of the whole array, ``log_softmax`` of the last axis.
- ``mx.array`` makes float32 of NumPy's float64 unless it is told the dtype; NumPy has no array of its bfloat16.
- Nothing is computed until it is looked at: an error may come only then.
- float64 exists on the CPU alone, and its ``exp`` has about the accuracy of float32.
- A compilation on the CPU is one of a C++ compiler, which has to be there: a second for each dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import LAYOUTS, RAW, SYMBOLS, Adapter, NotOffered, Primitives, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPRESSIONS = {
    "plain": "{op}(x, axis)",
    **{way: f"{{op}}(x {symbol} o, axis)" for way, symbol in SYMBOLS.items()},
    "fill": "{op}(mx.where(o != 0, x, mx.array(-mx.inf, x.dtype)), axis)",
    "cast": "{op}(x.astype(o.dtype), axis)",
    "axes": ("mx.moveaxis({op}(mx.moveaxis(x.reshape(-1, 5, x.shape[-1] // 5), 1, 0), (0, 2)), 0, 1).reshape(x.shape)"),
    "flat": "{op}(x.reshape(5, -1), None).reshape(x.shape)",
    "default": "{op}(x)",
    "then-scale": "{op}(x, axis) * o",
    "then-sum": "(lambda y: y + o * y.sum(axis, keepdims=True))({op}(x, axis))",
    "then-index": "mx.take_along_axis({op}(x, axis), o.astype(mx.int32), -1)",
}

_FUNCTIONS = {
    "softmax": "softmax = mx.softmax\n",
    "log_softmax": "log_softmax = mlx.nn.log_softmax\n",
}

_PRECISE = """\
def softmax(*arguments):
    return mx.softmax(*arguments, precise=True)
"""

_COMPILED = """\
compiled = {}


def called(x, *others):
    *o, axis = others
    if axis not in compiled:
        compiled[axis] = mx.compile(lambda *arrays: forward(*arrays, axis))
    return compiled[axis](x, *o)
"""
"""A function of arrays is compiled for each axis; that it is called again with another shape compiles it again."""

_DERIVATIVES = {
    "plain": "mx.vjp(lambda x: {f}(x, axis), [x], [g])[1][0]",
    "forward": "mx.jvp(lambda x: {f}(x, axis), [x], [g])[1][0]",
    "hessian": "mx.vjp(mx.grad(lambda x: -mx.take({f}(x, axis), 0, axis).sum()), [x], [g])[1][0]",
    "hessian-forward": "mx.jvp(mx.grad(lambda x: -mx.take({f}(x, axis), 0, axis).sum()), [x], [g])[1][0]",
}
"""Way → the vjp, of the function ``{f}``."""

_SETUP = """\
import mlx.core as mx
import mlx.nn
import numpy

mx.set_default_device(mx.cpu)
"""


class Mlx(Adapter):
    """MLX, on the CPU."""

    name = "mlx"
    modes = ("eager", "compiled", "precise")
    compiled = ("compiled",)
    ways = tuple({**_EXPRESSIONS, **_DERIVATIVES})
    layouts = tuple(LAYOUTS)
    distributions = ("mlx", "mlx-cpu", "mlx-metal", "mlx-cuda")
    variables = ("MLX_DISABLE_COMPILE",)

    def __init__(self) -> None:
        import mlx.core as mx
        import mlx.nn

        del mlx  # the programs import it
        self.mx = mx
        self.version = mx.__version__
        mx.set_default_device(mx.cpu)

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if device not in self.devices():
            raise ValueError(f"MLX is asked on the cpu, not on {device}")
        if dtype.startswith("float8"):
            raise NotImplementedError(f"MLX has no arrays of {dtype}")
        if dtype == "float64":
            return self.mx.array(stored, dtype=self.mx.float64)
        array = self.mx.array(stored)
        return array.view(getattr(self.mx, dtype)) if dtype in RAW else array

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        return self.mx.broadcast_to(array, shape)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype = _name(array.dtype)
        if dtype in RAW:
            return dtype, np.array(array.view(getattr(self.mx, RAW[dtype])))
        return dtype, np.array(array)

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - on the CPU alone
        vjp, name = op.endswith("_vjp"), op.removesuffix("_vjp")
        derivative = template(self.name, _DERIVATIVES, op, way) if vjp else ""
        name = "log_softmax" if vjp and way.startswith("hessian") else name
        if mode == "precise" and name != "softmax":
            raise NotOffered(f"MLX has no precise {name}, so no way {way!r} to call its {op}")
        expression = template(self.name, _EXPRESSIONS, op, "plain" if vjp else way).format(op=name)
        function = _PRECISE if mode == "precise" else _FUNCTIONS[name]
        forward = f"forward = lambda {'x' if way == 'plain' or vjp else 'x, o'}, axis: {expression}\n"
        f = "called" if mode == "compiled" else "forward"
        called = f"f = lambda x, axis, g: {derivative.format(f=f)}\n" if vjp else f"f = {f}\n"
        parts = (function, forward, _COMPILED if mode == "compiled" else "", called)
        return Program(
            setup=_SETUP,
            array="mx.array(numpy.array({values}), dtype=mx.{dtype})",
            define="\n\n".join(part for part in parts if part),
            numbers="numbers = lambda y: (str(y.dtype).rpartition('.')[2], y.tolist())\n",
        )

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - arrays know theirs
        mx = self.mx
        return Primitives(
            exp=mx.exp,
            log=mx.log,
            sum=lambda x, axis: mx.sum(x, axis, keepdims=True),
            max=lambda x, axis: mx.max(x, axis, keepdims=True),
        )

    def state(self) -> dict[str, object]:
        return {"default device": str(self.mx.default_device())}

    def forget(self) -> None:
        super().forget()
        self.mx.clear_cache()


def _name(dtype: Any) -> str:
    name = str(dtype).rpartition(".")[2]
    return {"bool_": "bool"}.get(name, name)
