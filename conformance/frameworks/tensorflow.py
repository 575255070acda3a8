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

import numpy as np

from conformance.frameworks.base import Framework, Primitives

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class TensorFlow(Framework):
    """TensorFlow, on every device it can see."""

    name = "tensorflow"
    modes = ("eager", "function", "xla")

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
        if dtype == "bfloat16":
            stored = stored.view(self.tf.bfloat16.as_numpy_dtype)
        with self._on(device):
            return self.tf.constant(stored)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype, stored = array.dtype.name, array.numpy()
        return dtype, stored.view(np.uint16) if dtype == "bfloat16" else stored

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

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - controls run on the first device
        tf = self.tf
        return Primitives(
            exp=tf.exp,
            log=tf.math.log,
            sum=lambda x, axis: tf.reduce_sum(x, axis, keepdims=True),
            max=lambda x, axis: tf.reduce_max(x, axis, keepdims=True),
        )

    def script(self, op: str, mode: str, device: str, dtype: str, axis: int, values: str) -> str:
        wrapped = {
            "eager": f"tf.nn.{op}",
            "function": f"tf.function(tf.nn.{op})",
            "xla": f"tf.function(tf.nn.{op}, jit_compile=True)",
        }[mode]
        return (
            "import tensorflow as tf\n"
            f"with tf.device({device.replace('cuda', 'GPU')!r}):\n"
            f"    x = tf.cast(tf.constant({values}, tf.float64), tf.{dtype})\n"
            f"    print({wrapped}(x, axis={axis}).numpy().tolist())\n"
        )
