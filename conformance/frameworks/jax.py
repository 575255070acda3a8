"""JAX: its functions as they are, and inside ``jax.jit``.

Peculiarities
-------------
- float64 exists only after ``jax_enable_x64``; without it every array silently becomes float32.
- ``jax.nn.log_softmax`` is jitted inside and ``jax.nn.softmax`` is not: *eager* here means what a
  user gets by just calling it.
- The axis is static under ``jax.jit``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import RAW, Behind, Framework, Primitives
from conformance.producers import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Jax(Framework):
    """JAX, on every device it can see."""

    name = "jax"
    modes = ("eager", "jit")
    calls = {  # noqa: RUF012 - nobody writes to it
        **{name: f"jax.nn.{{op}}(x {symbol} o, axis=axis)" for name, symbol in SYMBOLS.items()},
        "fill": "jax.nn.{op}(jax.numpy.where(o != 0, x, -jax.numpy.inf), axis=axis)",
        "where": "jax.nn.{op}(x, axis=axis, where=o != 0)",
        "cast": "jax.nn.{op}(x.astype(o.dtype), axis=axis)",
        # The two axes are no neighbours.
        "axes": (
            "jax.numpy.moveaxis(jax.nn.{op}(jax.numpy.moveaxis(x.reshape(-1, 5, x.shape[-1] // 5), 1, 0), "
            "axis=(0, 2)), 0, 1).reshape(x.shape)"
        ),
        "flat": "jax.nn.{op}(x.reshape(5, -1), axis=None).reshape(x.shape)",
        "default": "jax.nn.{op}(x)",
    }

    def __init__(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", val=True)
        self.jax = jax
        self.version = jax.__version__
        self._jitted = cache(jax.jit)

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

    def function(self, op: str, mode: str, device: str) -> Callable[..., Any]:  # noqa: ARG002 - arrays know theirs
        forward = getattr(self.jax.nn, op.removesuffix("_vjp"))
        if mode == "jit":
            forward = self._jitted(forward, static_argnames="axis")
        if not op.endswith("_vjp"):
            return lambda x, axis: forward(x, axis=axis)

        def vjp(x: Any, axis: int, g: Any) -> Any:
            return self.jax.vjp(lambda x: forward(x, axis=axis), x)[1](g)[0]

        return vjp

    def produced(self, op: str, producer: str, mode: str, device: str) -> Callable[..., Any]:  # noqa: ARG002
        f: Callable[..., Any] = eval(self.written(op, producer), {"jax": self.jax})  # noqa: S307 - our own text
        jitted: Callable[..., Any] = self.jax.jit(f, static_argnums=2)
        return jitted if mode == "jit" else f

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - arrays know theirs
        jnp = self.jax.numpy
        return Primitives(
            exp=jnp.exp,
            log=jnp.log,
            sum=lambda x, axis: jnp.sum(x, axis=axis, keepdims=True),
            max=lambda x, axis: jnp.max(x, axis=axis, keepdims=True),
        )

    def script(
        self, op: str, mode: str, device: str, dtype: str, axis: int, values: str, behind: Behind | None = None
    ) -> str:
        def array(source: str, dtype: str) -> str:
            return f"jax.numpy.array({source}, dtype='float64').astype('{dtype}')"

        other = f"o = {array(behind.operand, dtype)}\n" if behind else ""
        f, arguments = (f"({self.written(op, behind.producer)})", "x, o") if behind else (f"jax.nn.{op}", "x")
        f = f"jax.jit({f}, static_argnames='axis')" if mode == "jit" else f
        kind, _, index = device.partition(":")
        return (
            "import jax\n"
            "jax.config.update('jax_enable_x64', True)\n"
            f"jax.config.update('jax_default_device', jax.devices({kind!r})[{index or 0}])\n"
            f"x = {array(values, behind.sent if behind else dtype)}\n"
            f"{other}"
            f"print({f}({arguments}, axis={axis}).tolist())\n"
        )
