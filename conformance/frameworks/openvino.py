"""OpenVINO on the CPU: a model of one op, in the precision it infers by default and held to float32.

Peculiarities
-------------
- There is no eager op: a model is compiled for each op, dtype, axis and rank, with all lengths left open, in 16 ms; a new
  length costs next to nothing.
- *default* is what a user gets, whose precision the plugin chooses by the processor: bfloat16 where it has instructions
  for it, float32 elsewhere.  *f32* says ``INFERENCE_PRECISION_HINT``.
- The CPU plugin converts float64 to float32, computes, and converts back: the answer has the dtype float64.
- Of an array of bfloat16, ``Tensor.data`` says float16: the bits are viewed.
- An infer request writes its next answer over its last one: each call has a request of its own.
- There are no gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import RAW, Adapter, NotOffered, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMES = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16",
    "float8_e4m3fn": "f8e4m3", "float8_e5m2": "f8e5m2",
    "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "bool": "boolean",
}  # fmt: skip
"""Dtype → OpenVINO's name of it."""

_DTYPES = {name: dtype for dtype, name in _NAMES.items()}

_OPS = {"multiply": "multiply", "divide": "divide", "add": "add"}
"""Way → OpenVINO's op in front; its nodes know no operators of Python."""

_EXPRESSIONS = {
    "plain": "ops.{op}(x, axis)",
    **{way: f"ops.{{op}}(ops.{name}(x, o), axis)" for way, name in _OPS.items()},
    "fill": (
        "ops.{op}(ops.select(ops.not_equal(o, ops.constant(0, o.get_element_type())), x, "
        "ops.convert(ops.constant(-numpy.inf, openvino.Type.f32), x.get_element_type().get_type_name())), axis)"
    ),
    "cast": "ops.{op}(ops.convert(x, o.get_element_type().get_type_name()), axis)",
    "then-scale": "ops.multiply(ops.{op}(x, axis), o)",
}

_MODES = {"default": "{}", "f32": "{'INFERENCE_PRECISION_HINT': openvino.Type.f32}"}
"""Mode → the settings of its models."""

_DEFINE = """\
core = openvino.Core()
models = {{}}


def model({names}, axis):
    {names} = {parameters}
    return openvino.Model([{expression}], [{names}])


def f({names}, axis):
    key = axis, *((a.element_type.get_type_name(), len(a.shape)) for a in ({names},))
    if key not in models:
        models[key] = core.compile_model(model({names}, axis), 'CPU', {settings})
    request = models[key].create_infer_request()
    request.infer([{names}])
    return request.get_output_tensor()
"""

_PARAMETER = "ops.parameter([-1] * len({name}.shape), {name}.element_type)"

_SETUP = """\
import numpy
import openvino

try:
    from openvino import opset13 as ops
except ImportError:  # before 2025
    from openvino.runtime import opset13 as ops


def tensor(values, dtype):
    if dtype != 'bfloat16':
        return openvino.Tensor(numpy.array(values, dtype=dtype))
    bits = numpy.asarray(numpy.array(values, dtype='float32').view('uint32') >> 16, dtype='uint16')
    made = openvino.Tensor(openvino.Type.bf16, openvino.Shape(bits.shape))
    made.data.view('uint16')[...] = bits
    return made
"""
"""A number of bfloat16 is the upper half of the bits of the same number in float32."""

_NUMBERS = """\
def numbers(y):
    if y.element_type == openvino.Type.bf16:
        wide = numpy.asarray(y.data.view('uint16'), dtype='uint32') << 16
        return 'bfloat16', numpy.asarray(wide).view('float32').tolist()
    return y.data.dtype.name, y.data.tolist()
"""


class OpenVino(Adapter):
    """OpenVINO, on the CPU."""

    name = "openvino"
    modes = tuple(_MODES)
    ways = tuple(_EXPRESSIONS)
    distributions = ("openvino",)

    def __init__(self) -> None:
        import openvino

        self.openvino = openvino
        self.version = openvino.__version__.partition("-")[0]  # without the commit

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if device not in self.devices():
            raise ValueError(f"OpenVINO is asked on the cpu, not on {device}")
        if not hasattr(self.openvino.Type, _NAMES.get(dtype, "")):
            raise NotImplementedError(f"OpenVINO has no tensors of {dtype}")
        # One of an array and a type shares the array's memory, and in OpenVINO 2023 does not keep it alive.
        made = self.openvino.Tensor(getattr(self.openvino.Type, _NAMES[dtype]), self.openvino.Shape(stored.shape))
        made.data.view(stored.dtype)[...] = stored
        return made

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        name, stored = array.element_type.get_type_name(), array.data.copy()
        dtype = _DTYPES.get(name, name)
        return dtype, stored.view(RAW[dtype]) if dtype in RAW else stored

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - on the CPU alone
        if op.endswith("_vjp"):
            raise NotOffered(f"OpenVINO has no gradients, so no way {way!r} to call its {op}")
        names = ["x"] if way == "plain" else ["x", "o"]
        return Program(
            setup=_SETUP,
            array="tensor({values}, '{dtype}')",
            define=_DEFINE.format(
                names=", ".join(names),
                parameters=", ".join(_PARAMETER.format(name=name) for name in names),
                expression=template(self.name, _EXPRESSIONS, op, way).format(op=op),
                settings=_MODES[mode],
            ),
            numbers=_NUMBERS,
        )

    def refuses(self, error: BaseException) -> bool:
        text = str(error)
        return super().refuses(error) or "is not supported" in text or "Unsupported" in text
