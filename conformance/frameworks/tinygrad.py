"""tinygrad, on the device that its environment names, or on the CPU as it comes.

Peculiarities
-------------
- Nothing is computed until it is realised; what stands together then is one schedule of kernels, generated for its shape.
- The device is chosen by ``DEV`` when tinygrad is first used, so that each is a variant.  That of the CPU calls ``clang``,
  which has to be there, whatever generates the code; ``CC`` names another one, and below release 15 it has no bfloat16.
- The device ``PYTHON`` interprets the kernels element by element: slow, and there everywhere.  It is asked no array of
  more than 4,096 numbers.
- Bits cross as bytes; a *bitcast* is computed, and on the device ``PYTHON`` it changes NaN and subnormals.
- What is not realised becomes part of the kernel that follows: arrays are realised before they are handed over.
- In release 0.14.0 the device ``PYTHON`` refuses its own kernel for float16 rows of a hundred numbers.
- ``softmax`` multiplies by the reciprocal of the sum.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import RAW, Adapter, NotOffered, Program, Variant, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPRESSIONS = {
    "plain": "x.{op}(axis)",
    "multiply": "(x * o).{op}(axis)",
    "divide": "(x / o).{op}(axis)",
    "add": "(x + o).{op}(axis)",
    "fill": "(o != 0).where(x, -float('inf')).{op}(axis)",
    "cast": "x.{op}(axis, dtype=o.dtype)",
    "default": "x.{op}()",
    "then-scale": "x.{op}(axis) * o",
    "then-sum": "(lambda y: y + o * y.sum(axis, keepdim=True))(x.{op}(axis))",
    "then-index": "x.{op}(axis).gather(-1, o.cast('int32'))",
}

_DEFINE = """\
def f({names}, axis):
    return ({expression}).contiguous().realize()
"""

_VJP = """\
def f(x, axis, g):
    return x.{op}(axis).gradient(x, gradient=g)[0].contiguous().realize()
"""

_NAMES = {
    "half": "float16", "float": "float32", "double": "float64", "__bf16": "bfloat16",
    "signed char": "int8", "short": "int16", "int": "int32", "long": "int64",
    "unsigned char": "uint8", "unsigned short": "uint16", "unsigned int": "uint32", "unsigned long": "uint64",
    "bool": "bool", "float8_e4m3": "float8_e4m3fn", "float8_e5m2": "float8_e5m2",
}  # fmt: skip
"""tinygrad's name of a dtype, which is that of C → dtype."""

_FLOAT8 = {"float8_e4m3fn": "fp8e4m3", "float8_e5m2": "fp8e5m2"}

_SETUP = """\
import os

os.environ['DEV'] = {device!r}
import numpy
from tinygrad import Tensor
"""

_FLOATS = {"half": "float16", "__bf16": "bfloat16", "float": "float32", "double": "float64"}

# Every number of a format of 16 bits is one of float64.
_NUMBERS = f"""\
names = {_FLOATS!r}
numbers = lambda y: (names.get(y.dtype.name, y.dtype.name), y.cast('float64').numpy().tolist())
"""


class Tinygrad(Adapter):
    """tinygrad, on one device."""

    name = "tinygrad"
    modes = ("realized",)
    compiled = modes
    ways = tuple(_EXPRESSIONS)
    variants = (Variant(), Variant("x86", {"DEV": "CPU:X86"}), Variant("python", {"DEV": "PYTHON"}))
    distributions = ("tinygrad",)
    variables = ("CC", "DEV", "NOOPT", "BEAM")

    def __init__(self) -> None:
        self.version = importlib.metadata.version("tinygrad")
        self.device = os.environ.setdefault("DEV", "CPU")
        if self.device == "PYTHON":
            self.largest = 4096  # type: ignore[misc]
        if self.device.startswith("CPU") and shutil.which(os.environ.get("CC", "clang")) is None:
            raise ImportError("tinygrad's device of the CPU needs clang, which is not there")
        from tinygrad import Tensor, dtypes

        self.tensor = Tensor
        self.dtypes = dtypes

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if device not in self.devices():
            raise ValueError(f"tinygrad is asked on the cpu, not on {device}")
        kind = getattr(self.dtypes, _FLOAT8.get(dtype, dtype))
        if not stored.size:
            return self.tensor.empty(*stored.shape, dtype=kind)
        return self.tensor(stored.tobytes(), dtype=kind).reshape(stored.shape).realize()

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype = _NAMES.get(array.dtype.name, array.dtype.name)
        if not array.numel():
            return dtype, np.empty(array.shape, RAW.get(dtype, dtype))
        held = array.contiguous().realize()._buffer().as_memoryview()
        return dtype, np.frombuffer(bytes(held), RAW.get(dtype, dtype)).reshape(array.shape).copy()

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - one mode, one device
        vjp, name = op.endswith("_vjp"), op.removesuffix("_vjp")
        if vjp and way != "plain":
            raise NotOffered(f"{self.name} has no way {way!r} to call its {op}")
        expression = template(self.name, _EXPRESSIONS, op, way).format(op=name)
        names = "x" if way == "plain" else "x, o"
        return Program(
            setup=_SETUP.format(device=self.device),
            array="Tensor(numpy.array({values}, dtype='float64')).cast('{dtype}').realize()",
            define=_VJP.format(op=name) if vjp else _DEFINE.format(names=names, expression=expression),
            numbers=_NUMBERS,
        )

    def refuses(self, error: BaseException) -> bool:
        return super().refuses(error) or (isinstance(error, AttributeError) and "dtypes" in str(error))
