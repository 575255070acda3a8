"""PaddlePaddle: eager, and as a static graph by ``paddle.jit.to_static``.

Peculiarities
-------------
- The CPU has eager kernels of float32 and float64 alone.  A static graph takes bfloat16 as well, by oneDNN, and in release
  3.3.1 ends its process now and then where graphs of other dtypes, shapes or a gradient have run before.
- ``to_static`` is given ``full_graph=True``: by default what cannot be captured runs eagerly, without a word.  It then
  reads the source of what it is given, so it is given Paddle's own function, whose source lies in a file.
- A static graph belongs to one shape and dtype, and stays in memory until :meth:`Paddle.forget`.
- ``paddle.to_tensor`` takes NumPy's uint16 for the bits of bfloat16, and ``numpy()`` returns them so.
- Gradients flow only to what says ``stop_gradient = False``.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import RAW, Adapter, NotOffered, Primitives, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPRESSIONS = {
    "plain": "lambda x, axis: forward(x, axis)",
    "cast": "lambda x, o, axis: forward(x, axis, dtype=o.dtype)",
    "default": "lambda x, o, axis: forward(x)",
}

_MODES = {
    "eager": "paddle.nn.functional.{op}",
    "static": "paddle.jit.to_static(paddle.nn.functional.{op}, full_graph=True)",
}

_VJP = """\
def f(x, axis, g):
    x = x.clone()
    x.stop_gradient = False
    return paddle.grad(forward(x, axis), x, g)[0]
"""


class Paddle(Adapter):
    """PaddlePaddle, on every device it can see."""

    name = "paddle"
    modes = tuple(_MODES)
    compiled = ("static",)
    ways = tuple(_EXPRESSIONS)
    layouts = ("transposed", "heads", "step", "offset", "broadcast", "broadcast-row", "broadcast-axis")
    distributions = ("paddlepaddle", "paddlepaddle-gpu")
    variables = ("FLAGS_use_mkldnn", "FLAGS_use_stride_kernel", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

    def __init__(self) -> None:
        import paddle

        self.paddle = paddle
        self.version = paddle.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i in range(self.paddle.device.cuda.device_count())))

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        tensor = self.paddle.to_tensor(stored.copy(), place=_place(device))
        if dtype.startswith("float8"):
            return tensor.view(dtype)
        return tensor

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        return array.expand(shape)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype = str(array.dtype).rpartition(".")[2]
        tensor = array.detach()
        if dtype.startswith("float8"):
            tensor = tensor.view(RAW[dtype])
        return dtype, tensor.numpy().copy()

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        vjp, name = op.endswith("_vjp"), op.removesuffix("_vjp")
        if vjp and way != "plain":
            raise NotOffered(f"{self.name} has no way {way!r} to call its {op}")
        f = template(self.name, _EXPRESSIONS, op, way)
        return Program(
            setup="import numpy\nimport paddle\n",
            array=f"paddle.to_tensor(numpy.array({{values}}), place={_place(device)!r}).astype('{{dtype}}')",
            define=f"forward = {_MODES[mode].format(op=name)}\n\n{_VJP if vjp else f'f = {f}'}\n",
            numbers=("numbers = lambda y: (str(y.dtype).rpartition('.')[2], y.astype('float64').tolist())\n"),
        )

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - tensors know theirs
        paddle = self.paddle
        return Primitives(
            exp=paddle.exp,
            log=paddle.log,
            sum=lambda x, axis: paddle.sum(x, axis, keepdim=True),
            max=lambda x, axis: paddle.max(x, axis, keepdim=True),
        )

    def refuses(self, error: BaseException) -> bool:
        return super().refuses(error) or (isinstance(error, RuntimeError) and "is not registered" in str(error))

    def state(self) -> dict[str, object]:
        paddle = self.paddle
        return {
            "default dtype": paddle.get_default_dtype(),
            "device": paddle.get_device(),
            "gradients recorded": paddle.is_grad_enabled(),
            "static mode": not paddle.in_dynamic_mode(),
        }

    def forget(self) -> None:
        super().forget()
        gc.collect()  # a traced graph hangs in cycles


def _place(device: str) -> str:
    return device.replace("cuda", "gpu")
