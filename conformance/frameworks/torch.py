"""PyTorch: eager and compiled.

Peculiarities
-------------
- ``torch.from_numpy`` knows no bfloat16: the bits cross as int16 and are viewed.
- Dynamo keeps its compiled variants on the *code object*, and past eight of them it silently runs
  the function eagerly.  A conformance run must never mistake eager for compiled, so the limit is
  lifted and reaching it is an error.
- Shapes are left to ``torch.compile``'s default: static first, dynamic from the second shape on.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import Framework, Primitives

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Torch(Framework):
    """PyTorch, on every device it can see."""

    name = "torch"
    modes = ("eager", "compile")
    layouts = ("transposed", "step", "offset", "broadcast-row", "broadcast-axis")  # no strides below zero

    def __init__(self) -> None:
        import torch
        import torch._dynamo

        self.torch = torch
        self.version = torch.__version__
        torch._dynamo.config.recompile_limit = 100_000
        torch._dynamo.config.accumulated_recompile_limit = 100_000
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        self._compiled = cache(torch.compile)

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i in range(self.torch.cuda.device_count())))

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if dtype == "bfloat16":
            tensor = self.torch.from_numpy(stored.astype(np.int16)).view(self.torch.bfloat16)
        else:
            tensor = self.torch.from_numpy(stored.copy())
        return tensor.to(device)

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        return array.expand(shape)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        tensor = array.detach().cpu()
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype == "bfloat16":
            return dtype, tensor.view(self.torch.int16).numpy().view(np.uint16)
        return dtype, tensor.numpy().copy()

    def function(self, op: str, mode: str, device: str) -> Callable[..., Any]:  # noqa: ARG002 - tensors know theirs
        forward: Callable[..., Any] = getattr(self.torch, op.removesuffix("_vjp"))
        if mode == "compile":
            forward = self._compiled(forward)
        if not op.endswith("_vjp"):
            return forward

        def vjp(x: Any, axis: int, g: Any) -> Any:
            x = x.clone().requires_grad_()
            return self.torch.autograd.grad(forward(x, axis), x, g)[0]

        return vjp

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - tensors know theirs
        torch = self.torch
        return Primitives(
            exp=torch.exp,
            log=torch.log,
            sum=lambda x, axis: torch.sum(x, axis, keepdim=True),
            max=lambda x, axis: torch.amax(x, axis, keepdim=True),
        )

    def script(self, op: str, mode: str, device: str, dtype: str, axis: int, values: str) -> str:
        f = f"torch.compile(torch.{op})" if mode == "compile" else f"torch.{op}"
        return (
            "import torch\n"
            f"x = torch.tensor({values}, dtype=torch.float64).to(torch.{dtype}).to({device!r})\n"
            f"print({f}(x, {axis}).tolist())\n"
        )
