"""TensorFlow: eager, traced by ``tf.function``, and compiled by XLA.

Peculiarities
-------------
- An op runs where TensorFlow likes, not where its input lies: every call stands under ``tf.device``.
- ``axis`` of ``tf.nn.softmax`` other than the last transposes first.
- TensorFlow logs to stderr while it is imported; ``TF_CPP_MIN_LOG_LEVEL`` quiets most of it.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import RAW, Behind, Framework, Primitives
from conformance.producers import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class TensorFlow(Framework):
    """TensorFlow, on every device it can see."""

    name = "tensorflow"
    modes = ("eager", "function", "xla")
    calls = {  # noqa: RUF012 - nobody writes to it
        **{name: f"tf.nn.{{op}}(x {symbol} o, axis)" for name, symbol in SYMBOLS.items()},
        "fill": "tf.nn.{op}(tf.where(o != 0, x, tf.constant(-float('inf'), x.dtype)), axis)",
        "cast": "tf.nn.{op}(tf.cast(x, o.dtype), axis)",
        "default": "tf.nn.{op}(x)",
    }

    def __init__(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        self.tf = tf
        self.version = tf.__version__
        tf.get_logger().setLevel("ERROR")  # one trace a shape is what we ask for; no warning about it
        self._traced = cache(tf.function)

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i, _ in enumerate(self.tf.config.list_physical_devices("GPU"))))

    def _on(self, device: str) -> Any:
        return self.tf.device(device.replace("cuda", "GPU"))

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if dtype in RAW:
            stored = stored.view(self.tf.dtypes.as_dtype(dtype).as_numpy_dtype)
        with self._on(device):
            return self.tf.constant(stored)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype, stored = array.dtype.name, array.numpy()
        return dtype, stored.view(RAW[dtype]) if dtype in RAW else stored

    def function(self, op: str, mode: str, device: str) -> Callable[..., Any]:
        forward = getattr(self.tf.nn, op.removesuffix("_vjp"))

        def vjp(x: Any, axis: int, g: Any) -> Any:
            with self.tf.GradientTape() as tape:
                tape.watch(x)
                y = forward(x, axis)
            return tape.gradient(y, x, output_gradients=g)

        f = vjp if op.endswith("_vjp") else forward
        if mode != "eager":
            f = self._traced(f, jit_compile=mode == "xla")

        def call(x: Any, axis: int, *g: Any) -> Any:
            with self._on(device):
                return f(x, axis, *g)

        return call

    def produced(self, op: str, producer: str, mode: str, device: str) -> Callable[..., Any]:
        f: Callable[..., Any] = eval(self.written(op, producer), {"tf": self.tf})  # noqa: S307 - our own text
        if mode != "eager":
            f = self.tf.function(f, jit_compile=mode == "xla", autograph=False)

        def call(x: Any, operand: Any, axis: int) -> Any:
            with self._on(device):
                return f(x, operand, axis)

        return call

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - controls run on the first device
        tf = self.tf
        return Primitives(
            exp=tf.exp,
            log=tf.math.log,
            sum=lambda x, axis: tf.reduce_sum(x, axis, keepdims=True),
            max=lambda x, axis: tf.reduce_max(x, axis, keepdims=True),
        )

    def script(
        self, op: str, mode: str, device: str, dtype: str, axis: int, values: str, behind: Behind | None = None
    ) -> str:
        def array(source: str, dtype: str) -> str:
            return f"tf.cast(tf.constant({source}, tf.float64), '{dtype}')"

        other = f"    o = {array(behind.operand, dtype)}\n" if behind else ""
        f, arguments = (self.written(op, behind.producer), "x, o") if behind else (f"tf.nn.{op}", "x")
        wrapped = {
            "eager": f"({f})",
            "function": f"tf.function({f}, autograph=False)",
            "xla": f"tf.function({f}, autograph=False, jit_compile=True)",
        }[mode]
        return (
            "import tensorflow as tf\n"
            f"with tf.device({device.replace('cuda', 'GPU')!r}):\n"
            f"    x = {array(values, behind.sent if behind else dtype)}\n"
            f"{other}"
            f"    print({wrapped}({arguments}, axis={axis}).numpy().tolist())\n"
        )
