"""TensorFlow: eager, traced by ``tf.function``, and compiled by XLA.

Peculiarities
-------------
- An op runs where TensorFlow likes, not where its input lies: every call stands under ``tf.device``.
- ``axis`` of ``tf.nn.softmax`` other than the last transposes first.
- TensorFlow logs to stderr while it is imported; ``TF_CPP_MIN_LOG_LEVEL`` quiets most of it.
- ``tf.cast`` may flush subnormals: programs convert with NumPy.
- oneDNN computes softmax of float32 and bfloat16 in the modes eager and function, whose answers agree to the last bit, and
  nothing in XLA.  Whether it does is TensorFlow's choice, by the processor; ``TF_ENABLE_ONEDNN_OPTS``, read at import, makes
  it: the variants ``onednn-off`` and ``onednn-on`` are asked eagerly alone.
- A trace belongs to one shape and stays in memory until :meth:`TensorFlow.forget`.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import RAW, SYMBOLS, Adapter, Primitives, Program, Variant, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPRESSIONS = {
    "plain": "tf.nn.{op}",
    **{way: f"lambda x, o, axis: tf.nn.{{op}}(x {symbol} o, axis)" for way, symbol in SYMBOLS.items()},
    "fill": "lambda x, o, axis: tf.nn.{op}(tf.where(o != 0, x, tf.constant(-float('inf'), x.dtype)), axis)",
    "cast": "lambda x, o, axis: tf.nn.{op}(tf.cast(x, o.dtype), axis)",
    "default": "lambda x, o, axis: tf.nn.{op}(x)",
    "then-scale": "lambda x, o, axis: tf.nn.{op}(x, axis) * o",
    "then-sum": "lambda x, o, axis: (lambda y: y + o * tf.reduce_sum(y, axis, keepdims=True))(tf.nn.{op}(x, axis))",
    "then-index": "lambda x, o, axis: tf.gather(tf.nn.{op}(x, axis), tf.cast(o, tf.int32), axis=-1, batch_dims=-1)",
    "then-matmul": (
        "lambda x, o, axis: tf.squeeze(tf.matmul(tf.expand_dims(tf.nn.{op}(x, axis), -2), "
        "tf.one_hot(tf.cast(o, tf.int32), x.shape[-1], dtype=x.dtype), transpose_b=True), -2)"
    ),
}

_GRADIENT = """\
def gradient(x, axis):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = -tf.reduce_sum(tf.gather(tf.nn.log_softmax(x, axis), 0, axis=axis))
    return tape.gradient(loss, x)
"""

_DERIVATIVES = {
    "plain": """\
def vjp(x, axis, g):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.{op}(x, axis)
    return tape.gradient(y, x, output_gradients=g)
""",
    "forward": """\
def vjp(x, axis, g):
    with tf.autodiff.ForwardAccumulator(x, g) as tangents:
        y = tf.nn.softmax(x, axis)
    return tangents.jvp(y)
""",
    "hessian": f"""\
{_GRADIENT}

def vjp(x, axis, g):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = gradient(x, axis)
    return tape.gradient(y, x, output_gradients=g)
""",
    "hessian-forward": f"""\
{_GRADIENT}

def vjp(x, axis, g):
    with tf.autodiff.ForwardAccumulator(x, g) as tangents:
        y = gradient(x, axis)
    return tangents.jvp(y)
""",
}
"""Way → the definition of the vjp."""

# Autograph rewrites Python control flow, of which there is none.
_MODES = {
    "eager": "{f}",
    "function": "tf.function({f}, autograph=False)",
    "xla": "tf.function({f}, autograph=False, jit_compile=True)",
}

_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"

_PLACED = """\
def f(*arguments):
    with tf.device({device!r}):
        return call(*arguments)
"""


class TensorFlow(Adapter):
    """TensorFlow, on every device it can see."""

    name = "tensorflow"
    modes = tuple(_MODES)
    compiled = ("xla",)  # a traced function calls the kernels of the eager mode
    ways = tuple({**_EXPRESSIONS, **_DERIVATIVES})
    variants = (
        Variant(),
        Variant("onednn-off", {_ONEDNN: "0"}, modes=("eager",)),
        Variant("onednn-on", {_ONEDNN: "1"}, modes=("eager",)),
    )
    distributions = ("tensorflow", "tensorflow-cpu", "keras", "ml_dtypes")
    also = ("tf",)
    variables = (
        "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", _ONEDNN, "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS", "TF_XLA_FLAGS", "XLA_FLAGS",
    )  # fmt: skip

    def __init__(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        self.tf = tf
        self.version = tf.__version__
        tf.get_logger().setLevel("ERROR")  # one trace a shape is what we ask for; no warning about it

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i, _ in enumerate(self.tf.config.list_physical_devices("GPU"))))

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if dtype in RAW:
            stored = stored.view(self.tf.dtypes.as_dtype(dtype).as_numpy_dtype)
        with self.tf.device(_place(device)):
            return self.tf.constant(stored)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype, stored = array.dtype.name, array.numpy()
        return dtype, stored.view(RAW[dtype]) if dtype in RAW else stored

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        vjp, name = op.endswith("_vjp"), op.removesuffix("_vjp")
        f = "vjp" if vjp else template(self.name, _EXPRESSIONS, op, way).format(op=name)
        called = _MODES[mode].format(f=f)
        before = template(self.name, _DERIVATIVES, op, way).format(op=name) + "\n\n" if vjp else ""
        chosen = os.environ.get(_ONEDNN, "")
        before_import = f"import os\n\nos.environ['{_ONEDNN}'] = {chosen!r}\n" if chosen in ("0", "1") else ""
        return Program(
            setup=f"{before_import}import numpy\nimport tensorflow as tf\n",
            array="tf.constant(numpy.array({values}, dtype=tf.as_dtype('{dtype}').as_numpy_dtype))",
            define=f"{before}call = {called}\n\n{_PLACED.format(device=_place(device))}",
            numbers="numbers = lambda y: (y.dtype.name, y.numpy().tolist())\n",
        )

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - controls run on the first device
        tf = self.tf
        return Primitives(
            exp=tf.exp,
            log=tf.math.log,
            sum=lambda x, axis: tf.reduce_sum(x, axis, keepdims=True),
            max=lambda x, axis: tf.reduce_max(x, axis, keepdims=True),
        )

    def refuses(self, error: BaseException) -> bool:
        errors = self.tf.errors
        if isinstance(error, errors.InvalidArgumentError):
            return "not in the list of allowed values" in str(error)
        return super().refuses(error) or isinstance(error, (errors.UnimplementedError, errors.NotFoundError))

    def state(self) -> dict[str, object]:
        config = self.tf.config
        return {
            "threads within an op": config.threading.get_intra_op_parallelism_threads(),
            "threads between ops": config.threading.get_inter_op_parallelism_threads(),
            "soft placement": config.get_soft_device_placement(),
            "tensor float 32": config.experimental.tensor_float_32_execution_enabled(),
            "functions run eagerly": config.functions_run_eagerly(),
        }

    def forget(self) -> None:
        super().forget()
        gc.collect()  # a traced graph hangs in cycles


def _place(device: str) -> str:
    return device.replace("cuda", "GPU")
