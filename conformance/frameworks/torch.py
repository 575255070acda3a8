"""PyTorch: eager and compiled.

Peculiarities
-------------
- ``torch.from_numpy`` knows no bfloat16 and no formats of 8 bits: the bits cross as unsigned and are viewed.
- Dynamo keeps its compiled variants on the *code object*, and past eight of them it silently runs
  the function eagerly.  A conformance run must never mistake eager for compiled, so the limit is
  lifted and reaching it is an error.
- ``torch.softmax`` is no Python function: Dynamo compiles a wrapper of its own around it, whose code object all
  compiled built-ins share.  What is static and what is dynamic in one op thus hangs on the ops before it, until
  :meth:`Torch.forget`.
- Shapes are left to ``torch.compile``'s default: static first, dynamic from the second shape on; rows up to 4,096 and
  longer ones, an axis of length one, and each rank are programs of their own.
- A compilation costs 1.6 s of CPU time, of which g++ takes 1.05 s with the precompiled headers that are Inductor's
  default.  The first with an empty cache directory (``TORCHINDUCTOR_CACHE_DIR``) costs 18 s more, since ten
  instruction sets are probed by compiling for them: workers had better share a directory that stays.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import RAW, SYMBOLS, Adapter, NotOffered, Primitives, Program, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_EXPRESSIONS = {
    "plain": "torch.{op}",
    **{way: f"lambda x, o, axis: torch.{{op}}(x {symbol} o, axis)" for way, symbol in SYMBOLS.items()},
    "fill": "lambda x, o, axis: torch.{op}(torch.where(o != 0, x, -torch.inf), axis)",
    "cast": "lambda x, o, axis: torch.{op}(x, axis, dtype=o.dtype)",
    "out": "lambda x, o, axis: torch.{op}(x, axis, out=o)",
    "in-place": "lambda x, o, axis: (lambda b: torch.{op}(b, axis, out=b))(x.clone())",
    "overlap": "lambda x, o, axis: (lambda b: torch.{op}(b[:-1], axis, out=b[1:]))(torch.cat((x, x[-1:])))",
    "default": "lambda x, o, axis: torch.nn.functional.{op}(x)",
    "then-scale": "lambda x, o, axis: torch.{op}(x, axis) * o",
    "then-sum": "lambda x, o, axis: (lambda y: y + o * y.sum(axis, keepdim=True))(torch.{op}(x, axis))",
    "then-index": "lambda x, o, axis: torch.gather(torch.{op}(x, axis), -1, o.long())",
    "then-matmul": (
        "lambda x, o, axis: (torch.{op}(x, axis).unsqueeze(-2) @ (o.unsqueeze(-2) == "
        "torch.arange(o.shape[-1], device=o.device).unsqueeze(-1)).to(x.dtype)).squeeze(-2)"
    ),
}

_LOSS = """\
def loss(x, axis):
    return -torch.log_softmax(x, axis).select(axis, 0).sum()
"""

_DERIVATIVES = {
    "plain": """\
forward = {f}


def f(x, axis, g):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(forward(x, axis), x, g)[0]
""",
    "forward": """\
def f(x, axis, g):
    return torch.func.jvp(lambda x: torch.softmax(x, axis), (x,), (g,))[1]
""",
    "hessian": f"""\
{_LOSS}

def f(x, axis, g):
    x = x.clone().requires_grad_()
    gradient = torch.autograd.grad(loss(x, axis), x, create_graph=True)[0]
    return torch.autograd.grad(gradient, x, g)[0]
""",
    "hessian-forward": f"""\
{_LOSS}

def f(x, axis, g):
    return torch.func.jvp(torch.func.grad(lambda x: loss(x, axis)), (x,), (g,))[1]
""",
}
"""Way → the definition of the vjp.  torch.compile runs all but the first in eager mode, without a word."""

_LIMITS = {
    "recompile_limit": ("cache_size_limit", 100_000),
    "accumulated_recompile_limit": ("accumulated_cache_size_limit", 100_000),
    "fail_on_recompile_limit_hit": ("fail_on_cache_limit_hit", True),
}
"""Dynamo's setting → its name before release 2.6, and its value here."""


class Torch(Adapter):
    """PyTorch, on every device it can see."""

    name = "torch"
    modes = ("eager", "compile")
    compiled = ("compile",)
    ways = tuple({**_EXPRESSIONS, **_DERIVATIVES})
    layouts = (
        "transposed", "heads", "step", "offset", "broadcast", "broadcast-row", "broadcast-axis",
    )  # no strides below zero  # fmt: skip
    distributions = ("torch",)
    variables = (
        "ATEN_CPU_CAPABILITY", "CUBLAS_WORKSPACE_CONFIG", "MKL_NUM_THREADS", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS",
        "TORCHINDUCTOR_CACHE_DIR", "TORCHINDUCTOR_COMPILE_THREADS", "TORCH_COMPILE_DISABLE",
    )  # fmt: skip

    def __init__(self) -> None:
        import torch
        import torch._dynamo

        self.torch = torch
        self.version = torch.__version__
        config = torch._dynamo.config
        for name, (before, value) in _LIMITS.items():
            if hasattr(config, name) or hasattr(config, before):
                setattr(config, name if hasattr(config, name) else before, value)
        self.no_compiler = ""
        try:
            torch._dynamo.eval_frame.check_if_dynamo_supported()
        except RuntimeError as error:  # a release older than this Python: 2.0 beside 3.11
            self.no_compiler = str(error)

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

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - tensors know theirs
        vjp, name = op.endswith("_vjp"), op.removesuffix("_vjp")
        if mode == "compile" and self.no_compiler:
            raise NotOffered(self.no_compiler)
        if vjp and mode == "compile" and way != "plain":
            raise NotOffered(f"torch.compile has no way {way!r} to call {op}: it runs eagerly there")
        f = template(self.name, _EXPRESSIONS, op, "plain" if vjp else way).format(op=name)
        f = f"torch.compile({f})" if mode == "compile" else f
        define = template(self.name, _DERIVATIVES, op, way) if vjp else "f = {f}\n"
        return Program(
            setup="import torch\n",
            array="torch.tensor({values}, dtype=torch.float64).to(torch.{dtype}).to('{device}')",
            define=define.format(f=f),
            numbers="numbers = lambda y: (str(y.dtype).removeprefix('torch.'), y.tolist())\n",
        )

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - tensors know theirs
        torch = self.torch
        return Primitives(
            exp=torch.exp,
            log=torch.log,
            sum=lambda x, axis: torch.sum(x, axis, keepdim=True),
            max=lambda x, axis: torch.amax(x, axis, keepdim=True),
        )

    def refuses(self, error: BaseException) -> bool:
        return super().refuses(error) or (isinstance(error, RuntimeError) and "not implemented for" in str(error))

    def state(self) -> dict[str, object]:
        torch = self.torch
        return {
            "number of threads": torch.get_num_threads(),
            "default dtype": str(torch.get_default_dtype()),
            "gradients recorded": torch.is_grad_enabled(),
            "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
            "float32 matmul precision": torch.get_float32_matmul_precision(),
        }

    @contextmanager
    def threads(self, count: int) -> Iterator[None]:
        before = self.torch.get_num_threads()
        self.torch.set_num_threads(count)
        try:
            yield
        finally:
            self.torch.set_num_threads(before)

    def forget(self) -> None:
        super().forget()
        self.torch._dynamo.reset()
