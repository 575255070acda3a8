"""PyTorch: eager and compiled, mapped, under autocast, and its other functions of softmax.

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
- Every mode but ``compile`` ends in the kernels of the eager one.  What lies before them is its own: ``vmap`` maps over an
  axis beside that of the rows and calls them through a batching rule; ``masked`` fills with -inf where the mask of the way
  ``where`` is false; ``safe`` is the op within ``scaled_dot_product_attention``, which answers zeros for a row of nothing but
  -inf; ``special`` is another name.  ``special`` and ``masked`` have the gradients of ``torch.softmax``.
- ``torch.autocast`` leaves softmax on the CPU as it is: each format comes back as itself, float32 too, as its documentation
  lists it for CUDA alone.  There it computes and answers in float32, which a program converts back.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import (
    MAPPED,
    RAW,
    SYMBOLS,
    Adapter,
    NotOffered,
    Primitives,
    Program,
    of_two_axes,
    template,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

_OTHERS = {
    "autocast": {"plain": "torch.autocast('{kind}')(torch.{op})"},
    "vmap": {"plain": "torch.{op}"},
    "special": {
        "plain": "torch.special.{op}",
        "cast": "lambda x, o, axis: torch.special.{op}(x, axis, dtype=o.dtype)",
    },
    "masked": {
        "plain": "torch.masked.{op}",
        "where": "lambda x, o, axis: torch.masked.{op}(x, axis, mask=o != 0)",
        "cast": "lambda x, o, axis: torch.masked.{op}(x, axis, dtype=o.dtype)",
    },
    "safe": {
        "plain": "torch.ops.aten._safe_{op}",
        "cast": "lambda x, o, axis: torch.ops.aten._safe_{op}(x, axis, dtype=o.dtype)",
    },
}
"""Mode → way → the function, in the modes that call another one than ``torch.softmax``, or it in a context."""

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

_ROWS = {
    False: {"arguments": "x, axis", "row": "lambda x: function(x, inner)", "arrays": "x"},
    True: {
        "arguments": "x, axis, g",
        "row": "lambda x, g: torch.func.vjp(lambda x: function(x, inner), x)[1](g)[0]",
        "arrays": "x, g",
    },
}
"""Whether a vjp is mapped → the parts of :data:`MAPPED`."""

_LIMITS = {
    "recompile_limit": ("cache_size_limit", 100_000),
    "accumulated_recompile_limit": ("accumulated_cache_size_limit", 100_000),
    "fail_on_recompile_limit_hit": ("fail_on_cache_limit_hit", True),
}
"""Dynamo's setting → its name before release 2.6, and its value here."""


class Torch(Adapter):
    """PyTorch, on every device it can see."""

    name = "torch"
    modes = ("eager", "compile", *_OTHERS)
    compiled = ("compile",)
    further = tuple(_OTHERS)
    ways = tuple({**_EXPRESSIONS, **_OTHERS["masked"], **_DERIVATIVES})
    layouts = (
        "transposed", "heads", "step", "offset", "broadcast", "broadcast-row", "broadcast-axis",
    )  # no strides below zero  # fmt: skip
    distributions = ("torch",)
    also = ("pytorch",)
    variables = (
        "ATEN_CPU_CAPABILITY", "CUBLAS_WORKSPACE_CONFIG", "MKL_NUM_THREADS", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS",
        "TORCHINDUCTOR_COMPILE_THREADS", "TORCH_COMPILE_DISABLE",
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

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        vjp, name, kind = op.endswith("_vjp"), op.removesuffix("_vjp"), device.partition(":")[0]
        if mode == "compile" and self.no_compiler:
            raise NotOffered(self.no_compiler)
        if vjp and way != "plain" and mode != "eager":
            raise NotOffered(f"torch.{mode} has no way {way!r} to call {op}: it runs eagerly there")
        if mode == "safe" and name != "softmax":
            raise NotOffered(f"torch has no safe {name}, and so no way {way!r} to call {op}")
        if vjp and mode in ("special", "masked"):
            raise NotOffered(f"torch.{mode} has the gradients of torch.{name}, and no way {way!r} to call {op}")
        f = template(self.name, _OTHERS.get(mode, _EXPRESSIONS), op, "plain" if vjp else way).format(op=name, kind=kind)
        if mode == "autocast" and kind != "cpu":
            f = f"lambda x, axis: {f}(x, axis).to(x.dtype)"
        f = f"torch.compile({f})" if mode == "compile" else f
        define = template(self.name, _DERIVATIVES, op, way) if vjp else "f = {f}\n"
        return Program(
            setup="import torch\n",
            array="torch.tensor({values}, dtype=torch.float64).to(torch.{dtype}).to('{device}')",
            define=MAPPED.format(f=f, vmap="torch.func.vmap", **_ROWS[vjp]) if mode == "vmap" else define.format(f=f),
            numbers="numbers = lambda y: (str(y.dtype).removeprefix('torch.'), y.tolist())\n",
        )

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        if mode == "safe" and not hasattr(self.torch.ops.aten, "_safe_softmax"):
            raise NotOffered(f"torch {self.version} has no _safe_softmax")
        f = super().function(op, way, mode, device)
        return of_two_axes(f) if mode == "vmap" else f

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
