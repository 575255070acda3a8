"""JAX: its functions as they are, inside ``jax.jit``, mapped by ``jax.vmap``, and those of ``jax.scipy.special``.

Peculiarities
-------------
- float64 exists only after ``jax_enable_x64``; without it every array silently becomes float32.
- ``jax.nn.log_softmax`` is jitted inside and ``jax.nn.softmax`` is not: *eager* here means what a
  user gets by just calling it.
- The axis is static under ``jax.jit``.
- A vjp is that of the function as the mode has it: jitted or not, ``jax.vjp`` stands outside.
- ``jax.vmap`` maps over an axis beside that of the rows, in eager mode; ``jax.scipy.special.softmax``, the mode ``special``,
  calls ``jax.nn.softmax``, without a mask, and means the whole array where no axis is named.
- Every compiled shape stays in memory until :meth:`Jax.forget`, and on disk: JAX compiles a program for each shape and
  elementary function, in eager mode too, and keeps none of them from one process to the next unless it is told where.
"""

from __future__ import annotations

import gc
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

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
    from collections.abc import Callable

    from numpy.typing import NDArray

_EXPRESSIONS = {
    "plain": "jax.nn.{op}",
    **{way: f"lambda x, o, axis: jax.nn.{{op}}(x {symbol} o, axis=axis)" for way, symbol in SYMBOLS.items()},
    "fill": "lambda x, o, axis: jax.nn.{op}(jax.numpy.where(o != 0, x, -jax.numpy.inf), axis=axis)",
    "where": "lambda x, o, axis: jax.nn.{op}(x, axis=axis, where=o != 0)",
    "cast": "lambda x, o, axis: jax.nn.{op}(x.astype(o.dtype), axis=axis)",
    # The two axes are no neighbours.
    "axes": (
        "lambda x, o, axis: jax.numpy.moveaxis(jax.nn.{op}(jax.numpy.moveaxis("
        "x.reshape(-1, 5, x.shape[-1] // 5), 1, 0), axis=(0, 2)), 0, 1).reshape(x.shape)"
    ),
    "flat": "lambda x, o, axis: jax.nn.{op}(x.reshape(5, -1), axis=None).reshape(x.shape)",
    "default": "lambda x, o, axis: jax.nn.{op}(x)",
    "then-scale": "lambda x, o, axis: jax.nn.{op}(x, axis=axis) * o",
    "then-sum": "lambda x, o, axis: (lambda y: y + o * y.sum(axis, keepdims=True))(jax.nn.{op}(x, axis=axis))",
    "then-index": "lambda x, o, axis: jax.numpy.take_along_axis(jax.nn.{op}(x, axis=axis), o.astype(int), -1)",
    # With all bits: by default a GPU may multiply in fewer.
    "then-matmul": (
        "lambda x, o, axis: jax.numpy.matmul(jax.nn.{op}(x, axis=axis)[..., None, :], "
        "jax.nn.one_hot(o, o.shape[-1], axis=-2, dtype=x.dtype), precision='highest')[..., 0, :]"
    ),
}

_OTHERS = {
    "vmap": {"plain": "jax.nn.{op}", "where": "jax.nn.{op}"},
    "special": {
        "plain": "lambda x, axis: jax.scipy.special.{op}(x, axis=axis)",
        "axes": _EXPRESSIONS["axes"].replace("jax.nn", "jax.scipy.special"),
        "flat": _EXPRESSIONS["flat"].replace("jax.nn", "jax.scipy.special"),
    },
}
"""Mode → way → the function, in the modes that map it, or call another one than ``jax.nn.softmax``."""

_ROWS = {
    "plain": {"arguments": "x, axis", "row": "lambda x: function(x, axis=inner)", "arrays": "x"},
    "where": {
        "arguments": "x, o, axis",
        "row": "lambda x, o: function(x, axis=inner, where=o != 0)",
        "arrays": "x, o",
    },
    "vjp": {
        "arguments": "x, axis, g",
        "row": "lambda x, g: jax.vjp(lambda x: function(x, axis=inner), x)[1](g)[0]",
        "arrays": "x, g",
    },
}
"""What is mapped → the parts of :data:`MAPPED`."""

_LOSS = """\
forward = {f}


def loss(x, axis):
    return -jax.numpy.take(forward(x, axis=axis), 0, axis).sum()
"""

_DERIVATIVES = {
    "plain": """\
forward = {f}


def f(x, axis, g):
    return jax.vjp(lambda x: forward(x, axis=axis), x)[1](g)[0]
""",
    "forward": """\
forward = {f}


def f(x, axis, g):
    return jax.jvp(lambda x: forward(x, axis=axis), (x,), (g,))[1]
""",
    "hessian": f"""\
{_LOSS}

def f(x, axis, g):
    return jax.vjp(jax.grad(lambda x: loss(x, axis)), x)[1](g)[0]
""",
    "hessian-forward": f"""\
{_LOSS}

def f(x, axis, g):
    return jax.jvp(jax.grad(lambda x: loss(x, axis)), (x,), (g,))[1]
""",
}
"""Way → the definition of the vjp, of the function ``{f}``."""


_CACHE = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


def _cache(version: str) -> str:
    """A folder for the compiled programs of one version on one processor: they hold its instructions."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - a string is wanted
    with suppress(OSError), open("/proc/cpuinfo", "rb") as file:  # noqa: PTH123
        lines = [line for line in file if line.startswith((b"model name", b"flags", b"Features", b"CPU part"))]
        processor = hashlib.blake2b(b"".join(sorted(set(lines))), digest_size=6).hexdigest()
        return os.path.join(home, "softmax-conformance", f"jax-{version}-{processor}")  # noqa: PTH118
    return ""


class Jax(Adapter):
    """JAX, on every device it can see."""

    name = "jax"
    modes = ("eager", "jit", *_OTHERS)
    compiled = ("jit",)
    further = tuple(_OTHERS)
    ways = tuple({**_EXPRESSIONS, **_DERIVATIVES})
    distributions = ("jax", "jaxlib")
    also = ("jnp",)
    variables = (
        "JAX_DEFAULT_MATMUL_PRECISION", "JAX_ENABLE_COMPILATION_CACHE", "JAX_PLATFORMS", "NVIDIA_TF32_OVERRIDE",
        "XLA_FLAGS",
    )  # fmt: skip

    def __init__(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - JAX's own signature
        self.jax = jax
        self.version = jax.__version__
        folder = _cache(self.version)
        if folder and jax.config.jax_compilation_cache_dir is None:
            jax.config.update("jax_compilation_cache_dir", folder)
            for name, value in _CACHE.items():
                jax.config.update(name, value)

    def devices(self) -> tuple[str, ...]:
        try:
            gpus = self.jax.devices("cuda")
        except RuntimeError:  # JAX's way to say that this installation has no CUDA backend
            gpus = []
        return ("cpu", *(f"cuda:{i}" for i, _ in enumerate(gpus)))

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if dtype in RAW:
            stored = stored.view(getattr(self.jax.numpy, dtype).dtype)
        kind, _, index = device.partition(":")
        # On the CPU JAX may alias a NumPy buffer: hand it a copy of its own.
        return self.jax.device_put(stored.copy(), self.jax.devices(kind)[int(index or 0)])

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        dtype, stored = str(array.dtype), np.asarray(array)
        return dtype, stored.view(RAW[dtype]) if dtype in RAW else stored

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        vjp, name = op.endswith("_vjp"), op.removesuffix("_vjp")
        if vjp and (mode == "special" or (mode == "vmap" and way != "plain")):
            raise NotOffered(f"jax in the mode {mode} has no way {way!r} to call {op}")
        name = "log_softmax" if way.startswith("hessian") else name
        f = template(self.name, _OTHERS.get(mode, _EXPRESSIONS), op, "plain" if vjp else way).format(op=name)
        define = template(self.name, _DERIVATIVES, op, way) if vjp else "f = {f}\n"
        f = f"jax.jit({f}, static_argnames='axis')" if mode == "jit" else f
        kind, _, index = device.partition(":")
        special = "import jax.scipy.special\n" if mode == "special" else ""
        return Program(
            setup=f"import jax\n{special}import numpy\n\njax.config.update('jax_enable_x64', True)\n",
            array=(
                "jax.device_put(numpy.array({values}, dtype=jax.numpy.dtype('{dtype}')), "
                f"jax.devices({kind!r})[{index or 0}])"
            ),
            define=define.format(f=f)
            if mode != "vmap"
            else MAPPED.format(f=f, vmap="jax.vmap", **_ROWS["vjp" if vjp else way]),
            numbers="numbers = lambda y: (str(y.dtype), y.tolist())\n",
        )

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        f = super().function(op, way, mode, device)
        if mode == "special":
            from jax.scipy import special

            if not hasattr(special, op):  # as in 0.4.30
                raise NotOffered(f"JAX {self.version} has no jax.scipy.special.{op}")
        return of_two_axes(f) if mode == "vmap" else f

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - arrays know theirs
        jnp = self.jax.numpy
        return Primitives(
            exp=jnp.exp,
            log=jnp.log,
            sum=lambda x, axis: jnp.sum(x, axis=axis, keepdims=True),
            max=lambda x, axis: jnp.max(x, axis=axis, keepdims=True),
        )

    def refuses(self, error: BaseException) -> bool:
        return super().refuses(error) or (isinstance(error, RuntimeError) and str(error).startswith("UNIMPLEMENTED"))

    def state(self) -> dict[str, object]:
        config = self.jax.config
        return {
            "64-bit numbers": config.jax_enable_x64,
            "default device": str(config.jax_default_device),
            "default matmul precision": str(config.jax_default_matmul_precision),
            "NaN raises": config.jax_debug_nans,
        }

    def forget(self) -> None:
        super().forget()
        self.jax.clear_caches()
        gc.collect()  # a compiled program hangs in cycles
