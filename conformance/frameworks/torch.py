"""PyTorch: eager and compiled.

Peculiarities
-------------
- ``torch.from_numpy`` knows no bfloat16 and no formats of 8 bits: the bits cross as unsigned and are viewed.
- Dynamo keeps its compiled variants on the *code object*, and past eight of them it silently runs
  the function eagerly.  A conformance run must never mistake eager for compiled, so the limit is
  lifted and reaching it is an error.
- Shapes are left to ``torch.compile``'s default: static first, dynamic from the second shape on.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import RAW, Behind, Framework, Primitives
from conformance.producers import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


class Torch(Framework):
    """PyTorch, on every device it can see."""

    name = "torch"
    modes = ("eager", "compile")
    layouts = ("transposed", "heads", "step", "offset", "broadcast-row", "broadcast-axis")  # no strides below zero
    calls = {  # noqa: RUF012 - nobody writes to it
        **{name: f"torch.{{op}}(x {symbol} o, axis)" for name, symbol in SYMBOLS.items()},
        "fill": "torch.{op}(torch.where(o != 0, x, -torch.inf), axis)",
        "cast": "torch.{op}(x, axis, dtype=o.dtype)",
        "out": "torch.{op}(x, axis, out=o)",
        "default": "torch.nn.functional.{op}(x)",
    }

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
        tensor = self.torch.from_numpy(stored.copy())
        if dtype in RAW:
            tensor = tensor.view(getattr(self.torch, dtype))
        return tensor.to(device)

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        return array.expand(shape)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        tensor = array.detach().cpu()
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype in RAW:
            return dtype, tensor.view(getattr(self.torch, RAW[dtype])).numpy().copy()
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

    def produced(self, op: str, producer: str, mode: str, device: str) -> Callable[..., Any]:  # noqa: ARG002
        f: Callable[..., Any] = eval(self.written(op, producer), {"torch": self.torch})  # noqa: S307 - our own text
        return self._compiled(f) if mode == "compile" else f

    @contextmanager
    def threads(self, count: int) -> Iterator[None]:
        before = self.torch.get_num_threads()
        self.torch.set_num_threads(count)
        try:
            yield
        finally:
            self.torch.set_num_threads(before)

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - tensors know theirs
        torch = self.torch
        return Primitives(
            exp=torch.exp,
            log=torch.log,
            sum=lambda x, axis: torch.sum(x, axis, keepdim=True),
            max=lambda x, axis: torch.amax(x, axis, keepdim=True),
        )

    def script(
        self, op: str, mode: str, device: str, dtype: str, axis: int, values: str, behind: Behind | None = None
    ) -> str:
        def array(source: str, dtype: str) -> str:
            return f"torch.tensor({source}, dtype=torch.float64).to(torch.{dtype}).to({device!r})"

        other = f"o = {array(behind.operand, dtype)}\n" if behind else ""
        f, arguments = (f"({self.written(op, behind.producer)})", "x, o") if behind else (f"torch.{op}", "x")
        f = f"torch.compile({f})" if mode == "compile" else f
        return (
            "import torch\n"
            f"x = {array(values, behind.sent if behind else dtype)}\n"
            f"{other}"
            f"print({f}({arguments}, {axis}).tolist())\n"
        )
