"""MindSpore: ``mindspore.ops``, as they are and inside ``mindspore.jit``.

Peculiarities
-------------
- The eager mode runs behind its caller unless it is told to wait: an error otherwise stands at a later call.
- ``mindspore.jit`` reads the source of what it compiles, and compiles it anew for each shape in about 0.2 s.
- A graph that cannot be compiled leaves a file ``rank_0/om/analyze_fail.ir`` in the working directory.
- On the CPU there is no bfloat16 but its arrays: the bits cross as bytes, since NumPy's extension type is refused.
- What the two modes share are the kernels; that of log_softmax of float64 computes with no more digits than float32 has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import RAW, SYMBOLS, Adapter, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPRESSIONS = {
    "plain": "{op}",
    **{way: f"lambda x, o, axis: {{op}}(x {symbol} o, axis)" for way, symbol in SYMBOLS.items()},
    "cast": "lambda x, o, axis: mindspore.ops.{name}(x, axis, dtype=o.dtype)",
    "default": "lambda x, o, axis: {op}(x)",
}

_VJP = """\
gradient = mindspore.ops.GradOperation(sens_param=True)(function)


def f(x, axis, g):
    return gradient(x, axis, g)
"""

_SETUP = """\
import mindspore
import numpy

mindspore.set_device('CPU')
mindspore.runtime.launch_blocking()
"""


class MindSpore(Adapter):
    """MindSpore, on the CPU."""

    name = "mindspore"
    modes = ("eager", "jit")
    compiled = ("jit",)
    ways = tuple(_EXPRESSIONS)
    distributions = ("mindspore",)
    variables = ("GLOG_v", "OMP_NUM_THREADS")

    def __init__(self) -> None:
        import mindspore

        mindspore.set_device("CPU")
        mindspore.runtime.launch_blocking()
        self.mindspore = mindspore
        self.version = mindspore.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:  # noqa: ARG002 - there is one
        if dtype == "bfloat16":
            kind = self.mindspore.bfloat16
            return self.mindspore.Tensor.convert_bytes_to_tensor(stored.tobytes(), stored.shape, kind)
        if dtype in RAW:
            raise NotImplementedError(f"MindSpore computes with no {dtype} on the CPU")
        return self.mindspore.Tensor(stored.copy())

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype = str(array.dtype).lower()
        if dtype in RAW:
            return dtype, np.frombuffer(array.get_bytes(), RAW[dtype]).reshape(array.shape)
        return dtype, array.asnumpy().copy()

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - on the CPU alone
        vjp, name = op.endswith("_vjp"), op.removesuffix("_vjp")
        ways = {"plain": _EXPRESSIONS["plain"]} if vjp else dict(_EXPRESSIONS)
        if name == "log_softmax":
            ways.pop("cast", None)  # softmax alone has dtype=
        called = f"mindspore.ops.{name}"
        called = f"mindspore.jit({called})" if mode == "jit" else called
        f = template(self.name, ways, op, way).format(op="function", name=name)
        define = _VJP if vjp else f"f = {f}\n"
        return Program(
            setup=_SETUP,
            array="mindspore.Tensor(numpy.array({values}, dtype='{dtype}'))",
            define=f"function = {called}\n{define}",
            numbers="numbers = lambda y: (str(y.dtype).lower(), y.asnumpy().tolist())\n",
        )
