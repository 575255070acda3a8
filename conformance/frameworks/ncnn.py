"""ncnn: a network of one Softmax layer, with the options that it comes with.

Peculiarities
-------------
- There is no layer of log_softmax and no gradient; arrays of one to four axes in float32 are all that its Python makes
  of NumPy's.
- A Mat made of a NumPy array shares its memory, and a layer that works in place, as this one does, then ends the process
  (``Extractor.extract``, segmentation fault); a clone of the Mat does not.
- No model is to be loaded, but the network has to be told so before it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import Adapter, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEFINE = """\
nets = {}


def net(axis):
    made = ncnn.Net()
    made.load_param_mem(f'7767517\\n2 2\\nInput x 0 1 x\\nSoftmax y 1 1 x y 0={axis} 1=1\\n')
    made.load_model(ncnn.DataReaderFromEmpty())
    return made


def f(x, axis):
    if axis not in nets:
        nets[axis] = net(axis)
    extractor = nets[axis].create_extractor()
    extractor.input('x', x)
    status, y = extractor.extract('y')
    if status:
        raise RuntimeError(f'the network returned {status}')
    return y
"""


class Ncnn(Adapter):
    """ncnn, on the CPU."""

    name = "ncnn"
    modes = ("net",)
    distributions = ("ncnn",)

    def __init__(self) -> None:
        import ncnn

        self.ncnn = ncnn
        self.version = ncnn.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:  # noqa: ARG002 - there is one
        if dtype != "float32" or not 1 <= stored.ndim <= 4:
            raise NotImplementedError(f"ncnn makes no arrays of {dtype} with {stored.ndim} axes of NumPy's")
        return self.ncnn.Mat(stored).clone()

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        stored = np.array(array)
        return stored.dtype.name, stored

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - one mode, on the CPU
        return Program(
            setup="import ncnn\nimport numpy\n",
            array="ncnn.Mat(numpy.array({values}, dtype='{dtype}')).clone()",
            define=template(self.name, {"plain": _DEFINE} if op == "softmax" else {}, op, way),
            numbers="numbers = lambda y: (numpy.array(y).dtype.name, numpy.array(y).tolist())\n",
        )
