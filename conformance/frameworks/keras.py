"""Keras on each of its backends: its ops, and its layer of softmax.

Peculiarities
-------------
- The backend is chosen by ``KERAS_BACKEND`` when Keras is imported, so that each is a variant; arrays are the backend's
  own, and cross as they do for the adapter of that framework.
- The ops of the numpy backend are Keras's own formulas, those of the others the backend's softmax; for float16 on the
  CPU the torch backend converts to float32 and back.
- The numpy backend needs SciPy, which Keras does not bring.
- A layer casts what it gets to the dtype it was made with, float32 where none is said: it is made with that of x.
- The layer's mask does not fill with -inf, but with a large negative number.
- Keras's own promotion makes float32 of two arrays of float64 on the numpy and openvino backends: in ``keras.ops.where``,
  in a masked layer, and on openvino in ``x * o``.
- On the openvino backend an op builds a graph, which is computed when its numbers are looked at.
- JAX, and hence its backend, has float64 only after ``jax_enable_x64``.
- ``keras.ops.softmax`` of an axis of length one warns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.arrays import PROGRAM, NumPy
from conformance.frameworks.base import (
    RAW,
    SYMBOLS,
    Adapter,
    Border,
    Forwarding,
    NotOffered,
    Program,
    Variant,
    template,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OPS = {
    "plain": "keras.ops.{op}(x, axis=axis)",
    **{way: f"keras.ops.{{op}}(x {symbol} o, axis=axis)" for way, symbol in SYMBOLS.items()},
    "fill": "keras.ops.{op}(keras.ops.where(o != 0, x, keras.ops.cast(-float('inf'), x.dtype)), axis=axis)",
    "cast": "keras.ops.{op}(keras.ops.cast(x, o.dtype), axis=axis)",
    "axes": (
        "keras.ops.reshape(keras.ops.moveaxis(keras.ops.{op}(keras.ops.moveaxis("
        "keras.ops.reshape(x, (-1, 5, x.shape[-1] // 5)), 1, 0), axis=(0, 2)), 0, 1), x.shape)"
    ),
    "flat": "keras.ops.reshape(keras.ops.{op}(keras.ops.reshape(x, (5, -1)), axis=None), x.shape)",
    "default": "keras.ops.{op}(x)",
}

_LAYER = "keras.layers.Softmax({axis}dtype=keras.backend.standardize_dtype(x.dtype))"

_LAYERS = {
    "plain": f"{_LAYER.format(axis='axis=axis, ')}(x)",
    "where": f"{_LAYER.format(axis='axis=axis, ')}(x, mask=o != 0)",
    "default": f"{_LAYER.format(axis='')}(x)",
}

_MODES = {"ops": _OPS, "layer": _LAYERS}

_VJPS = {
    "torch": """\
def f(x, axis, g):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(forward(x, axis), x, g)[0]
""",
    "jax": """\
def f(x, axis, g):
    return jax.vjp(lambda x: forward(x, axis), x)[1](g)[0]
""",
    "tensorflow": """\
def f(x, axis, g):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = forward(x, axis)
    return tape.gradient(y, x, output_gradients=g)
""",
}
"""Backend → the vjp of ``forward``; the other backends have no gradients."""

_BACKENDS = {
    "torch": ("torch",), "jax": ("jax",), "tensorflow": ("tensorflow",), "numpy": ("scipy",), "openvino": ("openvino",),
}  # fmt: skip
"""Backend → the modules that it imports."""


class _Tensors(Border):
    """The arrays of the openvino backend, made of NumPy's."""

    name = "keras"

    def __init__(self, keras: Any) -> None:
        self.keras = keras
        self.version = keras.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if device not in self.devices():
            raise ValueError(f"Keras on openvino is asked on the cpu, not on {device}")
        if dtype.startswith("float8"):
            raise NotImplementedError(f"Keras on openvino has no arrays of {dtype} to be had from bits")
        if dtype != "bfloat16":
            return self.keras.ops.convert_to_tensor(stored.copy(), dtype=dtype)
        import openvino
        from keras.src.backend.openvino.core import OpenVINOKerasTensor

        # What Keras makes of an array of bfloat16 has been through float32, which changes NaN.  A constant keeps the memory
        # of a tensor, but not an array that the tensor was made of.
        held = openvino.Tensor(openvino.Type.bf16, stored.shape)
        held.data.view("uint16")[...] = stored
        return OpenVINOKerasTensor(openvino.opset13.constant(held).output(0))

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype = self.keras.backend.standardize_dtype(array.dtype)
        stored = np.array(self.keras.ops.convert_to_numpy(array))
        return dtype, stored.view(RAW[dtype]) if dtype in RAW else stored


_TENSORS = Program(
    setup="import keras\n",
    array="keras.ops.convert_to_tensor({values}, dtype='{dtype}')",
    define="",
    numbers=(
        "numbers = lambda y: (keras.backend.standardize_dtype(y.dtype), keras.ops.convert_to_numpy(y).tolist())\n"
    ),
)
"""A program on the openvino backend's arrays."""


class Keras(Forwarding):
    """Keras, on the backend that its environment names."""

    name = "keras"
    modes = tuple(_MODES)
    ways = tuple({**_OPS, **_LAYERS})
    variants = tuple(Variant(name, {"KERAS_BACKEND": name}, needs) for name, needs in _BACKENDS.items())
    distributions = ("keras", "torch", "jax", "jaxlib", "tensorflow", "tensorflow-cpu", "openvino", "ml_dtypes")
    variables = ("KERAS_BACKEND",)

    def __init__(self) -> None:
        import keras

        from conformance import frameworks

        self.version = keras.__version__
        self.keras = keras
        self.backend = keras.backend.backend()
        if self.backend in _VJPS:
            self.border = frameworks.load(self.backend)
        else:
            self.border = NumPy() if self.backend == "numpy" else _Tensors(keras)
        self.layouts = self.border.layouts  # type: ignore[misc]

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def state(self) -> dict[str, object]:
        return {
            "floatx": self.keras.config.floatx(),
            "dtype policy": self.keras.config.dtype_policy().name,
            **self.border.state(),
        }

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        vjp, name = op.endswith("_vjp"), op.removesuffix("_vjp")
        where = f"Keras on {self.backend}"
        if vjp and (way != "plain" or self.backend not in _VJPS):
            raise NotOffered(f"{where} has no way {way!r} to call its {op}")
        if mode == "layer" and name != "softmax":
            raise NotOffered(f"Keras has no layer of {name}, so no way {way!r} to call its {op}")
        f = template(where, _MODES[mode], op, way).format(op=name)
        f = f"lambda {'x' if way == 'plain' else 'x, o'}, axis: {f}"
        around = PROGRAM if self.backend == "numpy" else _TENSORS
        if isinstance(self.border, Adapter):
            around = self.border.program(op, "plain", self.border.modes[0], device)
        choice = f"import os\n\nos.environ['KERAS_BACKEND'] = {self.backend!r}\nimport keras\n"
        return replace(
            around,
            setup=f"{choice}{around.setup.replace(_TENSORS.setup, '')}",
            define=f"forward = {f}\n\n\n{_VJPS[self.backend]}" if vjp else f"f = {f}\n",
        )

    def forget(self) -> None:
        super().forget()
        if isinstance(self.border, Adapter):
            self.border.forget()
